"""Simulations of which the learner's own time is told from the rest."""

from __future__ import annotations

import copy
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

from numpy.random import Generator

from benchmarks.timing import Clocks
from persuasion import PersuasionGame, Trajectory, simulate
from persuasion.learners import Learner
from persuasion.scheme import SignalingScheme
from persuasion.view import Feedback, LearnerView

__all__ = ["Stopwatch", "TimedPlay", "timed_play"]


@dataclass(frozen=True)
class TimedPlay:
    """A simulation and its seconds by clock ("cpu", "wall"): in all, and inside the learner."""

    trajectory: Trajectory
    whole: dict[str, float]
    learner: dict[str, float]


def timed_play(game: PersuasionGame, learner: Learner, **options: Any) -> TimedPlay:
    """Simulate with `options`, timing the whole and the learner."""
    watched = Stopwatch(learner)
    trajectory, wall, cpu = Clocks().time(partial(simulate, game, watched, **options))
    own = {"cpu": sum(watched.cpu), "wall": sum(watched.wall)}
    return TimedPlay(trajectory, {"cpu": cpu, "wall": wall}, own)


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
