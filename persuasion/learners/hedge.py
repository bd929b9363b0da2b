"""Full feedback against changing types: entropic mirror descent on the splits of the prior."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar, Literal, get_args

import numpy as np

from persuasion.errors import PersuasionError
from persuasion.learners._entropic import EntropicLearner
from persuasion.rationals import FloatArray
from persuasion.view import Feedback

__all__ = ["LEARNER", "Hedge"]

Schedule = Literal["anytime", "horizon"]


@dataclass
class Hedge(EntropicLearner):
    """Weight candidate posteriors by the exponential of what they would have earned.

    After each round the type is revealed; a candidate q gains v_k(q), the Sender's scaled utility
    there against the type of the round.

    Parameters
    ----------
    eta : float >= 0, optional
        Constant step; default by `schedule`.
    schedule : {"anytime", "horizon"}
        ``2 sqrt(H* / t)`` in round t, or ``sqrt(8 H* / T)`` throughout, for a known horizon T.
    sign : {1, -1}
        -1 runs away from what earned well: a negative control.

    Notes
    -----
    Regret against the best fixed scheme is at most ``sqrt(T H*)`` for every sequence of types
    ("anytime"), or ``sqrt(T H* / 2)`` at the horizon ("horizon"), in scaled utils.
    Symbols: H* = largest entropy of a split, N = number of candidates, eta = eta_t.
    Source: own derivation, docs/theory.md, Theorem 3; the setting is that of Castiglioni, Celli,
    Marchesi & Gatti, *Online Bayesian Persuasion*, NeurIPS 2020.
    Departures: exponential weights over posteriors, projected on Bayes-plausible splits.
    """

    schedule: Schedule = "anytime"
    sign: int = 1
    name: ClassVar[str] = "hedge"
    feedback: ClassVar[str] = "full"

    def __post_init__(self) -> None:
        super().__post_init__()
        if self.schedule not in get_args(Schedule):
            raise PersuasionError(
                f"`schedule` must be one of {get_args(Schedule)}; got {self.schedule!r}"
            )
        if self.sign not in (1, -1):
            raise PersuasionError(f"`sign` must be 1, or -1 as a negative control; got {self.sign}")

    def step(self) -> float:
        """Return eta of the round."""
        if self.eta is not None:
            return self.eta
        if self.schedule == "horizon":
            return math.sqrt(8 * self._splits.max_entropy / self._horizon)
        return 2 * math.sqrt(self._splits.max_entropy / self._round)

    def gains(self, feedback: Feedback) -> FloatArray:
        """Return the scaled values of all candidates against the types seen."""
        assert feedback.types is not None
        values = self._candidates.values
        counts = np.bincount(feedback.types, minlength=len(values))
        earned = (counts @ values - feedback.n_rounds * self._scale.low) / self._scale.width
        total: FloatArray = self.sign * earned
        return total


LEARNER = Hedge
