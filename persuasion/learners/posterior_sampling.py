"""Thompson sampling over priors: solve at a draw from the Dirichlet posterior."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from persuasion.learners._epochs import EpochLearner
from persuasion.scheme import SignalingScheme
from persuasion.solve import solve
from persuasion.view import PriorEstimate

__all__ = ["LEARNER", "PosteriorSampling"]


@dataclass
class PosteriorSampling(EpochLearner):
    """At each solve draw a prior from Dirichlet(counts + concentration) and solve there.

    Parameters
    ----------
    growth : float
        As in `EpochLearner`.
    concentration : float, > 0
        Pseudo-count of every state.

    Notes
    -----
    Source: Thompson sampling with epochs, as in Osband, Russo & Van Roy, NeurIPS 2013.
    Departures: nothing protects obedience; no regret bound is claimed.
    """

    concentration: float = 1.0
    name: ClassVar[str] = "posterior_sampling"

    def decide(self) -> tuple[SignalingScheme, PriorEstimate]:
        """Draw and solve."""
        drawn = self._rng.dirichlet(self._counts + self.concentration)
        belief = PriorEstimate.from_counts(self._counts, float("inf"))
        return solve(self._view.game_at(drawn)).scheme, belief


LEARNER = PosteriorSampling
