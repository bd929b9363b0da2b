"""Under which conditions a benchmark ran: machine, versions, date, command."""

from __future__ import annotations

import os
import platform
from datetime import UTC, datetime
from importlib import metadata
from pathlib import Path
from typing import Any

from benchmarks.threads import SETTINGS
from persuasion.store import code_versions

__all__ = ["conditions", "load_average"]

_RIVALS = ("cvxpy", "clarabel", "python-flint", "joblib")


def conditions(suite: str, scale: str) -> dict[str, Any]:
    """Return what a reader needs to judge or repeat a run; no path and no host name."""
    flag = "" if scale == "standard" else f" --{scale}"
    return {
        "date": datetime.now(UTC).isoformat(timespec="seconds"),
        "command": f"python -m benchmarks {suite}{flag}",
        "scale": scale,
        "machine": {
            "cpu": _cpu_model(),
            "cores": os.cpu_count(),
            "cores_usable": len(os.sched_getaffinity(0))
            if hasattr(os, "sched_getaffinity")
            else os.cpu_count(),
            "memory_gb": _memory_gb(),
            "system": f"{platform.system()} {platform.machine()}",
        },
        "threads": {name: os.environ.get(name, "unset") for name in SETTINGS},
        "load_average_before": load_average(),
        "python": platform.python_version(),
        "versions": {**code_versions(), **{name: _version(name) for name in _RIVALS}},
    }


def load_average() -> float | None:
    """Processes that wanted to run, averaged over the last minute; None where unknown."""
    try:
        return round(os.getloadavg()[0], 2)
    except (AttributeError, OSError):
        return None


def _version(name: str) -> str:
    try:
        return metadata.version(name)
    except metadata.PackageNotFoundError:
        return "absent"


def _cpu_model() -> str:
    try:
        for line in Path("/proc/cpuinfo").read_text(encoding="utf-8").splitlines():
            if line.startswith("model name"):
                return line.split(":", 1)[1].strip()
    except OSError:
        pass
    return platform.processor() or "unknown"


def _memory_gb() -> float | None:
    try:
        return round(os.sysconf("SC_PAGE_SIZE") * os.sysconf("SC_PHYS_PAGES") / 2**30, 1)
    except (AttributeError, ValueError, OSError):
        return None
