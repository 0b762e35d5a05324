"""The learning rate over a run: exponential warm-up, then a linear ramp down.

Source: S-SONDO section 3 (arXiv 2604.24933) and the public code of EfficientAT (`helpers/utils.py`), whose values
`tests/distill/test_schedule.py` holds.
"""

from __future__ import annotations

import math
from dataclasses import dataclass


@dataclass(frozen=True, kw_only=True)
class WarmUpRampDown:
    """Factor on the learning rate, as a function of the epoch.

    Args:
        warmup_epochs: Length of the exponential warm-up, in epochs.
        ramp_down_start: Epoch after which the factor falls.
        ramp_down_epochs: Length of the fall, in epochs.
        last_factor: Where it ends, in (0, 1].
    """

    warmup_epochs: float
    ramp_down_start: float
    ramp_down_epochs: float
    last_factor: float

    def __call__(self, epoch: float) -> float:
        """Factor at an epoch: `exp(-5 (1 - e / warmup)^2)` before, `1` between, a straight line after."""
        return self._warm_up(epoch) * self._ramp_down(epoch)

    def _warm_up(self, epoch: float) -> float:
        if epoch >= self.warmup_epochs:
            return 1.0
        # The reference starts half an epoch in, so that the first factor is not the bare exp(-5).
        phase = max(0.0, 1.0 - max(epoch, 0.5) / self.warmup_epochs)
        return math.exp(-5.0 * phase**2)

    def _ramp_down(self, epoch: float) -> float:
        past = epoch - self.ramp_down_start
        if past <= 0:
            return 1.0
        if past >= self.ramp_down_epochs:
            return self.last_factor
        return self.last_factor + (1.0 - self.last_factor) * (1.0 - past / self.ramp_down_epochs)
