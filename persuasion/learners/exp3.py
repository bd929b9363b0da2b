"""Bandit feedback against changing types: only the answer to the posterior sent is seen."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import ClassVar

import numpy as np

from persuasion.errors import PersuasionError
from persuasion.learners._entropic import EntropicLearner
from persuasion.rationals import FloatArray
from persuasion.view import Feedback

__all__ = ["LEARNER", "Exp3"]


@dataclass
class Exp3(EntropicLearner):
    """Weight candidate posteriors by the exponential of estimated losses.

    The action taken after posterior q tells what q was worth in that round, whatever the type; its
    scaled loss, divided by the probability of sending q, estimates the losses of all candidates
    without bias.

    Parameters
    ----------
    eta : float >= 0, optional
        Constant step; default ``sqrt(2 H* / (N T))``, for the horizon T it is told.
    importance_weights : bool
        False leaves the division out and so biases the estimate: a negative control.

    Notes
    -----
    Expected regret against the best fixed scheme is at most ``sqrt(2 N T H*)``, in scaled utils,
    when the types do not depend on what was sent.
    Symbols: H* = largest entropy of a split, N = number of candidates.
    Source: own derivation, docs/theory.md, Theorem 4; the estimate is that of Auer, Cesa-Bianchi,
    Freund & Schapire, *The nonstochastic multiarmed bandit problem*, SIAM J. Comput. 32(1), 2002.
    Departures: no forced exploration; projected on Bayes-plausible splits.
    """

    importance_weights: bool = True
    name: ClassVar[str] = "exp3"
    feedback: ClassVar[str] = "bandit"

    def __post_init__(self) -> None:
        super().__post_init__()
        if not isinstance(self.importance_weights, bool):
            raise PersuasionError(
                f"`importance_weights` must be True or False; got {self.importance_weights!r}"
            )

    def step(self) -> float:
        """Return eta."""
        if self.eta is not None:
            return self.eta
        return math.sqrt(
            2 * self._splits.max_entropy / (self._candidates.n_posteriors * self._horizon)
        )

    def gains(self, feedback: Feedback) -> FloatArray:
        """Return minus the estimated losses."""
        assert feedback.action_counts is not None
        total = np.zeros(self._candidates.n_posteriors)
        for q, action in zip(*np.nonzero(feedback.action_counts), strict=True):
            value = float(self._candidates.posteriors[q] @ self._sender_utility[:, action])
            loss = 1 - self._scale.to_unit(value)
            if self.importance_weights:
                loss /= self.weights[q]
            total[q] -= loss * feedback.action_counts[q, action]
        return total


LEARNER = Exp3
