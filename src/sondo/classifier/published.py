"""The published S-SONDO heads: linear classifiers on the embedding of `matpac-mobilenetv3`, by name or from a file.

Such a file holds `probe.linear_probe.weight` (classes, dim) and `probe.linear_probe.bias`, and no names. The published
code applies them to the embedding as it is, averaged over windows: nothing is normalised before
(`inference_ssondo/ssondo/model.py` at f89abf2, `_build_head` and `get_embeddings`).

That code embeds full windows of 10 s alone, and its notebook fills ESC-50's clips of 5 s up with zeros; here a short
clip is embedded as it is, so that a head may answer otherwise than it does there.

The names below are the classes of each data set in its official order, which the published code does not state. Where
no single order is official (MagnaTagATune's tags) or the list is the data set's to give (FSD50K's vocabulary), the
names are the user's to bring.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from pathlib import Path

import numpy as np

from sondo.classifier.head import Head
from sondo.errors import SondoError
from sondo.weights import fetch_hub, read_checkpoint

WEIGHT, BIAS = "probe.linear_probe.weight", "probe.linear_probe.bias"
STUDENT = "matpac-mobilenetv3"
_FOLDER = "hf://mohammedali2501/ssondo/heads"


@dataclass(frozen=True, kw_only=True)
class PublishedHead:
    """A head that can be had by name.

    Attributes:
        name: As its authors call it.
        num_classes: Classes.
        multi_label: Whether several can hold at once.
        classes: Their names; empty where they have to be given.
        source: Where the names and their order are from.
    """

    name: str
    num_classes: int
    multi_label: bool
    classes: tuple[str, ...]
    source: str

    @property
    def reference(self) -> str:
        """Where the file is on the hub."""
        return f"{_FOLDER}/{self.name}.pth"


_ESC50 = """
dog rooster pig cow frog cat hen insects sheep crow
rain sea_waves crackling_fire crickets chirping_birds water_drops wind pouring_water toilet_flush thunderstorm
crying_baby sneezing clapping breathing coughing footsteps laughing brushing_teeth snoring drinking_sipping
door_wood_knock mouse_click keyboard_typing door_wood_creaks can_opening
washing_machine vacuum_cleaner clock_alarm clock_tick glass_breaking
helicopter chainsaw siren car_horn engine train church_bells airplane fireworks hand_saw
"""
_US8K = """
air_conditioner car_horn children_playing dog_bark drilling engine_idling gun_shot jackhammer siren street_music
"""
_GTZAN = "blues classical country disco hiphop jazz metal pop reggae rock"
_NSYNTH = "bass brass flute guitar keyboard mallet organ reed string synth_lead vocal"
_OPENMIC = """
accordion banjo bass cello clarinet cymbals drums flute guitar mallet_percussion
mandolin organ piano saxophone synthesizer trombone trumpet ukulele violin voice
"""


def _published(name: str, num_classes: int, names: str, source: str, *, multi_label: bool = False) -> PublishedHead:
    return PublishedHead(
        name=name,
        num_classes=num_classes,
        multi_label=multi_label,
        classes=tuple(names.split()),
        source=source,
    )


HEADS: Mapping[str, PublishedHead] = {
    head.name: head
    for head in (
        _published("esc50", 50, _ESC50, "ESC-50, meta/esc50.csv: category by target"),
        _published("us8k", 10, _US8K, "UrbanSound8K: class by classID"),
        _published("fsd50k", 200, "", "FSD50K: the second column of its vocabulary.csv", multi_label=True),
        _published("gtzan", 10, _GTZAN, "GTZAN: its folders in alphabetical order"),
        _published("openmic", 20, _OPENMIC, "OpenMIC-2018: class-map.json", multi_label=True),
        _published("nsynth", 11, _NSYNTH, "NSynth: instrument_family by index"),
        _published("magna-tag-a-tune", 50, "", "MagnaTagATune: the 50 most frequent tags", multi_label=True),
    )
}


def load_head(source: str | Path, *, classes: Sequence[str] | None = None, multi_label: bool | None = None) -> Head:
    """Read a published head. Nothing in the file is executed.

    Args:
        source: One of `HEADS`, downloaded at first use; or a `.pth` file of that layout.
        classes: Names in the order of the head; left out, those of the data set where sondo knows them.
        multi_label: Whether several classes can hold at once; known for a head by name, else left out it is not so.

    Raises:
        SondoError: No such head, a file of another layout, or names that are missing or do not fit.
    """
    known = HEADS.get(str(source))
    if known is None and not Path(source).exists():
        raise SondoError(f"no head at {source}, and none has that name: give a .pth file, or one of {', '.join(HEADS)}")
    names = tuple(classes or (known.classes if known else ()))
    if not names:
        what = f" (for {known.name}: {known.source})" if known else ""
        raise SondoError(
            f"{source} names no classes, and sondo does not know their order{what}: give a text file with a name in "
            "each line, in the order of the head (--classes, in Python classes=[…])"
        )
    path = fetch_hub(known.reference) if known else Path(source)
    content = read_checkpoint(path)
    missing = [key for key in (WEIGHT, BIAS) if key not in content]
    if missing:
        there = ", ".join(sorted(map(str, content))[:5]) or "nothing"
        raise SondoError(f"{path} is no S-SONDO head: it lacks {' and '.join(missing)} (there is {there})")
    weight, bias = (np.asarray(content[key].float().numpy(), dtype=np.float64) for key in (WEIGHT, BIAS))
    if weight.ndim != 2 or bias.shape != (len(weight),):
        raise SondoError(f"{path}: a weight {weight.shape} and a bias {bias.shape} are no linear head")
    several = multi_label if multi_label is not None else bool(known and known.multi_label)
    dim = weight.shape[1]
    return Head(mean=np.zeros(dim), scale=np.ones(dim), layers=((weight.T, bias),), classes=names, multi_label=several)


def read_classes(path: Path) -> tuple[str, ...]:
    """Names of classes from a text file, one in each line.

    Raises:
        SondoError: No such file, or no text in UTF-8.
    """
    try:
        lines = path.read_text(encoding="utf-8-sig").splitlines()
    except (OSError, UnicodeDecodeError) as error:
        raise SondoError(f"{path} cannot be read as a list of names, one in each line: {error}") from error
    return tuple(line.strip() for line in lines if line.strip())
