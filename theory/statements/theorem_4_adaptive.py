"""Theorem 4 for types chosen by an adversary: against any scheme fixed beforehand."""

from __future__ import annotations

from dataclasses import replace
from typing import ClassVar

import numpy as np

from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from persuasion.types import LargestGap, ReceiverTypes
from theory.statements.theorem_4 import CONTROL_TYPES, Exp3Bound
from theory.theorem import NegativeControl
from theory.type_programs import type_optimum, type_values
from theory.type_theorem import World, record_of, worlds

__all__ = ["THEOREM", "Exp3AdaptiveBound"]


class Exp3AdaptiveBound(Exp3Bound):
    """Expected regret against one scheme, whoever chooses the types.

    Which scheme is best depends on the types that came, and these on the learner's draws; the mean
    of the regret against the best scheme of each run, which a trajectory records, may be larger,
    and nothing is claimed about it. So the scheme to compare with is chosen on the first half of
    the runs, for each round, and the bound is judged on the other half, of which it is independent.
    """

    id: ClassVar[str] = "theorem_4_adaptive"
    title: ClassVar[str] = "Types chosen by an adversary and not revealed"
    statement: ClassVar[str] = (
        "If Receiver types may depend on all that was shown and on the scheme of the round, but "
        "not on the posterior that it sends, then the expected regret of the learner of Theorem 4 "
        "against any scheme fixed beforehand is at most H* / eta + eta T N / 2. Nothing is claimed "
        "about the best scheme in hindsight, which varies from run to run."
    )
    latex: ClassVar[str] = (
        r"\max_{\sigma} \, \mathbb{E} \sum_{t \le T} \bigl( V_{k_t}(\sigma) - V_{k_t}(\sigma_t) "
        r"\bigr) \le \frac{H^*}{\eta} + \frac{\eta T N}{2}"
    )
    quantity: ClassVar[str] = (
        "cumulated pseudo-regret against a scheme chosen on the first half of the runs"
    )
    horizon: ClassVar[int] = 150
    negative_control: ClassVar[NegativeControl] = replace(
        Exp3Bound.negative_control,
        why="saying nothing is best, but without importance weights the learner drifts to "
        "posteriors that it has seldom sent, and its regret against one scheme is linear",
        types=ReceiverTypes(CONTROL_TYPES, LargestGap()),
        n_runs=32,
    )

    def worlds(self, *, quick: bool = False) -> tuple[World, ...]:
        """An adversary, and independent draws, which vary from run to run too."""
        every = worlds(
            ("adversary", 2, 2, 2, 77),
            ("adversary", 2, 3, 2, 52),
            ("adversary", 3, 2, 2, 39),
            ("independent", 2, 2, 3, 42),
        )
        return every[:1] if quick else every

    def silent_about(self, types: ReceiverTypes) -> str | None:
        """It speaks about every sequence."""
        return None

    def covers(self, trajectory: Trajectory) -> str | None:
        """Exp3 with unbiased estimates, on any sequence, in runs enough to divide."""
        if (other := self.not_exp3(trajectory)) is not None:
            return other
        if trajectory.n_runs < 4:
            return (
                "one half of the runs chooses the scheme, the other is judged: simulate(n_runs=4) "
                "at least"
            )
        return None

    def regret_on(self, trajectory: Trajectory) -> FloatArray:
        """Regret of the later half of the runs against the schemes chosen on the earlier half."""
        record, first = record_of(trajectory), trajectory.n_runs // 2
        scale = trajectory.game.sender_scale
        counts = record.counts[first:].astype(np.float64)
        worth = np.einsum("rtk,tk->rt", counts, self._comparators(trajectory))
        theirs = worth * scale.width + counts.sum(axis=2) * scale.low
        earned = trajectory.optimum[first:] - trajectory.regret[first:]
        return np.asarray(theirs - earned)

    def range_on(self, trajectory: Trajectory, rounds: FloatArray) -> tuple[FloatArray, FloatArray]:
        """Between what the best answer to each type gains on the scheme, and all of its value."""
        record, game = record_of(trajectory), trajectory.game
        alone = [type_optimum(game, record.utilities, k) for k in np.eye(len(record.utilities))]
        values = self._comparators(trajectory)[np.searchsorted(trajectory.checkpoints, rounds)]
        gains = (np.array(alone) - values).max(axis=1)
        return -rounds * np.maximum(gains, 0.0), np.asarray(rounds * values.max(axis=1))

    def _comparators(self, trajectory: Trajectory) -> FloatArray:
        """Scaled value against each type of the scheme for each checkpoint, [checkpoint, type]."""
        record = record_of(trajectory)
        counts = record.counts[: max(trajectory.n_runs // 2, 1)].sum(axis=0)
        shares = counts / counts.sum(axis=1, keepdims=True)
        return np.array([type_values(trajectory.game, record.utilities, c) for c in shares])


THEOREM = Exp3AdaptiveBound()
