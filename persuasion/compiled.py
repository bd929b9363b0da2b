"""How functions are compiled by numba: without the interpreter lock, and kept on disk.

Compiling takes some seconds; the result lies in ``__pycache__`` beside the source, or in the user's
cache folder where that cannot be written (``NUMBA_CACHE_DIR`` names another one). Where no folder
can be written every process compiles for itself. Files are put there whole, so that processes that
compile at the same time do no harm to one another.
"""

from __future__ import annotations

import logging
from collections.abc import Callable
from typing import Any

from numba import njit

__all__ = ["announced", "part", "whole"]

_HOW: dict[str, Any] = {"nogil": True, "error_model": "numpy"}

part: Any = njit(**_HOW)
"""For functions that only compiled ones of the same file call."""


def whole(function: Callable[..., Any]) -> Any:
    """Compile a function that Python calls; it is kept on disk if possible.

    numba takes what it kept for valid until the file of the function changes. A function that
    calls compiled ones of other files therefore needs a closure variable that changes with them.
    """
    try:
        return njit(cache=True, **_HOW)(function)
    except RuntimeError:  # there is no folder that can be written
        return njit(**_HOW)(function)


def announced(compiled: Any, what: str) -> Any:
    """Return a function of `whole`; say so beforehand where calling it will take seconds."""
    if not _kept_on_disk(compiled):
        logging.getLogger("persuasion").warning(
            "compiling %s: some ten seconds, once for this installation", what
        )
    return compiled


def _kept_on_disk(compiled: Any) -> bool:
    """Whether numba kept a version of the present source; False where it does not say."""
    try:
        return bool(compiled._cache._cache_file._load_index())
    except (AttributeError, OSError):  # none is kept, or other internals: the message is too much
        return False


def compile_all() -> None:
    """Compile whatever is not kept on disk yet, by solving a small game in each way."""
    from persuasion.ambiguity import l1_ball
    from persuasion.batch import solve_batch
    from persuasion.game import PersuasionGame
    from persuasion.robust import solve_robust
    from persuasion.solve import solve

    prior, payoffs = [0.5, 0.3, 0.2], [[2.0, 0.0, 1.0], [0.0, 2.0, 1.0], [0.0, 1.0, 2.0]]
    game = PersuasionGame(prior, payoffs[::-1], payoffs)
    solve(game)
    solve_robust(game, l1_ball(prior, 0.1))
    solve_batch(prior, payoffs[::-1], payoffs)


if __name__ == "__main__":
    compile_all()
