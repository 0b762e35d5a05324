"""The demo's families of sound, and the folder of labelled clips that is made of them.

Families are alike in their spectrum where that is possible and differ in the order of time (rising and falling
whistles, gliding and jumping tones, noise that wanders or swells): an average spectrum does not tell them apart.
"""

from __future__ import annotations

import csv
import json
import zlib
from collections.abc import Callable
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path
from typing import Any

import numpy as np
import soundfile

from sondo.claim import write_json
from sondo.demo import textures, tones
from sondo.demo.synthesis import SAMPLE_RATE, Audio, Random, record, unit_peak
from sondo.errors import SondoError
from sondo.in_threads import num_cores
from sondo.scratch import replacing
from sondo.screen import track

FAMILIES: dict[str, Callable[[Random, int], Audio]] = {
    function.__name__: function
    for function in (
        textures.rain,
        textures.wind,
        textures.waves,
        textures.clock,
        textures.footsteps,
        textures.drums,
        tones.engine,
        tones.hum,
        tones.siren,
        tones.alarm,
        tones.bell,
        tones.plucked,
        tones.chirps_rising,
        tones.chirps_falling,
        tones.crickets,
        tones.vowels,
    )
}
NUM_FOLDS = 5
_VERSION = 1
_SETTINGS = "sound.json"


def synthesise(family: str, number: int, *, duration_s: float = 3.0, seed: int = 0) -> Audio:
    """One clip of a family: the same arguments give the same sound.

    Args:
        family: One of `FAMILIES`.
        number: Which clip of the family.
        duration_s: Length in seconds.
        seed: Seed of the whole set.

    Shape:
        Output: (samples,) at 32 kHz, peak below 1.

    Raises:
        SondoError: No family has this name.
    """
    if family not in FAMILIES:
        raise SondoError(f"No family of demo sound is called {family!r}. There are: {', '.join(FAMILIES)}.")
    rng = np.random.default_rng([seed, zlib.crc32(family.encode()), number])
    num_samples = round(duration_s * SAMPLE_RATE)
    sound = FAMILIES[family](rng, num_samples)
    for _ in range(100):
        # Sparse families can leave a short clip empty.
        if np.abs(sound).max() > 1e-3:
            break
        sound = FAMILIES[family](rng, num_samples)
    return record(rng, unit_peak(sound))


def make_demo_sound(folder: Path | str, *, clips_per_family: int = 40, duration_s: float = 3.0, seed: int = 0) -> Path:
    """Write the demo's clips as 16-bit WAV with their labels and five folds; what is there already is kept.

    Args:
        folder: Where to write: ``audio/``, ``sound.json`` (how it was made) and, last, ``manifest.csv``.
        clips_per_family: Clips in each of the families, at least 5.
        duration_s: Length of a clip in seconds, at least 1.
        seed: Seed of the sound.

    Returns:
        The manifest: a CSV with the columns path (relative to it), label and fold.

    Raises:
        SondoError: Too few or too short clips are asked for, or the folder holds something else.
    """
    if clips_per_family < NUM_FOLDS:
        raise SondoError(f"clips_per_family is {clips_per_family}; the demo's {NUM_FOLDS} folds need {NUM_FOLDS} each.")
    if duration_s < 1:
        raise SondoError(f"duration_s is {duration_s}; the rhythm of a family takes 1 s or more to show.")
    folder = Path(folder)
    manifest, audio = folder / "manifest.csv", folder / "audio"
    settings = {"version": _VERSION, "clips_per_family": clips_per_family, "duration_s": duration_s, "seed": seed}
    _prepare(folder, settings)
    clips = [(family, number) for number in range(clips_per_family) for family in FAMILIES]
    lacking = [clip for clip in clips if not (audio / _file_name(*clip)).is_file()]
    if manifest.is_file() and not lacking:
        return manifest

    def write(clip: tuple[str, int]) -> None:
        samples = synthesise(*clip, duration_s=duration_s, seed=seed)
        target = audio / _file_name(*clip)
        try:
            with replacing(target) as part:
                soundfile.write(part, samples, SAMPLE_RATE, subtype="PCM_16", format="WAV")
        except soundfile.SoundFileError as error:
            raise SondoError(
                f"{target} cannot be written ({error}): is the disk full? The demo takes 200 MB"
            ) from error

    with (
        track("make sound", total=len(clips), done=len(clips) - len(lacking)) as progress,
        ThreadPoolExecutor(max_workers=min(4, num_cores())) as pool,
    ):
        for _ in pool.map(write, lacking):
            progress.advance()
    with replacing(manifest) as part, part.open("w", newline="", encoding="utf-8") as file:
        writer = csv.writer(file, lineterminator="\n")
        writer.writerow(["path", "label", "fold"])
        writer.writerows([f"audio/{_file_name(*clip)}", clip[0], clip[1] % NUM_FOLDS + 1] for clip in clips)
    return manifest


def _file_name(family: str, number: int) -> str:
    return f"{family}-{number:03d}.wav"


def _prepare(folder: Path, settings: dict[str, Any]) -> None:
    """Make the folder ready for sound of these settings; sound of other settings that we made is removed."""
    note, audio, manifest = folder / _SETTINGS, folder / "audio", folder / "manifest.csv"
    if note.is_file():
        if json.loads(note.read_text(encoding="utf-8")) != settings:
            manifest.unlink(missing_ok=True)
            for family in FAMILIES:
                for path in audio.glob(f"{family}-[0-9][0-9][0-9].wav"):
                    path.unlink()
    elif manifest.exists() or audio.exists():
        raise SondoError(f"{folder} holds a manifest or audio that the demo did not make. Name another folder.")
    write_json(note, settings)  # first, and in one step: a kill leaves a folder that is known again
    audio.mkdir(parents=True, exist_ok=True)
