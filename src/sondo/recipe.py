"""The typed configuration of a run: one definition for Python, YAML, the command line and its help.

May import: the standard library, `sondo.errors` and `sondo.kinds`. Frozen; a variant is made with
`dataclasses.replace`.
"""

from __future__ import annotations

import dataclasses
import os
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Literal

from sondo.errors import SondoError
from sondo.kinds import check_kinds, plain

LAST_SEED = 2**32 - 1
"""The largest seed that numpy takes."""


@dataclass(frozen=True, kw_only=True)
class TeacherConfig:
    """Who teaches.

    Args:
        name: A teacher's name (see `sondo teachers`), `hf:MODEL`, `hear:package.module` or `package.module:function`.
        checkpoint: File or folder of weights, for the teachers that need one; or of vectors for `precomputed`: Parquet
            with columns `path` and `embedding`, .npy, a folder of .npz.
        label: What to call it: its column in the bank is `teacher.<label>`; left out, it follows from the name.
        sample_rate: Sample rate in Hz, for a teacher that does not say its own.
        pooling: How an `hf:` teacher's frames become one vector: mean, cls, pooler or projection.
        layer: Which layer's frames an `hf:` teacher gives, from 1 (0 is what the first one takes), or `mean` of all;
            left out, what the model itself gives.
        revision: Commit, branch or tag of an `hf:` teacher.
        trust_remote_code: Run the code that comes with an `hf:` teacher.
        input_size: Bands x frames of an M2D checkpoint whose folder's name does not say it, e.g. 80x608.
        compat: `ssondo` runs matpac and m2d at all lengths as the published code does.
        batch_size: Clips of equal length that the teacher gets at a time.
        online: The teacher listens in training to what augmentation makes of a clip, as the student does; else its
            vectors stay those of the unchanged clip.

    Raises:
        SondoError: A value of another kind or out of range.
    """

    name: str = "modulation"
    checkpoint: str | None = None
    label: str | None = None
    sample_rate: int | None = None
    pooling: str | None = None
    layer: int | Literal["mean"] | None = None
    revision: str | None = None
    trust_remote_code: bool = False
    input_size: str | None = None
    compat: Literal["ssondo"] | None = None
    batch_size: int = 8
    online: bool = False

    def __post_init__(self) -> None:
        check_kinds(self, "teacher.")
        if self.batch_size < 1:
            raise SondoError(f"teacher.batch_size is {self.batch_size}: expected at least 1")
        if self.sample_rate is not None and self.sample_rate < 1:
            raise SondoError(f"teacher.sample_rate is {self.sample_rate}: expected a rate in Hz, such as 16000")

    def options(self) -> dict[str, Any]:
        """Keyword arguments for `sondo.teachers.create`, without those that were not set."""
        values = dataclasses.asdict(self)
        passed_over = ("name", "batch_size", "online")
        return {
            key: value
            for key, value in values.items()
            if key not in passed_over and value is not None and value is not False
        }


@dataclass(frozen=True, kw_only=True)
class StudentConfig:
    """Who learns.

    Args:
        name: A student's name (see `sondo students`), `timm:MODEL`, or `package.module:function` for your own.
        width_mult: Factor on the number of channels, mobilenetv3 at 0.4 has 0.5 M parameters; left out, 1.0, the
            paper's size, or what your own function takes by default.
        readout: How its maps of features become one vector: last (the published one), multilevel,
            multilevel_stats, multilevel_nested or stats; left out, multilevel_stats, with Matryoshka lengths
            multilevel_nested, or last for a network that gives vectors and no maps.
        init: Weights to start from, `efficientat/mn10_im` and the like, or a file of such weights; random if left out.
    """

    name: str = "mobilenetv3"
    width_mult: float | None = None
    readout: str | None = None
    init: str | None = None

    def __post_init__(self) -> None:
        check_kinds(self, "student.")

    def options(self) -> dict[str, Any]:
        """Keyword arguments for `sondo.students.create`, without those that were not set."""
        values = {"readout": self.readout, "width_mult": self.width_mult}
        return {name: value for name, value in values.items() if value is not None}


@dataclass(frozen=True, kw_only=True)
class ClusterConfig:
    """The clusters that training draws from.

    Args:
        k: Number of clusters; left out, the paper's 50, or one for every four clips of a bank of fewer than 200.
        hierarchy: Instead of k, number of clusters at each level of hierarchical k-means, the finest first, such as
            [200, 50]; training then draws evenly from the coarsest, and within each evenly from its finer ones. Losses
            that compare clips by their clusters see the finest.
        seed: Seed of k-means.

    Raises:
        SondoError: Levels that do not fall, or both k and hierarchy.
    """

    k: int | None = None
    hierarchy: list[int] | None = None
    seed: int = 0

    def __post_init__(self) -> None:
        check_kinds(self, "cluster.")
        if self.k is not None and self.hierarchy is not None:
            raise SondoError("cluster.k and cluster.hierarchy exclude each other: set one of them")
        if self.k is not None and self.k < 1:
            raise SondoError(f"cluster.k is {self.k}: expected at least 1")
        if not 0 <= self.seed <= LAST_SEED:
            raise SondoError(f"cluster.seed is {self.seed}: expected 0 to {LAST_SEED}")
        levels = self.hierarchy
        falls = levels is None or (len(levels) > 1 and levels == sorted({*levels}, reverse=True) and levels[-1] > 0)
        if not falls:
            raise SondoError(
                f"cluster.hierarchy is {levels}: expected the clusters of two levels or more, each with fewer "
                "than the one before, such as [200, 50]"
            )


@dataclass(frozen=True, kw_only=True)
class AugmentConfig:
    """How clips are changed; nothing is when all is left out.

    Args:
        gain_db: Level is changed by up to this many dB, up or down.
        roll: Frames are turned round by a random part of the clip.
        mixup_alpha: Each clip is mixed with another of its batch; its share is `max(l, 1 - l)` of `l` from
            Beta(alpha, alpha). 0 mixes none, 0.3 is usual.
        time_masks: Number of masks over frames.
        time_mask_share: Most of the clip's frames that one such mask covers, from 0 to 1.
        mel_masks: Number of masks over mel bands.
        mel_mask_share: Most of the bands that one such mask covers, from 0 to 1.
        views: With online teachers, the number of epochs that differ: then the same clips, changed the same way, come
            again, and the teachers' vectors of them are kept. Left out, all epochs differ.

    Raises:
        SondoError: Values out of range, all in one message.
    """

    gain_db: float = 0.0
    roll: bool = False
    mixup_alpha: float = 0.0
    time_masks: int = 0
    time_mask_share: float = 0.2
    mel_masks: int = 0
    mel_mask_share: float = 0.375
    views: int | None = None

    def __post_init__(self) -> None:
        check_kinds(self, "augment.")
        wrong = [
            f"augment.{name} is {getattr(self, name)}: expected {what}"
            for name, what, good in (
                ("gain_db", "at least 0", self.gain_db >= 0),
                ("mixup_alpha", "at least 0", self.mixup_alpha >= 0),
                ("time_masks", "at least 0", self.time_masks >= 0),
                ("time_mask_share", "from 0 to 1", 0 <= self.time_mask_share <= 1),
                ("mel_masks", "at least 0", self.mel_masks >= 0),
                ("mel_mask_share", "from 0 to 1", 0 <= self.mel_mask_share <= 1),
                ("views", "at least 1", self.views is None or self.views >= 1),
            )
            if not good
        ]
        if wrong:
            raise SondoError("; ".join(wrong))

    @property
    def changes_sound(self) -> bool:
        """Whether a teacher could hear a difference; masks are in the student's log-mel alone."""
        return self.gain_db > 0 or self.roll or self.mixup_alpha > 0


@dataclass(frozen=True, kw_only=True)
class TrainConfig:
    """How the student is trained.

    Args:
        epochs: Number of epochs.
        clips_per_epoch: Clips drawn for an epoch; left out, as many as the bank has, at most 100,000.
        batch_size: Clips per step of the optimiser; several devices share them.
        loss: Name of the loss, or a sum: `cosine + 0.5 * clap(temperature=0.1)`.
        supervised: Share of the clips' labels in the loss, from 0 to 1: `s * labels + (1 - s) * loss`. At 1 there are
            labels alone, and no teacher is needed unless `balanced` draws from its clusters. The head that tells the
            labels is left out of the student.
        geometry: The teacher's space as training sees it: none, centre, standardise or phi_s; undone afterwards.
        head: The mapping head: `mlp`, the paper's two layers, or `linear`, one layer behind a batch norm, so that what
            the teacher tells can be read off the embedding by a linear probe.
        projectors: Number of mapping heads, from unlike random weights, whose mean has to meet the teacher; they
            become one afterwards.
        matryoshka: Lengths to which the embedding may be cut later; the loss is taken of each. None if left out.
        sampling: `balanced` draws evenly from the clusters, `uniform` from the clips, `classes` rare labels more often.
        replacement: Whether a clip can be drawn twice in an epoch.
        optimizer: `adam` or `adamw`.
        learning_rate: Highest learning rate.
        weight_decay: Weight decay.
        warmup_epochs: Length of the exponential warm-up; left out, 8 % of the epochs.
        ramp_down_start: Epoch after which the rate falls; left out, 20 % of the epochs.
        ramp_down_epochs: Length of the fall; left out, up to the last epoch.
        last_factor: Where the fall ends, as a factor on the learning rate.
        gradient_clip: Largest norm of the gradient.
        teacher_dropping: With several teachers, the probability with which each but a clip's hardest is left out.
        precision: `auto` takes bfloat16 on a GPU that has it and float32 elsewhere.
        seed: Seed of weights, draws and dropout.
        workers: Processes that read the bank, for each device; 0 reads in the training process.
        devices: Number of GPUs of this machine that train together, or `auto` for all of them; where torch sees no GPU,
            number of processes on the CPU.
    """

    epochs: int = 100
    clips_per_epoch: int | None = None
    batch_size: int = 32
    loss: str = "cosine"
    supervised: float = 0.0
    geometry: Literal["none", "centre", "standardise", "phi_s"] = "standardise"
    head: Literal["mlp", "linear"] = "linear"
    projectors: int = 1
    matryoshka: list[int] = field(default_factory=list)
    sampling: Literal["balanced", "uniform", "classes"] = "balanced"
    replacement: bool = True
    optimizer: Literal["adam", "adamw"] = "adam"
    learning_rate: float = 2e-3
    weight_decay: float = 0.0
    warmup_epochs: float | None = None
    ramp_down_start: float | None = None
    ramp_down_epochs: float | None = None
    last_factor: float = 0.01
    gradient_clip: float = 5.0
    teacher_dropping: float = 0.0
    precision: Literal["auto", "float32", "bfloat16"] = "auto"
    seed: int = 0
    workers: int = 0
    devices: int | Literal["auto"] = 1

    def __post_init__(self) -> None:
        check_kinds(self, "train.")
        wrong = [
            f"train.{name} is {getattr(self, name)}: expected {what}"
            for name, what, good in (
                ("epochs", "at least 1", self.epochs >= 1),
                ("clips_per_epoch", "at least 2", self.clips_per_epoch is None or self.clips_per_epoch >= 2),
                ("batch_size", "at least 2 (batch norm needs two clips)", self.batch_size >= 2),
                ("supervised", "from 0 to 1", 0 <= self.supervised <= 1),
                ("projectors", "at least 1", self.projectors >= 1),
                ("projectors", "1 with a linear head (a mean of linear heads is one)", self._one_linear_head),
                ("learning_rate", "more than 0", self.learning_rate > 0),
                ("weight_decay", "at least 0", self.weight_decay >= 0),
                ("last_factor", "more than 0 and at most 1", 0 < self.last_factor <= 1),
                ("gradient_clip", "more than 0", self.gradient_clip > 0),
                ("teacher_dropping", "from 0 to 1", 0 <= self.teacher_dropping <= 1),
                ("workers", "at least 0", self.workers >= 0),
                ("devices", "at least 1, or auto", self.devices == "auto" or self.devices >= 1),
                ("seed", f"from 0 to {LAST_SEED}", 0 <= self.seed <= LAST_SEED),
            )
            if not good
        ]
        if wrong:
            raise SondoError("; ".join(wrong))

    @property
    def _one_linear_head(self) -> bool:
        return self.head == "mlp" or self.projectors <= 1


@dataclass(frozen=True, kw_only=True)
class RayConfig:
    """Where teachers listen to a bank, if not in this process: in workers of Ray, on this machine or on many.

    Args:
        workers: Number of workers, each with a teacher of its own, and no more than there are steps of 256 clips, nor,
            where Ray is started on this machine, than it has cores; with 0 this process listens.
        address: `auto` for the cluster that this machine is in, or `ray://HOST:10001`; left out, one is started on this
            machine and ended again.
        gpus_per_worker: GPUs of each worker; below 1, several share one. Left out, 1 where Ray has GPUs, else 0.

    Raises:
        SondoError: Values out of range.
    """

    workers: int = 0
    address: str | None = None
    gpus_per_worker: float | None = None

    def __post_init__(self) -> None:
        check_kinds(self, "ray.")
        if self.workers < 0:
            raise SondoError(f"ray.workers is {self.workers}: expected at least 0")
        gpus = self.gpus_per_worker
        if gpus is not None and not (0 <= gpus < 1 or gpus == int(gpus) > 0):
            raise SondoError(f"ray.gpus_per_worker is {gpus}: expected 0, a part of one such as 0.5, or a whole number")


@dataclass(frozen=True, kw_only=True)
class Recipe:
    """A whole run, from a folder of sound to a measured student.

    Args:
        out: Folder of the run.
        audio: Folder of sound or of Parquet shards that hold it, or a manifest ending in .csv or .parquet.
        manifest: CSV or Parquet that lists the sound; relative paths start from `audio` where it is given.
        bank: The bank's path; left out, `bank.lance` in the run's folder.
        teacher: Who teaches.
        more_teachers: Who else teaches; each has a mapping head of its own, and their losses are averaged.
        student: Who learns.
        cluster: The clusters that training draws from.
        train: How the student is trained.
        augment: How clips are changed in training; teachers that are not `online` keep to the unchanged clips.
        ray: Where teachers listen to the bank, if not in this process.
        task: Task that measures what the student keeps (see `sondo tasks`).
        data: Folder of the task.
        compat: `ssondo` takes one clip of each file, as the published training does: the student hears the first 10 s,
            the teacher the 10 s in the middle.
        int8: Write the file in int8 too, and measure what it keeps of the one in float32.
        max_bad_share: Share of unreadable files that stops the job.
        workers: Decoding threads; left out, one for each core.
    """

    out: str
    audio: str | None = None
    manifest: str | None = None
    bank: str | None = None
    teacher: TeacherConfig = field(default_factory=TeacherConfig)
    more_teachers: list[TeacherConfig] = field(default_factory=list)
    student: StudentConfig = field(default_factory=StudentConfig)
    cluster: ClusterConfig = field(default_factory=ClusterConfig)
    train: TrainConfig = field(default_factory=TrainConfig)
    augment: AugmentConfig = field(default_factory=AugmentConfig)
    ray: RayConfig = field(default_factory=RayConfig)
    task: str | None = None
    data: str | None = None
    compat: Literal["ssondo"] | None = None
    int8: bool = False
    max_bad_share: float = 0.05
    workers: int | None = None

    def __post_init__(self) -> None:
        check_kinds(self)
        if (self.task is None) != (self.data is None):
            raise SondoError("task and data go together: name the task (--task) and its folder (--data), or neither")
        if self.workers is not None and self.workers < 1:
            raise SondoError(f"workers is {self.workers}: expected at least 1, or leave it out for one on each core")

    @property
    def teachers(self) -> list[TeacherConfig]:
        """All teachers; the clusters are those of the first."""
        return [self.teacher, *self.more_teachers]

    @property
    def bank_path(self) -> Path:
        """Where the bank is."""
        return Path(self.bank) if self.bank is not None else Path(self.out) / "bank.lance"

    def to_dict(self) -> dict[str, Any]:
        """JSON-able form, as it is kept in the run's folder.

        Its paths hold wherever the next command is typed, that of the first teacher's weights too, which `evaluate`
        makes anew.
        """
        paths = {name: getattr(self, name) for name in ("audio", "manifest", "bank", "data")}
        values: dict[str, Any] = plain(dataclasses.asdict(self))
        weights = self.teacher.checkpoint
        if weights is not None and os.path.exists(weights):  # else it is a name of the teacher's own
            values["teacher"]["checkpoint"] = os.path.abspath(weights)
        return values | {name: os.path.abspath(path) for name, path in paths.items() if path}
