"""`sondo push`: a student to the Hugging Face hub, in one commit, from where `sondo.load("owner/name")` opens it.

May import: `sondo.students`, `sondo.weights`, `sondo.claim`, `sondo.errors`, `sondo.screen`, `sondo.runtime`;
huggingface_hub inside functions.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from sondo.claim import kind_of_run
from sondo.errors import SondoError, require
from sondo.runtime.files import FILES, open_file
from sondo.screen import say
from sondo.students.card import UNKNOWN, CardFile, model_card
from sondo.students.registry import is_code
from sondo.students.storage import load, load_projectors, read_config
from sondo.weights.cache import is_offline, recall, record
from sondo.weights.hub import HUB, REVISIONS, reason
from sondo.weights.layout import CARD, CLASSIFIER, CONFIG, EXPORTED, weight_files

SUMMARY = "summary.json"

_WHY = "Pushing to the Hugging Face hub needs huggingface_hub"

# What earlier pushes may have left: where this student has no such file, that one is of another student.
_OURS = re.compile(
    r"(student[^/]*\.(onnx|tflite|pte)(\.json)?|projector[^/]*\.safetensors|summary\.json|classifier\.onnx)"
)
# Words of licences of which it is known that they limit what may be handed on; what they mean for a student sondo
# does not know, nor whether other licences do.
_LIMITS = re.compile(r"evaluation only|-nd\b|no ?derivatives", re.IGNORECASE)


@dataclass(frozen=True, kw_only=True)
class _Parcel:
    """What goes to the hub.

    Attributes:
        config: The student's settings.
        files: By their names in the repository; a path, or the content.
    """

    config: Mapping[str, Any]
    files: Mapping[str, Path | bytes]


def push_to_hub(
    path: str | Path,
    repo_id: str,
    *,
    private: bool = False,
    message: str | None = None,
    revision: str | None = None,
    accept_licence: bool = False,
    dry_run: bool = False,
) -> str:
    """Put a student on the Hugging Face hub, in one commit; a later call replaces it by another.

    What goes: the student's settings, weights and mapping heads; each exported file of this very student with its
    report, and of a fine-tuned one the classifier; the run's summary; and a model card, which is written anew. No
    sound, no bank, no logs, no checkpoints, and in the JSON files no paths of this machine.

    Args:
        path: The folder of a run or of a student.
        repo_id: `owner/name`; the repository is made where there is none.
        private: Make it a private one.
        message: Of the commit.
        revision: The branch, made where there is none; `main` by default.
        accept_licence: Go on where the licence that the teacher hands down is known to limit what may be handed on.
        dry_run: Show what would go, without the network.

    Returns:
        The repository's address.

    Raises:
        SondoError: No student there, or a run that is not finished; no name of a repository; a licence that was not
            accepted; not logged in, no permission, or no network.

    Example:
        `sondo.push_to_hub("runs/first", "me/first")`, then anywhere `sondo.load("me/first")`
    """
    hub = require("huggingface_hub", extra="hub", why=_WHY)
    repository = _checked_id(repo_id)
    parcel = _parcel(Path(path), repository, None if revision == "main" else revision)
    _show(parcel, repository)
    _check_licence(parcel.config, accepted=accept_licence)
    address = f"{hub.constants.ENDPOINT}/{repository}"
    if not dry_run:
        words = message or f"{parcel.config['student']['name']} by sondo, space {parcel.config['space_id']}"
        _upload(parcel.files, repository, private=private, message=words, revision=revision)
    return address


def _checked_id(repo_id: str) -> str:
    hub = require("huggingface_hub.utils", extra="hub", why=_WHY)
    repository = str(repo_id).removeprefix(HUB)
    try:
        hub.validate_repo_id(repository)
        is_valid = repository.count("/") == 1
    except hub.HFValidationError:
        is_valid = False
    if not is_valid:
        raise SondoError(
            f"{repo_id!r} is no name of a repository: expected owner/name, of letters, digits and single - _ . in "
            "between (a branch goes to --revision)"
        )
    return repository


def _parcel(path: Path, repository: str, branch: str | None) -> _Parcel:
    home = _home(path)
    config = read_config(home)
    code = str(config["student"]["name"])
    if is_code(code):
        say(
            f"{code} is code of your own, which is not uploaded: who loads this student needs it on their Python path, "
            "and --allow_code (in Python allow_code=True); an exported file needs neither"
        )
        num_params = None
    else:
        num_params = load(home).num_params  # strict: what cannot be read here could be read nowhere
        load_projectors(home)
    if missing := [name for name in weight_files(config) if not (home / name).is_file()]:
        raise SondoError(f"{home / missing[0]} is missing: copy the whole folder of the student")
    for teacher in config["info"].get("teachers") or [config["info"].get("teacher") or {}]:
        if Path(str(teacher.get("name")).removeprefix("hf:")).is_absolute():
            say(f"the teacher's name, a path of this machine, goes with its student: {teacher['name']}")
    summary = _read_json(path / SUMMARY)
    exported = _exported(path, str(config["space_id"]))
    if EXPORTED not in exported:
        makes = "" if (path / EXPORTED).exists() else f" (`sondo export {path}` makes it)"  # else it is named above
        of_this = "" if makes else " of this student"
        say(f"there is no {EXPORTED}{of_this}: who has no torch cannot open this{makes}")
    files: dict[str, Path | bytes] = {
        CONFIG: _as_json(config),
        **{name: home / name for name in weight_files(config)},
        **exported,
        **({SUMMARY: _as_json(summary)} if summary else {}),
    }
    card = model_card(
        _portable(config),
        num_params=num_params or (summary or {}).get("student", {}).get("params"),
        repository=repository,
        revision=branch,
        files=[_line(name, files) for name in files if not name.endswith(".json")],
        summary=summary,
    )
    return _Parcel(config=config, files={CARD: card.encode(), **files})


def _home(path: Path) -> Path:
    """The student's folder, where a run is finished."""
    if not path.is_dir():
        what = "is a file" if path.exists() else "is not there"
        raise SondoError(f"{path} {what}: give the folder of a run or of a student")
    kind = kind_of_run(path)
    if kind == "reproduce":
        raise SondoError(f"{path} holds a run of `sondo reproduce`: give one of the students in {path / 'cells'}")
    home = path / "student" if (path / "student").is_dir() else path
    # `sondo train` writes no summary; the others do so when everything is done.
    lacks_summary = kind != "train" and not (path / SUMMARY).exists()
    if kind is not None and (lacks_summary or not (home / CONFIG).is_file()):
        raise SondoError(f"the run in {path} is not finished: type its command again, it goes on where it stopped")
    return home


def _exported(path: Path, space_id: str) -> dict[str, Path | bytes]:
    """The exported files of this very student, each with its report."""
    found: dict[str, Path | bytes] = {}
    for file in sorted(path.glob("student*")):
        if file.suffix not in FILES:
            continue
        report = _read_json(file.with_name(f"{file.name}.json"))
        if report is None or report.get("space_id") != space_id:
            why = "no report lies beside it" if report is None else "it is of another student"
            say(f"left out: {file} ({why}; `sondo export {path} --overwrite` makes it again)")
            continue
        found |= {file.name: file, f"{file.name}.json": _as_json(report)}
    classifier = path / CLASSIFIER  # of fine-tuning, which writes no report of it
    if classifier.is_file() and open_file(classifier).space_id == space_id:
        found[CLASSIFIER] = classifier
    return found


def _line(name: str, files: Mapping[str, Path | bytes]) -> CardFile:
    report = json.loads(content) if isinstance(content := files.get(f"{name}.json", b"{}"), bytes) else {}
    return CardFile(
        name=name,
        num_bytes=_size(files[name]),
        precision=report.get("precision", "float32"),
        cosine_to_torch=report.get("judged_cosine"),
    )


def _size(content: Path | bytes) -> int:
    return content.stat().st_size if isinstance(content, Path) else len(content)


def _read_json(path: Path) -> dict[str, Any] | None:
    try:
        values = json.loads(path.read_text(encoding="utf-8"))
    except FileNotFoundError:
        return None
    except (ValueError, OSError) as error:
        raise SondoError(f"{path} cannot be read ({error}): export, or run, again") from error
    return values if isinstance(values, dict) else None


def _as_json(values: Mapping[str, Any]) -> bytes:
    return (json.dumps(_portable(values), indent=2) + "\n").encode()


def _portable(values: Any) -> Any:
    """JSON without paths of this machine: of a file its name stays, of what names sound or refuses nothing."""
    if isinstance(values, Mapping):
        kept = {
            key: value
            for key, value in values.items()
            if key != "mistakes" and not (isinstance(value, Mapping) and "refused" in value)
        }
        names = {key: kept[key] for key in ("classes", "label") if key in kept}  # `/m/09x0r` of AudioSet is no path
        return {
            key: Path(value).name if key in ("path", "picture") else _portable(value) for key, value in kept.items()
        } | names
    if isinstance(values, list):
        return [_portable(value) for value in values]
    return Path(values).name if isinstance(values, str) and Path(values).is_absolute() else values


def _show(parcel: _Parcel, repository: str) -> None:
    say(f"to {repository}:")
    for name, content in parcel.files.items():
        say(f"  {_size(content):>12,} bytes  {name}")


def _check_licence(config: Mapping[str, Any], *, accepted: bool) -> None:
    licence = str(config["licence"])
    teacher = (config["info"].get("teacher") or {}).get("name")
    whose = f", handed down by {teacher}" if teacher else ""
    if _LIMITS.search(licence) and not accepted:
        raise SondoError(
            f"the licence of this student{whose}, is {licence!r}, which limits what may be handed on: find out whether "
            "this student may be, then say so with --accept_licence (in Python accept_licence=True)"
        )
    unknown = "; find out whether this student may be handed on" if UNKNOWN in licence.lower() else ""
    say(f"licence: {licence}{whose}{unknown}")


def _upload(
    files: Mapping[str, Path | bytes], repository: str, *, private: bool, message: str, revision: str | None
) -> None:
    import huggingface_hub as hub

    from sondo import __version__

    if is_offline():
        raise SondoError("SONDO_OFFLINE or HF_HUB_OFFLINE forbids the network: unset it, or look with --dry_run")
    if hub.get_token() is None:
        raise SondoError("not logged in to the Hugging Face hub: run `hf auth login`, or give a token in HF_TOKEN")
    api = hub.HfApi(library_name="sondo", library_version=__version__)
    try:
        api.create_repo(repository, private=private or None, exist_ok=True)
        if private and not api.model_info(repository).private:
            raise SondoError(f"{repository} is there already and public: make it private in its settings first")
        if revision:
            api.create_branch(repository, branch=revision, exist_ok=True)
        there = api.list_repo_files(repository, revision=revision)
        stale = [name for name in there if name not in files and _OURS.fullmatch(name)]
        # Not `upload_folder`: of a large folder it makes several commits, and who loads between them gets a mixture.
        commit = api.create_commit(
            repository,
            operations=[
                *(hub.CommitOperationAdd(name, content) for name, content in files.items()),
                *(hub.CommitOperationDelete(name) for name in stale),
            ],
            commit_message=message,
            revision=revision,
        )
    except SondoError:
        raise
    except Exception as error:  # the hub's client raises its own and its transport's errors
        raise SondoError(f"{repository} was not pushed to the Hugging Face hub: {reason(error)}") from error
    if stale:
        say(f"removed there, as this student has none: {', '.join(stale)}")
    if revision in (None, "main") and recall(REVISIONS, repository) is not None:
        record(REVISIONS, repository, {"revision": commit.oid})  # who pushed it wants it, not what was there before
