"""Priors down to 1e-12 and payoffs from 1e-8 to 1e4: where absolute tolerances fail."""

from __future__ import annotations

import numpy as np

from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.zoo._entry import Family

__all__ = ["FAMILY"]


def build(n_states: int, n_actions: int, rng: np.random.Generator) -> PersuasionGame:
    """Draw prior weights log-uniformly and give every state a payoff scale of its own.

    With two states or more, one has prior weight 1 and one 1e-12.
    """
    exponents = rng.uniform(-12, 0, size=n_states)
    exponents[0] = 0.0
    exponents[1:2] = -12.0
    weights = 10.0 ** rng.permutation(exponents)
    return PersuasionGame(
        weights / weights.sum(),
        _payoffs(n_states, n_actions, rng),
        _payoffs(n_states, n_actions, rng),
        name=f"bad_scaling {n_states}x{n_actions}",
    )


def _payoffs(n_states: int, n_actions: int, rng: np.random.Generator) -> FloatArray:
    scales: FloatArray = 10.0 ** rng.uniform(-8, 4, size=(n_states, 1))
    return scales * rng.uniform(-1, 1, size=(n_states, n_actions))


FAMILY = Family("bad_scaling", build, "priors from 1e-12 to 1, payoffs from 1e-8 to 1e4")
