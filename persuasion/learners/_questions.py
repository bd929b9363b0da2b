"""Learners who ask the Receiver: replay a scheme until a signal is drawn, read what she does."""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass, field
from typing import ClassVar

from numpy.random import Generator

from persuasion.scheme import SignalingScheme
from persuasion.view import Feedback, LearnerView

__all__ = ["QuestionLearner"]


@dataclass
class QuestionLearner(ABC):
    """Asks one question after another, then settles on a scheme.

    A question is a scheme and one of its signals. The scheme is played round by round until that
    signal is drawn; the Receiver, who knows the prior, answers by what she does. Her answer to a
    scheme never changes, so one is enough.
    """

    name: ClassVar[str]
    knows: ClassVar[frozenset[str]] = frozenset()
    feedback: ClassVar[str] = "action"
    _view: LearnerView = field(init=False, repr=False, compare=False)
    _scheme: SignalingScheme = field(init=False, repr=False, compare=False)
    _signal: int | None = field(init=False, repr=False, compare=False)
    _round: int = field(init=False, repr=False, compare=False)

    def reset(self, view: LearnerView, rng: Generator) -> None:
        """Start a run; nothing here is random but the Receiver's signals."""
        self._view, self._round = view, 1
        self.begin()

    @abstractmethod
    def begin(self) -> None:
        """Forget everything, then `ask` or `settle`."""

    @abstractmethod
    def learn(self, action: int) -> None:
        """Draw the conclusion from what the Receiver did, then `ask` or `settle`."""

    def ask(self, scheme: SignalingScheme, signal: int) -> None:
        """Play `scheme` until `signal` is drawn."""
        self._scheme, self._signal = scheme, signal

    def settle(self, scheme: SignalingScheme) -> None:
        """Play `scheme` for ever."""
        self._scheme, self._signal = scheme, None

    @property
    def settled(self) -> bool:
        """Whether all questions have been answered."""
        return self._signal is None

    def scheme(self) -> SignalingScheme:
        """Return the scheme in force."""
        return self._scheme

    def next_change(self) -> int:
        """Return the next round while asking, then a round after the horizon."""
        return self._view.horizon + 1 if self.settled else self._round + 1

    def observe(self, feedback: Feedback) -> None:
        """Look whether the signal was drawn, and how she answered."""
        self._round = feedback.start + feedback.n_rounds
        if self._signal is None:
            return
        assert feedback.action_counts is not None
        answers = feedback.action_counts[self._signal]
        if answers.any():
            self.learn(int(answers.argmax()))
