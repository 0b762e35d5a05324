"""An index follows its sound when that was moved, renamed with its folder, or copied and removed."""

from __future__ import annotations

from collections import defaultdict
from collections.abc import Callable, Sequence

import numpy as np
from numpy.typing import NDArray

from sondo.audio.decode import read_clips
from sondo.bank import Bank
from sondo.bank.files import moved_files, renamed
from sondo.bank.shards import split_name
from sondo.bank.sound import open_sound
from sondo.errors import SondoError
from sondo.runtime import Model
from sondo.screen import say
from sondo.search.index import Index

SAME_COSINE = 0.9999
"""Smallest cosine of two vectors of one sound, by one model: exported files agree with torch as well."""

Embed = Callable[[str, float, float], NDArray[np.floating]]
"""(uri, offset_s, duration_s) of a clip -> (embedding_dim,)."""


def follow_moved(index: Index, files: Sequence[str], embed: Embed) -> None:
    """Take files of an index that are gone for those that are there now, where name, size and vectors agree.

    Args:
        index: The index, locked by the caller.
        files: The files, or shards, that are there now.
        embed: The vector of a clip, in the space of the index.
    """
    rows = index.rows()
    of_file: dict[str, set[str]] = defaultdict(set)
    for row in rows:
        of_file[split_name(row["uri"])[0]].add(row["uri"])

    def same_sound(old: str, at: str) -> bool:
        return all(_has_clips(index, uri, renamed(uri, {old: at}), embed) for uri in of_file[old])

    stamps = {row["uri"]: (row["file_bytes"], row["file_mtime_ns"]) for row in rows}
    if moved := moved_files(stamps, files, same_sound=same_sound):
        index.follow(moved)
        old, at = min(moved.items())
        where = "" if at == old else f" to {at}"
        say(f"{len(moved)} files have moved or have another time, such as {old}{where}: their clips are kept")


def by_model(encoder: Model) -> Embed:
    """The vectors that a model gives."""

    def embed(uri: str, offset_s: float, duration_s: float) -> NDArray[np.floating]:
        (sound,) = read_clips(open_sound(uri), [(offset_s, duration_s)], sample_rate=encoder.sample_rate)
        return encoder.embed(sound, sample_rate=encoder.sample_rate)

    return embed


def by_column(bank: Bank, column: str) -> Embed:
    """The vectors that a bank has."""
    places = bank.read(["uri", "offset_s"]).to_pylist()
    rows = {(place["uri"], round(place["offset_s"] * 1e6)): number for number, place in enumerate(places)}

    def embed(uri: str, offset_s: float, duration_s: float) -> NDArray[np.floating]:
        row = rows.get((uri, round(offset_s * 1e6)))
        if row is None:
            raise SondoError(f"{bank.path} has no clip of {uri} at {offset_s:g} s")
        return np.array(bank.take([row], [column]).column(0)[0].as_py(), dtype=np.float32)

    return embed


def _has_clips(index: Index, uri: str, at: str, embed: Embed) -> bool:
    """Whether a file has the sound, in its place, of the clips that were taken from one that is gone."""
    try:
        for offset_s, duration_s, unit in index.clips_of(uri):
            vector = embed(at, offset_s, duration_s)
            if float(vector @ unit) < SAME_COSINE * float(np.linalg.norm(vector)):
                return False
    except SondoError:
        return False
    return True
