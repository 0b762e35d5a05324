"""The classifier's file: a student's exported graph with a head behind it, compared with its parts after writing.

The student's graph is taken as it is, from its output `embedding` on; so whatever exports students exports classifiers.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.audio.decode import read_clips
from sondo.classifier.head import Head
from sondo.classifier.words import WordHead
from sondo.errors import SondoError, check_places, check_utf8, require
from sondo.runtime.classifier import CLASSES, MULTI_LABEL, THRESHOLDS, VECTORS
from sondo.runtime.golden import golden_key, golden_vectors, to_text
from sondo.runtime.onnx import open_session
from sondo.scratch import replacing
from sondo.weights.layout import EXPORTED

TOLERANCE = 2e-3
"""Largest difference of a probability between the file and its parts, absolute."""

HEAD_NOTE = "sondo.head"
"""Metadata: JSON of what the head is and what it was fitted on."""

_PREFIX = "head/"
_UNTUNED = 0.5
_COMPARED_CLIPS, _COMPARED_S = 8, 25.0

Audio = NDArray[np.float32]
Embed = Callable[[Audio], NDArray[np.floating]]


def check_out(out: Path, *, student: str | Path, overwrite: bool) -> None:
    """Find out, before any work is done, whether `write_classifier` could write there.

    Args:
        out: The file to write.
        student: What the classifier is made of, a file or the folder of a run.
        overwrite: Whether a file that is there may be replaced.

    Raises:
        SondoError: Another extension than .onnx, a file that is there and not to be replaced, the student's own, or a
            file for a folder.
    """
    check_utf8(out)
    check_places(out)
    if out.suffix != ".onnx":
        raise SondoError(f"{out}: a classifier is called something.onnx")
    if out.is_dir() or (out.exists() and not overwrite):
        raise SondoError(
            f"{out} is there already: name another file, or allow it with --overwrite (in Python overwrite=True)"
        )
    if out.exists() and any(own.exists() and own.samefile(out) for own in (Path(student), Path(student) / EXPORTED)):
        raise SondoError(f"{out} is the student that the classifier is made of: name another file")


def some_sound(paths: Sequence[Path], *, sample_rate: int) -> list[Audio]:
    """The beginnings of a few files from all over a list, to compare on.

    Shape:
        -> at most 8 of (samples,), at most 25 s long.
    """
    chosen = np.unique(np.linspace(0, len(paths) - 1, _COMPARED_CLIPS).astype(np.int64))
    clips = [next(read_clips(paths[i], [(0.0, _COMPARED_S)], sample_rate=sample_rate)) for i in chosen]
    return [np.asarray(clip, dtype=np.float32) for clip in clips]


def write_classifier(
    student: Path,
    head: Head | WordHead,
    out: Path,
    *,
    note: Mapping[str, Any],
    embed: Embed,
    clips: Sequence[Audio],
    beside: Callable[[dict[str, Any], int], None] = lambda compared, num_bytes: None,
) -> dict[str, Any]:
    """Put a head behind a student's exported graph.

    The file takes `audio` (batch, samples) and gives `embedding` (batch, embedding_dim) as before, `logits` and
    `probabilities` (batch, classes). An optional input `vectors` (n, embedding_dim), empty by default, has its rows
    classified behind those of the sound: so embeddings that are there already need no sound.

    Args:
        student: The student's `.onnx` file.
        head: The head.
        out: The file to write; one that is there is replaced in one step.
        note: What the file should say of its head, JSON-able.
        embed: What the embedding is compared with: (samples,) at the student's rate -> (embedding_dim,).
        clips: Sound to compare on, each (samples,).
        beside: Writes what belongs beside the file, from what the comparison found and the size in bytes. It is called
            before the file gets its name, so that a file that is there is never without.

    Returns:
        What the comparison found: clips, largest difference of a probability, clips whose first class is the same.

    Raises:
        SondoError: A student that is a classifier already or whose embedding the head does not fit, or a file that does
            not agree with its parts; nothing is written then.
    """
    onnx = require("onnx", extra="train", why="Writing a classifier needs onnx")
    model = onnx.load(str(student))
    metadata = {item.key: item.value for item in model.metadata_props}
    if CLASSES in metadata:
        raise SondoError(f"{student} is a classifier already: name the student that it was made of")
    if metadata.get("sondo.embedding_dim") != str(head.embedding_dim):
        raise SondoError(
            f"the head takes {head.embedding_dim} values, the embedding of {student} has "
            f"{metadata.get('sondo.embedding_dim', 'no known number')}: they do not belong together"
        )
    _append(model.graph, head)
    metadata |= {
        CLASSES: json.dumps(head.classes, ensure_ascii=False),
        MULTI_LABEL: json.dumps(head.multi_label),
        HEAD_NOTE: json.dumps(dict(note), ensure_ascii=False),
    }
    if head.multi_label:
        metadata[THRESHOLDS] = json.dumps(head.thresholds or [_UNTUNED] * len(head.classes))
    out.parent.mkdir(parents=True, exist_ok=True)
    with replacing(out) as scratch:
        onnx.checker.check_model(model)
        scratch.write_bytes(model.SerializeToString())
        golden = golden_vectors(open_session(scratch, None), "probabilities")
        onnx.helper.set_model_props(model, metadata | {golden_key("probabilities"): to_text(golden)})
        scratch.write_bytes(model.SerializeToString())
        report = _compare(scratch, head, embed=embed, clips=clips)
        if not report["largest_difference"] <= TOLERANCE:  # also where it is no number
            raise SondoError(
                f"{out} was not written: a probability differs from that of student and head by "
                f"{report['largest_difference']:.2g}, at most {TOLERANCE:g} is allowed"
            )
        beside(report, scratch.stat().st_size)
    return report


def _append(graph: Any, head: Head | WordHead) -> None:
    """The head, and the probabilities, behind the output `embedding`."""
    from onnx import TensorProto, helper, numpy_helper

    operators, constants = head.operators("rows")
    steps = [("Concat", ["embedding", VECTORS], "rows", {"axis": 0}), *operators]
    final: tuple[str, dict[str, Any]] = ("Sigmoid", {}) if head.multi_label else ("Softmax", {"axis": 1})
    steps.append((final[0], ["logits"], "probabilities", final[1]))
    outside = ("embedding", VECTORS, "logits", "probabilities")

    def name(local: str) -> str:
        return local if local in outside else _PREFIX + local

    for kind, inputs, output, attributes in steps:
        graph.node.append(
            helper.make_node(kind, [name(i) for i in inputs], [name(output)], name=_PREFIX + output, **attributes)
        )
    for local, value in constants.items():
        graph.initializer.append(numpy_helper.from_array(_constant(value), name(local)))
    none = np.zeros((0, head.embedding_dim), dtype=np.float32)
    graph.initializer.append(numpy_helper.from_array(none, VECTORS))
    graph.input.append(helper.make_tensor_value_info(VECTORS, TensorProto.FLOAT, ["given", head.embedding_dim]))
    for output in ("logits", "probabilities"):
        graph.output.append(helper.make_tensor_value_info(output, TensorProto.FLOAT, ["batch", len(head.classes)]))


def _constant(value: NDArray[Any]) -> NDArray[Any]:
    """Numbers in float32, places as they are."""
    return np.array(value, dtype=np.float32 if value.dtype.kind == "f" else value.dtype, order="C")


def _compare(path: Path, head: Head | WordHead, *, embed: Embed, clips: Sequence[Audio]) -> dict[str, Any]:
    """The file's probabilities from sound beside those of the embedding and the head by themselves."""
    session = open_session(path, None)
    difference, same = 0.0, 0
    for clip in clips:
        wanted = head.probabilities(np.asarray(embed(clip))[None])[0]
        (got,) = session.run(["probabilities"], {"audio": clip[None]})
        difference = float(np.maximum(difference, np.abs(got[0] - wanted).max()))  # NaN stays NaN
        same += int(got[0].argmax() == wanted.argmax())
    return {"clips": len(clips), "largest_difference": difference, "same_first_class": same}
