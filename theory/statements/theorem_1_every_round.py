"""Theorem 1 in expectation: the bound (*), with the radius of re-solving every round."""

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

__all__ = ["THEOREM", "EveryRoundBound"]


class EveryRoundBound(RegretBound):
    """Expected regret with radius ``sqrt(2 (m ln 2 + 2 ln T) / n)``.

    Proved for a learner that uses this fixed radius, re-solving by any growth factor g (g = 1:
    every round). RAI(g, 1/T) qualifies when ``J (J + 1) <= T``: then its radii are no larger,
    while they fail with probability 1/T at most, which is all that the proof uses.
    """

    id: ClassVar[str] = "theorem_1_every_round"
    title: ClassVar[str] = "Expected regret of the robust learner"
    statement: ClassVar[str] = (
        "With failure probability 1/T in total and radii of at most sqrt(2 (m ln 2 + 2 ln T) / n), "
        "the expected regret of the robust learner with growth factor g is at most "
        "2 + 2 (1 + 2 r k / (p0 D)) sqrt(2 g (T - 1) (m ln 2 + 2 ln T))."
    )
    latex: ClassVar[str] = (
        r"\mathbb{E} R_T \le 2 + \Bigl(1 + \frac{2 r k}{p_0 D}\Bigr) \cdot "
        r"2 \sqrt{2 g (T-1) (m \ln 2 + 2 \ln T)}"
    )
    source: ClassVar[str] = OWN
    kind: ClassVar[Kind] = "expectation"
    negative_control: ClassVar[NegativeControl] = PLUG_IN_ON_THE_PROSECUTOR

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """(R) and a common prior."""
        return common_prior(single(game)), regularity(single(game))

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
        schedule = Schedule.read(own.n_states, rounds, parameters, horizon)
        t = np.atleast_1d(np.asarray(rounds, dtype=np.float64))
        log_term = own.n_states * math.log(2) + 2 * math.log(schedule.horizon)
        root = np.sqrt(2 * schedule.growth * (t - 1) * log_term)
        return np.asarray(2 + constants(own).C_thm * 2 * root)

    def covers(self, trajectory: Trajectory) -> str | None:
        """RAI(g, 1/T) with ``J (J + 1) <= T``."""
        reason = not_robust(trajectory)
        if reason is not None:
            return reason
        schedule = Schedule.of(trajectory)
        if schedule.delta * schedule.horizon > 1 + 1e-12:
            return (
                f"the theorem needs delta <= 1/T; this learner used {schedule.delta:.3g} over "
                f"{schedule.horizon} rounds"
            )
        solves = len(schedule.rounds)
        if solves * (solves + 1) / schedule.delta > float(schedule.horizon) ** 2 * (1 + 1e-12):
            return (
                f"the learner's {solves} solves make its radius larger than the theorem's "
                "(J (J + 1) / delta exceeds T^2); use a larger growth factor or horizon"
            )
        return None


THEOREM = EveryRoundBound()
