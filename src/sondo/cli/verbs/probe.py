"""`sondo probe`."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import jsonargparse

from sondo.cli.shared import LABELLED_DATA, add_code

HELP = "a classifier for your classes on a student, as one file"


def build(verb: jsonargparse.ArgumentParser) -> None:
    """Its options."""
    verb.add_argument(
        "model",
        help="an .onnx file, the folder of a run or of a student, owner/name on the hub, a published .ckpt or its name",
    )
    verb.add_argument("--data", help=LABELLED_DATA)
    verb.add_argument("--out", required=True, help="the classifier to write, ending in .onnx")
    verb.add_argument(
        "--head",
        default="linear",
        help="linear or mlp, fitted on --data; words, fitted on nothing, for a student of CLAP; or a published head: "
        "esc50 etc., or a .pth file",
    )
    verb.add_argument(
        "--classes",
        help="a text file, one in each line: names of the classes of a published head, or the words; for words the "
        "classes of --data by default",
    )
    verb.add_argument("--teacher", help="for words, who reads them: the student's teacher, such as hf:MODEL")
    verb.add_argument("--prompt", help="for words, the sentence around each; 'This is a sound of {}.' by default")
    verb.add_argument("--num_folds", type=int, default=5, help="folds that are made where the data brings none")
    verb.add_argument("--overwrite", action="store_true", help="replace a file that is there")
    add_code(verb)


def run(settings: Any) -> None:
    """Fit, write, show."""
    from sondo.classifier import probe
    from sondo.classifier.published import read_classes
    from sondo.classifier.words import PROMPT
    from sondo.report.classifier import show_classifier

    report = probe(
        settings.model,
        data=settings.data,
        out=settings.out,
        head=settings.head,
        classes=None if settings.classes is None else read_classes(Path(settings.classes)),
        teacher=settings.teacher,
        prompt=settings.prompt or PROMPT,
        num_folds=settings.num_folds,
        overwrite=settings.overwrite,
        allow_code=settings.allow_code,
    )
    show_classifier(report)
