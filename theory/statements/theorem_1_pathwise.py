"""Theorem 1 (b): the loss of every covered epoch, by the exact cost of robustness."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from persuasion.rationals import FloatArray
from persuasion.regret import cumulative
from persuasion.trajectory import Trajectory
from theory.algorithm import Schedule, not_robust
from theory.constants import constants
from theory.programs import robust_value
from theory.statements._robust import A_FEW_RUNS, OWN, common_prior
from theory.theorem import Games, Inequality, NegativeControl, PathwiseTheorem, single
from theory.verdict import Assumption

__all__ = ["THEOREM", "PathwiseLoss"]


class PathwiseLoss(PathwiseTheorem):
    """Loss per round at every epoch in which the ball holds the prior."""

    id: ClassVar[str] = "theorem_1_pathwise"
    title: ClassVar[str] = "Loss while the ball holds the prior"
    statement: ClassVar[str] = (
        "At every round in which the true prior lies within the robust learner's ball, of radius "
        "e, its loss is at most rho + OPT - V_rob(mu*, rho + e), rho being the distance of the "
        "empirical prior from the true one; hence at most e + OPT - V_rob(mu*, 2 e)."
    )
    latex: ClassVar[str] = (
        r"\mathrm{OPT} - V(\mu^*, \sigma_t) \le \rho_t + \mathrm{OPT} - "
        r"V_{\mathrm{rob}}(\mu^*, \rho_t + e_t) \le e_t + \mathrm{OPT} - "
        r"V_{\mathrm{rob}}(\mu^*, 2 e_t)"
    )
    source: ClassVar[str] = OWN
    quantity: ClassVar[str] = "pseudo-regret per round"
    unit: ClassVar[str] = "scaled utils per round"
    negative_control: ClassVar[NegativeControl] = A_FEW_RUNS

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """A common prior; nothing else."""
        return (common_prior(single(game)),)

    def bound(
        self,
        game: Games,
        rounds: ArrayLike,
        parameters: Mapping[str, Any] | None = None,
        *,
        horizon: int | None = None,
    ) -> FloatArray:
        """Cumulated ``min(OPT, e + OPT - V_rob(mu*, 2 e))``: regret while all balls hold."""
        own = single(game)
        schedule = Schedule.read(own.n_states, rounds, parameters, horizon)
        unit, optimum = own.rescaled(), constants(own).optimum
        rates = np.array([e + optimum - robust_value(unit, 2 * e) for e in schedule.radii.tolist()])
        at = np.atleast_1d(np.asarray(rounds, dtype=np.int64))
        return cumulative(schedule.rounds, np.minimum(rates, optimum), at)

    def covers(self, trajectory: Trajectory) -> str | None:
        """Any form of the L1 radius."""
        return not_robust(trajectory, forms=("sum", "mcdiarmid", "min", "product"))

    def inequality(self, trajectory: Trajectory) -> Inequality:
        """Loss against the first bound, at covered epochs.

        Called trivial where it is no better than what full disclosure guarantees: there the ball
        is still so large that the learner discloses (nearly) everything.
        """
        epochs = trajectory.epochs
        c = constants(trajectory.game)
        unit, optimum = trajectory.game.rescaled(), c.optimum
        radii = Schedule.of(trajectory).radii_of(trajectory)
        rows = np.flatnonzero(epochs.distance <= radii)
        reach = np.minimum(epochs.distance[rows] + radii[rows], 2.0)
        robust = np.array([robust_value(unit, e) for e in reach.tolist()])
        loss = epochs.loss[rows] / trajectory.game.sender_scale.width
        right = epochs.distance[rows] + optimum - robust
        trivial = optimum - c.full_revelation if c.persuaded else optimum
        return Inequality(loss, right, rows, trivial)


THEOREM = PathwiseLoss()
