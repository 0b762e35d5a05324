"""Training steps a second: number format and memory layout against plain float32, in one run.

    python benchmarks/training.py [--width 0.4] [--seconds_of_sound 5]

Prints a Markdown table. Every variant is timed in turn, several rounds, and the median of the ratios is shown, so that
a machine whose speed drifts does not decide.
"""

import argparse
import statistics
import time

import torch

from sondo.students import create

BATCH, ROUNDS, STEPS = 32, 5, 2
VARIANTS = {
    "float32": (False, False),
    "float32, channels last (what training uses)": (False, True),
    "bfloat16 autocast": (True, False),
    "bfloat16 autocast, channels last": (True, True),
}


def seconds_a_step(width: float, frames: int, *, bfloat16: bool, channels_last: bool) -> float:
    """Forward, backward and an Adam step on random input; seconds for one, after a warm-up."""
    torch.manual_seed(0)
    student = create("mobilenetv3", width_mult=width)
    if channels_last:
        student.backbone.to(memory_format=torch.channels_last)
    optimizer = torch.optim.Adam(student.parameters())
    log_mel = torch.randn(BATCH, 128, frames)
    for step in range(STEPS + 1):
        if step == 1:
            start = time.perf_counter()
        with torch.autocast("cpu", torch.bfloat16, enabled=bfloat16):
            embedding = student.embed_log_mel(log_mel)
        optimizer.zero_grad()
        embedding.float().square().mean().backward()
        optimizer.step()
    return (time.perf_counter() - start) / STEPS


def main() -> None:
    """Time every variant in turn and print the table."""
    parser = argparse.ArgumentParser()
    parser.add_argument("--width", type=float, default=0.4)
    parser.add_argument("--seconds_of_sound", type=float, default=5.0)
    options = parser.parse_args()
    frames = 1 + int(options.seconds_of_sound * 32000 - 1024) // 512
    times: dict[str, list[float]] = {name: [] for name in VARIANTS}
    for _ in range(ROUNDS):
        for name, (bfloat16, channels_last) in VARIANTS.items():
            times[name].append(seconds_a_step(options.width, frames, bfloat16=bfloat16, channels_last=channels_last))
    base = times["float32"]
    print(f"MobileNetV3 x {options.width}, batch {BATCH}, {frames} frames, {torch.get_num_threads()} threads\n")
    print("| variant | clips/s (median) | speed against float32 (median of pairs) |")
    print("| --- | --- | --- |")
    for name, seconds in times.items():
        ratio = statistics.median(old / new for old, new in zip(base, seconds, strict=True))
        print(f"| {name} | {BATCH / statistics.median(seconds):.0f} | {ratio:.2f} |")


if __name__ == "__main__":
    main()
