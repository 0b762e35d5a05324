"""The model card that lies beside a student's weights: what it is, who taught it, its licence, and what it keeps."""

from __future__ import annotations

import json
import re
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

from sondo.errors import require
from sondo.students.registry import is_code
from sondo.weights.layout import CLASSIFIER, EXPORTED

UNKNOWN = "unknown"

# The hub refuses a card that has another word. Source: docs/hub/repositories-licenses.md of huggingface/hub-docs.
_HUB_LICENCES = (
    "afl-3.0 agpl-3.0 apache-2.0 artistic-2.0 bigcode-openrail-m bigscience-bloom-rail-1.0 bigscience-openrail-m bsd "
    "bsd-2-clause bsd-3-clause bsd-3-clause-clear bsl-1.0 c-uda cc cc-by-2.0 cc-by-2.5 cc-by-3.0 cc-by-4.0 "
    "cc-by-nc-2.0 cc-by-nc-3.0 cc-by-nc-4.0 cc-by-nc-nd-3.0 cc-by-nc-nd-4.0 cc-by-nc-sa-2.0 cc-by-nc-sa-3.0 "
    "cc-by-nc-sa-4.0 cc-by-nd-4.0 cc-by-sa-3.0 cc-by-sa-4.0 cc0-1.0 cdla-permissive-1.0 cdla-permissive-2.0 "
    "cdla-sharing-1.0 creativeml-openrail-m ecl-2.0 epl-1.0 epl-2.0 etalab-2.0 eupl-1.1 gfdl gpl gpl-2.0 gpl-3.0 isc "
    "lgpl lgpl-2.1 lgpl-3.0 lppl-1.3c mit mpl-2.0 ms-pl ncsa odbl odc-by ofl-1.1 openrail openrail++ osl-3.0 pddl "
    "postgresql unlicense wtfpl zlib"
)
_FORMS = {".onnx": "onnx", ".tflite": "litert", ".pte": "executorch"}
_MOST_CLASSES = 60
_HUB_TEACHER = re.compile(r"hf:([A-Za-z0-9][\w.-]*/[\w.-]+)", re.ASCII)


@dataclass(frozen=True, kw_only=True)
class CardFile:
    """A line of the card's table of files.

    Args:
        name: The file's name.
        num_bytes: Its size.
        precision: How it keeps its numbers; empty for what holds none.
        cosine_to_torch: Of an exported file, the cosine that its export was judged by.
    """

    name: str
    num_bytes: int
    precision: str = ""
    cosine_to_torch: float | None = None


def model_card(
    config: Mapping[str, Any],
    *,
    num_params: int | None,
    repository: str | None = None,
    revision: str | None = None,
    files: Sequence[CardFile] = (),
    summary: Mapping[str, Any] | None = None,
) -> str:
    """The card as Markdown, with the front matter that the Hugging Face hub reads.

    Args:
        config: The student's `config.json`.
        num_params: Its parameters; None where that is not known.
        repository: `owner/name` of the repository that the card is of; None for a folder on this machine.
        revision: The branch of it that the card is on; None for the one that is opened where none is named.
        files: The files beside it.
        summary: The `summary.json` of its run.
    """
    student, summary = config["student"], summary or {}
    at = f"@{revision}" if revision else ""
    options = ", ".join(f"{key} {value}" for key, value in student["options"].items())
    title = f"{student['name']}{f' ({options})' if options else ''}"
    teachers = _teachers(config)
    taught = f", distilled from {' and '.join(str(each.get('name')) for each in teachers)}" if teachers else ""
    if (config["info"].get("training") or {}).get("supervised"):
        taught += " and from labels" if teachers else ", trained on labels alone"
    taught += " and fine-tuned on labels" if config["info"].get("finetuning") else ""
    size = "" if num_params is None else f" {num_params:,} parameters."
    sections = [
        f"---\n{_front_matter(config, repository or title, files, summary)}\n---",
        f"# {repository or title}",
        f"A small audio model{f', {title}' if repository else ''}{taught} with sondo: raw sound at "
        f"{config['front_end']['sample_rate']} Hz in, {config['embedding_dim']} numbers out, at any length from 0.1 s."
        f"{size}",
        _use(config, repository, files, at=at),
        _scores(summary),
        _classes(summary),
        _files(files),
        _search(config, repository and f"{repository}{at}"),
        _origin(config, teachers),
        _training(config),
    ]
    return "\n\n".join(filter(None, sections)) + "\n"


def _teachers(config: Mapping[str, Any]) -> list[Mapping[str, Any]]:
    info = config["info"]
    return list(info.get("teachers") or filter(None, [info.get("teacher")]))


def _front_matter(config: Mapping[str, Any], name: str, files: Sequence[CardFile], summary: Mapping[str, Any]) -> str:
    cards: Any = require("huggingface_hub.repocard_data", extra="train", why="A model card needs huggingface_hub")
    results = [
        cards.EvalResult(
            task_type="audio-classification",
            dataset_type=task,
            dataset_name=task,
            metric_type=kind,
            metric_value=round(value, 4),
            metric_name=words,
        )
        for task, kind, value, words in _measured(summary)
    ]
    forms = {form: None for file in files for suffix, form in _FORMS.items() if file.name.endswith(suffix)}
    found = (_HUB_TEACHER.fullmatch(str(teacher.get("name"))) for teacher in _teachers(config))
    data = cards.ModelCardData(
        **_licence(str(config["licence"])),
        library_name="sondo",
        pipeline_tag="feature-extraction",
        tags=["audio", "audio-embeddings", *(["knowledge-distillation"] if _teachers(config) else []), *forms],
        base_model=[match[1] for match in found if match] or None,
        eval_results=results or None,
        model_name=name if results else None,
    )
    return str(data.to_yaml(line_break="\n"))


def _licence(licence: str) -> dict[str, str]:
    """A licence in the hub's words: one of its identifiers, or `other` and a name of letters, digits and hyphens."""
    word = licence.lower()
    if word in _HUB_LICENCES.split():
        return {"license": word}
    if word.startswith(UNKNOWN):
        return {"license": UNKNOWN}
    return {"license": "other", "license_name": re.sub(r"[^a-z0-9.]+", "-", word).strip("-.") or "other"}


def _measured(summary: Mapping[str, Any]) -> Iterator[tuple[str, str, float, str]]:
    """What was measured: task, kind of figure, the figure, and what it is in words."""
    for task, result in (summary.get("tasks") or {}).items():
        yield task, result["metric"], result["student"], f"{result['metric']} of a linear probe"
        if result.get("retention") is not None and not result.get("at_chance"):
            yield task, "retention", result["retention"], "retention: the student's score over its teacher's"
    if summary.get("classes") and "test" in summary:  # of fine-tuning; a part that chose the epoch is no result
        yield "own data", summary["metric"], summary["test"]["score"], f"{summary['metric']} of the classifier"


def _use(config: Mapping[str, Any], repository: str | None, files: Sequence[CardFile], *, at: str) -> str:
    code, dim = str(config["student"]["name"]), config["embedding_dim"]
    is_own = is_code(code)
    lines = ["```python", "import sondo", ""]
    model = f"{repository}{at}" if repository else "this folder"
    lines += [f'model = sondo.load("{model}"{", allow_code=True" if is_own else ""})']
    lines += [f'model.embed("dog.wav")  # ({dim},) float32', "```"]
    if repository and any(file.name == EXPORTED for file in files):
        lines += [
            "",
            f"Where torch is not installed (sondo with its extra `hub`), that opens `{EXPORTED}`; "
            f'`sondo.load("hf://{repository}/{EXPORTED}{at}")` does so with torch too.',
        ]
    if repository and any(file.name == CLASSIFIER for file in files):
        lines += ["", f'`sondo.load("hf://{repository}/{CLASSIFIER}{at}").classify("dog.wav")` names classes.']
    if is_own:
        lines += ["", f"Its network is code of its author, `{code}`, which is not here; an exported file needs none."]
    return "\n".join(lines)


def _scores(summary: Mapping[str, Any]) -> str:
    rows = []
    for task, result in (summary.get("tasks") or {}).items():
        for teacher, scored in (result.get("teachers") or {"": result}).items():
            kinds = ("teacher", "student", "retention")
            cells = [_percent(scored.get(kind), scored.get(f"ci95_{kind}")) for kind in kinds]
            if scored.get("at_chance"):
                cells[-1] = "(teacher at chance)"
            rows.append(f"| {task}{f' ({teacher})' if teacher else ''}, {result['metric']} | {' | '.join(cells)} |")
    if not rows:
        return ""
    head = ["## What it keeps", "", "| task | teacher | student | kept |", "|---|---|---|---|"]
    return "\n".join([*head, *rows, "", "Linear probes on the embeddings, in %; in brackets the 95 % intervals."])


def _classes(summary: Mapping[str, Any]) -> str:
    """What a fine-tuned student's classifier tells apart, and how well: on what was kept back, if anything was."""
    if not summary.get("classes"):
        return ""
    part = "test" if "test" in summary else "valid"
    judged, clips = summary[part], summary["clips"][part]
    names = [f"`{' '.join(name.split())}`" for name in summary["classes"]]
    more = f" and {len(names) - _MOST_CLASSES} more, in `summary.json`" if len(names) > _MOST_CLASSES else ""
    how = "kept back until the end" if part == "test" else "which chose the epoch, so that the score flatters"
    return (
        f"## Its {len(names)} classes\n\n{', '.join(names[:_MOST_CLASSES])}{more}\n\n{summary['metric']} "
        f"{_percent(judged['score'], judged['ci95'])} % on {clips} clips of its own data, {how}; in brackets the 95 % "
        "interval."
    )


def _percent(value: float | None, interval: Sequence[float] | None) -> str:
    if value is None:
        return "-"
    return f"{100 * value:.1f}" + ("" if interval is None else f" ({100 * interval[0]:.1f} to {100 * interval[1]:.1f})")


def _files(files: Sequence[CardFile]) -> str:
    if not files:
        return ""
    rows = [
        f"| `{file.name}` | {file.num_bytes:,} | {file.precision or '-'} | "
        f"{'-' if file.cosine_to_torch is None else f'{file.cosine_to_torch:.6f}'} |"
        for file in files
    ]
    return "\n".join(["## Files", "", "| file | bytes | precision | cosine to torch |", "|---|---|---|---|", *rows])


def _search(config: Mapping[str, Any], model: str | None) -> str:
    if model is None:
        return ""
    lines = [
        "## Search by sound",
        "",
        "```sh",
        f"sondo index clips/ --model {model} --out index.lance",
        f"sondo search index.lance dog.wav --model {model}",
        "```",
    ]
    teachers = _teachers(config)
    if config.get("projector") and teachers:
        first = str(teachers[0].get("name"))
        lines += [
            "",
            f"With `--teacher_space` the index lies in the space of {first}, where that teacher can ask too "
            f"(`--model teacher:{first}`), in words if it reads them (`--text`); and this student can ask an index of "
            "that teacher's own vectors.",
        ]
    return "\n".join(lines)


def _origin(config: Mapping[str, Any], teachers: Sequence[Mapping[str, Any]]) -> str:
    licence = str(config["licence"])
    rows = ["## Origin", "", "| | |", "|---|---|", f"| space id | `{config['space_id']}` |"]
    for teacher in teachers or [{}]:
        rows.append(f"| teacher | {teacher.get('name') or 'none: these weights were not distilled'} |")
        rows.append(f"| teacher's fingerprint | {teacher.get('fingerprint') or '-'} |")
    rows.append(f"| licence | {licence} |")
    if teachers:
        names = " and ".join(str(teacher.get("name") or "its teacher") for teacher in teachers)
        rows += ["", _licence_note(names, licence)]
    return "\n".join(rows)


def _licence_note(teacher: str, licence: str) -> str:
    if UNKNOWN in licence.lower():  # also of one of several teachers
        known = "" if licence == UNKNOWN else f" ({licence})"
        return (
            f"The licence of {teacher} is not known to sondo{known}. Find it out before you hand this student on: a "
            "student is bound by the licence of what taught it."
        )
    return f"This student was made from the outputs of {teacher}, whose licence ({licence}) it hands down."


def _training(config: Mapping[str, Any]) -> str:
    parts = (("Training", config["info"].get("training")), ("Fine-tuning", config["info"].get("finetuning")))
    return "\n\n".join(
        f"## {title}\n\n```json\n{json.dumps(settings, indent=2, default=str)}\n```"
        for title, settings in parts
        if settings
    )
