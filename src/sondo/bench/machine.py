"""What the figures were measured on."""

from __future__ import annotations

import platform
from importlib.metadata import PackageNotFoundError, version
from pathlib import Path

from sondo.in_threads import num_cores


def machine() -> dict[str, str | int | None]:
    """The processor, the cores that this process may use, the system, and the versions of what computes."""
    return {
        "cpu": _cpu(),
        "cores": num_cores(),
        "machine": platform.machine(),
        "system": platform.platform(),
        "python": platform.python_version(),
        **{package: _version(package) for package in ("sondo", "onnxruntime", "torch", "numpy")},
    }


def _cpu() -> str:
    info = Path("/proc/cpuinfo")
    if info.is_file():
        for line in info.read_text().splitlines():
            if line.startswith(("model name", "Model")):
                return line.split(":", 1)[1].strip()
    return platform.processor() or platform.machine()


def _version(package: str) -> str | None:
    try:
        return version(package)
    except PackageNotFoundError:
        return None
