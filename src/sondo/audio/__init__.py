"""Sound in: decoding, resampling, clips, windows, and the one definition of the log-mel front-end.

May import: `sondo.errors`, numpy, soundfile, soxr; PyAV and `sondo.screen` inside functions only. Never torch.
"""

from __future__ import annotations

from sondo.audio.clips import plan_clips
from sondo.audio.decode import AudioInfo, load_audio, probe, read_clips
from sondo.audio.errors import AudioError
from sondo.audio.folders import list_audio_files
from sondo.audio.logmel import LogMelConfig, log_mel
from sondo.audio.windows import window_frames

__all__ = [
    "AudioError",
    "AudioInfo",
    "LogMelConfig",
    "list_audio_files",
    "load_audio",
    "log_mel",
    "plan_clips",
    "probe",
    "read_clips",
    "window_frames",
]
