"""Learners that count states and re-solve when the sample has grown by a factor."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.random import Generator

from persuasion.errors import PersuasionError
from persuasion.scheme import SignalingScheme
from persuasion.view import Feedback, LearnerView, PriorEstimate

__all__ = ["EpochLearner", "n_solves", "next_solve"]


def next_solve(round_: int, n_samples: int, growth: float) -> int:
    """First round t > round_ with ``t - 1 >= growth * n_samples``."""
    return max(round_ + 1, math.ceil(growth * n_samples) + 1)


def n_solves(horizon: int, growth: float) -> int:
    """Number of solves of the growth rule up to and including round `horizon`.

    Examples
    --------
    >>> n_solves(1_000_000, 1.2)
    71
    """
    round_, count = 1, 0
    while round_ <= horizon:
        count += 1
        round_ = next_solve(round_, round_ - 1, growth)
    return count


@dataclass
class EpochLearner(ABC):
    """Re-solves at round t when ``t - 1 >= growth * n``, n the sample size of the last solve.

    Parameters
    ----------
    growth : float, > 1
        1.0 would mean re-solving every round and is accepted as such.
    """

    growth: float = 1.2
    name: ClassVar[str]
    knows: ClassVar[frozenset[str]] = frozenset()
    feedback: ClassVar[str] = "state"
    _view: LearnerView = field(init=False, repr=False, compare=False)
    _rng: Generator = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if not (self.growth >= 1 and math.isfinite(self.growth)):
            raise PersuasionError(
                f"`growth` must be at least 1 (1.2 re-solves when the sample has grown by 20 %); "
                f"got {self.growth}"
            )

    def reset(self, view: LearnerView, rng: Generator) -> None:
        """Start a run with no states seen."""
        self._view, self._rng = view, rng
        self._counts = np.zeros(view.n_states, dtype=np.int64)
        self._round = 1
        self._n_solves = 0
        self._decide()

    def _decide(self) -> None:
        self._n_solves += 1
        n_samples = int(self._counts.sum())
        self._scheme, self._belief = self.decide()
        self._next = next_solve(self._round, n_samples, self.growth)

    @abstractmethod
    def decide(self) -> tuple[SignalingScheme, PriorEstimate]:
        """Choose a scheme from ``self._counts``; called at each solve."""

    def scheme(self) -> SignalingScheme:
        """Return the scheme in force."""
        return self._scheme

    def belief(self) -> PriorEstimate:
        """Return what the scheme in force was based on."""
        return self._belief

    def next_change(self) -> int:
        """Return the round of the next solve."""
        return self._next

    def observe(self, feedback: Feedback) -> None:
        """Add the states seen; solve again if it is time."""
        assert feedback.state_counts is not None
        self._counts = self._counts + feedback.state_counts
        self._round = feedback.start + feedback.n_rounds
        if self._round >= self._next:
            self._decide()
