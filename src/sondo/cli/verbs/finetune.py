"""`sondo finetune`."""

from __future__ import annotations

from typing import Any

import jsonargparse

from sondo.classifier.config import FinetuneConfig
from sondo.cli.shared import LABELLED_DATA, add_code, instance
from sondo.recipe import AugmentConfig

HELP = "a student and a head trained together on your classes"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument("--config", action="config", help="recipe file (YAML); options given beside it win")
    verb.add_argument(
        "model", help="the student to start from: a run, a student's folder, owner/name on the hub, a published .ckpt …"
    )
    verb.add_argument("--data", required=True, help=LABELLED_DATA)
    verb.add_argument("--out", required=True, help="folder of the run")
    verb.add_argument("--num_folds", type=int, default=5, help="folds that are made where the data brings none")
    verb.add_class_arguments(FinetuneConfig, "finetune")
    verb.add_class_arguments(AugmentConfig, "augment", skip={"views"})  # there is no teacher that listens
    add_code(verb)


def run(settings: Any) -> None:
    """Train, show."""
    from sondo.errors import require
    from sondo.report.classifier import show_finetuned

    config = instance(FinetuneConfig, settings.finetune)
    augmentation = instance(AugmentConfig, settings.augment)
    require("lightning", extra="train", why="Fine-tuning needs lightning")
    from sondo.classifier import finetune

    summary = finetune(
        settings.model,
        data=settings.data,
        out=settings.out,
        config=config,
        augmentation=augmentation,
        num_folds=settings.num_folds,
        allow_code=settings.allow_code,
    )
    show_finetuned(summary)
