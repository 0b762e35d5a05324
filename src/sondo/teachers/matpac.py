"""MATPAC and MATPAC++ as teachers, from the files that their authors publish."""

from __future__ import annotations

from pathlib import Path

from sondo.audio.windows import Compat
from sondo.teachers import published
from sondo.teachers.vit import MATPAC, NormalisedLogMel, TransformerTeacher, find_encoder, make_teacher, read_shape
from sondo.weights import fetch, read_checkpoint

_MEAN, _STD = -7.056, 4.193


def make_matpac_teacher(
    name: str, *, checkpoint: str | Path | None = None, compat: Compat = None
) -> TransformerTeacher:
    """Make the teacher for `sondo.teachers.create`.

    It hears at 16 kHz and gives 3840 values: 5 bands of frequency, low first, times 768. All published encoders are
    read, and told apart by their tensors: those trained on 6 s (608 frames) and those tuned on AudioSet (992 frames).
    A classification head in the file is left out, and its embeddings are the same 3840 values (the published code
    gives 768 for such a file). See `TransformerTeacher` for what `compat` changes; where the published wrapper keeps
    one vector per 10 s, `embed` averages them, all with the same weight.

    Args:
        name: Its name.
        checkpoint: File of weights, e.g. matpac_plus_music_6s_2048_enconly.pt; the published MATPAC++ when left out,
            which is downloaded once.
        compat: "ssondo" for the published way with sound above 10 s.

    Raises:
        SondoError: The file cannot be had, cannot be read, or is no encoder of MATPAC.

    Source:
        aurianworld/matpac at b0e2dc7, `inference_matpac/matpac/model.py` (inference type "precise").
    """
    path = Path(checkpoint) if checkpoint is not None else fetch(published.MATPAC)
    tensors = find_encoder(read_checkpoint(path), MATPAC, path=path)
    shape = read_shape(tensors, path=path)
    return make_teacher(
        name,
        tensors=tensors,
        shape=shape,
        chunk_frames=shape.columns * shape.patch_frames,
        front_end=NormalisedLogMel(mean=_MEAN, std=_STD, centred=False),
        path=path,
        compat=compat,
        licence=published.MATPAC.licence,
        source=published.MATPAC.source,
    )
