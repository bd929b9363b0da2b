"""Payoffs 0 or 1: the most degenerate games."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import Family

__all__ = ["FAMILY"]


def build(n_states: int, n_actions: int, rng: np.random.Generator) -> PersuasionGame:
    """Draw payoffs from 0, 1 and the prior from small weights, exact."""
    shape = (n_states, n_actions)
    weights = rng.integers(1, 10, size=n_states).tolist()
    return PersuasionGame(
        [Fraction(weight, sum(weights)) for weight in weights],
        rng.integers(2, size=shape),
        rng.integers(2, size=shape),
        name=f"binary {n_states}x{n_actions}",
    )


FAMILY = Family("binary", build, "payoffs 0 or 1, prior in proportion to 1..9, exact")
