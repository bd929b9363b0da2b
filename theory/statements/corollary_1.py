"""Corollary 1: the form m^{3/2} sqrt(T log T), for priors that leave no state rare."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from theory.algorithm import Schedule, not_robust
from theory.constants import constants
from theory.statements._robust import (
    OWN,
    PLUG_IN_ON_THE_PROSECUTOR,
    common_prior,
    regularity,
)
from theory.theorem import Games, Kind, NegativeControl, RegretBound, single
from theory.verdict import Assumption

__all__ = ["THEOREM", "PaperForm"]


class PaperForm(RegretBound):
    """Expected regret of order m^{3/2} sqrt(T log T), with its constant."""

    id: ClassVar[str] = "corollary_1"
    title: ClassVar[str] = "Expected regret of order m^{3/2} sqrt(T log T)"
    statement: ClassVar[str] = (
        "If p0 >= c / m, the expected regret of the robust learner with growth factor g and "
        "delta = 1/T is at most 2 + sqrt(g) (12 k / (c D)) m^{3/2} sqrt(T ln T); where every "
        "persuaded action is strictly best, by D, at some single state, the same without k."
    )
    latex: ClassVar[str] = (
        r"\mathbb{E} R_T \le 2 + \sqrt{g}\,\frac{12 k}{c D}\, m^{3/2} \sqrt{T \ln T}"
    )
    source: ClassVar[str] = f"{OWN}; form of Bai et al., arXiv 2405.18718, with other constants"
    kind: ClassVar[Kind] = "expectation"
    negative_control: ClassVar[NegativeControl] = PLUG_IN_ON_THE_PROSECUTOR

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """(R), a common prior, and the balance c of the prior."""
        own = single(game)
        balance = Assumption(
            "balance c", "every state has probability at least c / m", constants(own).balance, True
        )
        return common_prior(own), regularity(own), balance

    def bound(
        self,
        game: Games,
        rounds: ArrayLike,
        parameters: Mapping[str, Any] | None = None,
        *,
        horizon: int | None = None,
    ) -> FloatArray:
        """Bound at each round; the logarithm is that of the horizon."""
        own = single(game)
        c = constants(own)
        schedule = Schedule.read(own.n_states, rounds, parameters, horizon)
        t = np.atleast_1d(np.asarray(rounds, dtype=np.float64))
        per_margin = c.n_persuaded / c.regularity if c.regularity > 0 else math.inf
        if c.single_state_margin > 0:
            per_margin = min(per_margin, 1 / c.single_state_margin)
        slope = math.sqrt(schedule.growth) * 12 * per_margin / c.balance * c.n_states**1.5
        return np.asarray(2 + slope * np.sqrt(t * math.log(schedule.horizon)))

    def covers(self, trajectory: Trajectory) -> str | None:
        """RAI(g, 1/T)."""
        reason = not_robust(trajectory)
        if reason is not None:
            return reason
        schedule = Schedule.of(trajectory)
        if abs(schedule.delta * schedule.horizon - 1) > 1e-9 or schedule.horizon < 2:
            return (
                f"the corollary speaks about delta = 1/T, T >= 2; this learner used "
                f"{schedule.delta:.3g} over {schedule.horizon} rounds"
            )
        return None


THEOREM = PaperForm()
