"""The figures as tables, on the screen and in Markdown."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple

from rich.table import Table

from sondo.errors import how_to_install
from sondo.screen import tell, tell_table

_UNKNOWN = "-"


class Rows(NamedTuple):
    """A table: names of its columns, and its rows."""

    columns: Sequence[str]
    rows: Sequence[Sequence[str]]


def show(result: dict[str, Any]) -> None:
    """The tables on the screen.

    Args:
        result: What `sondo.bench.bench` gives.
    """
    tell(about_machine(result["machine"]))
    for content in tables(result):
        table = Table()
        for number, column in enumerate(content.columns):
            table.add_column(column, justify="right" if number else "left", overflow="fold")
        for row in content.rows:
            table.add_row(*row)
        tell_table(table)
    for note in remarks(result):
        tell(note)


def markdown(result: dict[str, Any]) -> str:
    """The same as a Markdown text, with what each figure means."""
    parts = [about_machine(result["machine"])]
    for columns, rows in tables(result):
        lines = [columns, ["---", *["---:"] * (len(columns) - 1)], *rows]
        parts.append("\n".join(f"| {' | '.join(line)} |" for line in lines))
    parts += remarks(result)
    parts.append("\n".join(f"- {name}: {meaning}." for name, meaning in result["definitions"].items()))
    return "\n\n".join(parts) + "\n"


def tables(result: dict[str, Any]) -> list[Rows]:
    """What the models are, and how long a call takes, as text in cells."""
    seconds, against = result["settings"]["seconds"], result["settings"]["against"]
    about = [
        [
            _count(model["params"]),
            _count(model["macs"]["network"]),
            _count(model["macs"]["front_end"]),
            _megabytes(model["bytes"]),
            _megabytes(model["peak_bytes"]),
            f"{model['cold_start']['cold_start_s']:.2f} s",
            _UNKNOWN if model["front_end_share"] is None else f"{100 * model['front_end_share']:.0f} %",
        ]
        for model in result["models"]
    ]
    names = ("parameters", f"MACs for {seconds:g} s", "MACs of its log-mel", "file", "peak memory", "cold start")
    costs = Rows(
        ["", *(model["name"] for model in result["models"])],
        [
            [name, *values]
            for name, values in zip([*names, "log-mel's share of time"], zip(*about, strict=True), strict=True)
        ],
    )
    extra = [] if against is None else ["ratio"]
    latency = Rows(
        ["model", "threads", "batch", "median", "p95", "calls", "RTF", *extra],
        [
            [
                model["name"],
                f"{row['threads']}",
                f"{row['batch']}",
                f"{1000 * row['median_s']:.1f} ms",
                f"{1000 * row['p95_s']:.1f} ms",
                f"{row['num_calls']}",
                f"{row['real_time_factor']:.4f}",
                *([] if against is None else [f"{row['ratio']:.2f}"]),
            ]
            for model in result["models"]
            for row in model["latency"]
        ],
    )
    return [costs, latency]


def remarks(result: dict[str, Any]) -> list[str]:
    """What to know about the tables."""
    notes = ["RTF, real-time factor: the median over the seconds of sound in the call"]
    if result["settings"]["against"] is not None:
        notes.append(f"ratio: the time over that of {result['settings']['against']}, median over rounds")
    if any(model["params"] is None for model in result["models"]):
        how = how_to_install("train")
        notes.append(f"the parameters of an .onnx file need the package onnx to be counted: {how}")
    return notes


def about_machine(about: dict[str, Any]) -> str:
    """The machine and the versions in a line."""
    versions = [f"{name} {about[name]}" for name in ("sondo", "onnxruntime", "torch", "numpy") if about[name]]
    return f"{about['cpu']}, {about['cores']} cores; {about['system']}; Python {about['python']}; {', '.join(versions)}"


def _count(number: int | None) -> str:
    if number is None:
        return _UNKNOWN
    return f"{number / 1e6:.2f} M" if number >= 1e4 else f"{number:,}"


def _megabytes(number: int | None) -> str:
    return _UNKNOWN if number is None else f"{number / 1e6:.2f} MB"
