"""Files that lie elsewhere than when a table took their sound in: found again by name, size and sound, and followed.

Tables of clips, a bank's and an index's, have the columns `uri`, `file_bytes` and `file_mtime_ns`.
"""

from __future__ import annotations

import os
from collections import Counter, defaultdict
from collections.abc import Callable, Iterable, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from itertools import takewhile
from pathlib import Path
from typing import Any

import lance
import pyarrow as pa

from sondo.bank.shards import row_name, split_name
from sondo.bank.sound import is_gone, stamp_of
from sondo.screen import track

Stamp = tuple[int, int]
"""Size in bytes and time of the last change, in ns, of a file."""


def moved_files(
    known: Mapping[str, Stamp], files: Iterable[str], *, same_sound: Callable[[str, str], bool], workers: int = 1
) -> dict[str, str]:
    """Where the files of a table lie now that are gone from their places.

    A file is known again by its name, its size and its sound. Where the time of the last change is the same too, three
    of all that went from one folder to another are listened to; else, as after a copy, each is.

    Args:
        known: Size and time of each `uri` of the table.
        files: The files, or shards, that are there now.
        same_sound: Whether the second file has the sound that the table took from the first.
        workers: How many are listened to at a time.

    Returns:
        New by old path. A file that has another time at its old place, and the same sound, is among them.
    """
    sure, unsure = _likely({split_name(uri)[0]: stamp for uri, stamp in known.items()}, files)
    together: dict[tuple[str, str], list[str]] = defaultdict(list)
    for old, at in sorted(sure.items()):
        together[os.path.dirname(old), os.path.dirname(at)].append(old)
    moved: dict[str, str] = {}
    with ThreadPoolExecutor(workers) as pool:
        some = [old for group in together.values() for old in {group[0], group[len(group) // 2], group[-1]}]
        others = {old for old, same in _listen({old: sure[old] for old in some}, same_sound, pool).items() if not same}
        for group in together.values():
            if others.isdisjoint(group):
                moved |= {old: sure[old] for old in group}
            else:
                unsure |= {old: sure[old] for old in group}
        moved |= {old: unsure[old] for old, same in _listen(unsure, same_sound, pool).items() if same}
    return moved


def _listen(
    pairs: Mapping[str, str], same_sound: Callable[[str, str], bool], pool: ThreadPoolExecutor
) -> dict[str, bool]:
    """Whether each old file has the sound of its new one."""
    if not pairs:
        return {}
    heard: dict[str, bool] = {}
    with track("find moved files", total=len(pairs), unit="files") as line:
        jobs = {old: pool.submit(same_sound, old, at) for old, at in pairs.items()}
        try:
            for old, job in jobs.items():
                heard[old] = job.result()
                line.advance(1)
        finally:
            for job in jobs.values():
                job.cancel()
    return heard


def _likely(stamps: Mapping[str, Stamp], files: Iterable[str]) -> tuple[dict[str, str], dict[str, str]]:
    """New by old path: of files with the same time, and of others.

    Each has moved to the one of the new files with its name and size, and its time where one has it, whose path ends
    most like its own; where several do, or several would have moved to one place, it stays unknown.
    """
    files = dict.fromkeys(files)
    here = {file: stamp_of(file) for file in stamps.keys() & files if not is_gone(file)}
    touched = {file: file for file, stamp in here.items() if stamp != stamps[file] and stamp[0] == stamps[file][0]}
    gone = sorted(file for file in stamps.keys() - files if is_gone(file))
    if not gone:
        return {}, touched
    new = {file: stamp_of(file) for file in files if file not in stamps and not is_gone(file)}
    alike: dict[tuple[str, int], list[str]] = defaultdict(list)
    for at, (size, _) in new.items():
        alike[os.path.basename(at), size].append(at)
    found: dict[str, str] = {}
    was, now = "", ""  # where the folder of the last one found was, and is now: most have moved with it
    for old in gone:
        together = now + old.removeprefix(was)
        if was and old.startswith(was) and new.get(together, (-1, 0))[0] == stamps[old][0]:
            found[old] = together
            continue
        likely = alike[os.path.basename(old), stamps[old][0]]
        likely = [at for at in likely if new[at] == stamps[old]] or likely
        likely = sorted(likely, key=lambda at: -_shared_end(old, at))
        if len(likely) == 1 or (likely and _shared_end(old, likely[0]) > _shared_end(old, likely[1])):
            found[old] = likely[0]
            shared = os.sep.join(Path(old).parts[-_shared_end(old, likely[0]) :])
            was, now = old.removesuffix(shared), likely[0].removesuffix(shared)
    claims = Counter(found.values())
    found = {old: at for old, at in found.items() if claims[at] == 1}
    sure = {old: at for old, at in found.items() if new[at] == stamps[old]}
    return sure, touched | {old: at for old, at in found.items() if old not in sure}


def renamed(uri: str, moved: Mapping[str, str]) -> str:
    """A row's `uri` after its file has moved."""
    file, row = split_name(uri)
    at = moved.get(file, file)
    return at if row is None else row_name(at, row)


def follow(table: lance.LanceDataset, moved: Mapping[str, str]) -> None:
    """Write where files lie now into a table, in one commit.

    Args:
        table: The newest state of the table, which the caller holds for writing.
        moved: New by old path.
    """

    def change(row: dict[str, Any]) -> dict[str, Any] | None:
        if split_name(row["uri"])[0] not in moved:
            return None
        uri = renamed(row["uri"], moved)
        return {"uri": uri, "file_mtime_ns": stamp_of(uri)[1]}

    rewrite(table, ["uri", "file_mtime_ns"], change)


def rewrite(
    table: lance.LanceDataset,
    columns: Sequence[str],
    change: Callable[[dict[str, Any]], dict[str, Any] | None],
    *,
    by: Sequence[str] = (),
) -> None:
    """Change some columns of some rows, in one commit. Rows keep their order, and all else that they have.

    Args:
        table: The newest state of the table, which the caller holds for writing.
        columns: Which columns.
        change: A row to its new values of these; None where it stays as it is.
        by: Further columns that `change` sees.
    """
    schema = pa.schema([pa.field("_rowid", pa.uint64()), *(table.schema.field(name) for name in columns)])
    changed, fields = [], set()
    for fragment in table.get_fragments():
        rows = fragment.scanner(columns=[*columns, *by], with_row_id=True).to_table().to_pylist()
        new = [{"_rowid": row["_rowid"], **values} for row in rows if (values := change(row)) is not None]
        if new:
            metadata, modified = fragment.update_columns(pa.Table.from_pylist(new, schema=schema))
            changed.append(metadata)
            fields.update(modified)
    update = lance.LanceOperation.Update(updated_fragments=changed, fields_modified=sorted(fields))
    lance.LanceDataset.commit(table.uri, update, read_version=table.version)


def _shared_end(first: str, second: str) -> int:
    """How many parts two paths have in common, from the end."""
    pairs = zip(reversed(Path(first).parts), reversed(Path(second).parts), strict=False)
    return sum(1 for _ in takewhile(lambda pair: pair[0] == pair[1], pairs))
