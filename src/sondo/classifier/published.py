"""The published S-SONDO heads: linear classifiers on the embedding of `matpac-mobilenetv3`, by name or from a file.

Such a file holds `probe.linear_probe.weight` (classes, dim) and `probe.linear_probe.bias`, and no names. The published
code applies them to the embedding as it is, averaged over windows: nothing is normalised before
(`inference_ssondo/ssondo/model.py` at f89abf2, `_build_head` and `get_embeddings`).

That code embeds full windows of 10 s alone, and its notebook fills ESC-50's clips of 5 s up with zeros; here a short
clip is embedded as it is, so that a head may answer otherwise than it does there.

The names below are the classes of each data set in its official order, which the published code does not state.
MagnaTagATune has no official one: its tags are in the order that music tagging has used since Choi et al. 2016, from
the most frequent down.
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
        classes: Their names.
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

_FSD50K = """
Accelerating_and_revving_and_vroom Accordion Acoustic_guitar Aircraft Alarm Animal Applause Bark Bass_drum Bass_guitar
Bathtub_(filling_or_washing) Bell Bicycle Bicycle_bell Bird Bird_vocalization_and_bird_call_and_bird_song
Boat_and_Water_vehicle Boiling Boom Bowed_string_instrument Brass_instrument Breathing Burping_and_eructation Bus Buzz
Camera Car Car_passing_by Cat Chatter Cheering Chewing_and_mastication Chicken_and_rooster
Child_speech_and_kid_speaking Chime Chink_and_clink Chirp_and_tweet Chuckle_and_chortle Church_bell Clapping Clock
Coin_(dropping) Computer_keyboard Conversation Cough Cowbell Crack Crackle Crash_cymbal Cricket Crow Crowd
Crumpling_and_crinkling Crushing Crying_and_sobbing Cupboard_open_or_close Cutlery_and_silverware Cymbal
Dishes_and_pots_and_pans Dog Domestic_animals_and_pets Domestic_sounds_and_home_sounds Door Doorbell
Drawer_open_or_close Drill Drip Drum Drum_kit Electric_guitar Engine Engine_starting Explosion Fart Female_singing
Female_speech_and_woman_speaking Fill_(with_liquid) Finger_snapping Fire Fireworks Fixed-wing_aircraft_and_airplane
Fowl Frog Frying_(food) Gasp Giggle Glass Glockenspiel Gong Growling Guitar Gull_and_seagull Gunshot_and_gunfire
Gurgling Hammer Hands Harmonica Harp Hi-hat Hiss Human_group_actions Human_voice Idling Insect Keyboard_(musical)
Keys_jangling Knock Laughter Liquid Livestock_and_farm_animals_and_working_animals Male_singing
Male_speech_and_man_speaking Mallet_percussion Marimba_and_xylophone Mechanical_fan Mechanisms Meow Microwave_oven
Motor_vehicle_(road) Motorcycle Music Musical_instrument Ocean Organ Packing_tape_and_duct_tape Percussion Piano
Plucked_string_instrument Pour Power_tool Printer Purr Race_car_and_auto_racing Rail_transport Rain Raindrop
Ratchet_and_pawl Rattle Rattle_(instrument) Respiratory_sounds Ringtone Run Sawing Scissors
Scratching_(performance_technique) Screaming Screech Shatter Shout Sigh Singing Sink_(filling_or_washing) Siren
Skateboard Slam Sliding_door Snare_drum Sneeze Speech Speech_synthesizer Splash_and_splatter Squeak Stream Strum
Subway_and_metro_and_underground Tabla Tambourine Tap Tearing Telephone Thump_and_thud Thunder Thunderstorm Tick
Tick-tock Toilet_flush Tools Traffic_noise_and_roadway_noise Train Trickle_and_dribble Truck Trumpet Typewriter Typing
Vehicle Vehicle_horn_and_car_horn_and_honking Walk_and_footsteps Water Water_tap_and_faucet Waves_and_surf Whispering
Whoosh_and_swoosh_and_swish Wild_animals Wind Wind_chime Wind_instrument_and_woodwind_instrument Wood Writing Yell
Zipper_(clothing)
"""
_MAGNATAGATUNE = """
guitar, classical, slow, techno, strings, drums, electronic, rock, fast, piano, ambient, beat, violin, vocal, synth,
female, indian, opera, male, singing, vocals, no vocals, harpsichord, loud, quiet, flute, woman, male vocal, no vocal,
pop, soft, sitar, solo, man, classic, choir, voice, new age, dance, male voice, female vocal, beats, harp, cello, no
voice, weird, country, metal, female voice, choral
"""


def _published(name: str, num_classes: int, names: str, source: str, *, multi_label: bool = False) -> PublishedHead:
    return PublishedHead(
        name=name,
        num_classes=num_classes,
        multi_label=multi_label,
        classes=tuple(" ".join(name.split()) for name in names.split("," if "," in names else None)),
        source=source,
    )


HEADS: Mapping[str, PublishedHead] = {
    head.name: head
    for head in (
        _published("esc50", 50, _ESC50, "ESC-50, meta/esc50.csv: category by target"),
        _published("us8k", 10, _US8K, "UrbanSound8K: class by classID"),
        _published("fsd50k", 200, _FSD50K, "FSD50K: the second column of its vocabulary.csv", multi_label=True),
        _published("gtzan", 10, _GTZAN, "GTZAN: its folders in alphabetical order"),
        _published("openmic", 20, _OPENMIC, "OpenMIC-2018: class-map.json", multi_label=True),
        _published("nsynth", 11, _NSYNTH, "NSynth: instrument_family by index"),
        _published(
            "magna-tag-a-tune", 50, _MAGNATAGATUNE, "MagnaTagATune: its 50 most frequent tags", multi_label=True
        ),
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
        raise SondoError(
            f"{source} names no classes, and sondo does not know their order: give a text file with a name in "
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
