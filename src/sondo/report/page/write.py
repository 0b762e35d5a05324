"""The page itself: what was read and measured, put into its template."""

from __future__ import annotations

import shlex
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo import __version__
from sondo.claim import kind_of_run
from sondo.errors import SondoError, check_places, require
from sondo.report.page.classifier import classifier_content
from sondo.report.page.run import run_content
from sondo.scratch import replacing
from sondo.screen import say

NAME = "report.html"


def write_report(
    source: str | Path,
    path: str | Path | None = None,
    *,
    overwrite: bool = False,
    cost: bool = False,
    allow_code: bool = False,
) -> Path:
    """Write the report of a run, finished or not, or of a classifier, as one HTML file that needs nothing beside it.

    Of a run it shows the scores with their intervals, the curves of the training, how close the student comes to its
    teacher on clips of the bank, and which clips it hears otherwise; the sound, the exported files and the settings. Of
    an unfinished run it shows what there is. Of a classifier it shows what is taken for what, and the surest mistakes.
    The page names files, and holds log-mels of a few of them.

    Args:
        source: Folder of a run of `sondo distill`, `sondo train` or `sondo finetune`; or the file that `sondo probe`
            wrote.
        path: The page; `report.html` in the run's folder by default, or the classifier's name with .html, where an
            older one is replaced.
        overwrite: Replace a file that was named.
        cost: Measure what the exported files cost on this machine, as `sondo bench` does.
        allow_code: Import the module that the student's folder names, for a student that is a function of your own.

    Returns:
        The page.

    Raises:
        SondoError: No such run or classifier, one in which training has not begun, or a file in the way.
        MissingExtraError: jinja2 or matplotlib is not installed.

    Example:
        `write_report("runs/first")` writes `runs/first/report.html`.
    """
    jinja2 = require("jinja2", extra="report", why="A report is written with jinja2")
    require("matplotlib", extra="report", why="A report draws with matplotlib")
    source = Path(source)
    is_classifier = source.is_file() or (source.is_dir() and kind_of_run(source) == "finetune")
    target = Path(path) if path is not None else source.with_suffix(".html") if source.is_file() else source / NAME
    if target.is_dir():
        raise SondoError(f"{target} is a folder: name a file in it, such as {target / NAME}")
    if path is not None and target.exists() and not overwrite:
        raise SondoError(f"{target} is there already: name another file, or allow it with --overwrite")
    check_places(target)
    content = classifier_content(source) if is_classifier else run_content(source, allow_code=allow_code)
    content["cost"] = _cost(content["files"], allow_code=allow_code) if cost else None
    environment = jinja2.Environment(
        loader=jinja2.PackageLoader("sondo.report.page", "."), autoescape=True, trim_blocks=True, lstrip_blocks=True
    )
    environment.filters |= {
        "share": _share,
        "megabytes": _megabytes,
        "count": _count,
        "quoted": _quoted,
        "mean": _mean,
        "length_of_time": _length_of_time,
    }
    template = environment.get_template("classifier.html.j2" if is_classifier else "run.html.j2")
    html = template.render(version=__version__, **content)
    target.parent.mkdir(parents=True, exist_ok=True)
    with replacing(target) as scratch:
        scratch.write_text(html, encoding="utf-8")
    return target


def _cost(files: Sequence[Path], *, allow_code: bool) -> dict[str, Any] | None:
    """What the files for onnxruntime cost here, as tables."""
    from sondo.bench.run import bench
    from sondo.bench.tables import about_machine, remarks, tables

    measured = [file for file in files if file.suffix == ".onnx"]
    if not measured:
        say("there is no .onnx file whose cost could be measured")
        return None
    result = bench(measured, allow_code=allow_code)
    return {"machine": about_machine(result["machine"]), "tables": tables(result), "remarks": remarks(result)}


def _quoted(path: Path) -> str:
    """A path as a command line takes it."""
    return shlex.quote(str(path))


def _mean(values: NDArray[np.float32]) -> float:
    return float(values.mean())


def _length_of_time(hours: float) -> str:
    if hours >= 1:
        return f"{hours:,.1f} hours"
    return f"{60 * hours:.1f} minutes" if 60 * hours >= 1 else f"{3600 * hours:.1f} seconds"


def _share(value: float) -> str:
    return f"{100 * value:.1f}"


def _megabytes(num_bytes: int) -> str:
    return f"{num_bytes / 1e6:.2f} MB"


def _count(number: int) -> str:
    return f"{number / 1e6:.2f} M" if number >= 1e5 else f"{number:,}"
