"""A student in torch looked into: its multiply-accumulates, and the front-end's share of its time."""

from __future__ import annotations

import statistics
import time
from typing import TYPE_CHECKING

import numpy as np
import torch
from numpy.typing import NDArray
from torch.utils.flop_counter import FlopCounterMode

from sondo.bench.onnx_file import Macs

if TYPE_CHECKING:
    from torch import nn

    from sondo.students import Student

_ROUNDS = 9


def count_macs(student: Student, audio: NDArray[np.float32]) -> Macs:
    """Count the work of one call. The FFT in torch's front-end is no matrix product and is not counted.

    Args:
        student: The student.
        audio: (batch, samples).
    """
    front_end, whole = _macs(student.front_end, audio), _macs(student, audio)
    return Macs(network=whole - front_end, front_end=front_end)


def front_end_share(student: Student, audio: NDArray[np.float32]) -> float:
    """The front-end's time over that of the whole student, on one thread: the median over calls in turn."""
    threads = torch.get_num_threads()
    torch.set_num_threads(1)
    try:
        shares = [_seconds(student.front_end, audio) / _seconds(student, audio) for _ in range(_ROUNDS + 1)]
    finally:
        torch.set_num_threads(threads)
    return statistics.median(shares[1:])


def _macs(module: nn.Module, audio: NDArray[np.float32]) -> int:
    with torch.no_grad(), FlopCounterMode(display=False) as counter:
        module(torch.from_numpy(audio))
    return int(counter.get_total_flops()) // 2


def _seconds(module: nn.Module, audio: NDArray[np.float32]) -> float:
    with torch.inference_mode():
        start = time.perf_counter()
        module(torch.from_numpy(audio))
        return time.perf_counter() - start
