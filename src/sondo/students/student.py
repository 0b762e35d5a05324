"""A student: raw sound in, embedding out, at any length from 0.1 s up."""

from __future__ import annotations

import copy
from collections import defaultdict
from collections.abc import Iterator, Mapping, Sequence
from functools import cached_property
from typing import Any

import torch
from torch import Tensor, nn

from sondo.audio.frames import column_times_s, num_columns
from sondo.audio.windows import WINDOW_SAMPLES, Compat, window_frames
from sondo.errors import SondoError
from sondo.students.backbone import Backbone
from sondo.students.front_end import LogMel
from sondo.students.head import Projector
from sondo.students.readout import Readout, make_readout
from sondo.students.space import space_id
from sondo.students.with_head import StudentWithHead

_WINDOWS_AT_ONCE = 32
_FEW_FRAMES, _MANY_FRAMES = 64, 128  # two widths of a map differ by the stride's whole multiples of these


class Student(nn.Module):
    """A backbone between a log-mel front-end and a read-out.

    The same sound gives the same vector: alone, in a batch, or padded in one, when its length is told.

    Args:
        backbone: Maps a log-mel to maps of features, see `sondo.students.backbone.Backbone`.
        name: Name in the registry, e.g. `mobilenetv3`.
        options: What the registry made the backbone with, JSON-able, e.g. ``{"width_mult": 0.4}``.
        front_end: The log-mel; the paper's when left out.
        readout: Makes the embedding; the mean over the last map when left out.
        info: Where the student comes from, JSON-able: ``{"teacher": {"name", "fingerprint", "licence", …}, …}``.

    Shape:
        audio (batch, samples) at `sample_rate` -> (batch, embedding_dim).
    """

    def __init__(
        self,
        backbone: Backbone,
        *,
        name: str,
        options: Mapping[str, Any],
        front_end: LogMel | None = None,
        readout: Readout | None = None,
        info: Mapping[str, Any] | None = None,
    ) -> None:
        super().__init__()
        self.name, self.options, self.info = name, dict(options), dict(info or {})
        self.front_end = front_end or LogMel()
        assert isinstance(backbone, nn.Module), "a backbone is a module"
        self.backbone = backbone
        self.projector_width = backbone.projector_width
        self.readout = readout or make_readout("last", backbone, num_mels=self.front_end.config.num_mels)
        self.compat: Compat = None
        self._is_frozen = False

    @property
    def embedding_dim(self) -> int:
        """Values of an embedding."""
        return self.readout.embedding_dim

    @property
    def sample_rate(self) -> int:
        """Hz that `forward` expects."""
        return self.front_end.config.sample_rate

    @property
    def frame_dim(self) -> int:
        """Values of one of the `frames`."""
        return self._frame_shape[0]

    @property
    def frame_stride(self) -> int:
        """Log-mel frames from one of the `frames` to the next: the network's stride over time."""
        return self._frame_shape[1]

    @property
    def frame_hop_s(self) -> float:
        """Seconds from one of the `frames` to the next within a window: 0.512 for `mobilenetv3`."""
        return self.frame_stride * self.front_end.config.hop / self.sample_rate

    @property
    def num_params(self) -> int:
        """Parameters, without the mapping head."""
        return sum(parameter.numel() for parameter in self.parameters())

    @property
    def teacher(self) -> dict[str, Any]:
        """What is known of the teacher: `name`, `fingerprint`, `licence`; empty when there is none."""
        return dict(self.info.get("teacher") or {})

    @property
    def teachers(self) -> list[dict[str, Any]]:
        """Each of its teachers: `name`, `fingerprint`, `licence` and more, as far as it is known; none without one."""
        return list(self.info.get("teachers") or ([self.teacher] if self.teacher else []))

    @property
    def licence(self) -> str:
        """The licence that the teacher hands down; `unknown` when the teacher has none, `MIT` without a teacher."""
        return str(self.teacher.get("licence") or "unknown") if self.teacher else "MIT"

    @property
    def space_id(self) -> str:
        """Name of the space that the embeddings live in: equal for equal weights, teacher and front-end."""
        return space_id(self)

    def make_projector(self, embedding_dim: int, *, linear: bool = False) -> Projector:
        """A new mapping head.

        Args:
            embedding_dim: Values of the teacher's embedding.
            linear: One linear layer, instead of the paper's two.
        """
        hidden_dim = None if linear else self.projector_width
        return Projector(self.embedding_dim, hidden_dim=hidden_dim, embedding_dim=embedding_dim)

    def with_head(self, classes: int | Sequence[str], *, hidden_dim: int | None = None) -> StudentWithHead:
        """This student, not a copy, with a new head for classes behind it.

        Args:
            classes: Their names, or how many there are.
            hidden_dim: Values between two layers with a ReLU; a linear head when left out.

        Shape:
            The result takes audio (batch, samples) and gives logits (batch, classes).

        Raises:
            SondoError: Fewer than two classes, or a name that is there twice.
        """
        names = [str(number) for number in range(classes)] if isinstance(classes, int) else list(classes)
        return StudentWithHead(self, names, hidden_dim=hidden_dim)

    def freeze_backbone(self) -> None:
        """Keep every weight, and the statistics of the batch norms, as they are, also while a head is trained."""
        self.requires_grad_(False)
        self._is_frozen = True
        self.eval()

    def unfreeze_backbone(self) -> None:
        """Let training change the weights again; `train()` also moves the batch norms' statistics again."""
        self.requires_grad_(True)
        self._is_frozen = False

    def train(self, mode: bool = True) -> Student:
        """Choose between training and evaluation; a frozen student stays in evaluation."""
        super().train(mode and not self._is_frozen)
        return self

    def embed_log_mel(self, log_mel: Tensor) -> Tensor:
        """Embed clips that are log-mels already, each as a whole. What training calls.

        Shape:
            (batch, num_mels, frames) -> (batch, embedding_dim).
        """
        embedding: Tensor = self.readout(self._stages(log_mel), log_mel)
        return embedding

    def forward(self, audio: Tensor, lengths: Tensor | Sequence[int] | None = None) -> Tensor:
        """Embed sound of any length from 0.1 s: the mean over windows of 10 s, weighted by their log-mel frames.

        With `compat = "ssondo"`, as the published code does it: a rest that fills no window is dropped, and sound
        shorter than a window is refused.

        Args:
            audio: Mono samples in [-1, 1] at `sample_rate`.
            lengths: Samples that count in each row, (batch,); all when left out. What lies behind is not looked at.

        Shape:
            (batch, samples) -> (batch, embedding_dim).

        Raises:
            SondoError: Another shape or integers, lengths that do not fit, or sound shorter than 0.1 s.
        """
        total = torch.zeros(len(audio), self.embedding_dim, device=audio.device)
        weight = torch.zeros(len(audio), 1, device=audio.device)
        for num_frames, part, log_mel in self._log_mels(audio, lengths):
            vectors = self.embed_log_mel(log_mel).float()
            rows = torch.tensor([row for row, _ in part], device=audio.device)
            total = total.index_add(0, rows, vectors * num_frames)
            weight = weight.index_add(0, rows, vectors.new_full((len(part), 1), num_frames))
        return total / weight

    def frames(self, audio: Tensor, lengths: Tensor | Sequence[int] | None = None) -> tuple[Tensor, Tensor]:
        """Embed sound of any length from 0.1 s along its time: the last map, column by column, before the read-out.

        The windows are those of `forward`: 10 s each, heard by itself, a shorter last one from 0.1 s on. A window of n
        log-mel frames has ``ceil(n / frame_stride)`` columns; column k of a window that starts at s is centred at
        ``s + (k * frame_stride * hop + n_fft / 2) / sample_rate`` seconds. So the times step by `frame_hop_s`, and by
        less from the last column of a window to the first of the next (0.272 s for `mobilenetv3`).

        A vector is what the read-out takes its statistics of: the mean over frequency, with `last` of `eres2net` all
        rows of the map. The mean of a window's vectors is its embedding with `last`, and the first half of it with
        `stats` and with `eres2net`. With `multilevel` too they are those of the last map alone: the earlier maps have
        more columns, which no training has related to those of the last.

        Args:
            audio: Mono samples in [-1, 1] at `sample_rate`.
            lengths: Samples that count in each row, (batch,); all when left out.

        Returns:
            The vectors, float32, and their times in seconds, float64 and on the CPU. A row that ends before the longest
            one has NaN behind its end in both.

        Shape:
            (batch, samples) -> (batch, T, frame_dim), (batch, T).

        Raises:
            SondoError: As `forward`; or a student of one's own or of timm, which gives vectors and not maps.
        """
        config, stride = self.front_end.config, self.frame_stride
        each = num_columns(config.num_frames(WINDOW_SAMPLES), stride=stride)
        found = []
        for num_frames, part, log_mel in self._log_mels(audio, lengths):
            columns = self.readout.frames(self._stages(log_mel))
            in_window_s = torch.from_numpy(column_times_s(num_frames, stride=stride, config=config))
            found += [(row, start, own, in_window_s) for (row, start), own in zip(part, columns, strict=True)]
        longest = max(start // WINDOW_SAMPLES * each + len(own) for _, start, own, _ in found)
        vectors = torch.full((len(audio), longest, self.frame_dim), torch.nan, device=audio.device)
        times_s = torch.full((len(audio), longest), torch.nan, dtype=torch.float64)
        for row, start, own, in_window_s in found:
            first = start // WINDOW_SAMPLES * each
            vectors[row, first : first + len(own)] = own
            times_s[row, first : first + len(own)] = start / self.sample_rate + in_window_s
        return vectors, times_s

    def _stages(self, log_mel: Tensor) -> list[Tensor]:
        """The network's maps, in the numbers that its weights have: after `half()` too."""
        weight = next(self.backbone.parameters(), log_mel)
        return self.backbone.stages(log_mel.unsqueeze(1).to(weight.dtype))

    @cached_property
    def _frame_shape(self) -> tuple[int, int]:
        """`frame_dim` and `frame_stride`, found by sending two short log-mels through a copy of the network."""
        if not self.backbone.stage_features:
            raise SondoError(f"student {self.name} gives vectors, not maps, so it has no frames: embed short windows")
        network = copy.deepcopy(self.backbone).cpu().float().eval()  # a forward pass in training moves statistics
        num_mels = self.front_end.config.num_mels
        with torch.inference_mode():
            few, many = (
                self.readout.frames([network(torch.zeros(1, 1, num_mels, n))]) for n in (_FEW_FRAMES, _MANY_FRAMES)
            )
        return few.shape[2], (_MANY_FRAMES - _FEW_FRAMES) // (many.shape[1] - few.shape[1])

    def _log_mels(
        self, audio: Tensor, lengths: Tensor | Sequence[int] | None
    ) -> Iterator[tuple[int, list[tuple[int, int]], Tensor]]:
        """The log-mels of all windows of all rows, those of one length together: frames, (row, first sample), batch."""
        config = self.front_end.config
        for num_frames, windows in self._windows(audio, lengths).items():
            samples = config.n_fft + (num_frames - 1) * config.hop
            for first in range(0, len(windows), _WINDOWS_AT_ONCE):
                part = windows[first : first + _WINDOWS_AT_ONCE]
                batch = torch.stack([audio[row, start : start + samples] for row, start in part])
                yield num_frames, part, self.front_end(batch)

    def _windows(self, audio: Tensor, lengths: Tensor | Sequence[int] | None) -> dict[int, list[tuple[int, int]]]:
        """The windows of all rows as (row, first sample), grouped by their number of frames."""
        if audio.ndim != 2:
            raise SondoError(f"a student takes audio of shape (batch, samples), not {tuple(audio.shape)}")
        if not audio.is_floating_point():
            raise SondoError(
                f"a student takes floats in [-1, 1], not {audio.dtype}: divide 16-bit samples by 32768, or give "
                "them to `TorchModel(student).embed`, which scales integers"
            )
        batch, num_samples = audio.shape
        each = [num_samples] * batch if lengths is None else [int(length) for length in lengths]
        if len(each) != batch or any(length > num_samples for length in each):
            raise SondoError(
                f"lengths {each} do not fit audio of shape {tuple(audio.shape)}: one number of samples for each row, "
                f"at most {num_samples}"
            )
        groups: dict[int, list[tuple[int, int]]] = defaultdict(list)
        for row, length in enumerate(each):
            whole = self.compat == "ssondo"
            for start, _, num_frames in window_frames(length, config=self.front_end.config, whole=whole):
                groups[num_frames].append((row, start))
        return groups
