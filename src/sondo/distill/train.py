"""Train a student from a bank: the last stage before evaluation."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from lightning.pytorch.callbacks import ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from numpy.typing import NDArray
from torch import nn

from sondo import __version__
from sondo.bank import Bank
from sondo.distill import losses
from sondo.distill.batch_norm import measure_batch_norms
from sondo.distill.checkpoint import SafetensorsCheckpointIO
from sondo.distill.cluster import read_clusters, require_complete
from sondo.distill.data import BankData, vectors_of
from sondo.distill.geometry import TargetGeometry
from sondo.distill.module import Distillation
from sondo.distill.progress import ProgressLine
from sondo.distill.sampling import balanced_weights, class_balanced_weights
from sondo.distill.schedule import WarmUpRampDown
from sondo.errors import SondoError
from sondo.recipe import AugmentConfig, StudentConfig, TrainConfig, claim_folder
from sondo.screen import say
from sondo.students import Student, create, save
from sondo.students.efficientat import start_from, student_options

CHUNK_CLIPS, GEOMETRY_CLIPS = 4096, 100_000
WARMUP_SHARE, RAMP_DOWN_SHARE = 0.08, 0.2
TRAIN_SPLITS = ("train", "training")
VALID_SPLITS = ("valid", "validation", "val", "dev")


def train(
    bank: Bank,
    *,
    teachers: Sequence[str],
    clusters: str | None,
    student: StudentConfig,
    config: TrainConfig,
    out: Path,
    augmentation: AugmentConfig | None = None,
) -> Path:
    """Distil a teacher's column into a student, or the columns of several teachers.

    Rows whose split is empty or `train` are trained on, those of a `valid` split are watched, others (`test`) are
    left out. After every epoch the state is on disk; the same call goes on from there and, on the same machine,
    ends with the weights of an undisturbed run.

    Args:
        bank: The bank, with log-mels and the columns named here.
        teachers: The teachers' columns.
        clusters: The cluster column that balanced sampling draws from, and that some losses compare by; None for
            other sampling.
        student: Which student.
        config: How to train.
        out: Folder of the run; the student lands in `out/student`.
        augmentation: How clips are changed; not at all when left out.

    Returns:
        The student's folder.

    Raises:
        SondoError: A column that is absent or stale, a folder of another run, or no clips to train on.
    """
    if len(set(teachers)) < len(teachers):
        raise SondoError(f"two teachers share the column {teachers[0]}: give one of them a name (--teacher.label)")
    for teacher in teachers:
        require_complete(bank, teacher)
    origins = [bank.origin(teacher) or {} for teacher in teachers]
    weights, train_rows, valid_rows = _rows(bank, clusters, config)
    goals = [losses.create(config.loss, teacher_dim=int(origin["embedding_dim"])) for origin in origins]
    needs_clusters = any(goal.needs_clusters for goal in goals)
    if needs_clusters and clusters is None:
        raise SondoError(f"the loss {config.loss!r} compares clips by their clusters: set --train.sampling balanced")
    augmentation = augmentation or AugmentConfig()
    settings = _settings(bank, teachers, clusters, student, config, len(train_rows))
    claim_folder(out, settings | {"augment": vars(augmentation)}, note="train.json")
    target = out / "student"
    if (target / "config.json").exists():
        say(f"train: {target} is there already")
        return target

    lightning.seed_everything(config.seed, verbose=False)
    network, init = _network(student)
    projectors = [network.make_projector(int(origin["embedding_dim"])) for origin in origins]
    data = BankData(
        bank,
        teachers,
        weights=weights,
        valid_rows=valid_rows,
        config=config,
        clusters=clusters if needs_clusters else None,
    )
    geometries = [TargetGeometry.fit(_chunks(bank, teacher, train_rows), config.geometry) for teacher in teachers]
    module = Distillation(
        network,
        projectors,
        goals,
        geometries=geometries,
        matryoshka=config.matryoshka,
        augmentation=augmentation,
        log_offset=network.front_end.config.log_offset,
        optimizer=_optimizer(config),
        schedule=_schedule(config),
        steps_per_epoch=data.steps_per_epoch,
        seed=config.seed,
        names=[teacher.removeprefix("teacher.") for teacher in teachers],
        teacher_dropping=config.teacher_dropping,
    )
    network.backbone.to(memory_format=torch.channels_last)  # type: ignore[call-overload]
    _fit(module, data, config, out)
    module.cpu()
    measure_batch_norms(network, data.fresh_batches(config.epochs))
    network.backbone.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    for projector, geometry in zip(projectors, geometries, strict=True):
        projector.append_linear(*geometry.as_linear())
    notes = {"clips": len(train_rows), **vars(config), **init}
    save(network, target, projector=projectors, info=_info(origins, notes))
    return target


def _network(student: StudentConfig) -> tuple[Student, dict[str, Any]]:
    """The student, with the weights to start from, and what its card should know of these."""
    started = student_options(student.init) if student.name == "dymn" else {}
    network = create(student.name, **student.options(), **started)
    if student.init is None:
        return network, {}
    width = student.width_mult or 1.0
    return network, start_from(network.backbone, student.init, student_name=student.name, width_mult=width)


def _chunks(bank: Bank, teacher: str, rows: NDArray[np.int64]) -> Iterator[NDArray[np.float32]]:
    """A teacher's vectors in parts, of an even sample of the rows where there are very many."""
    sample = rows[np.unique(np.linspace(0, len(rows) - 1, min(len(rows), GEOMETRY_CLIPS)).astype(np.int64))]
    for first in range(0, len(sample), CHUNK_CLIPS):
        yield vectors_of(bank.take(sample[first : first + CHUNK_CLIPS], [teacher]).column(0))


def _rows(
    bank: Bank, clusters: str | None, config: TrainConfig
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Weights of all rows (0 outside the training part), rows to train on, rows to watch."""
    splits = [value or "train" for value in bank.read(["split"]).column(0).to_pylist()]
    train_rows = np.flatnonzero([split.lower() in TRAIN_SPLITS for split in splits])
    valid_rows = np.flatnonzero([split.lower() in VALID_SPLITS for split in splits])
    if len(train_rows) < 2:
        raise SondoError(
            f"{bank.path} has {len(train_rows)} clips to train on (splits there: {', '.join(sorted(set(splits)))}; "
            f"training takes those without a split or with {' or '.join(TRAIN_SPLITS)}): at least 2 are needed"
        )
    weights = np.zeros(len(bank))
    weights[train_rows] = 1 / len(train_rows)
    if config.sampling == "classes":
        labels = bank.read(["labels"]).column(0).to_pylist()
        weights[train_rows] = class_balanced_weights([labels[row] or [] for row in train_rows])
    elif clusters is not None:
        weights[train_rows] = balanced_weights(read_clusters(bank, clusters)[train_rows])
    return weights, train_rows, valid_rows


def _settings(
    bank: Bank,
    teachers: Sequence[str],
    clusters: str | None,
    student: StudentConfig,
    config: TrainConfig,
    num_rows: int,
) -> dict[str, Any]:
    """What makes this run the same run."""
    return {
        "bank": {"path": str(bank.path.resolve()), "num_clips": len(bank), "num_training_clips": num_rows},
        "teachers": [{"column": teacher, "origin": bank.origin(teacher)} for teacher in teachers],
        "clusters": clusters,
        "student": vars(student),
        "train": vars(config),
    }


def _optimizer(config: TrainConfig) -> Callable[[list[nn.Parameter]], torch.optim.Optimizer]:
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
    return functools.partial(kind, lr=config.learning_rate, weight_decay=config.weight_decay)


def _schedule(config: TrainConfig) -> WarmUpRampDown:
    start = RAMP_DOWN_SHARE * config.epochs if config.ramp_down_start is None else config.ramp_down_start
    length = max(config.epochs - start, 1e-9) if config.ramp_down_epochs is None else config.ramp_down_epochs
    warmup = WARMUP_SHARE * config.epochs if config.warmup_epochs is None else config.warmup_epochs
    return WarmUpRampDown(
        warmup_epochs=warmup, ramp_down_start=start, ramp_down_epochs=length, last_factor=config.last_factor
    )


def _precision(config: TrainConfig) -> Any:
    bfloat16 = config.precision == "bfloat16"
    if config.precision == "auto":
        bfloat16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return "bf16-mixed" if bfloat16 else "32-true"


def _fit(module: Distillation, data: BankData, config: TrainConfig, out: Path) -> None:
    with _quiet():
        csv = CSVLogger(out, name="logs")
        trainer = lightning.Trainer(
            accelerator="auto",
            devices=1,
            max_epochs=config.epochs,
            precision=_precision(config),
            gradient_clip_val=config.gradient_clip,
            logger=[csv, TensorBoardLogger(out, name="logs", version=csv.version)],
            log_every_n_steps=10,
            callbacks=[
                # No score chooses between epochs: the last one is what a resumed run needs, and the result.
                ModelCheckpoint(out / "checkpoints", filename="last", save_top_k=1, enable_version_counter=False),
                ProgressLine(epochs=config.epochs, clips_per_epoch=data.clips_per_epoch),
            ],
            plugins=[SafetensorsCheckpointIO()],
            use_distributed_sampler=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        last = out / "checkpoints" / "last.ckpt"
        try:
            trainer.fit(module, data, ckpt_path=str(last) if last.exists() else None)
        except SystemExit as stop:  # lightning's way to leave after Ctrl-C
            raise KeyboardInterrupt from stop
        if trainer.interrupted:
            raise KeyboardInterrupt


@contextmanager
def _quiet() -> Iterator[None]:
    """Lightning's hints about devices and workers say nothing to a user of sondo."""
    logger = logging.getLogger("lightning.pytorch")
    level = logger.level
    logger.setLevel(logging.ERROR)
    try:
        with warnings.catch_warnings():
            warnings.filterwarnings("ignore", module="lightning")
            yield
    finally:
        logger.setLevel(level)


def _info(origins: Sequence[dict[str, Any]], training: dict[str, Any]) -> dict[str, Any]:
    """Where the student comes from. Several teachers are one origin together, and each by itself."""
    each = [
        {
            "name": origin.get("teacher", ""),
            "fingerprint": origin.get("fingerprint", ""),
            "licence": origin.get("licence", "unknown"),
            "embedding_dim": origin.get("embedding_dim", 0),
            "num_params": origin.get("num_params", 0),
        }
        for origin in origins
    ]
    together = each[0]
    if len(each) > 1:
        together = {
            "name": "+".join(str(teacher["name"]) for teacher in each),
            "fingerprint": "+".join(str(teacher["fingerprint"]) for teacher in each),
            "licence": "; ".join(f"{teacher['name']}: {teacher['licence']}" for teacher in each),
        }
    return {
        "teacher": together,
        **({"teachers": each} if len(each) > 1 else {}),
        "training": training,
        "sondo_version": __version__,
    }
