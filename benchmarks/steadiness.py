"""How steady a student is: the length of its vectors over real sound, and on made sound that it may never have heard.

python benchmarks/steadiness.py SOUNDS MODEL…      # SOUNDS a folder; a MODEL whatever `sondo.load` opens
"""

import argparse
from pathlib import Path

import numpy as np

import sondo
from sondo.audio.decode import list_audio_files
from sondo.export.sounds import made_sound

MADE = ("noise", "chirp", "clicks", "clipped noise", "nearly silent noise")


def main() -> None:
    """Print a Markdown table: lengths as multiples of the median."""
    parser = argparse.ArgumentParser()
    parser.add_argument("sounds", type=Path)
    parser.add_argument("models", nargs="+")
    parser.add_argument("--clips", type=int, default=200, help="how many, evenly over the folder")
    given = parser.parse_args()
    paths = list_audio_files(given.sounds)
    paths = [paths[i] for i in np.unique(np.linspace(0, len(paths) - 1, given.clips).astype(int))]
    print(f"| model | longest of {len(paths)} | over 10 times the median | {' | '.join(f'{m}, 10 s' for m in MADE)} |")
    print("| --- | --- | --- |" + " --- |" * len(MADE))
    for name in given.models:
        model = sondo.load(name)
        lengths = np.linalg.norm(np.stack(list(model.embed(paths))), axis=1)
        sounds, rate = made_sound(10 * model.sample_rate, model.sample_rate), model.sample_rate
        made = np.linalg.norm(model.embed(sounds, sample_rate=rate), axis=1)
        times, made = lengths / np.median(lengths), made / np.median(lengths)
        print(f"| {name} | {times.max():.3g} | {(times > 10).sum()} | {' | '.join(f'{m:.3g}' for m in made)} |")


if __name__ == "__main__":
    main()
