"""States drawn independently from one prior."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.random import SeedSequence

from persuasion.environments.states import StateSequence
from persuasion.rationals import FloatArray

__all__ = ["Stationary"]


@dataclass(frozen=True)
class Stationary:
    """Independent draws from `prior`, shape (n_states,)."""

    prior: tuple[float, ...]

    def segments(self, horizon: int) -> list[tuple[int, FloatArray]]:
        """Return one stretch: the prior never changes."""
        return [(1, np.array(self.prior))]

    def sequence(self, seed: SeedSequence) -> StateSequence:
        """Return the sequence of one run."""
        return StateSequence(np.array(self.prior), seed)
