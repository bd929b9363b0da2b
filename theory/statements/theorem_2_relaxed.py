"""Theorem 2': sqrt(T) is needed even when failing to persuade costs nothing."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any, ClassVar

import numpy as np
from numpy.typing import NDArray

from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from theory.confidence import clopper_pearson
from theory.statements._pair import PairBound, PairConstants, read_pair
from theory.theorem import Games
from theory.verdict import Assumption

__all__ = ["THEOREM", "Relaxed"]

_OBEYED = 1e-7
_NOMINAL = 0.05
_STRICTLY = 1e-9


class Relaxed(PairBound):
    """Regret on the better prior of a learner that persuades, mostly, on the worse one."""

    id: ClassVar[str] = "theorem_2_relaxed"
    title: ClassVar[str] = "Lower bound of order sqrt(T) for mostly persuasive learners"
    statement: ClassVar[str] = (
        "If at every round the scheme is persuasive at p- with probability at least 1 - beta "
        "when the prior is p-, the expected regret at p+ = p- + Delta is at least the sum over "
        "t <= T of a (1 - beta - sqrt((t - 1) kl / 2)), positive terms only. At p- = 1/4, B = 1 "
        "and the best Delta that is (sqrt(6) / 8) (1 - beta)^2 sqrt(T) for T >= 4."
    )
    latex: ClassVar[str] = (
        r"\mathbb{E}_{p_+} R_T \ge \sum_{t=1}^{T} a \bigl(1 - \beta - "
        r"\sqrt{(t-1)\,\mathrm{kl}/2}\bigr)^+ \quad \bigl(\ge \tfrac{\sqrt 6}{8} (1-\beta)^2 "
        r"\sqrt T\bigr)"
    )
    quantity: ClassVar[str] = "expected cumulated pseudo-regret at p+"
    judged: ClassVar[tuple[int, ...]] = (1,)

    def assumptions(self, game: Games) -> tuple[Assumption, ...]:
        """As for the others, but the Receiver must strictly need persuading at p+.

        At a tie there, saying nothing is persuasive at p- (she declines) and optimal at p+.
        """
        apart, _, costs = super().assumptions(game)
        measured = read_pair(game).persuadable
        return (
            apart,
            Assumption(
                "B p+ / (1 - p+)",
                "the Receiver strictly declines unless told something (below 1)",
                measured,
                measured < 1 - _STRICTLY,
            ),
            costs,
        )

    def at(
        self, constants: PairConstants, rounds: NDArray[np.int64], parameters: Mapping[str, Any]
    ) -> FloatArray:
        """The sum, each term from below by an integral; `parameters` may hold "beta"."""
        held = 1 - float(parameters.get("beta", _NOMINAL))
        slope = math.sqrt(constants.divergence / 2)
        if held <= 0 or slope == 0:
            return np.zeros(rounds.shape)
        t = np.minimum(rounds.astype(np.float64), math.floor((held / slope) ** 2))
        # sqrt(t - 1) <= the integral of sqrt over [t - 1, t]
        total = constants.loss_second * (held * t - slope * t**1.5 / 1.5)
        return np.asarray(np.maximum(total, 0.0))

    def best_gap(self, horizon: int, good: float, ratio: float) -> PairConstants:
        """``Delta = (3 (1 - beta) / 4) sqrt(2 p- (1 - p-) / T)``, at beta = 0.05."""
        gap = 0.75 * (1 - _NOMINAL) * math.sqrt(2 * good * (1 - good) / horizon)
        found = PairConstants(good, gap, ratio)
        if found.persuadable >= 1 - _STRICTLY:
            raise PersuasionError(
                f"at horizon {horizon} no second prior fits beside {good}; use a longer horizon"
            )
        return found

    def measure(self, trajectories: Sequence[Trajectory], alpha: float) -> dict[str, float]:
        """Upper limit of the probability that a run at p- is ever disobeyed, hence of beta."""
        epochs = trajectories[0].epochs
        disobeyed = ~(epochs.obedience_gap <= _OBEYED * trajectories[0].game.receiver_scale.width)
        count = len(np.unique(epochs.run[disobeyed]))
        return {"beta": clopper_pearson(count, trajectories[0].n_runs, 2 * alpha)[1]}


THEOREM = Relaxed()
