"""Doing with less memory: what does not fit at once is done in parts."""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import TypeVar

import torch

__all__ = ["free", "in_parts"]

_LOG = logging.getLogger(__name__)

T = TypeVar("T")


def in_parts(
    work: Callable[[int], T], parts: int, most: int, undo: Callable[[], None]
) -> tuple[T, int]:
    """Do something in parts, in twice as many for as long as the memory of the GPU is too small.

    Parameters
    ----------
    work : callable
        Called with the number of parts.
    parts : int, >= 1
        Parts to begin with.
    most : int
        Parts that nothing can be divided further than.
    undo : callable
        Called before every new attempt.

    Returns
    -------
    result
        Of `work`.
    parts : int
        Parts that fitted; begin with as many the next time. The log says when they are more.

    Raises
    ------
    torch.OutOfMemoryError
        When `most` parts do not fit either.
    """
    while True:
        try:
            return work(parts), parts
        except torch.OutOfMemoryError:
            if parts >= most:
                raise
        parts = min(2 * parts, most)  # out here the failed attempt's tensors are gone
        undo()
        free()
        _LOG.warning(
            "out of memory: batches are halved, and go through the model in %d parts; "
            "the gradient stays that of the whole batch",
            parts,
        )


def free() -> None:
    """Give cached memory of the GPU back."""
    if torch.cuda.is_available():
        torch.cuda.empty_cache()
