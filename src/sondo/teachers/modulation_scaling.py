"""The fixed affine map that gives the `modulation` vector a geometry that a cosine can use.

Raw measurements all lean one way: power falls with frequency, with rate and with scale in nearly every sound, and how
loud a clip is moves all bands at once. So each value loses the value expected of sound in general, a group's common
shift (its mean over bands, or over scales and rates) counts half, and each group is divided by its deviation.

Source:
    The constants below are least-squares quadratics, rounded, through the averages over synthetic sound; they are
    fitted to no recording. (A first recipe, of steadier sounds, was given up when ESC-10 lay far from its centre: mean
    cosine of two clips 0.35, against 0.17 with this one.) 200 sounds of 4 s: coloured noise (power falling as f^0 to
    f^-2), harmonic tones that drift, exponential chirps, and random decaying clicks, in equal parts, over pink noise of
    -40 to -10 dB. Each octave has a random gain (6 dB deviation) that wanders with a 1/f spectrum (1 to 6 dB), and so
    has the whole (0 to 12 dB), since natural sound has 1/f envelopes (Attias & Schreiner 1997); root mean square -42 to
    -12 dB of full scale, over a pink floor of -75 to -45 dB.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from sondo.teachers.modulation_spectrum import NUM_RATES, NUM_SCALES

COMMON_SHIFT_WEIGHT = 0.5
"""What is left of the shift that all values of a group have in common."""

STATISTICS_CENTRE = ((-5.70, -1.09, 0.44), (0.98, -0.52, -0.11), (-1.55, -2.68, -0.47), (0.39, -0.27, 0.0))
"""Of mean, deviation, maximum and change: coefficients of 1, u, u^2, with u from -1 (lowest band) to 1 (highest)."""
STATISTICS_DEVIATION = (1.08, 0.51, 2.22, 0.20)

SPECTRUM_CENTRE = ((-0.86, -1.77, -0.42), (-1.81, 0.88, 0.0), (-0.30, 0.0, 0.0))
"""Of the modulation spectrum: row i, column j is the coefficient of x^i y^j, where x and y go from -1 to 1 over the
indices of scale and of rate. Scale 0 (all bands together) and rates 0 and 1 (a steady spectrum, which the taper
spreads over both) follow laws of their own."""
SPECTRUM_CENTRE_SCALE_0 = (2.48, -2.52, -0.72)
SPECTRUM_CENTRE_RATE_0 = (3.12, -3.27, 0.67)
SPECTRUM_CENTRE_RATE_1 = (2.01, -3.20, 0.53)
SPECTRUM_DEVIATION = 0.93


def statistics_centre(bands: int) -> NDArray[np.float32]:
    """Expected band statistics of sound in general.

    Shape:
        -> (4, bands).
    """
    position = (2 * np.arange(bands) + 1) / bands - 1
    return np.stack([_quadratic(position, row) for row in STATISTICS_CENTRE]).astype(np.float32)


def spectrum_centre() -> NDArray[np.float32]:
    """Expected modulation spectrum of sound in general.

    Shape:
        -> (NUM_SCALES, NUM_RATES).
    """
    scale, rate = np.linspace(-1, 1, NUM_SCALES), np.linspace(-1, 1, NUM_RATES)
    centre = np.polynomial.polynomial.polygrid2d(scale, rate, np.array(SPECTRUM_CENTRE))
    centre[:, 0] = _quadratic(scale, SPECTRUM_CENTRE_RATE_0)
    centre[:, 1] = _quadratic(scale, SPECTRUM_CENTRE_RATE_1)
    centre[0] = _quadratic(rate, SPECTRUM_CENTRE_SCALE_0)
    return np.asarray(centre, dtype=np.float32)


def settings() -> dict[str, object]:
    """All constants, for the fingerprint of the teacher."""
    return {name: value for name, value in globals().items() if name.isupper()}


def _quadratic(at: NDArray[np.floating[Any]], coefficients: tuple[float, float, float]) -> NDArray[np.float64]:
    return np.asarray(np.polynomial.polynomial.polyval(at, coefficients), dtype=np.float64)
