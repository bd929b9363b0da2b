"""How a command ends."""

from __future__ import annotations

from enum import IntEnum

__all__ = ["ExitCode"]


class ExitCode(IntEnum):
    """Exit codes of the command line."""

    DONE = 0
    NOT_FINE = 1  # what was checked, a scheme or a theorem, did not hold up
    BAD_INPUT = 2
    NOT_SOLVED = 3  # not to the tolerance, or not within the time limit
    BUG = 70
    INTERRUPTED = 130
    BROKEN_PIPE = 141
