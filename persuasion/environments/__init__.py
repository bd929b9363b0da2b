"""Where states come from: sequences whose prefix counts are cheap, whatever the horizon."""

from __future__ import annotations

from typing import Protocol

from numpy.random import SeedSequence

from persuasion.environments.drifting import Drifting
from persuasion.environments.states import StateSequence
from persuasion.environments.stationary import Stationary
from persuasion.rationals import FloatArray

__all__ = ["Drifting", "Environment", "StateSequence", "Stationary"]


class Environment(Protocol):
    """A law of state sequences."""

    def segments(self, horizon: int) -> list[tuple[int, FloatArray]]:
        """First round (from 1) and prior of each stretch over which the prior is constant."""
        ...

    def sequence(self, seed: SeedSequence) -> StateSequence:
        """Return the sequence of one run."""
        ...
