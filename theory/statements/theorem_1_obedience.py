"""Theorem 1 (a): while the ball holds the prior, the robust learner is obeyed."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike

from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from theory.algorithm import Schedule, not_robust
from theory.statements._robust import A_FEW_RUNS, OWN, common_prior
from theory.theorem import Games, Inequality, NegativeControl, PathwiseTheorem, single
from theory.verdict import Assumption

__all__ = ["THEOREM", "Obedience"]


class Obedience(PathwiseTheorem):
    """The Receiver's largest gain from disobeying is zero at every covered epoch."""

    id: ClassVar[str] = "theorem_1_obedience"
    title: ClassVar[str] = "Obedience while the ball holds the prior"
    statement: ClassVar[str] = (
        "At every round in which the true prior lies within the robust learner's ball, its scheme "
        "is persuasive at the true prior: no recommendation can be disobeyed at a gain."
    )
    latex: ClassVar[str] = (
        r"\|g_t - \mu^*\|_1 \le e_t \;\Rightarrow\; "
        r"\max_{a, a'} \sum_\omega \mu^*(\omega) \sigma_t(a|\omega) "
        r"[u(\omega, a') - u(\omega, a)] \le 0"
    )
    source: ClassVar[str] = OWN
    quantity: ClassVar[str] = "largest gain from disobeying, joint masses"
    unit: ClassVar[str] = "scaled utils of the Receiver"
    negative_control: ClassVar[NegativeControl] = A_FEW_RUNS

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """A common prior."""
        return (common_prior(single(game)),)

    def bound(
        self,
        game: Games,
        rounds: ArrayLike,
        parameters: Mapping[str, Any] | None = None,
        *,
        horizon: int | None = None,
    ) -> FloatArray:
        """Zero."""
        single(game)
        return np.zeros(np.atleast_1d(np.asarray(rounds)).shape)

    def covers(self, trajectory: Trajectory) -> str | None:
        """Any form of the L1 radius."""
        return not_robust(trajectory, forms=("sum", "mcdiarmid", "min", "product"))

    def inequality(self, trajectory: Trajectory) -> Inequality:
        """Gains at covered epochs whose signals are named after actions."""
        epochs = trajectory.epochs
        covered = epochs.distance <= Schedule.of(trajectory).radii_of(trajectory)
        rows = np.flatnonzero(covered & ~np.isnan(epochs.obedience_gap))
        gain = epochs.obedience_gap[rows] / trajectory.game.receiver_scale.width
        return Inequality(gain, np.zeros(len(rows)), rows, np.inf)


THEOREM = Obedience()
