"""A learner whose decisions are timed, so that solving is told from the rest of a simulation."""

from __future__ import annotations

import copy
from collections.abc import Callable
from typing import Any

from numpy.random import Generator

from benchmarks.timing import Clocks
from persuasion.learners import Learner
from persuasion.scheme import SignalingScheme
from persuasion.view import Feedback, LearnerView

__all__ = ["Stopwatch"]


class Stopwatch:
    """A learner that plays as `inner` does and adds up its seconds.

    `simulate` copies learners; all copies add to the same `wall` and `cpu`, lists of seconds, one
    entry for each call in which `inner` may have solved something.
    """

    def __init__(self, inner: Learner, clocks: Clocks | None = None) -> None:
        self.inner, self.clocks = inner, clocks or Clocks()
        self.name, self.knows, self.feedback = inner.name, inner.knows, inner.feedback
        self.wall: list[float] = []
        self.cpu: list[float] = []

    def reset(self, view: LearnerView, rng: Generator) -> None:
        self._time(lambda: self.inner.reset(view, rng))

    def observe(self, feedback: Feedback) -> None:
        self._time(lambda: self.inner.observe(feedback))

    def scheme(self) -> SignalingScheme:
        scheme: SignalingScheme = self._time(self.inner.scheme)
        return scheme

    def next_change(self) -> int:
        return self.inner.next_change()

    def _time(self, call: Callable[[], Any]) -> Any:
        result, wall, cpu = self.clocks.time(call)
        self.wall.append(wall)
        self.cpu.append(cpu)
        return result

    def __deepcopy__(self, memo: dict[int, Any]) -> Stopwatch:
        twin = Stopwatch(copy.deepcopy(self.inner, memo), self.clocks)
        twin.wall, twin.cpu = self.wall, self.cpu
        return twin
