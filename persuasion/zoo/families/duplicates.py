"""Copies of states and actions: optimal schemes and dual prices are far from unique."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import Family

__all__ = ["FAMILY"]


def build(n_states: int, n_actions: int, rng: np.random.Generator) -> PersuasionGame:
    """Draw a uniform game of half the size and fill up with copies, in random places.

    Every second time an action is repeated, only the Receiver cannot tell the copies apart: the
    Sender's payoffs are drawn anew.
    """
    rows, columns = _copies(n_states, rng), _copies(n_actions, rng)
    base = (rows.max() + 1, columns.max() + 1)
    sender = rng.random(base)[np.ix_(rows, columns)]
    receiver = rng.random(base)[np.ix_(rows, columns)]
    seen: dict[int, int] = {}
    for action, original in enumerate(columns.tolist()):
        seen[original] = seen.get(original, 0) + 1
        if seen[original] % 2 == 0:
            sender[:, action] = rng.random(base[0])[rows]
    return PersuasionGame(
        rng.dirichlet(np.ones(n_states)),
        sender,
        receiver,
        name=f"duplicates {n_states}x{n_actions}",
    )


def _copies(size: int, rng: np.random.Generator) -> NDArray[np.int64]:
    """Positions in a list of half the size, each at least once, shuffled."""
    half = (size + 1) // 2
    return rng.permutation(np.concatenate([np.arange(half), rng.integers(half, size=size - half)]))


FAMILY = Family("duplicates", build, "half of the states and actions are copies of others")
