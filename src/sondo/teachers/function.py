"""A function, or an object shaped like a teacher, from the user's own code: `package.module:function`."""

from __future__ import annotations

import hashlib
import importlib
import inspect
import json
import sys
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
import torch
from torch import Tensor

from sondo.errors import SondoError
from sondo.weights import sha256_of

DEFAULT_SAMPLE_RATE = 32000
_PROBE_BATCH = 2
_PASSED_ON = ("licence", "num_params", "source", "needs_audio", "lookup")


class FunctionTeacher:
    """A user's function with the teacher's shape around it; what it returns is checked at every call.

    Args:
        name: What the user typed.
        function: Takes sound (batch, samples), a torch tensor or a numpy array, and gives (batch, dim), either too.
            Which of the two it takes is read from the annotation of its first parameter, or found by trying.
        sample_rate: Rate of the sound in Hz.
        embedding_dim: Length of its vectors; found by one call on a second of noise when left out.
        fingerprint: Hash of what the vectors depend on.

    Raises:
        SondoError: The function fails on noise, or gives something else than one finite vector for each sound.
    """

    def __init__(
        self,
        name: str,
        function: Callable[[Any], Any],
        *,
        sample_rate: int,
        embedding_dim: int | None = None,
        fingerprint: str = "",
    ) -> None:
        self.name = name
        self.sample_rate = sample_rate
        self.fingerprint = fingerprint
        self._function = function
        self._takes = _annotated_kind(function)
        self.embedding_dim = self._probe() if embedding_dim is None else embedding_dim

    @torch.no_grad()
    def embed(self, audio: Tensor) -> Tensor:
        """Call the function.

        Shape:
            audio (batch, samples) -> (batch, embedding_dim).

        Raises:
            SondoError: The function failed, or gave another shape, or values that are not finite.
        """
        vectors = self._call(audio)
        if tuple(vectors.shape) != (audio.shape[0], self.embedding_dim):
            raise SondoError(
                f"teacher {self.name} gave an array of shape {tuple(vectors.shape)} for {audio.shape[0]} sounds: "
                f"expected ({audio.shape[0]}, {self.embedding_dim})"
            )
        if not bool(torch.isfinite(vectors).all()):
            raise SondoError(f"teacher {self.name} gave values that are not finite for sound {tuple(audio.shape)}")
        return vectors

    @torch.no_grad()
    def _probe(self) -> int:
        noise = np.random.default_rng(0).standard_normal((_PROBE_BATCH, self.sample_rate)).astype(np.float32)
        sound = torch.from_numpy(0.1 * noise)
        vectors = self._call(sound)
        if vectors.ndim != 2 or vectors.shape[0] != _PROBE_BATCH or vectors.shape[1] < 1:
            raise SondoError(
                f"teacher {self.name} gave an array of shape {tuple(vectors.shape)} for sound of shape "
                f"{tuple(sound.shape)}: expected (batch, dim), here ({_PROBE_BATCH}, dim)"
            )
        if not bool(torch.isfinite(vectors).all()):
            raise SondoError(f"teacher {self.name} gave values that are not finite for a second of quiet noise")
        return int(vectors.shape[1])

    def _call(self, audio: Tensor) -> Tensor:
        if self._takes is None:
            self._takes = self._find_kind(audio)
        try:
            output = self._function(_as_kind(audio, self._takes))
        except SondoError:
            raise
        except Exception as error:
            raise SondoError(
                f"teacher {self.name} failed on sound of shape {tuple(audio.shape)}: {_say(error)}"
            ) from error
        try:
            vectors = output if isinstance(output, Tensor) else torch.from_numpy(np.asarray(output, dtype=np.float32))
        except (TypeError, ValueError) as error:
            raise SondoError(
                f"teacher {self.name} gave {type(output).__name__}: expected an array (batch, dim) of numbers"
            ) from error
        return vectors.detach().float()

    def _find_kind(self, audio: Tensor) -> str:
        failures = []
        for kind in ("torch", "numpy"):
            try:
                self._function(_as_kind(audio.clone(), kind))
            except SondoError:
                raise
            except Exception as error:  # whatever a user's function raises when it cannot use this kind
                failures.append(f"as a {kind} array {_say(error)}")
            else:
                return kind
        raise SondoError(f"teacher {self.name} failed on sound of shape {tuple(audio.shape)}: {'; '.join(failures)}")


def make_function_teacher(
    name: str, *, checkpoint: str | None = None, sample_rate: int | None = None, **options: Any
) -> Any:
    """Make the teacher that `package.module:function` names, for `sondo.teachers.create`.

    The name may stand for an object with the teacher's shape, for a class or function without required parameters
    (or with `checkpoint` as the first) that returns one, or for a plain function of sound with the optional attributes
    `sample_rate` and `embedding_dim`.

    Args:
        name: `package.module:function`; the module is also looked for in the current folder.
        checkpoint: Handed to a class or factory that takes it.
        sample_rate: Rate in Hz for a function that does not say its own; 32000 when left out.
        options: Handed to a class or factory.

    Raises:
        SondoError: The module or function is not there or fails, or what it gives is no teacher.
    """
    module, target = _find(name)
    given = {"checkpoint": checkpoint, "sample_rate": sample_rate, **options}
    given = {key: value for key, value in given.items() if value is not None}
    if _is_factory(target):
        target = _build(name, target, given)
    elif checkpoint is not None or options:
        what = ", ".join(sorted(set(given) - {"sample_rate"}))
        raise SondoError(f"teacher {name} is not a class or factory, so it cannot take {what}")
    function = getattr(target, "embed", target)
    if not callable(function):
        raise SondoError(f"{name} is {type(target).__name__}, which is neither a function of sound nor a teacher")
    teacher = FunctionTeacher(
        name,
        function,
        sample_rate=_rate(name, getattr(target, "sample_rate", None), sample_rate),
        embedding_dim=_dimension(name, getattr(target, "embedding_dim", None)),
        fingerprint=str(getattr(target, "fingerprint", "") or _fingerprint(name, module, given)),
    )
    for attribute in _PASSED_ON:
        if hasattr(target, attribute):
            setattr(teacher, attribute, getattr(target, attribute))
    return teacher


def _find(name: str) -> tuple[ModuleType, Any]:
    module_name, _, path = name.partition(":")
    if not module_name or not path or not all(part.isidentifier() for part in (*module_name.split("."), path)):
        raise SondoError(f"{name!r} does not name a teacher: write package.module:function")
    with _current_folder():
        try:
            module = importlib.import_module(module_name)
        except ModuleNotFoundError as error:
            if error.name is None or not (module_name == error.name or module_name.startswith(f"{error.name}.")):
                raise SondoError(f"module {module_name} of teacher {name} needs {error.name}: install it") from error
            raise SondoError(
                f"there is no module {module_name} for teacher {name}: neither installed nor in {Path.cwd()}"
            ) from error
        except Exception as error:
            raise SondoError(f"module {module_name} of teacher {name} cannot be imported: {_say(error)}") from error
    if not hasattr(module, path):
        there = ", ".join(key for key, value in vars(module).items() if callable(value) and not key.startswith("_"))
        raise SondoError(f"module {module_name} has no {path}; it has {there or 'nothing that can be called'}")
    return module, getattr(module, path)


@contextmanager
def _current_folder() -> Iterator[None]:
    """Let modules in the current folder be found, after all that is installed."""
    folder = str(Path.cwd())
    sys.path.append(folder)
    importlib.invalidate_caches()
    try:
        yield
    finally:
        sys.path.reverse()
        sys.path.remove(folder)
        sys.path.reverse()


def _is_factory(target: Any) -> bool:
    if isinstance(target, type):
        return True
    if not inspect.isroutine(target):
        return False
    try:
        parameters = list(inspect.signature(target).parameters.values())
    except (TypeError, ValueError):
        return False
    positional = [p for p in parameters if p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD, p.VAR_POSITIONAL)]
    required = [p for p in positional if p.default is p.empty]
    return not required or required[0].name == "checkpoint"


def _build(name: str, factory: Callable[..., Any], given: dict[str, Any]) -> Any:
    """Call a factory; what it takes and who asked for it must fit, except a sample rate that it need not take."""
    parameters = inspect.signature(factory).parameters
    takes_all = any(p.kind is p.VAR_KEYWORD for p in parameters.values())
    handed = {key: value for key, value in given.items() if takes_all or key in parameters}
    wrong = sorted(set(given) - set(handed) - {"sample_rate"})
    if wrong:
        raise SondoError(f"teacher {name} does not take {', '.join(wrong)}; it takes {', '.join(parameters) or 'none'}")
    missing = [key for key, p in parameters.items() if _is_required(p) and key not in handed]
    if missing:
        raise SondoError(f"teacher {name} needs {', '.join(missing)}")
    try:
        return factory(**handed)
    except SondoError:
        raise
    except Exception as error:
        raise SondoError(f"teacher {name} cannot be made: {_say(error)}") from error


def _is_required(parameter: inspect.Parameter) -> bool:
    return parameter.default is parameter.empty and parameter.kind not in (
        parameter.VAR_POSITIONAL,
        parameter.VAR_KEYWORD,
    )


def _rate(name: str, own: Any, wanted: int | None) -> int:
    if own is None:
        return DEFAULT_SAMPLE_RATE if wanted is None else int(wanted)
    if wanted is not None and int(wanted) != int(own):
        raise SondoError(f"teacher {name} says that it hears at {own} Hz, and the option sample_rate says {wanted}")
    return int(own)


def _dimension(name: str, own: Any) -> int | None:
    if own is None:
        return None
    if isinstance(own, bool) or not isinstance(own, int) or own < 1:
        raise SondoError(f"teacher {name} says embedding_dim = {own!r}: expected a whole number above 0")
    return own


def _as_kind(audio: Tensor, kind: str) -> Any:
    return audio.cpu().numpy() if kind == "numpy" else audio


def _say(error: Exception) -> str:
    return f"{type(error).__name__}: {error}"


def _annotated_kind(function: Callable[..., Any]) -> str | None:
    try:
        first = next(iter(inspect.signature(function).parameters.values()))
    except (TypeError, ValueError, StopIteration):
        return None
    text = first.annotation if isinstance(first.annotation, str) else str(first.annotation)
    if "ndarray" in text.lower():
        return "numpy"
    return "torch" if "Tensor" in text else None


def _fingerprint(name: str, module: ModuleType, given: dict[str, Any]) -> str:
    """Hash of the name, the options, what the checkpoint holds, and the module's file.

    Another version of the code is another teacher, and so are other weights at the same place; the same weights at
    another place are not. Nothing of a module without a file, as what was typed into a notebook has none.
    """
    if (file := getattr(module, "__file__", None)) is None:
        return ""
    checkpoint = given.get("checkpoint")
    if checkpoint is not None and Path(checkpoint).exists():
        given = given | {"checkpoint": sha256_of(Path(checkpoint))}
    digest = hashlib.sha256(json.dumps([name, given], sort_keys=True, default=str).encode())
    digest.update(Path(file).read_bytes())
    return digest.hexdigest()[:16]
