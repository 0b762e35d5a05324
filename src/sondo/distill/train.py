"""Train a student from a bank: the last stage before evaluation."""

from __future__ import annotations

import dataclasses
import hashlib
import json
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import nn

from sondo import __version__
from sondo.bank import Bank
from sondo.bank.schema import TRAIN_SPLITS, VALID_SPLITS
from sondo.distill import losses
from sondo.distill.batch_norm import BATCHES, TIMES_TRAINING
from sondo.distill.cluster import read_clusters, require_complete
from sondo.distill.data import BankBatches, BankData, vectors_of
from sondo.distill.devices import check_devices
from sondo.distill.finish import finish
from sondo.distill.fit import fit, optimizer_of, schedule_of, tell_of_schedule
from sondo.distill.geometry import TargetGeometry
from sondo.distill.losses.matryoshka import prefix_embeddings
from sondo.distill.module import Distillation
from sondo.distill.objective import Objective
from sondo.distill.online import Listening, OnlineTeacher, check_listening, check_online
from sondo.distill.run_folder import HEARD, STUDENT, alone_in, claim_training
from sondo.distill.sampling import balanced_weights, class_balanced_weights
from sondo.distill.sound_views import SoundBatches
from sondo.distill.supervised import classes_of, measure_map
from sondo.distill.views import LogMelViews
from sondo.errors import SondoError
from sondo.recipe import AugmentConfig, StudentConfig, TrainConfig
from sondo.screen import say
from sondo.students import Projector, ProjectorEnsemble, Student, create, save
from sondo.students.dymn import EVEN_TEMPERATURE
from sondo.students.efficientat import start_from, student_options
from sondo.students.registry import default_readout

CHUNK_CLIPS, GEOMETRY_CLIPS = 4096, 100_000

_LEAST_CHANNELS = 4


def train(
    bank: Bank,
    *,
    teachers: Sequence[str],
    clusters: str | None,
    student: StudentConfig,
    config: TrainConfig,
    out: Path,
    augmentation: AugmentConfig | None = None,
    online: Sequence[OnlineTeacher] = (),
) -> Path:
    """Distil a teacher's column into a student, or the columns of several teachers.

    Rows whose split is empty or `train` are trained on, those of a `valid` split are watched, others (`test`) are
    left out. After every epoch the state is on disk; the same call goes on from there and, on the same machine,
    ends with the weights of an undisturbed run.

    Args:
        bank: The bank, with log-mels and the columns named here.
        teachers: The teachers' columns; none is looked at where labels are all that is asked for.
        clusters: The cluster column that balanced sampling draws from, and that some losses compare by; None for
            other sampling.
        student: Which student.
        config: How to train.
        out: Folder of the run; the student lands in `out/student`.
        augmentation: How clips are changed; not at all when left out.
        online: Those of the teachers that listen to the changed clips; the others' vectors stay the bank's.

    Returns:
        The student's folder.

    Raises:
        SondoError: A column that is absent or stale, a folder of another run, no clips to train on, no labels where
            they are asked for, an online teacher that would hear nothing new, or another process in this folder.
    """
    with alone_in(out):
        return _train(
            bank, teachers, clusters, student, config, out, augmentation=augmentation or AugmentConfig(), online=online
        )


def _train(
    bank: Bank,
    teachers: Sequence[str],
    clusters: str | None,
    student: StudentConfig,
    config: TrainConfig,
    out: Path,
    *,
    augmentation: AugmentConfig,
    online: Sequence[OnlineTeacher],
) -> Path:
    check_listening(augmentation, is_online=bool(online), supervised=config.supervised, compat=bank.info.compat)
    check_devices(config, is_online=bool(online))
    teachers = _asked(bank, teachers, clusters, config)
    check_columns(teachers)
    for teacher in teachers:
        require_complete(bank, teacher)
    origins = [bank.origin(teacher) or {} for teacher in teachers]
    weights, train_rows, valid_rows = _rows(bank, clusters, config, teachers)
    dims = [int(origin["embedding_dim"]) for origin in origins]
    goals = check_fits(student, config, dims, has_clusters=clusters is not None)
    needs_clusters = any(goal.needs_clusters for goal in goals)
    check_online(bank, online)
    classes = classes_of(bank, train_rows, valid_rows) if config.supervised > 0 else []
    listening = {each.column: each for each in online}
    settings = _settings(bank, teachers, clusters, student, config, len(train_rows), out)
    settings["bank"][HEARD] = _heard(bank, clusters, config, train_rows, valid_rows)
    claim_training(bank, out, settings | {"augment": vars(augmentation), "online": list(listening)})
    target = out / STUDENT
    if (target / "config.json").exists():
        say(f"train: {target} is there already")
        return target

    lightning.seed_everything(config.seed, verbose=False)
    network, init = _network(student, nested=bool(config.matryoshka))
    geometries = [TargetGeometry.fit(_chunks(bank, teacher, train_rows), config.geometry) for teacher in teachers]
    objective, heads, norm, classifier = _objective(
        network, config, teachers, origins, goals, geometries, listening=list(listening), num_classes=len(classes)
    )
    batches = BankBatches(bank.path, teachers, clusters=clusters if needs_clusters else None, classes=classes)
    seed, views = config.seed, augmentation.views
    heard = [listening[teacher] for teacher in teachers if teacher in listening]
    rates = [each.teacher.sample_rate for each in heard]
    listen = Listening([listening.get(teacher) for teacher in teachers], views=views, folder=out / "views")
    data = BankData(
        batches,
        sounds=SoundBatches(batches, augmentation, seed=seed, sample_rates=rates) if heard else None,
        weights=weights,
        valid_rows=valid_rows,
        config=config,
        views=views,
    )
    module = Distillation(
        network,
        objective,
        view=listen if heard else LogMelViews(augmentation, seed=seed, log_offset=bank.info.front_end.log_offset),
        optimizer=optimizer_of(config),
        schedule=schedule_of(config),
        steps_per_epoch=data.steps_per_epoch,
        seed=seed,
    )
    network.backbone.to(memory_format=memory_format(network.backbone))  # type: ignore[call-overload]
    tell_of_schedule(config)
    fit(module, data, config, out, callbacks=[listen] if heard else [])
    module.cpu()
    measured = data.large_batches(config.epochs, times=TIMES_TRAINING, most=BATCHES)
    projectors = finish(network, heads, geometries, measured, norm=norm)
    network.backbone.to(memory_format=torch.contiguous_format)  # type: ignore[call-overload]
    told = {} if classifier is None else measure_map(network, classifier, data.valid_batches())
    notes = {"clips": len(train_rows), **vars(config), **({"classes": len(classes)} if classes else {}), **told, **init}
    save(network, target, projector=projectors, info=_info(origins, notes))
    return target


def check_columns(teachers: Sequence[str]) -> None:
    """Refuse several teachers of one column.

    Args:
        teachers: Their columns, `teacher.<name>`.

    Raises:
        SondoError: Two are the same.
    """
    if twice := [column for column in teachers if teachers.count(column) > 1]:
        raise SondoError(f"two teachers share the column {twice[0]}: give one of them a name (--teacher.label)")


def check_fits(
    student: StudentConfig, config: TrainConfig, teacher_dims: Sequence[int], *, has_clusters: bool
) -> list[losses.Loss]:
    """Refuse settings that do not fit each other, before anything is done.

    Args:
        student: Which student.
        config: How to train.
        teacher_dims: Values of each teacher's vectors.
        has_clusters: Whether clusters are drawn from.

    Returns:
        The loss of each teacher.

    Raises:
        SondoError: No such loss or student, lengths that the embedding has not, a loss without its clusters, or teacher
            dropping with one teacher.
    """
    if config.teacher_dropping and len(teacher_dims) == 1:
        raise SondoError("--train.teacher_dropping chooses among several teachers, and there is one: leave it out")
    goals = [losses.create(config.loss, teacher_dim=dim) for dim in teacher_dims]
    if not has_clusters and any(goal.needs_clusters for goal in goals):
        raise SondoError(f"the loss {config.loss!r} compares clips by their clusters: set --train.sampling balanced")
    network, _ = _network(dataclasses.replace(student, init=None), nested=bool(config.matryoshka))
    if config.matryoshka:
        prefix_embeddings(torch.zeros(1, network.embedding_dim), config.matryoshka)
    return goals


def _heard(
    bank: Bank, clusters: str | None, config: TrainConfig, train_rows: NDArray[np.int64], valid_rows: NDArray[np.int64]
) -> str:
    """Hash of what is trained on and watched: which rows, their clusters and, where they are asked for, labels."""
    rows = np.concatenate([train_rows, valid_rows])
    digest = hashlib.sha256(f"{len(train_rows)} ".encode() + rows.astype(np.int64).tobytes())
    if clusters is not None:
        digest.update(read_clusters(bank, clusters)[train_rows].tobytes())
    if config.supervised > 0 or config.sampling == "classes":
        labels = bank.read(["labels"]).column(0).to_pylist()
        digest.update(json.dumps([labels[row] for row in rows]).encode())
    return digest.hexdigest()[:16]


def _asked(bank: Bank, teachers: Sequence[str], clusters: str | None, config: TrainConfig) -> Sequence[str]:
    """The teachers that have a say: all, or none where labels are all that is asked for."""
    if config.supervised < 1:
        if not teachers:
            raise SondoError("nobody teaches: name a teacher's column, or learn from labels (--train.supervised 1)")
        return teachers
    if clusters is not None and not bank.has_column(clusters):
        raise SondoError(
            f"{bank.path} has no column {clusters} to draw from: with labels alone, set --train.sampling classes "
            "or uniform, which need no teacher"
        )
    return []


def _objective(
    network: Student,
    config: TrainConfig,
    teachers: Sequence[str],
    origins: Sequence[dict[str, Any]],
    goals: list[losses.Loss],
    geometries: list[TargetGeometry],
    *,
    listening: Sequence[str],
    num_classes: int,
) -> tuple[Objective, list[Projector | ProjectorEnsemble], nn.BatchNorm1d | None, nn.Module | None]:
    """What is asked of the student, with the parts of it that are finished when training ends."""
    heads = [_head(network, int(origin["embedding_dim"]), config) for origin in origins]
    norm = nn.BatchNorm1d(network.embedding_dim, affine=False) if config.head == "linear" else None
    classifier = network.make_projector(num_classes) if num_classes else None
    objective = Objective(
        heads,
        goals,
        norm=norm,
        names=[teacher.removeprefix("teacher.") for teacher in teachers],
        geometries=geometries,
        online=[teacher in listening for teacher in teachers],
        matryoshka=config.matryoshka,
        teacher_dropping=config.teacher_dropping,
        classifier=classifier,
        supervised=config.supervised,
    )
    return objective, heads, norm, classifier


def memory_format(backbone: nn.Module) -> torch.memory_format:
    """Channels last, which trains faster, unless a convolution has very few channels.

    With those, torch 2.13 on a CPU crashes in the backward pass of ERes2Net below a quarter of its width.
    """
    narrowest = min((part.out_channels for part in backbone.modules() if isinstance(part, nn.Conv2d)), default=0)
    return torch.channels_last if narrowest >= _LEAST_CHANNELS else torch.contiguous_format


def _head(network: Student, embedding_dim: int, config: TrainConfig) -> Projector | ProjectorEnsemble:
    linear = config.head == "linear"
    heads = [network.make_projector(embedding_dim, linear=linear) for _ in range(config.projectors)]
    return heads[0] if len(heads) == 1 else ProjectorEnsemble(heads)


def _network(student: StudentConfig, *, nested: bool) -> tuple[Student, dict[str, Any]]:
    """The student, with the weights to start from, and what its card should know of these."""
    options = {"readout": default_readout(student.name, nested=nested)} | student.options()
    if student.name == "dymn":
        options |= student_options(student.init) if student.init else {"temperature": EVEN_TEMPERATURE}
    network = create(student.name, **options)
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
    bank: Bank, clusters: str | None, config: TrainConfig, teachers: Sequence[str]
) -> tuple[NDArray[np.float64], NDArray[np.int64], NDArray[np.int64]]:
    """Weights of all rows (0 outside the training part), rows to train on, rows to watch.

    Clips to which a teacher gave a zero vector are in neither part.
    """
    splits = [value or "train" for value in bank.read(["split"]).column(0).to_pylist()]
    train_rows = np.flatnonzero([split.lower() in TRAIN_SPLITS for split in splits])
    valid_rows = np.flatnonzero([split.lower() in VALID_SPLITS for split in splits])
    for teacher in teachers:
        if len(rows := bank.zero_rows(teacher)):
            say(f"train: {len(rows)} of {len(bank)} clips are left out, whose {teacher} is zero and has no direction")
            train_rows, valid_rows = np.setdiff1d(train_rows, rows), np.setdiff1d(valid_rows, rows)
    if len(train_rows) < 2:
        raise SondoError(
            f"{bank.path} has {len(train_rows)} clips to train on (splits there: {', '.join(sorted(set(splits)))}; "
            f"training takes those without a split or with {', '.join(TRAIN_SPLITS)}): at least 2 are needed"
        )
    weights = np.zeros(len(bank))
    weights[train_rows] = 1 / len(train_rows)
    if config.sampling == "classes":
        labels = bank.read(["labels"]).column(0).to_pylist()
        weights[train_rows] = class_balanced_weights([labels[row] or [] for row in train_rows])
        _check_labelled(bank, int((weights > 0).sum()), len(train_rows))
    elif clusters is not None:
        weights[train_rows] = balanced_weights(read_clusters(bank, clusters)[train_rows])
    return weights, train_rows, valid_rows


def _check_labelled(bank: Bank, num_labelled: int, num_clips: int) -> None:
    """Say how many clips sampling by classes never draws.

    Raises:
        SondoError: Too few are left.
    """
    if num_labelled < 2:
        raise SondoError(
            f"{bank.path}: {num_labelled} of {num_clips} clips to train on has a label, and --train.sampling classes "
            "draws from such alone: at least 2 are needed"
        )
    if num_labelled < num_clips:
        say(
            f"train: {num_clips - num_labelled} of {num_clips} clips have no label, and --train.sampling classes never "
            "draws them"
        )


def _settings(
    bank: Bank,
    teachers: Sequence[str],
    clusters: str | None,
    student: StudentConfig,
    config: TrainConfig,
    num_rows: int,
    out: Path,
) -> dict[str, Any]:
    """What makes this run the same run. A bank inside its folder is named from there: it moves with it."""
    path, home = bank.path.resolve(), out.resolve()
    inside = path.relative_to(home) if path.is_relative_to(home) else path
    return {
        "bank": {"path": str(inside), "num_clips": len(bank), "num_training_clips": num_rows},
        "teachers": [{"column": teacher, "origin": bank.origin(teacher)} for teacher in teachers],
        "clusters": clusters,
        "student": vars(student),
        "train": vars(config),
    }


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
    together = each[0] if each else {}
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
