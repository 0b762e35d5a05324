"""Students that lie in a repository of the Hugging Face hub: what names one, and its files brought here."""

from __future__ import annotations

import json
import re
from importlib.util import find_spec
from pathlib import Path
from typing import Any

from sondo.errors import MissingExtraError, SondoError, how_to_install, near_path
from sondo.weights.cache import is_offline
from sondo.weights.hub import HUB, commit_of, download, hub_is_here, reason, recorded
from sondo.weights.layout import CONFIG, EXPORTED, weight_files

_ID = re.compile(r"[A-Za-z0-9][\w.-]*/[A-Za-z0-9_][\w.-]*(@.+)?", re.ASCII)
_PATIENCE_S = 10.0
_FILE = re.compile(r"\.(onnx|tflite|pte|ckpt|pt|pth|safetensors|json)$", re.IGNORECASE)


def located(model: str | Path, *, exported: bool = False) -> Path:
    """Where a model lies on this machine; the student of a repository of the hub is downloaded first.

    A repository is `hf://owner/name`, or `owner/name` where nothing of that name lies here and `owner` is no folder;
    `@revision` (commit, branch or tag) may stand behind it, else the commit of the first use stays.

    Args:
        model: What `sondo.load` takes.
        exported: Whether the exported file is asked for even where torch could open the weights.

    Returns:
        Of a repository the folder with the student's settings, weights and mapping heads; where torch is not installed,
        or `exported`, its `student.onnx`. What names no repository, as it is.

    Raises:
        SondoError: No such repository, none of a student, no access or no network; or a path that leads nowhere and
            could be a repository but for its folder, which is here.
    """
    name = str(model)
    body, _, revision = name.removeprefix(HUB).partition("@")
    if name.startswith(HUB):
        is_repository = len([piece for piece in body.split("/") if piece]) == 2  # more name a file of one
        return _student(body.strip("/"), revision or None, exported=exported) if is_repository else Path(model)
    if not _ID.fullmatch(name) or _FILE.search(name) or Path(name).exists():
        return Path(model)
    if Path(body).parent.exists():
        raise _mistyped(name)
    if find_spec("huggingface_hub") is None:
        raise MissingExtraError(
            f"there is no {name} here; to look for it on the Hugging Face hub, its client is needed: "
            f"{how_to_install('hub')}"
        )
    return _student(body, revision or None, exported=exported, is_sure=False)


def _mistyped(name: str) -> SondoError:
    guess = near_path(name)
    return SondoError(
        f"there is no {name}{f': {guess}' if guess else ''} ({Path(name).parent} is here, so that this is taken for a "
        f"path; a repository of the Hugging Face hub of that name would be {HUB}{name})"
    )


def _student(repository: str, revision: str | None, *, exported: bool, is_sure: bool = True) -> Path:
    """The folder of a repository's student; where that is asked for, or without torch, its exported file.

    Where it is not sure that a repository was meant, one question to the hub comes first: where the hub cannot be
    reached, that fails at once, while a download is tried for half a minute, too long for a path that was mistyped.
    """
    name = f"{repository}@{revision}" if revision else repository
    wanted = EXPORTED if exported or find_spec("torch") is None else CONFIG
    try:
        if not (is_sure or is_offline() or hub_is_here(f"{HUB}{repository}/{wanted}@{revision or ''}")):
            from huggingface_hub import HfApi

            HfApi().model_info(repository, timeout=_PATIENCE_S)
        path = download(repository, wanted, revision)
        if wanted == EXPORTED:
            return path
        commit = commit_of(path, CONFIG) or revision  # a branch may move between two files
        for wanted in weight_files(_config(path, repository)):
            download(repository, wanted, commit)
        return path.parent
    except SondoError:
        raise
    except Exception as error:  # the hub's client raises its own and its transport's errors
        subject = f"{HUB}{name}" if is_sure else f"there is no {name} here, and it"
        raise SondoError(
            f"{subject} could not be had from the Hugging Face hub ({wanted}{recorded(repository, revision)}): "
            f"{reason(error)}{_advice(error, wanted, repository)}"
        ) from error


def _advice(error: Exception, wanted: str, repository: str) -> str:
    """What to do where the repository is there and the file is not."""
    from huggingface_hub.errors import EntryNotFoundError, LocalEntryNotFoundError

    if not isinstance(error, EntryNotFoundError) or isinstance(error, LocalEntryNotFoundError):
        return ""
    if wanted == EXPORTED and find_spec("torch") is None:
        return f"; without torch that file is opened, with torch it is not needed: {how_to_install('train')}"
    return f"; another file of it is opened by {HUB}{repository}/FILE"


def _config(path: Path, repository: str) -> dict[str, Any]:
    """A repository's settings, where they are a student's: the weights of another model may be large."""
    try:
        config = json.loads(path.read_text(encoding="utf-8"))
    except ValueError:
        config = None
    if not isinstance(config, dict) or not {"format", "student"} <= config.keys():
        raise SondoError(
            f"{repository} holds no student of sondo. (An audio model of transformers can be a teacher: "
            f"--teacher hf:{repository})"
        )
    return config
