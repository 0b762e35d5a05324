"""AudioSet's official files in small, and a stand-in for YouTube."""

import numpy as np
import soundfile

from sondo.audioset.fetcher import FetchError, GoneError

SEGMENTS = """\
# Segments csv created Sun Mar  5 10:54:31 2017
# num_ytids=4, num_segs=4, num_unique_labels=5, num_positive_labels=9
# YTID, start_seconds, end_seconds, positive_labels
--PJHxphWEs, 30.000, 40.000, "/m/09x0r,/t/dd00088"
--ZhevVpy1s, 50.000, 60.000, "/m/012xff"
--aE2O5G5WE, 0.000, 10.000, "/m/03fwl,/m/04rlf,/m/09x0r"
-0SdAVK79lg, 2.500, 12.500, "/m/04rlf,/m/03fwl,/m/09x0r"
"""
LABELS = """\
index,mid,display_name
0,/m/09x0r,"Speech"
95,/m/03fwl,"Goat"
137,/m/04rlf,"Music"
375,/m/012xff,"Toothbrush"
451,/t/dd00088,"Gush"
"""
NAMES = ["--PJHxphWEs_30.000", "--ZhevVpy1s_50.000", "--aE2O5G5WE_0.000", "-0SdAVK79lg_2.500"]
IDS = [name[:11] for name in NAMES]


def video(ytid, *, seconds=70.0, rate=16000):
    """A minute of sound whose value is its time: sample i is (i / rate) / 100, another sign for every other video."""
    sign = 1 if IDS.index(ytid) % 2 else -1
    return (sign * np.arange(round(seconds * rate)) / rate / 100).astype(np.float32)


class FakeYouTube:
    """Has stereo videos of 70 s. What is wrong with one is said by `gone`, `failing` and `short`."""

    def __init__(self, *, gone=None, failing=(), short=(), interrupt_at=None):
        self.gone, self.failing, self.short = dict(gone or {}), set(failing), set(short)
        self.interrupt_at, self.asked, self.stopped = interrupt_at, [], False

    def fetch(self, ytid, folder):
        self.asked.append(ytid)
        if self.interrupt_at == len(self.asked):
            raise KeyboardInterrupt
        if ytid in self.gone:
            raise GoneError(self.gone[ytid], f"{ytid}: said at length,\nin two lines")
        if ytid in self.failing:
            raise FetchError("HTTP Error 429: Too Many Requests")
        sound = video(ytid, seconds=1.0 if ytid in self.short else 70.0)
        soundfile.write(folder / "sound.wav", np.stack([sound, sound], axis=1), 16000, subtype="FLOAT")
        return folder / "sound.wav"

    def stop(self):
        self.stopped = True
