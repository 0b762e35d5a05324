"""An exported student, run by onnxruntime."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.errors import SondoError, check_readable
from sondo.in_threads import num_cores
from sondo.runtime.metadata import FileInfo, read_object
from sondo.runtime.model import Model
from sondo.runtime.threads import checked_threads

_MOST_AT_ONCE = 8
"""Each holds its maps in memory, some 50 MB at full width."""

TEACHER_SPACE = "teacher_space"
"""The output of the mapping head."""


class OnnxModel(Model):
    """A student in one file: input `audio` (batch, samples), output `embedding` (batch, embedding_dim).

    Where the student has frames, a second output `frames` (batch, T, frame_dim), and `sondo.frame_stride` in the
    metadata: the log-mel frames from one of them to the next.

    A copy, and what another process is sent, opens the file again.

    Args:
        path: The `.onnx` file.
        threads: Threads of onnxruntime; one per core when left out.
        session: The file's session where it is open already.

    Raises:
        SondoError: No such file, no ONNX file, one that sondo did not export, or one of another format version.

    Example:
        `OnnxModel("student.onnx").embed("dog.wav")` gives an (embedding_dim,) float32 array.
    """

    def __init__(self, path: str | Path, *, threads: int | None = None, session: Any = None) -> None:
        self.path, self._threads = Path(path), threads
        self._session = session or open_session(self.path, threads)
        metadata = _metadata(self.path, self._session)
        info = FileInfo.read(self.path, metadata, lacking=_lacking(self._session))
        self.precision = info.precision
        try:
            self._frame_stride = int(metadata.get("sondo.frame_stride", 0))
            if self._frame_stride < 0:
                raise ValueError(f"sondo.frame_stride is {self._frame_stride}")
        except ValueError as error:
            raise SondoError(f"{path}: its metadata cannot be read ({error}); export it again") from error
        width = next(output for output in self._session.get_outputs() if output.name == "embedding").shape[-1]
        if isinstance(width, int) and width != info.embedding_dim:
            raise SondoError(
                f"{path}: its metadata contradicts itself ({info.embedding_dim} numbers against {width} of the graph); "
                "export it again"
            )
        super().__init__(
            name=info.name,
            embedding_dim=info.embedding_dim,
            space_id=info.space_id,
            licence=info.licence,
            front_end=info.front_end,
        )

    def __reduce__(self) -> tuple[Callable[..., OnnxModel], tuple[Path]]:
        # A session can be neither pickled nor copied.
        return partial(type(self), threads=self._threads), (self.path,)

    @property
    def at_once(self) -> int:
        """How many sounds it embeds at a time where it is given several: one for each thread, eight at most."""
        return min(self._threads or num_cores(), _MOST_AT_ONCE)

    @property
    def frame_stride(self) -> int:
        """Log-mel frames from one of the `frames` to the next.

        Raises:
            SondoError: The file has no output `frames`.
        """
        if not self._frame_stride or "frames" not in {output.name for output in self._session.get_outputs()}:
            raise SondoError(
                f"{self.path} has no output `frames`: export the student again, with frames; a student that gives "
                "vectors and not maps has none"
            )
        return self._frame_stride

    @property
    def mapped_to(self) -> dict[str, Any] | None:
        """Into which teacher's space the output `teacher_space` maps: `name`, `fingerprint`, `licence` and
        `embedding_dim`; None without that output.
        """
        raw = _metadata(self.path, self._session).get("sondo.teacher")
        if raw is None or TEACHER_SPACE not in {output.name for output in self._session.get_outputs()}:
            return None
        return read_object(self.path, raw)

    def _embed_windows(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._run("embedding", audio)

    def _frames_of_windows(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        return self._run("frames", audio)

    def in_teacher_space(self, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        """Windows behind the mapping head.

        Args:
            audio: Mono samples in [-1, 1] at `sample_rate`.

        Shape:
            (batch, samples) -> (batch, embedding_dim of the teacher).
        """
        return self._run(TEACHER_SPACE, audio)

    def _run(self, output: str, audio: NDArray[np.float32]) -> NDArray[np.float32]:
        (values,) = self._session.run([output], {"audio": np.ascontiguousarray(audio, dtype=np.float32)})
        return np.asarray(values, dtype=np.float32)


def open_session(path: Path, threads: int | None) -> Any:
    """The session of a file in onnxruntime, with a reason that a user understands where there is none."""
    threads = checked_threads(threads)
    if not path.is_file():
        raise SondoError(f"no such model file: {path}")
    check_readable(path)
    import onnxruntime

    options = onnxruntime.SessionOptions()
    options.log_severity_level = 3
    options.intra_op_num_threads = threads or 0
    options.inter_op_num_threads = 1
    # Threads that wait by spinning take the core that decodes the next window, and a small computer's battery.
    options.add_session_config_entry("session.intra_op.allow_spinning", "0")
    try:
        return onnxruntime.InferenceSession(str(path), options, providers=["CPUExecutionProvider"])
    except Exception as error:  # onnxruntime raises a dozen classes that share no base
        raise SondoError(
            f"{path}: onnxruntime cannot open it, copy or export it again: {str(error).splitlines()[0]}"
        ) from error


def _metadata(path: Path, session: Any) -> dict[str, str]:
    metadata: dict[str, str] = session.get_modelmeta().custom_metadata_map
    if "sondo.format" not in metadata:
        raise SondoError(
            f"{path}: an ONNX file, but not one that `sondo export` wrote (no sondo.format in its metadata)"
        )
    return metadata


def _lacking(session: Any) -> list[str]:
    """What a graph must have and this one has not."""
    lacking = [f"input {name}" for name in {"audio"} - {node.name for node in session.get_inputs()}]
    return lacking + [f"output {name}" for name in {"embedding"} - {node.name for node in session.get_outputs()}]
