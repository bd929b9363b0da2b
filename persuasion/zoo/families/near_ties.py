"""Receiver payoffs that tie up to 1e-8 or 1e-10: where tolerances decide."""

from __future__ import annotations

import numpy as np

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import Family

__all__ = ["FAMILY"]


def build(n_states: int, n_actions: int, rng: np.random.Generator) -> PersuasionGame:
    """Draw small integer payoffs and shift the Receiver's by 1e-8, 1e-10, 0 or their negatives."""
    shape = (n_states, n_actions)
    shift = rng.choice([-1e-8, -1e-10, 0.0, 1e-10, 1e-8], size=shape)
    return PersuasionGame(
        rng.dirichlet(np.ones(n_states)),
        rng.integers(4, size=shape),
        rng.integers(3, size=shape) + shift,
        name=f"near_ties {n_states}x{n_actions}",
    )


FAMILY = Family("near_ties", build, "integer payoffs, the Receiver's shifted by up to 1e-8")
