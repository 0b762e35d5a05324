"""The teachers by name. A teacher's module is imported when the teacher is made, not before."""

from __future__ import annotations

import dataclasses
import difflib
import inspect
from dataclasses import dataclass
from pathlib import Path
from typing import TYPE_CHECKING, Any, cast

from sondo.errors import SondoError, import_own
from sondo.teachers import published
from sondo.teachers.base import TeacherInfo
from sondo.weights import RemoteFile, is_here

if TYPE_CHECKING:
    from collections.abc import Callable

    from sondo.teachers.base import Teacher

FUNCTION_FORM = "package.module:function"


@dataclass(frozen=True)
class _Entry:
    """Where a teacher is made: a callable `make(name, *, checkpoint, ...)` of a module; and its published file."""

    module: str
    make: str
    info: TeacherInfo
    file: RemoteFile | None = None


def _entry(module: str, make: str, *, file: RemoteFile | None = None, **info: Any) -> _Entry:
    return _Entry(f"sondo.teachers.{module}", make, TeacherInfo(**info), file)


_FUNCTION = _entry(
    "function",
    "make_function_teacher",
    name=FUNCTION_FORM,
    params=None,
    embedding_dim=None,
    sample_rate=None,
    licence="its own",
    source="your code",
    description="any Python function from (batch, samples) to (batch, dim), or an object shaped like a teacher",
)
_ENTRIES = (
    _entry(
        "modulation",
        "make_modulation_teacher",
        name="modulation",
        params=0,
        embedding_dim=544,
        sample_rate=32000,
        licence="MIT",
        source="Elliott & Theunissen 2009 (doi 10.1371/journal.pcbi.1000302)",
        description="log-mel statistics and the modulation power spectrum; built in, nothing to download",
    ),
    _entry(
        "matpac",
        "make_matpac_teacher",
        file=published.MATPAC,
        name="matpac",
        params=85_400_832,
        embedding_dim=3840,
        sample_rate=16000,
        licence=published.MATPAC.licence,
        source=published.MATPAC.source,
        description="MATPAC++ as in the S-SONDO paper; checkpoint: any file of a MATPAC encoder",
    ),
    _entry(
        "m2d",
        "make_m2d_teacher",
        file=published.M2D,
        name="m2d",
        params=85_400_832,
        embedding_dim=3840,
        sample_rate=16000,
        licence=published.M2D.licence,
        source=published.M2D.source,
        description="M2D as in the S-SONDO paper; checkpoint: a .pth, its folder or the .zip; option input_size",
    ),
    _entry(
        "onnx",
        "make_onnx_teacher",
        name="onnx",
        params=None,
        embedding_dim=None,
        sample_rate=None,
        licence="that of the file",
        source="checkpoint: an .onnx file",
        description="a file that takes audio; its sample rate from its metadata or the option sample_rate",
    ),
    _entry(
        "precomputed",
        "make_precomputed_teacher",
        name="precomputed",
        params=None,
        embedding_dim=None,
        sample_rate=None,
        licence="that of the vectors",
        source="checkpoint: .parquet (columns path and embedding), .npy with its ids in a .json, .csv or .txt beside "
        "it, or a folder of .npz (array embed) named like the sounds",
        description="vectors that were computed elsewhere, joined by clip id or path",
    ),
)
_FORMS = {
    "hf": _entry(
        "hf",
        "make_hf_teacher",
        name="hf:MODEL",
        params=None,
        embedding_dim=None,
        sample_rate=None,
        licence="that of the model",
        source="the Hugging Face hub, or a folder that save_pretrained wrote",
        description="AST, wav2vec 2.0, HuBERT, WavLM, data2vec-audio, Whisper, CLAP and others, by transformers",
    ),
    "hear": _entry(
        "hear",
        "make_hear_teacher",
        name="hear:package.module",
        params=None,
        embedding_dim=None,
        sample_rate=None,
        licence="that of the module",
        source="any module that follows the HEAR API",
        description="load_model and get_scene_embeddings of a module; its weights with the option checkpoint",
    ),
}
_BY_NAME = {entry.info.name: entry for entry in _ENTRIES}


def available() -> list[TeacherInfo]:
    """What `create` knows; the last ones are forms in which other teachers are named."""
    return [_with_weights(entry) for entry in (*_ENTRIES, *_FORMS.values(), _FUNCTION)]


def _with_weights(entry: _Entry) -> TeacherInfo:
    if entry.file is None:
        return entry.info
    state = f"here, {entry.file.path}" if is_here(entry.file) else f"not here yet; first use downloads {entry.file.url}"
    return dataclasses.replace(entry.info, weights=state)


def label_of(name: str) -> str:
    """What a teacher is called where nothing else was asked for; its column in the bank is `teacher.<label>`.

    >>> label_of("hf:MIT/ast-finetuned"), label_of("hf:/models/ast-tiny/"), label_of("hear:my.model"), label_of("m2d")
    ('hf-MIT-ast-finetuned', 'hf-ast-tiny', 'hear-my.model', 'm2d')
    """
    form, _, rest = name.partition(":")
    if form == "hf":
        is_folder = Path(rest).is_dir() or rest.startswith((".", "/", "~")) or rest.count("/") > 1
        return f"hf-{Path(rest).name}" if is_folder else f"hf-{rest.replace('/', '-')}"
    return f"hear-{rest}" if form == "hear" else name


def create(name: str, *, checkpoint: str | Path | None = None, label: str | None = None, **options: Any) -> Teacher:
    """Make a teacher. Its `embed` takes a float32 torch tensor (batch, samples) at its `sample_rate`, no numpy array.

    Args:
        name: One of `available()`, `hf:MODEL`, `hear:package.module`, or `package.module:function`.
        checkpoint: File of weights or vectors, for the teachers that need one.
        label: What to call it, and its column in the bank; `label_of(name)` when left out.
        options: What this teacher takes besides, e.g. `sample_rate` in Hz for an ONNX file that does not say its own.

    Raises:
        SondoError: No teacher has that name, an option it does not take, or a file that cannot be used.
        MissingExtraError: What it needs is not installed.

    Example:
        `create("modulation").embed(torch.from_numpy(audio))` with audio (batch, samples), float32 at 32 kHz, gives a
        tensor (batch, 544).
    """
    entry = _FORMS.get(name.partition(":")[0], _FUNCTION) if ":" in name else _BY_NAME.get(name)
    if entry is None:
        raise SondoError(_unknown(name))
    module = import_own(entry.module, what=f"teacher {name}")
    make = cast("Callable[..., Teacher]", getattr(module, entry.make))
    _check_options(name, make, options)
    teacher = make(name, checkpoint=None if checkpoint is None else str(checkpoint), **options)
    teacher.name = label or label_of(name)
    return teacher


def _check_options(name: str, make: Callable[..., Teacher], options: dict[str, Any]) -> None:
    parameters = inspect.signature(make).parameters.values()
    if any(parameter.kind is parameter.VAR_KEYWORD for parameter in parameters):
        return
    known = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY and p.name != "checkpoint"]
    wrong = sorted(set(options) - set(known))
    if wrong:
        takes = ", ".join(known) if known else "none"
        raise SondoError(f"teacher {name} has no option {', '.join(wrong)}; its options: {takes}")


def _unknown(name: str) -> str:
    near = difflib.get_close_matches(name.lower(), _BY_NAME, n=2, cutoff=0.5)
    guess = f" (did you mean {' or '.join(near)}?)" if near else ""
    if name.lower().endswith(".onnx"):
        guess = f" (for the file, use teacher onnx with checkpoint {name})"
    names = ", ".join(sorted(_BY_NAME))
    forms = ", ".join(entry.info.name for entry in _FORMS.values())
    return f"no teacher is called {name!r}{guess}: there is {names}; {forms} and {FUNCTION_FORM} for others"
