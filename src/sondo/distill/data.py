"""Batches for training, straight from the bank: log-mels in, teacher vectors as targets, no audio decoded."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Any, NamedTuple

import lightning
import numpy as np
import torch
from numpy.typing import NDArray
from torch import Tensor
from torch.utils.data import DataLoader, Dataset

from sondo.bank import Bank
from sondo.distill.sampling import EpochSampler
from sondo.recipe import TrainConfig

MAX_CLIPS_PER_EPOCH = 100_000


class Batch(NamedTuple):
    """What training sees at a time.

    Attributes:
        log_mel: (batch, mels, frames of the longest), float32.
        targets: For each teacher its vectors, (batch, teacher dim), float32.
        rows: The clips' rows in the bank, (batch,), int64.
        clusters: The clips' clusters, (batch,), int64; None where none were asked for.
    """

    log_mel: Tensor
    targets: tuple[Tensor, ...]
    rows: Tensor
    clusters: Tensor | None = None


class BankBatches(Dataset[Batch]):
    """Whole batches by their rows; the bank is opened in the process that reads it.

    Args:
        bank: Path of the bank.
        columns: The teachers' columns.
        clusters: A column of clusters, for losses that compare clips by them.
    """

    def __init__(self, bank: Path, columns: Sequence[str], *, clusters: str | None = None) -> None:
        self.path, self.columns, self.clusters = bank, list(columns), clusters
        self._bank: Bank | None = None

    def __getitem__(self, rows: list[int]) -> Batch:
        """Read a batch."""
        if self._bank is None:
            self._bank = Bank(self.path)
        values = self._bank.take(rows, [*self.columns, *([self.clusters] if self.clusters else [])])
        targets = [torch.from_numpy(vectors_of(values.column(index))) for index in range(len(self.columns))]
        numbers = values.column(len(self.columns)).to_numpy().astype(np.int64) if self.clusters else None
        return Batch(
            stack_repeated(self._bank.log_mels(rows)),
            tuple(targets),
            torch.tensor(rows, dtype=torch.int64),
            None if numbers is None else torch.from_numpy(numbers),
        )

    def __getstate__(self) -> dict[str, object]:
        return {**self.__dict__, "_bank": None}


def vectors_of(column: Any) -> NDArray[np.float32]:
    """A column of vectors as one array, (rows, dim) float32."""
    return np.asarray(column.combine_chunks().flatten().to_numpy(), dtype=np.float32).reshape(len(column), -1)


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


class BankData(lightning.LightningDataModule):
    """What lightning reads in a run; under several processes each makes its own part.

    Args:
        bank: The bank.
        columns: The teachers' columns.
        weights: (rows,) probability of each row, 0 for those that are not trained on.
        valid_rows: Rows that are watched.
        config: How to train.
        clusters: A column of clusters that goes with each batch.
    """

    def __init__(
        self,
        bank: Bank,
        columns: Sequence[str],
        *,
        clusters: str | None = None,
        weights: NDArray[np.float64],
        valid_rows: NDArray[np.int64],
        config: TrainConfig,
    ) -> None:
        super().__init__()
        self.weights, self.valid_rows, self.config = weights, valid_rows, config
        self.frames = bank.read(["frames"]).column(0).to_numpy()
        self.batches = BankBatches(bank.path, columns, clusters=clusters)
        self.clips_per_epoch = config.clips_per_epoch or min(int((weights > 0).sum()), MAX_CLIPS_PER_EPOCH)

    def _sampler(self, rank: int, world_size: int) -> EpochSampler:
        return EpochSampler(
            self.weights,
            self.frames,
            batch_size=self.config.batch_size,
            clips_per_epoch=self.clips_per_epoch,
            replacement=self.config.replacement,
            seed=self.config.seed,
            rank=rank,
            world_size=world_size,
        )

    @property
    def steps_per_epoch(self) -> int:
        """Optimiser steps in an epoch."""
        return len(self._sampler(0, 1))

    def _loader(self, sampler: Any) -> DataLoader[Batch]:
        options: dict[str, Any] = {}
        if self.config.workers:
            # Lance keeps threads, which a forked process would lose.
            options = {"multiprocessing_context": "spawn", "persistent_workers": True}
        # A generator of its own: a loader draws a seed when it is iterated, which lightning does at another moment in a
        # resumed run, and the dropout of the two runs would differ.
        return DataLoader(
            self.batches,
            sampler=sampler,
            batch_size=None,
            num_workers=self.config.workers,
            generator=torch.Generator(),
            **options,
        )

    def train_dataloader(self) -> DataLoader[Batch]:
        """Batches of this process."""
        assert self.trainer is not None, "lightning asks for batches after it has taken this over"
        sampler = self._sampler(self.trainer.global_rank, self.trainer.world_size)
        sampler.set_epoch(self.trainer.current_epoch)
        return self._loader(sampler)

    def fresh_batches(self, epoch: int) -> Iterator[Batch]:
        """Batches of one more epoch, for what is measured after training."""
        sampler = self._sampler(0, 1)
        sampler.set_epoch(epoch)
        return (self.batches[rows] for rows in sampler)

    def val_dataloader(self) -> list[DataLoader[Batch]]:
        """Batches that are watched; none where the bank has no validation split."""
        size = self.config.batch_size
        rows = [int(row) for row in self.valid_rows]
        batches = [rows[first : first + size] for first in range(0, len(rows), size)]
        return [self._loader(batches)] if batches else []
