"""Teachers that listen in training, and what is kept of what they said."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any

import lightning
import numpy as np
import torch
from safetensors import safe_open
from safetensors.torch import save_file
from torch import Tensor

from sondo.bank import Bank
from sondo.bank.column import describe_difference
from sondo.distill.data import Batch, view_of
from sondo.distill.sound import Sounds
from sondo.distill.teach import check_vectors, embed_sounds, origin_of, teacher_column
from sondo.errors import SondoError
from sondo.recipe import AugmentConfig
from sondo.scratch import replacing
from sondo.teachers import Teacher


class OnlineTeacher:
    """A teacher that can listen in training.

    Args:
        teacher: Anything with the teacher's shape, see `sondo.teachers.Teacher`.
        batch_size: Sounds of equal length that it gets at a time.

    Raises:
        SondoError: Its vectors were computed elsewhere, so it hears nothing.
    """

    def __init__(self, teacher: Teacher, *, batch_size: int = 8) -> None:
        if not getattr(teacher, "needs_audio", True):
            raise SondoError(
                f"teacher {teacher.name} has vectors of the bank's clips alone and cannot listen in training: "
                "leave out --teacher.online"
            )
        self.teacher, self.batch_size = teacher, batch_size
        self.column = teacher_column(teacher)

    def vectors(self, sounds: Sounds, names: Sequence[str]) -> Tensor:
        """What it makes of sounds at its rate, in the precision that a bank keeps.

        Args:
            sounds: (samples,) each.
            names: What to call each of them in an error.

        Shape:
            -> (len(sounds), embedding_dim), float16.

        Raises:
            SondoError: A vector that is none; see `sondo.distill.teach`.
        """
        # Training may run in half precision; what a teacher says of a clip must not depend on who asks.
        with torch.autocast("cpu", enabled=False), torch.autocast("cuda", enabled=False):
            vectors = embed_sounds(self.teacher, sounds, self.batch_size)
        return torch.from_numpy(check_vectors(vectors, names, self.teacher).astype(np.float16))


def check_listening(
    augmentation: AugmentConfig, *, is_online: bool, supervised: float = 0.0, compat: str | None = None
) -> None:
    """Refuse settings with which listening in training could not mean what it says, before anything is done.

    Args:
        augmentation: How clips are changed.
        is_online: Whether a teacher listens.
        supervised: Share of the clips' labels in the loss.
        compat: How the bank is ingested.

    Raises:
        SondoError: Views without a teacher that hears them, labels alone, nothing that changes the sound, or a bank
            whose teachers hear another part of the file.
    """
    if not is_online:
        if augmentation.views is not None:
            raise SondoError("augment.views keeps what online teachers say: set --teacher.online, or leave it out")
        return
    if supervised == 1:
        raise SondoError("with --train.supervised 1 no teacher is asked: leave out --teacher.online")
    if not augmentation.changes_sound:
        raise SondoError(
            "an online teacher listens to what augmentation makes of a clip, and nothing changes the sound: set "
            "--augment.gain_db, --augment.roll or --augment.mixup_alpha, or leave out --teacher.online"
        )
    if compat is not None:
        raise SondoError(
            f"in a bank of compat {compat} teacher and student hear other parts of a file: leave out "
            "--teacher.online, or ingest into a bank without compat"
        )


def check_online(bank: Bank, teachers: Sequence[OnlineTeacher]) -> None:
    """Refuse an online teacher that is not the one of its column.

    Raises:
        SondoError: There is one.
    """
    for each in teachers:
        standing, found = bank.origin(each.column) or {}, origin_of(each.teacher)
        if standing != found:
            raise SondoError(
                f"{bank.path}: column {each.column} is of another teacher than the one that would listen: "
                f"{describe_difference(standing, found)}. Run `sondo teach --overwrite` with this one"
            )


class Listening(lightning.Callback):
    """Batches whose targets online teachers have just said, or said of the same batch in an earlier epoch.

    Where epochs come again, vectors are written at the end of an epoch, one file for each view, and read from there
    afterwards, by a resumed run too.

    Args:
        teachers: For each of the batches' targets, who listens, or None where the bank's vectors stay.
        views: Number of epochs that differ; nothing is kept when left out.
        folder: Where to keep the vectors.
    """

    def __init__(self, teachers: Sequence[OnlineTeacher | None], *, views: int | None, folder: Path) -> None:
        self._teachers, self._views, self._folder = list(teachers), views, folder
        self._said: dict[str, Tensor] = {}

    def __call__(self, batch: Batch, epoch: int, step: int) -> Batch:
        """The batch with the vectors of what its clips became."""
        vectors = self._kept(view_of(epoch, self._views), step, batch.rows.cpu())
        if vectors is None:
            names = [f"row {row} of the bank as epoch {epoch} changes it" for row in batch.rows.tolist()]
            pairs = zip(filter(None, self._teachers), batch.sounds, strict=True)
            vectors = [each.vectors(sounds, names) for each, sounds in pairs]
            if self._views is not None:
                self._said |= {f"{step}.{index}": vector for index, vector in enumerate(vectors)}
                self._said[f"{step}.rows"] = batch.rows.cpu()
        fresh = iter(vectors)
        targets = [
            target if each is None else next(fresh).to(target)
            for each, target in zip(self._teachers, batch.targets, strict=True)
        ]
        return batch._replace(targets=tuple(targets), sounds=())

    def _kept(self, view: int, step: int, rows: Tensor) -> list[Tensor] | None:
        path = self._path(view)
        if not path.exists():
            return None
        with safe_open(path, framework="pt") as file:
            assert torch.equal(file.get_tensor(f"{step}.rows"), rows), "the epochs of a view draw the same clips"
            num_online = len(list(filter(None, self._teachers)))
            return [file.get_tensor(f"{step}.{index}") for index in range(num_online)]

    def _path(self, view: int) -> Path:
        return self._folder / f"{view}.safetensors"

    def on_train_epoch_end(self, trainer: Any, pl_module: Any) -> None:
        """Keep what was said, in one step."""
        if not self._said:
            return
        path = self._path(view_of(trainer.current_epoch, self._views))
        path.parent.mkdir(parents=True, exist_ok=True)
        with replacing(path) as scratch:
            save_file(self._said, scratch)
        self._said = {}
