"""Sound for classes that level and clicks tell apart."""

import numpy as np
import soundfile

RATE = 32000


def write_sound(path, *, level, clicks=0, seconds=0.3, seed=0):
    """Noise of a level, with some clicks of full scale."""
    random = np.random.default_rng(seed)
    sound = level * random.uniform(-1, 1, round(seconds * RATE))
    sound[random.integers(0, len(sound), clicks)] = 0.9
    path.parent.mkdir(parents=True, exist_ok=True)
    soundfile.write(path, sound, RATE)
    return path
