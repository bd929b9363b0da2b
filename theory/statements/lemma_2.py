"""Lemma 2: the L1 balls of a run hold the true prior, all at once, with probability 1 - delta."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np
from numpy.typing import ArrayLike, NDArray

from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from theory.algorithm import Schedule, not_robust
from theory.statements._robust import OWN, common_prior
from theory.theorem import EventTheorem, Games, NegativeControl, single
from theory.verdict import Assumption

__all__ = ["THEOREM", "Coverage"]


class Coverage(EventTheorem):
    """How often some ball of a run misses the prior."""

    id: ClassVar[str] = "lemma_2"
    title: ClassVar[str] = "Coverage of the L1 balls"
    statement: ClassVar[str] = (
        "With n independent states the empirical prior is within e_n(delta) = "
        "sqrt(2 (ln(2^m - 2) + ln(1/delta)) / n) of the true one in L1 distance, except with "
        "probability delta; with delta / (j (j + 1)) at the j-th solve, at all solves of a run."
    )
    latex: ClassVar[str] = (
        r"\Pr\bigl(\exists j : \|g_{n_j} - \mu^*\|_1 > e_{n_j}(\delta / (j (j + 1)))\bigr) "
        r"\le \delta"
    )
    source: ClassVar[str] = f"Weissman et al., HP Labs HPL-2003-97, 2003, and a union bound; {OWN}"
    quantity: ClassVar[str] = "probability that some ball of a run misses the prior"
    unit: ClassVar[str] = "probability"
    negative_control: ClassVar[NegativeControl] = NegativeControl(
        why="the learner uses a twentieth of the radius",
        learner="robust",
        parameters={"radius_scale": 0.05, "delta": 0.2},
        game="f1",
        game_parameters={"m": 4, "beta": 2},
        horizon=1000,
        n_runs=20,
    )

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """Independent draws from one prior."""
        return (common_prior(single(game)),)

    def bound(
        self,
        game: Games,
        rounds: ArrayLike,
        parameters: Mapping[str, Any] | None = None,
        *,
        horizon: int | None = None,
    ) -> FloatArray:
        """Failure probability of all balls up to each round, ``delta J / (J + 1)``."""
        schedule = Schedule.read(single(game).n_states, rounds, parameters, horizon)
        solves = np.atleast_1d(schedule.solves_by(rounds)).astype(np.float64)
        return np.asarray(schedule.delta * solves / (solves + 1))

    def covers(self, trajectory: Trajectory) -> str | None:
        """A learner that states the radii of the lemma, in any of their forms."""
        return not_robust(trajectory, forms=("sum", "mcdiarmid", "min", "product"))

    def failure_probability(self, trajectory: Trajectory) -> float:
        """Bound at the horizon."""
        parameters, horizon = trajectory.parameters, trajectory.horizon
        return float(self.bound(trajectory.game, [horizon], parameters, horizon=horizon)[0])

    def failed(self, trajectory: Trajectory) -> NDArray[np.bool_]:
        """Runs in which a ball, with the radius its learner stated, missed the prior."""
        missed = trajectory.epochs.run[~trajectory.epochs.covered]
        return np.isin(np.unique(trajectory.epochs.run), missed)


THEOREM = Coverage()
