"""Small integer payoffs under a uniform prior: many exact ties."""

from __future__ import annotations

import numpy as np

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import Family
from persuasion.zoo._parameters import uniform

__all__ = ["FAMILY"]


def build(n_states: int, n_actions: int, rng: np.random.Generator) -> PersuasionGame:
    """Draw payoffs from 0, 1, 2, 3; the prior is uniform and exact."""
    shape = (n_states, n_actions)
    return PersuasionGame(
        uniform(n_states),
        rng.integers(4, size=shape),
        rng.integers(4, size=shape),
        name=f"integer {n_states}x{n_actions}",
    )


FAMILY = Family("integer", build, "payoffs 0 to 3, uniform prior, exact: degenerate, many ties")
