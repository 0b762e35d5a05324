"""One model in a process of its own: how long until the first embedding, and how much memory at most.

    python -m sondo.bench.fresh '{"model": "student.onnx", "threads": 1, "seconds": 10, "allow_code": false}'

prints JSON in its last line. The parent is `measure`. Nothing is imported at the top that a cold start is about.
"""

from __future__ import annotations

import json
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

_STATUS = Path("/proc/self/status")


def measure(model: str | Path, *, threads: int, seconds: float, allow_code: bool) -> dict[str, float | None]:
    """Start a new Python, load the model and embed once.

    Args:
        model: What `sondo.load` takes.
        threads: Threads of the model.
        seconds: Length of the sound.
        allow_code: As for `sondo.load`.

    Returns:
        `import_s`, `load_s`, `first_s`, their sum `cold_start_s` (Python's own start is not in it), and `peak_bytes`,
        the resident memory of the whole process at most; None where the system does not tell.

    Raises:
        SondoError: The process failed; with the last line that it said.
    """
    from sondo.errors import SondoError

    order = {"model": str(model), "threads": threads, "seconds": seconds, "allow_code": allow_code}
    done = subprocess.run(
        [sys.executable, "-m", "sondo.bench.fresh", json.dumps(order)], capture_output=True, text=True
    )
    if done.returncode != 0:
        said = (done.stderr.strip().splitlines() or ["nothing"])[-1]
        raise SondoError(f"{model} could not be run in a process of its own, which said: {said}")
    found: dict[str, float | None] = json.loads(done.stdout.splitlines()[-1])  # a student's own code may print
    return found


def _run(order: dict[str, Any]) -> dict[str, float | None]:
    start = time.perf_counter()
    import numpy as np

    from sondo.bench.subject import open_model

    imported = time.perf_counter()
    model = open_model(order["model"], threads=order["threads"], allow_code=order["allow_code"])
    loaded = time.perf_counter()
    noise = np.random.default_rng(0).standard_normal(round(order["seconds"] * model.sample_rate))
    begun = time.perf_counter()
    model.embed((0.1 * noise).astype(np.float32), sample_rate=model.sample_rate)
    ended = time.perf_counter()
    times = {"import_s": imported - start, "load_s": loaded - imported, "first_s": ended - begun}
    return {**times, "cold_start_s": sum(times.values()), "peak_bytes": _peak_bytes()}


def _peak_bytes() -> int | None:
    """Resident memory at most.

    Linux hands a child the `ru_maxrss` of the parent that started it, so /proc is asked there, which counts anew.
    """
    if _STATUS.is_file():
        lines = dict(line.split(":", 1) for line in _STATUS.read_text().splitlines() if ":" in line)
        return int(lines["VmHWM"].split()[0]) * 1024 if "VmHWM" in lines else None
    try:
        import resource
    except ModuleNotFoundError:  # Windows
        return None
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss  # bytes on macOS


if __name__ == "__main__":
    sys.stdout.write(f"\n{json.dumps(_run(json.loads(sys.argv[1])))}")
