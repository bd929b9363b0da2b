"""Errors of the sandbox. A hostile program causes none of them: it gets a status."""

from __future__ import annotations

from persuasion.errors import PersuasionError

__all__ = ["CacheError", "FrameError", "LimitError", "LiteralError", "UnsafeError"]


class UnsafeError(PersuasionError, RuntimeError):
    """A hostile program cannot be held on this machine; the message says what is missing."""


class LimitError(PersuasionError, ValueError):
    """An argument is out of its range; the message says which values are legal."""


class CacheError(PersuasionError, OSError):
    """The file given cannot hold runs."""


class LiteralError(PersuasionError, ValueError):
    """A text is no literal of the kinds that outputs may have, or an output has none."""


class FrameError(PersuasionError, ValueError):
    """The report of a child is not exactly one well-formed frame."""
