"""Watch first, then commit once: the simplest learner with a guarantee."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

from numpy.random import Generator

from persuasion.ambiguity import l1_ball, l1_radius
from persuasion.errors import PersuasionError
from persuasion.learners._epochs import EpochLearner
from persuasion.robust import solve_robust
from persuasion.scheme import SignalingScheme
from persuasion.view import LearnerView, PriorEstimate

__all__ = ["LEARNER", "ExploreThenCommit"]


@dataclass
class ExploreThenCommit(EpochLearner):
    """Disclose fully for `n_explore` rounds, then play one robust scheme for ever.

    Parameters
    ----------
    n_explore : int, optional
        Default ``ceil(horizon^(2/3))``.
    delta : float, optional
        Failure probability of the confidence ball at the commitment; default 1 / horizon.

    Notes
    -----
    `growth` plays no role. States are seen whatever is signalled, so that the first phase costs
    regret and gains nothing but simplicity.
    """

    n_explore: int | None = None
    delta: float | None = None
    name: ClassVar[str] = "explore_then_commit"

    def reset(self, view: LearnerView, rng: Generator) -> None:
        """Start with full disclosure."""
        wanted = math.ceil(view.horizon ** (2 / 3)) if self.n_explore is None else self.n_explore
        if wanted < 1:
            raise PersuasionError(f"`n_explore` must be at least 1; got {self.n_explore}")
        self._commit_at = wanted + 1
        super().reset(view, rng)

    def _decide(self) -> None:
        super()._decide()
        self._next = self._commit_at if self._n_solves == 1 else self._view.horizon + 1

    def decide(self) -> tuple[SignalingScheme, PriorEstimate]:
        """Disclose at first, commit at the second call."""
        n_states = self._view.n_states
        if self._n_solves == 1:
            belief = PriorEstimate.from_counts(self._counts, 2.0)
            return SignalingScheme.full_disclosure(n_states), belief
        delta = 1 / self._view.horizon if self.delta is None else self.delta
        radius = l1_radius(int(self._counts.sum()), n_states, delta, form="sum")
        belief = PriorEstimate.from_counts(self._counts, radius)
        game = self._view.game_at(belief.center)
        return solve_robust(game, l1_ball(belief.center, radius)).scheme, belief


LEARNER = ExploreThenCommit
