"""One training run under lightning: optimiser, schedule, precision, logs, and the state to go on from."""

from __future__ import annotations

import functools
import logging
import warnings
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import lightning
import torch
from lightning.fabric.plugins.environments.lightning import LightningEnvironment
from lightning.fabric.utilities.rank_zero import rank_zero_only
from lightning.pytorch.callbacks import LearningRateMonitor, ModelCheckpoint
from lightning.pytorch.loggers import CSVLogger, TensorBoardLogger
from lightning.pytorch.strategies import DDPStrategy
from torch import nn

from sondo.distill.checkpoint import SafetensorsCheckpointIO
from sondo.distill.data import BankData
from sondo.distill.devices import check_batch, num_devices
from sondo.distill.progress import LossWatch, ProgressLine
from sondo.distill.ranks import run_ranks
from sondo.distill.schedule import WarmUpRampDown
from sondo.errors import SondoError
from sondo.recipe import TrainConfig
from sondo.screen import say

WARMUP_SHARE, RAMP_DOWN_SHARE = 0.08, 0.2


def optimizer_of(config: TrainConfig) -> Callable[[list[nn.Parameter]], torch.optim.Optimizer]:
    """What makes the optimiser from the parameters."""
    kind = {"adam": torch.optim.Adam, "adamw": torch.optim.AdamW}[config.optimizer]
    return functools.partial(kind, lr=config.learning_rate, weight_decay=config.weight_decay)


def schedule_of(config: TrainConfig) -> WarmUpRampDown:
    """The learning rate over the run; what is not set follows from the number of epochs."""
    start = RAMP_DOWN_SHARE * config.epochs if config.ramp_down_start is None else config.ramp_down_start
    length = max(config.epochs - start, 1e-9) if config.ramp_down_epochs is None else config.ramp_down_epochs
    warmup = WARMUP_SHARE * config.epochs if config.warmup_epochs is None else config.warmup_epochs
    return WarmUpRampDown(
        warmup_epochs=warmup, ramp_down_start=start, ramp_down_epochs=length, last_factor=config.last_factor
    )


def tell_of_schedule(config: TrainConfig) -> None:
    """Say where the settings of the rate are those of a longer run, as of a recipe whose epochs alone were changed."""
    schedule, epochs = schedule_of(config), config.epochs
    if schedule.warmup_epochs >= epochs:
        say(
            f"train: {epochs} epochs, and the rate warms up for {schedule.warmup_epochs:g}: it reaches "
            f"{schedule(epochs) * config.learning_rate:.2g} of {config.learning_rate:g}. Set train.warmup_epochs too"
        )
    elif config.last_factor < 1 and schedule.ramp_down_start >= epochs:
        say(
            f"train: {epochs} epochs, and the rate falls from epoch {schedule.ramp_down_start:g} on: it does not fall. "
            "Set train.ramp_down_start and train.ramp_down_epochs too"
        )


def _precision(config: TrainConfig) -> Any:
    bfloat16 = config.precision == "bfloat16"
    if config.precision == "auto":
        bfloat16 = torch.cuda.is_available() and torch.cuda.is_bf16_supported()
    return "bf16-mixed" if bfloat16 else "32-true"


def fit(
    module: lightning.LightningModule,
    data: BankData,
    config: TrainConfig,
    out: Path,
    *,
    callbacks: Sequence[lightning.Callback] = (),
) -> None:
    """Train for the epochs that are left; after each, all that the next one needs is on disk.

    Several devices have a process each, which is sent the module, the data and the callbacks; the weights come back by
    the last state on disk.

    Args:
        module: What is trained.
        data: What it sees.
        config: How.
        out: Folder of the run; the state is in `checkpoints`, the figures in `logs`.
        callbacks: Further ones of lightning.

    Raises:
        SondoError: Too few clips for so many devices, or a process of theirs that failed.
    """
    count = num_devices(config)
    if count == 1:
        _fit(module, data, config, out, callbacks)
        return
    check_batch(min(config.batch_size, data.clips_per_epoch), count)
    if 0 < len(data.valid_rows) < count:
        raise SondoError(
            f"{len(data.valid_rows)} clips to watch are too few for {count} devices: lower --train.devices"
        )
    run_ranks(functools.partial(_fit, module, data, config, out, callbacks), num_ranks=count)
    module.load_state_dict(SafetensorsCheckpointIO().load_checkpoint(_last(out))["state_dict"])


def _last(out: Path) -> Path:
    return out / "checkpoints" / "last.ckpt"


def _devices(config: TrainConfig) -> dict[str, Any]:
    """Where lightning trains: on one device, or as one of several processes.

    It is told, and never looks for itself: in a job of SLURM's it would take the job's tasks for processes of its own.
    """
    count = num_devices(config)
    if count == 1:
        return {"accelerator": "auto", "devices": 1, "plugins": [SafetensorsCheckpointIO(), LightningEnvironment()]}
    has_gpus = torch.cuda.is_available()
    return {
        "plugins": [SafetensorsCheckpointIO()],
        "accelerator": "cuda" if has_gpus else "cpu",
        "devices": count,
        # Buffers need no copying at each step: the objective's are the same everywhere, and batch norms' are measured
        # anew in the end. A static graph may have weights without a gradient, as networks of users do.
        "strategy": DDPStrategy(cluster_environment=LightningEnvironment(), broadcast_buffers=False, static_graph=True),
        "sync_batchnorm": has_gpus,  # torch has it for GPUs alone
    }


def _fit(
    module: lightning.LightningModule,
    data: BankData,
    config: TrainConfig,
    out: Path,
    callbacks: Sequence[lightning.Callback],
) -> None:
    with _quiet(), _first_where_alone(num_devices(config)):
        csv = CSVLogger(out, name="logs")
        trainer = lightning.Trainer(
            **_devices(config),
            max_epochs=config.epochs,
            precision=_precision(config),
            gradient_clip_val=config.gradient_clip,
            logger=[csv, TensorBoardLogger(out, name="logs", version=csv.version)],
            log_every_n_steps=10,
            callbacks=[
                *callbacks,
                # No score chooses between epochs: the last one is what a resumed run needs, and the result.
                ModelCheckpoint(out / "checkpoints", filename="last", save_top_k=1, enable_version_counter=False),
                ProgressLine(epochs=config.epochs, clips_per_epoch=data.clips_per_epoch),
                LossWatch(learning_rate=config.learning_rate),
                LearningRateMonitor(logging_interval="epoch"),
            ],
            use_distributed_sampler=False,
            enable_progress_bar=False,
            enable_model_summary=False,
            num_sanity_val_steps=0,
        )
        last = _last(out)
        try:
            trainer.fit(module, data, ckpt_path=str(last) if last.exists() else None)
        except SystemExit as stop:  # lightning's way to leave after Ctrl-C
            raise KeyboardInterrupt from stop
        if trainer.interrupted:
            raise KeyboardInterrupt


@contextmanager
def _first_where_alone(count: int) -> Iterator[None]:
    """Let the one process write logs whatever number a scheduler gave it: lightning has them written by number 0."""
    before = vars(rank_zero_only)["rank"]
    if count == 1:
        vars(rank_zero_only)["rank"] = 0
    try:
        yield
    finally:
        vars(rank_zero_only)["rank"] = before


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
