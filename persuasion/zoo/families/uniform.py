"""Uniform payoffs and a uniformly drawn prior: games in generic position."""

from __future__ import annotations

import numpy as np

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import Family

__all__ = ["FAMILY"]


def build(n_states: int, n_actions: int, rng: np.random.Generator) -> PersuasionGame:
    """Draw the prior uniformly from the simplex and every payoff uniformly from [0, 1)."""
    return PersuasionGame(
        rng.dirichlet(np.ones(n_states)),
        rng.random((n_states, n_actions)),
        rng.random((n_states, n_actions)),
        name=f"uniform {n_states}x{n_actions}",
    )


FAMILY = Family("uniform", build, "payoffs uniform on [0, 1), prior uniform on the simplex")
