"""A Sender who cares about the action only (transparent motives)."""

from __future__ import annotations

import numpy as np

from persuasion.game import PersuasionGame
from persuasion.zoo._entry import Family

__all__ = ["FAMILY"]


def build(n_states: int, n_actions: int, rng: np.random.Generator) -> PersuasionGame:
    """Draw one Sender payoff per action; prior and Receiver as in the uniform family."""
    return PersuasionGame(
        rng.dirichlet(np.ones(n_states)),
        np.tile(rng.random(n_actions), (n_states, 1)),
        rng.random((n_states, n_actions)),
        name=f"state_independent {n_states}x{n_actions}",
    )


FAMILY = Family("state_independent", build, "the Sender's payoff depends on the action only")
