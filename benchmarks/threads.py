"""Linear algebra on one thread, so that processor time means the same for every contender."""

from __future__ import annotations

import os

__all__ = ["SETTINGS", "hold_to_one"]

SETTINGS = ("OMP_NUM_THREADS", "OPENBLAS_NUM_THREADS", "MKL_NUM_THREADS")


def hold_to_one() -> None:
    """Ask for one thread, unless the user asked for something else; call before NumPy loads."""
    for name in SETTINGS:
        os.environ.setdefault(name, "1")
