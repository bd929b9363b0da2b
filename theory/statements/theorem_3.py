"""Theorem 3: regret of the hedging learner against any sequence of Receiver types."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any, ClassVar

import numpy as np

from persuasion import zoo
from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from persuasion.types import LargestGap, ReceiverTypes
from theory.algorithm import another_learner
from theory.theorem import Inequality, NegativeControl, PathwiseTheorem
from theory.type_theorem import SplitSizes, TypeTheorem, World, descent_bound, record_of, worlds

__all__ = ["THEOREM", "HedgeBound"]

_CONTROL = zoo.load("prosecutor")


class HedgeBound(TypeTheorem, PathwiseTheorem):
    """Regret of entropic mirror descent on the splits of the prior, type by type revealed."""

    id: ClassVar[str] = "theorem_3"
    title: ClassVar[str] = "Changing types that are revealed"
    statement: ClassVar[str] = (
        "For every sequence of Receiver types, adaptive ones too, the regret of the hedging "
        "learner against the best fixed scheme is at most sqrt(T H*) with steps 2 sqrt(H* / t), "
        "and at most H* / eta + eta T / 8 with a constant step eta, which is sqrt(T H* / 2) at "
        "eta = sqrt(8 H* / T); H* <= ln N is the largest entropy of a split of the prior into the "
        "N candidate posteriors."
    )
    latex: ClassVar[str] = (
        r"R_T \le \sqrt{T H^*}, \quad R_T \le \frac{H^*}{\eta} + \frac{\eta T}{8}, \quad "
        r"H^* \le \ln N, \quad N \le \binom{m + K n (n-1)/2}{m - 1}"
    )
    source: ClassVar[str] = "own derivation, docs/theory.md"
    quantity: ClassVar[str] = "pseudo-regret per round against the best fixed scheme"
    unit: ClassVar[str] = "scaled utils per round"
    learner: ClassVar[str] = "hedge"
    horizon: ClassVar[int] = 2000
    negative_control: ClassVar[NegativeControl] = NegativeControl(
        why="with the wrong sign the learner weights most what earned least, and its regret is "
        "linear",
        learner="hedge",
        parameters={"sign": -1},
        game="prosecutor",
        types=ReceiverTypes([_CONTROL.receiver_utility, [[2, 0], [0, 1]]], LargestGap()),
        horizon=1000,
        n_runs=1,
    )

    def worlds(self, *, quick: bool = False) -> tuple[World, ...]:
        """An adversary, independent draws, blocks, and types in turn."""
        every = worlds(
            ("adversary", 3, 3, 3, 91),
            ("alternating", 2, 3, 2, 52),
            ("independent", 3, 2, 3, 51),
            ("blocks", 4, 2, 3, 7),
        )
        return every[:2] if quick else every

    def bound_from(
        self,
        sizes: SplitSizes,
        rounds: FloatArray,
        parameters: Mapping[str, Any],
        horizon: int,
    ) -> FloatArray:
        """``sqrt(t H*)``, or ``H* / eta + eta t / 8``; 0 where there is but one split."""
        eta = parameters.get("eta")
        if eta is None and parameters.get("schedule", "anytime") == "anytime":
            return np.sqrt(rounds * max(sizes.entropy, 0.0))
        return descent_bound(sizes, rounds, 1 / 8, eta, horizon)

    def covers(self, trajectory: Trajectory) -> str | None:
        """Hedge with the right sign, on any sequence."""
        if (other := another_learner(trajectory, self.learner)) is not None:
            return other
        if trajectory.parameters.get("sign", 1) != 1:
            return "the learner changed the sign of its gains; the theorem does not"
        return None

    def inequality(self, trajectory: Trajectory) -> Inequality:
        """Regret per round against the bound, at every checkpoint of every run."""
        n_runs, n_points = record_of(trajectory).counts.shape[:2]
        rounds = trajectory.checkpoints.astype(np.float64)
        regret = trajectory.regret / trajectory.game.sender_scale.width / rounds
        bound = self.bound_on(trajectory, rounds) / rounds
        return Inequality(
            left=regret.ravel(),
            right=np.tile(bound, n_runs),
            epoch=np.arange(n_runs * n_points),
            trivial=1.0,
        )


THEOREM = HedgeBound()
