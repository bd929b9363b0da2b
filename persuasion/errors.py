"""Errors that say what was given, what is legal and what to do."""

from __future__ import annotations

from typing import Any

__all__ = [
    "CallError",
    "GameError",
    "InfeasibleError",
    "NotSolvedError",
    "PersuasionError",
    "SchemeError",
    "UnsupportedError",
    "WorkersLostError",
]


class PersuasionError(Exception):
    """Base class of every error raised on purpose by this package."""


class CallError(PersuasionError, TypeError):
    """A function was called with arguments that it does not have, or without some it needs."""


class GameError(PersuasionError, ValueError):
    """The numbers or labels given do not describe a finite persuasion game."""


class SchemeError(PersuasionError, ValueError):
    """The numbers given do not describe a signaling scheme of the game."""


class UnsupportedError(PersuasionError, ValueError):
    """The chosen method cannot answer this question; the message says which one can."""


class InfeasibleError(PersuasionError, ValueError):
    """No signaling scheme satisfies the options asked for (a margin too large, say)."""


class NotSolvedError(PersuasionError, RuntimeError):
    """No method returned an answer that passes the certificate.

    Attributes
    ----------
    attempts : tuple of (str, str)
        Method tried and why its answer was not accepted, in order.
    """

    def __init__(self, message: str, attempts: tuple[tuple[str, str], ...] = ()) -> None:
        super().__init__(message)
        self.attempts = attempts


class WorkersLostError(PersuasionError, RuntimeError):
    """Those who computed are gone: workers were killed, or the scheduler does not answer.

    Attributes
    ----------
    partial : Trajectory or None
        The runs of a simulation that had finished.
    """

    def __init__(self, message: str, partial: Any = None) -> None:
        super().__init__(message)
        self.partial = partial
