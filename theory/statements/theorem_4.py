"""Theorem 4: mean regret of the bandit learner against a fixed sequence of Receiver types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from persuasion.types import IID, Alternating, ReceiverTypes
from theory.algorithm import another_learner
from theory.theorem import Kind, NegativeControl, RegretBound
from theory.type_programs import type_optimum
from theory.type_theorem import SplitSizes, TypeTheorem, World, descent_bound, record_of, worlds

__all__ = ["CONTROL_TYPES", "THEOREM", "Exp3Bound"]

CONTROL_TYPES = [[[1, 0], [0, 1]], [[1, 0], [0, 2]]]
"""Utilities of the two types of the negative control."""


class Exp3Bound(TypeTheorem, RegretBound):
    """Expected regret of exponential weights over posteriors, only answers being seen."""

    id: ClassVar[str] = "theorem_4"
    title: ClassVar[str] = "Changing types that are not revealed"
    statement: ClassVar[str] = (
        "For every sequence of Receiver types fixed beforehand, the expected regret against the "
        "best fixed scheme of the learner who sees only the action taken after the posterior she "
        "sent is at most H* / eta + eta T N / 2, which is sqrt(2 N T H*) at "
        "eta = sqrt(2 H* / (N T)); N is the number of candidate posteriors and H* <= ln N the "
        "largest entropy of a split of the prior into them."
    )
    latex: ClassVar[str] = (
        r"\mathbb{E} R_T \le \frac{H^*}{\eta} + \frac{\eta T N}{2}, \quad "
        r"\eta = \sqrt{2 H^* / (N T)}: \; \mathbb{E} R_T \le \sqrt{2 N T H^*}, \quad H^* \le \ln N"
    )
    source: ClassVar[str] = "own derivation, docs/theory.md"
    quantity: ClassVar[str] = "cumulated pseudo-regret against the best fixed scheme"
    kind: ClassVar[Kind] = "expectation"
    learner: ClassVar[str] = "exp3"
    horizon: ClassVar[int] = 300
    negative_control: ClassVar[NegativeControl] = NegativeControl(
        why="saying nothing is best, but without importance weights the estimated losses are "
        "biased towards posteriors that are seldom sent; the learner drifts to them, and its "
        "regret is linear",
        learner="exp3",
        parameters={"importance_weights": False},
        game="prosecutor",
        game_parameters={"p": "1/2"},
        types=ReceiverTypes(CONTROL_TYPES, Alternating()),
        horizon=1000,
        n_runs=24,
    )

    def worlds(self, *, quick: bool = False) -> tuple[World, ...]:
        """Types in turn, and in blocks."""
        every = worlds(
            ("alternating", 2, 2, 2, 77),
            ("blocks", 2, 3, 2, 52),
            ("alternating", 3, 2, 2, 39),
            ("blocks", 2, 3, 2, 42),
        )
        return every[:1] if quick else every

    def bound_from(
        self,
        sizes: SplitSizes,
        rounds: FloatArray,
        parameters: Mapping[str, Any],
        horizon: int,
    ) -> FloatArray:
        """``H* / eta + eta t N / 2``; 0 where there is but one split."""
        return descent_bound(sizes, rounds, sizes.n_candidates / 2, parameters.get("eta"), horizon)

    def silent_about(self, types: ReceiverTypes) -> str | None:
        """It fixes one sequence beforehand, for all runs that are averaged."""
        if types.adaptive:
            return (
                "it fixes the types beforehand, these depend on the schemes played; see "
                "theorem_4_adaptive"
            )
        if isinstance(types.sequence, IID):
            return (
                "it fixes one sequence of types, these are drawn anew in every run; see "
                "theorem_4_adaptive"
            )
        return None

    def not_exp3(self, trajectory: Trajectory) -> str | None:
        """Reason why a trajectory is not one of exp3 with unbiased estimates, or None."""
        if (other := another_learner(trajectory, self.learner)) is not None:
            return other
        if not trajectory.parameters.get("importance_weights", True):
            return "the learner did not weight by importance; the theorem does"
        return None

    def covers(self, trajectory: Trajectory) -> str | None:
        """Exp3 with unbiased estimates, on one sequence fixed beforehand."""
        if (other := self.not_exp3(trajectory)) is not None:
            return other
        record = record_of(trajectory)
        if record.adaptive:
            return "the types depended on the schemes played; the theorem fixes them beforehand"
        if (record.counts != record.counts[:1]).any():
            return (
                "every run met other types; the theorem fixes a sequence, and the mean is over "
                "the learner's own draws"
            )
        return None

    def range_on(self, trajectory: Trajectory, rounds: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Between minus what changing the scheme with the type can gain, and the whole optimum."""
        record = record_of(trajectory)
        n_types = record.counts.shape[2]
        game = trajectory.game
        alone = np.array([type_optimum(game, record.utilities, one) for one in np.eye(n_types)])
        points = np.searchsorted(trajectory.checkpoints, rounds)
        counts = record.counts[0, points].astype(np.float64)
        fixed = np.array([self.optimum_at(trajectory, i)[0] for i in points.tolist()]) * rounds
        return np.minimum(fixed - counts @ alone, 0.0), fixed


THEOREM = Exp3Bound()
