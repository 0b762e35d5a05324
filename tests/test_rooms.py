"""Imports run one way: what the lower rooms may know, and who never needs torch."""

import ast
from pathlib import Path

import pytest

import sondo

SOURCE = Path(sondo.__file__).parent
MAY_IMPORT = {
    "audio": {"errors", "screen"},
    "runtime": {"audio", "errors", "in_threads", "scratch"},
    "bank": {"audio", "csv_rows", "errors", "in_threads", "screen"},
    "weights": {"claim", "errors", "screen"},
    "teachers": {"audio", "errors", "screen", "weights"},
    "students": {"audio", "catalogue", "errors", "runtime", "scratch", "weights"},
}
NEVER_TORCH = ("audio", "runtime", "bank", "audioset")


def imports(room):
    """Full names of what the modules of a room import, also in functions and for types."""
    found = set()
    for file in sorted((SOURCE / room).rglob("*.py")):
        for node in ast.walk(ast.parse(file.read_text(encoding="utf-8"))):
            if isinstance(node, ast.Import):
                found |= {alias.name for alias in node.names}
            elif isinstance(node, ast.ImportFrom):
                assert node.module, f"{file}: a relative import"
                found |= {f"{node.module}.{alias.name}" for alias in node.names}
    assert found, f"no imports in {room}"
    return found


def neighbours(room):
    return {name.split(".")[1] for name in imports(room) if name.startswith("sondo.")} - {room}


@pytest.mark.parametrize("room", MAY_IMPORT)
def test_a_room_knows_those_below_it_alone_and_says_so(room):
    known = neighbours(room)
    assert known <= MAY_IMPORT[room]
    says = ast.get_docstring(ast.parse((SOURCE / room / "__init__.py").read_text(encoding="utf-8")))
    assert {other for other in known if f"sondo.{other}" not in says} == set()


@pytest.mark.parametrize("room", NEVER_TORCH)
def test_some_rooms_never_need_torch(room):
    assert {name.partition(".")[0] for name in imports(room)} & {"torch", "lightning"} == set()


def test_nothing_but_the_ends_knows_the_whole_way():
    rooms = {folder.name for folder in SOURCE.iterdir() if (folder / "__init__.py").is_file()}
    # `sondo.distill` is both the room and the verb, which is the whole way; the demo runs it on sound of its own.
    assert {room for room in rooms if "pipeline" in neighbours(room)} == {"cli", "demo", "distill"}
    assert {room for room in rooms if "cli" in neighbours(room)} == set()
