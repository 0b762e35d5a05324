"""Sound in general, as `sondo.teachers.modulation_scaling` describes it; numpy alone, seeded."""

import numpy as np

SAMPLE_RATE = 32000


def generic_sounds(count: int, *, seconds: float = 4.0, seed: int = 0) -> np.ndarray:
    """(count, samples) float32: noise, tones, chirps and clicks in turn, with 1/f envelopes."""
    maker = _Maker(seconds, seed)
    return np.stack([maker.sound(index) for index in range(count)])


def _unit(wave: np.ndarray) -> np.ndarray:
    return wave / (wave.std() + 1e-12)


class _Maker:
    def __init__(self, seconds: float, seed: int) -> None:
        self.random = np.random.default_rng(seed)
        self.samples = round(SAMPLE_RATE * seconds)
        self.time = np.arange(self.samples) / SAMPLE_RATE
        self.frequency = np.fft.rfftfreq(self.samples, 1 / SAMPLE_RATE)
        self.octave = np.log2(np.maximum(self.frequency, 31.25) / 31.25)

    def noise(self, slope: float) -> np.ndarray:
        spectrum = np.fft.rfft(self.random.standard_normal(self.samples))
        return _unit(np.fft.irfft(spectrum * np.maximum(self.frequency, 40.0) ** (-slope / 2), self.samples))

    def wander(self) -> np.ndarray:
        slow = self.frequency[self.frequency < 60]
        spectrum = np.zeros(len(self.frequency), dtype=complex)
        phase = np.exp(2j * np.pi * self.random.random(len(slow)))
        spectrum[: len(slow)] = np.where(slow > 0, phase / np.sqrt(np.maximum(slow, 0.25)), 0)
        return _unit(np.fft.irfft(spectrum, self.samples))

    def carrier(self, kind: int) -> np.ndarray:
        random = self.random
        if kind == 0:
            return self.noise(random.uniform(0, 2))
        if kind == 1:
            pitch = 2 ** random.uniform(6.3, 11) * 2 ** (self.wander() * random.uniform(0, 0.2))
            phase = 2 * np.pi * np.cumsum(pitch) / SAMPLE_RATE
            last = max(1, int(min(24, 14000 / pitch.max())))
            return sum(np.sin(k * phase) / k ** random.uniform(0.5, 1.5) for k in range(1, last + 1))
        if kind == 2:
            low, high = 2 ** random.uniform(7, 13, 2)
            turns = (self.time * 2 ** random.uniform(-1, 3)) % 1
            return np.sin(2 * np.pi * np.cumsum(low * (high / low) ** turns) / SAMPLE_RATE)
        clicks = np.zeros(self.samples)
        clicks[random.integers(0, self.samples, int(2 ** random.uniform(0, 4) * self.time[-1]) + 1)] = 1
        decay = np.exp(-self.time[:SAMPLE_RATE] / 10 ** random.uniform(-2.5, -0.7))
        size = self.samples + SAMPLE_RATE
        ring = np.fft.rfft(decay * self.noise(random.uniform(0, 2))[:SAMPLE_RATE], size)
        return np.fft.irfft(np.fft.rfft(clicks, size) * ring, size)[: self.samples]

    def sound(self, index: int) -> np.ndarray:
        random = self.random
        spectrum = np.fft.rfft(_unit(self.carrier(index % 4)) + self.noise(1) * 10 ** (random.uniform(-40, -10) / 20))
        wave, unrest = np.zeros(self.samples), random.uniform(1, 6)
        for octave in range(10):
            band = np.fft.irfft(spectrum * np.clip(1 - abs(self.octave - octave), 0, 1), self.samples)
            wave += band * 10 ** ((random.normal() * 6 + self.wander() * unrest) / 20)
        wave = _unit(wave * 10 ** (self.wander() * random.uniform(0, 12) / 20)) * 10 ** (random.uniform(-42, -12) / 20)
        wave += self.noise(1) * 10 ** (random.uniform(-75, -45) / 20)
        return np.clip(wave, -1, 1).astype(np.float32)
