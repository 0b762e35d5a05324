"""What `sondo verify` found, as tables on the screen."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

from rich.table import Table

from sondo.runtime.self_check import Check
from sondo.screen import tell, tell_table

if TYPE_CHECKING:
    from sondo.export import VerifyReport

_PASSED = {True: "passed", False: "failed"}


def show_checks(path: str, checks: Sequence[Check]) -> None:
    """The checks of a file by itself."""
    table = Table(title=f"{path} by itself", title_justify="left")
    for name in ("", "found", "at most", ""):
        table.add_column(name, justify="right" if name else "left", no_wrap=not name)
    for check in checks:
        found = "-" if check.found is None else f"{check.found:.2g}"
        verdict = "not checked" if check.found is None else _PASSED[check.passed]
        table.add_row(check.name, found, f"{check.limit:g}", verdict)
    tell_table(table)


def show_comparison(report: VerifyReport) -> None:
    """The comparison with torch, case by case."""
    versions = " and ".join(f"{name} {version}" for name, version in report.versions.items())
    table = Table(title=f"beside its student: {versions}", title_justify="left")
    for name in ("sound", "batch", "smallest cosine", "mean cosine", "largest difference"):
        table.add_column(name, justify="left" if name == "sound" else "right", no_wrap=name == "sound")
    for case in report.cases:
        table.add_row(
            case.name,
            f"{case.batch}",
            f"{case.smallest_cosine:.7f}",
            f"{case.mean_cosine:.7f}",
            f"{case.largest_difference:.2g}",
        )
    tell_table(table)
    tell(
        f"{_PASSED[report.passed]} in {report.precision}: cosine of {report.judged} {report.judged_cosine:.7f} (at "
        f"least {report.threshold:g}), smallest {report.smallest_cosine:.7f}, mean {report.mean_cosine:.7f}, largest "
        f"difference {report.largest_difference:.2g}, of lengths {100 * report.length_difference:.2g} %; "
        f"report: {report.json_path}"
    )
    if report.undetermined:
        tell(report.undetermined)
