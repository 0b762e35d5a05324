"""Batches for training, straight from the bank: log-mels in, teacher vectors as targets, no audio decoded.

Where teachers listen in training, `sondo.distill.sound_views` decodes the audio of the same batches.
"""

from __future__ import annotations

import os
import shutil
import sys
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset, Sampler

from sondo.bank import Bank
from sondo.distill.augment import Mix
from sondo.distill.sampling import EpochSampler
from sondo.errors import SondoError
from sondo.recipe import TrainConfig

MAX_CLIPS_PER_EPOCH = 100_000

_SHARED_MEMORY = Path("/dev/shm")  # noqa: S108, only looked at
_AHEAD = 2
"""Batches that torch lets each worker read ahead."""


class Batch(NamedTuple):
    """What training sees at a time.

    Attributes:
        log_mel: (batch, mels, frames of the longest), float32.
        targets: For each teacher its vectors, (batch, teacher dim), float32.
        rows: The clips' rows in the bank, (batch,), int64.
        clusters: The clips' clusters, (batch,), int64; None where none were asked for.
        labels: (batch, classes) float32, 1 where a clip has a class; None where none were asked for.
        mix: What was mixed into the clips; None when nothing was.
        sounds: For each online teacher, the changed sound of each clip at its rate, (samples,) float32 each.
    """

    log_mel: Tensor
    targets: tuple[Tensor, ...]
    rows: Tensor
    clusters: Tensor | None = None
    labels: Tensor | None = None
    mix: Mix | None = None
    sounds: tuple[list[NDArray[np.float32]], ...] = ()


class BankBatches(Dataset[Batch]):
    """Whole batches by their rows; the bank is opened in the process that reads it.

    Args:
        bank: Path of the bank.
        columns: The teachers' columns.
        clusters: A column of clusters, for losses that compare clips by them.
        classes: Names of the classes, where labels are asked for.
    """

    def __init__(
        self, bank: Path, columns: Sequence[str], *, clusters: str | None = None, classes: Sequence[str] = ()
    ) -> None:
        self.path, self.columns, self.clusters, self.classes = bank, list(columns), clusters, list(classes)
        self._bank: Bank | None = None

    @property
    def bank(self) -> Bank:
        """The bank, opened."""
        if self._bank is None:
            self._bank = Bank(self.path)
        return self._bank

    def __getitem__(self, rows: list[int]) -> Batch:
        """Read a batch."""
        more = [*([self.clusters] if self.clusters else []), *(["labels"] if self.classes else [])]
        values = self.bank.take(rows, [*self.columns, *more])
        targets = [torch.from_numpy(vectors_of(values.column(name))) for name in self.columns]
        numbers = values.column(self.clusters).to_numpy().astype(np.int64) if self.clusters else None
        return Batch(
            stack_repeated(self.bank.log_mels(rows)),
            tuple(targets),
            torch.tensor(rows, dtype=torch.int64),
            None if numbers is None else torch.from_numpy(numbers),
            multi_hot(values.column("labels").to_pylist(), self.classes) if self.classes else None,
        )

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_bank": None}


def vectors_of(column: Any) -> NDArray[np.float32]:
    """A column of vectors as one array, (rows, dim) float32."""
    return np.asarray(column.combine_chunks().flatten().to_numpy(), dtype=np.float32).reshape(len(column), -1)


def multi_hot(labels: Sequence[Sequence[str] | None], classes: Sequence[str]) -> Tensor:
    """Labels as numbers: 1 where a clip has a class, 0 elsewhere; a label that is no class counts nowhere.

    Shape:
        -> (clips, classes), float32.
    """
    place = {name: index for index, name in enumerate(classes)}
    out = torch.zeros(len(labels), len(classes))
    for clip, names in enumerate(labels):
        known = [place[name] for name in names or () if name in place]
        out[clip, known] = 1.0
    return out


def stack_repeated(log_mels: list[NDArray[np.float16]]) -> Tensor:
    """Stack log-mels of unlike length, repeating the short ones up to the longest.

    Repeating keeps the statistics of a sound, which padding with silence would not: the batch norms and the average
    pool see what they will see when the clip is embedded alone.

    Shape:
        - input: list of (mels, frames)
        - output: (batch, mels, max frames), float32
    """
    longest = max(mel.shape[1] for mel in log_mels)
    out = np.empty((len(log_mels), log_mels[0].shape[0], longest), dtype=np.float32)
    for row, mel in enumerate(log_mels):
        out[row] = mel if mel.shape[1] == longest else np.take(mel, np.arange(longest) % mel.shape[1], axis=1)
    return torch.from_numpy(out)


class DrawnBatches:
    """The batches of one draw, read as they are gone through; the same ones each time.

    Args:
        batches: Reads a batch from its rows.
        sampler: Draws the rows.
    """

    def __init__(self, batches: BankBatches, sampler: EpochSampler) -> None:
        self._batches, self._sampler = batches, sampler

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[Batch]:
        return (self._batches[rows] for rows in self._sampler)


class BankData(lightning.LightningDataModule):
    """What lightning reads in a run; under several processes each its part of every batch.

    Args:
        batches: Reads a batch from its rows, as it is.
        sounds: Reads a batch from an epoch and its rows, as that epoch hears it; None trains on what `batches` reads.
        weights: (rows,) probability of each row, 0 for those that are not trained on.
        valid_rows: Rows that are watched.
        config: How to train.
        views: Number of epochs after which the draws come again; never when left out.

    Raises:
        SondoError: Workers are asked for, and there is too little shared memory for what they hand over.
    """

    def __init__(
        self,
        batches: BankBatches,
        *,
        sounds: Dataset[Batch] | None = None,
        weights: NDArray[np.float64],
        valid_rows: NDArray[np.int64],
        config: TrainConfig,
        views: int | None = None,
    ) -> None:
        super().__init__()
        self.weights, self.valid_rows, self.config = weights, valid_rows, config
        self.batches, self.sounds, self.views = batches, sounds, views
        self.frames = batches.bank.read(["frames"]).column(0).to_numpy()
        self.clips_per_epoch = config.clips_per_epoch or min(int((weights > 0).sum()), MAX_CLIPS_PER_EPOCH)
        if config.workers and sys.platform == "linux":
            self._check_shared_memory()

    def _check_shared_memory(self) -> None:
        """Where shared memory is full, a worker loses its batch and training waits for it for ever."""
        batches = _AHEAD * self.config.workers + 1  # and the one that is trained on
        clips = min(batches * self.config.batch_size, self.clips_per_epoch)
        frames = int(self.frames[self.weights > 0].max(initial=0))
        needed = clips * self.batches.bank.info.front_end.num_mels * frames * 4
        free = shutil.disk_usage(_SHARED_MEMORY).free if os.access(_SHARED_MEMORY, os.W_OK) else 0
        if free < needed:
            raise SondoError(
                f"--train.workers {self.config.workers} hand over batches in shared memory ({_SHARED_MEMORY}): they "
                f"need {needed / 1e6:.0f} MB there, {free / 1e6:.0f} MB are free. Give it more (docker run "
                "--shm-size), or take fewer workers; 0 need none"
            )

    def _sampler(self, rank: int, world_size: int, *, times: int = 1, num_clips: int | None = None) -> EpochSampler:
        return EpochSampler(
            self.weights,
            self.frames,
            batch_size=times * self.config.batch_size,
            clips_per_epoch=num_clips or self.clips_per_epoch,
            replacement=self.config.replacement,
            seed=self.config.seed,
            rank=rank,
            world_size=world_size,
        )

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in an epoch."""
        return len(self._sampler(0, 1))

    def _loader(self, dataset: Dataset[Batch], sampler: Any) -> DataLoader[Batch]:
        options: dict[str, Any] = {}
        if self.config.workers:
            # Lance keeps threads, which a forked process would lose.
            options = {"multiprocessing_context": "spawn", "persistent_workers": True, "prefetch_factor": _AHEAD}
        # A generator of its own: a loader draws a seed when it is iterated, which lightning does at another moment in a
        # resumed run, and the dropout of the two runs would differ.
        return DataLoader(
            dataset,
            sampler=sampler,
            batch_size=None,
            num_workers=self.config.workers,
            generator=torch.Generator(),
            **options,
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of this process."""
        assert self.trainer is not None, "lightning asks for batches after it has taken this over"
        sampler: Any = self._sampler(self.trainer.global_rank, self.trainer.world_size)
        if self.sounds is not None:
            sampler = _WithView(sampler, self.views)
        sampler.set_epoch(self.trainer.current_epoch)
        return self._loader(self.batches if self.sounds is None else self.sounds, sampler)

    def fresh_batches(self, epoch: int, *, times: int = 1, num_clips: int | None = None) -> DrawnBatches:
        """Batches drawn as in training, as they are, for what is measured outside of it.

        Args:
            epoch: Whose draw it is.
            times: How much larger than training's a batch is.
            num_clips: Clips in all; an epoch's when left out.
        """
        sampler = self._sampler(0, 1, times=times, num_clips=num_clips)
        sampler.set_epoch(epoch)
        return DrawnBatches(self.batches, sampler)

    def large_batches(self, epoch: int, *, times: int, most: int) -> DrawnBatches:
        """At most so many `fresh_batches`, with as many clips as there are or as an epoch has."""
        num_clips = max(self.clips_per_epoch, int((self.weights > 0).sum()))
        return self.fresh_batches(epoch, times=times, num_clips=min(num_clips, most * times * self.config.batch_size))

    def valid_batches(self) -> Iterator[Batch]:
        """Batches that are watched."""
        return (self.batches[rows] for rows in self._valid_rows(0, 1))

    def _valid_rows(self, rank: int, world_size: int) -> list[list[int]]:
        size = self.config.batch_size
        rows = [int(row) for row in self.valid_rows]
        batches = [rows[first : first + size] for first in range(0, len(rows), size)]
        if len(batches) > 1 and len(batches[-1]) < world_size:  # every process needs a clip of each batch
            batches[-2:] = [batches[-2] + batches[-1]]
        return [batch[rank::world_size] for batch in batches]

    def val_dataloader(self) -> list[DataLoader[Batch]]:
        """Batches of this process that are watched; none where the bank has no validation split."""
        assert self.trainer is not None, "lightning asks for batches after it has taken this over"
        batches = self._valid_rows(self.trainer.global_rank, self.trainer.world_size)
        return [self._loader(self.batches, batches)] if batches else []


class _WithView(Sampler[tuple[int, list[int]]]):
    """A sampler's batches, each beside the number of the epoch as which it is changed and heard."""

    def __init__(self, sampler: EpochSampler, views: int | None) -> None:
        self._sampler, self._views = sampler, views

    def set_epoch(self, epoch: int) -> None:
        """Choose the epoch that the next iteration draws; lightning calls it."""
        self._sampler.set_epoch(view_of(epoch, self._views))

    def __len__(self) -> int:
        return len(self._sampler)

    def __iter__(self) -> Iterator[tuple[int, list[int]]]:
        return ((self._sampler.epoch, rows) for rows in self._sampler)


def view_of(epoch: int, views: int | None) -> int:
    """The epoch as which another one sees its clips, where only `views` of them differ."""
    return epoch if views is None else epoch % views
