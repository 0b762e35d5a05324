"""M2D (Masked Modeling Duo) as a teacher, from the files that its authors publish."""

from __future__ import annotations

import re
import shutil
import tempfile
import zipfile
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from pathlib import Path
from typing import Any

from torch import Tensor

from sondo.audio.windows import Compat
from sondo.errors import SondoError
from sondo.teachers import published
from sondo.teachers.vit import (
    M2D,
    NormalisedLogMel,
    TransformerShape,
    TransformerTeacher,
    find_encoder,
    make_teacher,
    read_shape,
)
from sondo.teachers.vit.front_end import NUM_BANDS
from sondo.weights import fetch, read_checkpoint

_DEFAULT_STATS = (-7.1, 4.2)
_IN_FOLDER = ("checkpoint-300.pth", "M2D_ssl.pth")
_SIZES = re.compile(r"-(?P<bands>\d+)x(?P<frames>\d+)p(?P<patch>\d+x\d+)(?:p(?P<rate>\d+k))?")


def make_m2d_teacher(
    name: str, *, checkpoint: str | Path | None = None, input_size: str | None = None, compat: Compat = None
) -> TransformerTeacher:
    """Make the teacher for `sondo.teachers.create`.

    It hears at 16 kHz; a base model with patches of 16x16 gives 3840 values: 5 bands of frequency, low first, times
    768. Patches and position grid are read off the tensors. How many frames the model sees at once is `input_size`,
    else what the folder's name says (m2d_vit_base-80x608p16x16-...), else the frames of the grid's columns; both must
    fit the tensors. See `TransformerTeacher` for what `compat` changes.

    Args:
        name: Its name.
        checkpoint: File of weights, its folder, or the published .zip; the published M2D/0.7 when left out, which is
            downloaded once.
        input_size: Bands and frames, e.g. "80x608".
        compat: "ssondo" for the published way with sound above 10 s.

    Raises:
        SondoError: The file cannot be had, cannot be read, is no encoder of M2D, or is for 32 kHz; or the sizes do not
            fit it.

    Source:
        nttcslab/m2d at f0c4128, `examples/portable_m2d.py`, as S-SONDO runs it.
    """
    given = Path(checkpoint) if checkpoint is not None else fetch(published.M2D)
    with _weights_file(given) as path:
        held = read_checkpoint(path)
        tensors = find_encoder(held, M2D, path=path)
        shape = read_shape(tensors, path=path)
        mean, std = _norm_stats(held, path)
        return make_teacher(
            name,
            tensors=tensors,
            shape=shape,
            chunk_frames=_chunk_frames(path, shape, input_size),
            front_end=NormalisedLogMel(mean=mean, std=std, centred=True),
            path=path,
            compat=compat,
            licence=published.M2D.licence,
            source=published.M2D.source,
        )


@contextmanager
def _weights_file(given: Path) -> Iterator[Path]:
    """The file of weights itself: `given`, or the one in this folder or archive."""
    if given.is_dir():
        yield given / _only_weights(given, [item.name for item in given.iterdir()])
    elif given.suffix == ".zip" and given.is_file():
        with tempfile.TemporaryDirectory() as folder:
            yield _unpack(given, Path(folder))
    else:
        yield given


def _unpack(archive: Path, folder: Path) -> Path:
    """Unpack the weights; the folder around them keeps its name, which tells their sizes."""
    try:
        with zipfile.ZipFile(archive) as packed:
            inside = _only_weights(archive, packed.namelist())
            path = folder / (Path(inside).parent.name or archive.stem) / Path(inside).name
            path.parent.mkdir(exist_ok=True)
            with packed.open(inside) as source, path.open("wb") as target:
                shutil.copyfileobj(source, target)
    except zipfile.BadZipFile as error:
        raise SondoError(f"{archive} is damaged ({error}): fetch it again") from error
    return path


def _only_weights(holder: Path, names: list[str]) -> str:
    found = sorted(name for name in names if name.endswith(".pth"))
    usual = [name for name in found if Path(name).name in _IN_FOLDER]
    if len(usual or found) != 1:
        raise SondoError(
            f"{holder} holds {len(usual or found)} files of weights (.pth): name the one to use as the checkpoint"
        )
    return (usual or found)[0]


def _norm_stats(held: Mapping[str, Any], path: Path) -> tuple[float, float]:
    """Mean and deviation of the log-mel; the models of 2022 do not say theirs."""
    inside = held["model"] if isinstance(held.get("model"), Mapping) else held
    stats = next((inside[key] for key in inside if str(key).split(".")[-1] == "norm_stats"), None)
    if stats is None:
        return _DEFAULT_STATS
    if not isinstance(stats, Tensor) or stats.numel() != 2 or not float(stats.flatten()[1]) > 0:
        raise SondoError(f"norm_stats of {path} are {stats}: expected a mean and a deviation above 0")
    mean, std = stats.double().flatten().tolist()
    return mean, std


def _chunk_frames(path: Path, shape: TransformerShape, input_size: str | None) -> int:
    """Frames that the model sees at once, checked against its tensors."""
    patch = f"{shape.patch_bands}x{shape.patch_frames}"
    least = shape.columns * shape.patch_frames
    fits = f"patches of {patch} and {NUM_BANDS}x{least} to {NUM_BANDS}x{least + shape.patch_frames - 1}"
    named = _SIZES.search(path.resolve().parent.name)
    if named and named["rate"] not in (None, "16k"):
        raise SondoError(f"{path} is for sound at {named['rate']}Hz by its folder's name: only 16 kHz is supported")
    if named and named["patch"] != patch:
        raise SondoError(f"the folder's name of {path} says patches of {named['patch']}, but its tensors fit {fits}")
    if input_size is None:
        where, bands, frames = ("the folder's name", named["bands"], named["frames"]) if named else ("", "", "")
    else:
        where, (bands, _, frames) = "input_size", input_size.partition("x")
    if not where:
        return least
    if bands != str(NUM_BANDS) or not frames.isdecimal() or int(frames) // shape.patch_frames != shape.columns:
        raise SondoError(f"{where} says {bands}x{frames}, but the tensors of {path} fit {fits}")
    return int(frames)
