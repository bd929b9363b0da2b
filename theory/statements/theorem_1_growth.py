"""Theorem 1 with the constant in p0, D and k: regret with high probability."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

from numpy.typing import ArrayLike

from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from theory.algorithm import Schedule, not_robust
from theory.constants import constants
from theory.statements._robust import (
    OWN,
    PLUG_IN_ON_THE_PROSECUTOR,
    common_prior,
    growth_bound,
    regularity,
)
from theory.theorem import Games, Kind, NegativeControl, RegretBound, single
from theory.verdict import Assumption

__all__ = ["THEOREM", "GrowthBound"]


class GrowthBound(RegretBound):
    """Regret of RAI(g, delta), with ``C = 1 + 2 r k / (p0 D)``."""

    id: ClassVar[str] = "theorem_1_growth"
    title: ClassVar[str] = "Regret of the robust learner"
    statement: ClassVar[str] = (
        "With probability 1 - delta the regret of the robust learner with growth factor g is at "
        "most 1 + sum over s < T of min(OPT, C sqrt(2 g L / s)), where C = 1 + 2 r k / (p0 D), "
        "L = ln(2^m - 2) + ln(J (J + 1) / delta) and J is the number of its solves."
    )
    latex: ClassVar[str] = (
        r"R_T \le 1 + \sum_{s=1}^{T-1} \min\{\mathrm{OPT}, C \sqrt{2 g L / s}\}, \quad "
        r"C = 1 + \frac{2 r k}{p_0 D}, \quad L = \ln(2^m - 2) + \ln\frac{J(J+1)}{\delta}"
    )
    source: ClassVar[str] = OWN
    kind: ClassVar[Kind] = "high_probability"
    negative_control: ClassVar[NegativeControl] = PLUG_IN_ON_THE_PROSECUTOR

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """(R) and a common prior."""
        return common_prior(single(game)), regularity(single(game))

    def constant(self, game: Games) -> float:
        """Regret per unit of radius."""
        return constants(single(game)).C_thm

    def bound(
        self,
        game: Games,
        rounds: ArrayLike,
        parameters: Mapping[str, Any] | None = None,
        *,
        horizon: int | None = None,
    ) -> FloatArray:
        """Bound at each round, J counted up to that round."""
        own = single(game)
        schedule = Schedule.read(own.n_states, rounds, parameters, horizon)
        return growth_bound(schedule, rounds, self.constant(game), constants(own).optimum)

    def covers(self, trajectory: Trajectory) -> str | None:
        """RAI with the L1 radius of Lemma 2, or a smaller one of equal failure probability."""
        return not_robust(trajectory)

    def failure_probability(self, trajectory: Trajectory) -> float:
        """Delta."""
        return Schedule.of(trajectory).delta


THEOREM = GrowthBound()
