"""Quadratic losses on grids, with a bias between Sender and Receiver."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import Family

__all__ = ["FAMILY"]


def build(n_states: int, n_actions: int, rng: np.random.Generator) -> PersuasionGame:
    """Draw the prior from small weights and the Sender's bias from 1/20, ..., 20/20, exact.

    States and actions are the midpoints of equal cells of [0, 1]; the Receiver loses
    ``(action - state) ** 2``, the Sender ``(action - state - bias) ** 2``.
    """
    weights = rng.integers(1, 10, size=n_states).tolist()
    bias = Fraction(int(rng.integers(1, 21)), 20)
    states, actions = _midpoints(n_states), _midpoints(n_actions)
    return PersuasionGame(
        [Fraction(weight, sum(weights)) for weight in weights],
        [[-((a - w - bias) ** 2) for a in actions] for w in states],
        [[-((a - w) ** 2) for a in actions] for w in states],
        name=f"quadratic {n_states}x{n_actions}",
    )


def _midpoints(cells: int) -> list[Fraction]:
    return [Fraction(2 * i + 1, 2 * cells) for i in range(cells)]


FAMILY = Family("quadratic", build, "u = -(a - w)^2, v = -(a - w - bias)^2 on grids, exact")
