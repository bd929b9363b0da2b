"""Theorem 1': the robust learner with a Clopper-Pearson box in place of the L1 ball."""

from __future__ import annotations

import math
from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from theory.algorithm import Schedule, not_robust
from theory.constants import constants
from theory.programs import receiver_gain
from theory.statements._robust import (
    OWN,
    PLUG_IN_ON_THE_PROSECUTOR,
    capped_sum,
    common_prior,
    slater,
)
from theory.theorem import Games, Kind, NegativeControl, RegretBound, single
from theory.verdict import Assumption

__all__ = ["THEOREM", "BoxBound", "generic_bound"]


class BoxBound(RegretBound):
    """Regret of RAI with boxes; the smaller of a generic and an instance bound.

    The widths of the box shrink like sqrt(mu(w) / n), so that the instance bound, which weighs
    each state's width with the payoffs at stake there, can be of lower order in m.
    """

    id: ClassVar[str] = "theorem_1_box"
    title: ClassVar[str] = "Regret of the robust learner with confidence boxes"
    statement: ClassVar[str] = (
        "With probability 1 - delta the regret of the robust learner whose confidence set is a "
        "Clopper-Pearson box is at most 1 + (1 + 2 OPT/d*) 4 sqrt(g m L T) + (1 + 4 OPT/d*) m L g "
        "(1 + ln T), L = ln(2 m J (J + 1) / delta); and at most 1 + sum over s < T of "
        "min(OPT, 2 sqrt(m L / n) + m L / n + OPT R_n / d*), n = s / g, with "
        "R_n = max over persuaded a and a' of sum_w (4 sqrt(mu(w) L / n) + 4 L / n) |u_a - u_a'|."
    )
    latex: ClassVar[str] = (
        r"R_T \le 1 + \Bigl(1 + \frac{2\,\mathrm{OPT}}{d^*}\Bigr) 4 \sqrt{g m L T} + "
        r"\Bigl(1 + \frac{4\,\mathrm{OPT}}{d^*}\Bigr) m L g (1 + \ln T), \quad "
        r"L = \ln\frac{2 m J (J+1)}{\delta}"
    )
    source: ClassVar[str] = OWN
    kind: ClassVar[Kind] = "high_probability"
    negative_control: ClassVar[NegativeControl] = PLUG_IN_ON_THE_PROSECUTOR

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """A positive margin and a common prior."""
        return common_prior(single(game)), slater(single(game))

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
        c = constants(own)
        schedule = Schedule.read(own.n_states, rounds, parameters, horizon)
        t = np.atleast_1d(np.asarray(rounds, dtype=np.int64))
        solves = schedule.solves_by(t).astype(np.float64)
        m, g = own.n_states, schedule.growth
        log_term = np.log(2 * m * solves * (solves + 1) / schedule.delta)
        if c.slater_margin <= 0:
            return np.full(t.shape, math.inf)
        generic = generic_bound(t, m, c.optimum / c.slater_margin, log_term, g)
        root, linear = _stakes(own)
        price = c.optimum / c.slater_margin
        first = np.sqrt(g * log_term) * (2 * math.sqrt(m) + 4 * price * root)
        second = g * log_term * (m + 4 * price * linear)
        return np.minimum(generic, 1 + capped_sum(t - 1, c.optimum, first, second))

    def covers(self, trajectory: Trajectory) -> str | None:
        """RAI with boxes."""
        return not_robust(trajectory, confidence="box")

    def failure_probability(self, trajectory: Trajectory) -> float:
        """Delta."""
        return Schedule.of(trajectory).delta


def generic_bound(
    rounds: ArrayLike, n_states: int, price: float, log_term: ArrayLike, growth: float
) -> FloatArray:
    """The bound in m and ``price = OPT / d*`` alone."""
    t, log = np.asarray(rounds, dtype=np.float64), np.asarray(log_term)
    first = (1 + 2 * price) * 4 * np.sqrt(growth * n_states * log * t)
    second = (1 + 4 * price) * n_states * log * growth * (1 + np.log(t))
    return np.asarray(1 + first + second)


def _stakes(game: PersuasionGame) -> tuple[float, float]:
    """Largest ``sum_w sqrt(mu(w)) |gain|`` and ``sum_w |gain|`` over persuaded actions."""
    unit = game.rescaled()
    gains = [
        np.abs(receiver_gain(unit, action, other))
        for action in constants(game).persuaded
        for other in range(unit.n_actions)
        if other != action
    ]
    if not gains:
        return 0.0, 0.0
    root = np.sqrt(unit.prior)
    return max(float(root @ gain) for gain in gains), max(float(gain.sum()) for gain in gains)


THEOREM = BoxBound()
