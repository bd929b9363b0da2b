"""Senders who weight candidate posteriors exponentially, whatever they are told afterwards."""

from __future__ import annotations

import math
from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

import numpy as np
from numpy.random import Generator

from persuasion.candidates import Candidates
from persuasion.errors import PersuasionError
from persuasion.kl_projection import KLProjection, Projected, check_full_support
from persuasion.rationals import FloatArray
from persuasion.scheme import SignalingScheme
from persuasion.view import Feedback, LearnerView

__all__ = ["EntropicLearner"]


@dataclass
class EntropicLearner(ABC):
    """Each round, the split of the prior that maximises ``eta <w, G> + H(w)``.

    G collects scaled gains of the candidate posteriors as a subclass reads them from the feedback,
    eta is the step of the round.

    Parameters
    ----------
    eta : float >= 0, optional
        Constant step; default the one of the learner's theorem.
    """

    eta: float | None = None
    name: ClassVar[str]
    knows: ClassVar[frozenset[str]] = frozenset({"prior", "type_set"})
    feedback: ClassVar[str]
    _projected: Projected = field(init=False, repr=False, compare=False)

    def __post_init__(self) -> None:
        if self.eta is not None and not (self.eta >= 0 and math.isfinite(self.eta)):
            raise PersuasionError(f"`eta` must be a finite number >= 0; got {self.eta}")

    def check(self, view: LearnerView) -> None:
        """Refuse a prior without full support: exponential weights could not keep to it."""
        check_full_support(view.prior)

    def reset(self, view: LearnerView, rng: Generator) -> None:
        """Start a run with the split of largest entropy."""
        self._horizon = view.horizon
        self._sender_utility = view.sender_utility
        self._scale = view.game_at(view.prior).sender_scale
        self._candidates: Candidates = view.type_set.candidates
        self._splits = KLProjection(self._candidates.posteriors, view.prior)
        self._kernels = (self._candidates.posteriors / view.prior).T
        self._gains = np.zeros(self._candidates.n_posteriors)
        self._round = 1
        self._projected = self._splits(self._gains)

    @abstractmethod
    def step(self) -> float:
        """Return eta for the round ``self._round``."""

    @abstractmethod
    def gains(self, feedback: Feedback) -> FloatArray:
        """Return what is to be added to G, shape (n_posteriors,)."""

    @property
    def weights(self) -> FloatArray:
        """Probability of each candidate posterior in the current round."""
        return self._projected.weights

    def scheme(self) -> SignalingScheme:
        """Return the split in force; signal i leads to candidate i."""
        return SignalingScheme(self._kernels * self._projected.weights)

    def next_change(self) -> int:
        """Return the next round: the split changes every time."""
        return self._round + 1

    def observe(self, feedback: Feedback) -> None:
        """Add the gains and project again, starting from the last prices."""
        self._gains += self.gains(feedback)
        self._round = feedback.start + feedback.n_rounds
        self._projected = self._splits(self.step() * self._gains, self._projected.prices)
