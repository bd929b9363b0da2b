"""Certainty equivalence: optimal at the empirical prior, obeyed only by luck."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from persuasion.learners._epochs import EpochLearner
from persuasion.scheme import SignalingScheme
from persuasion.solve import solve
from persuasion.view import PriorEstimate

__all__ = ["LEARNER", "PlugIn"]


@dataclass
class PlugIn(EpochLearner):
    """Solve at the empirical frequencies, without any robustness.

    At the optimum obedience binds, so that a sampling error of either sign decides whether the
    Receiver obeys: regret grows linearly on games in which persuasion gains. A negative control.
    """

    name: ClassVar[str] = "plug_in"

    def decide(self) -> tuple[SignalingScheme, PriorEstimate]:
        """Solve at the estimate; before the first state, at the uniform prior."""
        belief = PriorEstimate.from_counts(self._counts, float("inf"))
        return solve(self._view.game_at(belief.center)).scheme, belief


LEARNER = PlugIn
