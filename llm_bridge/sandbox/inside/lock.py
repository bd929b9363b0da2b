"""Locking this process up, one layer after the other, in the only order that works."""

from __future__ import annotations

import os

from . import landlock, limits, seccomp

TYPE_CHECKING = False  # `typing` and `collections.abc` would double the start-up time
if TYPE_CHECKING:
    from collections.abc import Iterable, Mapping
    from typing import Any

__all__ = ["lock"]


def lock(layers: Mapping[str, Any], readable: Iterable[str]) -> None:
    """Apply the layers asked for.

    Parameters
    ----------
    layers : mapping
        `parent` (process id or None), `rlimits` (seconds of processor time, bytes of memory) or
        None, `landlock` (version of the interface, 0 for none), `seccomp` (bool).
    readable : iterable of path
        What may still be read under Landlock.

    Raises
    ------
    OSError, ValueError
        When a layer cannot be applied; then the process must not go on.
    """
    limits.die_with_parent(layers["parent"])
    if layers["landlock"]:
        landlock.restrict(readable, layers["landlock"])
    if layers["rlimits"] is not None:
        limits.set_limits(*layers["rlimits"])
    if layers["seccomp"]:
        limits.drop_capabilities()
        seccomp.install(seccomp.program(os.uname().machine))
