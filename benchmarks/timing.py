"""Timing rivals side by side: interleaved turns, two clocks, ratios on the same games.

Every contender solves the same distinct games, each of them once. In a round all contenders take
a turn on the same block of games, in an order that rotates, so that a noisy minute of the machine
hits all alike. Fast contenders finish the block; slow ones stop when their turn or their budget is
used up, and are compared on the games that they did solve.
"""

from __future__ import annotations

import gc
import time
from collections.abc import Callable, Iterable, Sequence
from dataclasses import dataclass
from statistics import median
from typing import Any, Literal, Protocol

__all__ = ["CLOCKS", "Clock", "Clocks", "Contender", "Pace", "Sample", "paired_ratio", "race"]

Clock = Literal["cpu", "wall"]
CLOCKS: tuple[Clock, Clock] = ("cpu", "wall")
_RESOLUTION = 1e-9
"""Seconds; nothing counts as faster than one tick."""


@dataclass(frozen=True)
class Clocks:
    """Wall clock and processor time of this process, both in seconds."""

    wall: Callable[[], float] = time.perf_counter
    cpu: Callable[[], float] = time.process_time

    def time(self, call: Callable[[], Any]) -> tuple[Any, float, float]:
        """Return what `call` returns, its wall time and its processor time.

        As in `timeit`, cyclic garbage is not collected meanwhile.
        """
        collecting = gc.isenabled()
        gc.disable()
        try:
            wall, cpu = self.wall(), self.cpu()
            result = call()
            cpu, wall = self.cpu() - cpu, self.wall() - wall
        finally:
            if collecting:
                gc.enable()
        return result, max(wall, _RESOLUTION), max(cpu, _RESOLUTION)


class Contender(Protocol):
    """A way to solve a game."""

    @property
    def name(self) -> str:
        """What its column is called."""
        ...

    def prepare(self, game: Any) -> Callable[[], Any]:
        """Return what is timed."""
        ...

    def value(self, game: Any, result: Any) -> float | None:
        """Read the game's value off what the call returned; None where it was stopped."""
        ...


@dataclass(frozen=True)
class Pace:
    """How long to go on.

    Parameters
    ----------
    rounds, block : int
        At most ``rounds * block`` games each.
    turn_seconds : float
        Wall time after which a turn ends; it has at least one game.
    budget_seconds : float
        Wall time after which a contender takes no further turn ...
    least_runs : int
        ... unless it has solved fewer games than this.
    """

    rounds: int
    block: int
    turn_seconds: float
    budget_seconds: float
    least_runs: int = 3


@dataclass(frozen=True)
class Sample:
    """One game solved once."""

    game: int
    wall: float
    cpu: float
    value: float | None


def race(
    contenders: Sequence[Contender],
    games: Callable[[int], Iterable[Any]],
    pace: Pace,
    clocks: Clocks | None = None,
) -> dict[str, list[Sample]]:
    """Let all contenders solve the same games in turns.

    Parameters
    ----------
    contenders : sequence of Contender
    games : callable
        ``games(i)`` gives the games of round i, `pace.block` of them.
    pace : Pace
    clocks : Clocks, optional

    Returns
    -------
    dict of str to list of Sample
        In the order of the contenders.
    """
    clocks = clocks or Clocks()
    samples: dict[str, list[Sample]] = {contender.name: [] for contender in contenders}
    for turn in range(pace.rounds):
        block = list(games(turn))
        gc.collect()
        for place in range(len(contenders)):
            contender = contenders[(turn + place) % len(contenders)]
            done = samples[contender.name]
            spent = sum(sample.wall for sample in done)
            if spent >= pace.budget_seconds and len(done) >= pace.least_runs:
                continue
            elapsed = 0.0
            for position, game in enumerate(block):
                result, wall, cpu = clocks.time(contender.prepare(game))
                value = contender.value(game, result)
                done.append(Sample(turn * pace.block + position, wall, cpu, value))
                elapsed += wall
                if elapsed >= pace.turn_seconds:
                    break
    return samples


def paired_ratio(rival: Sequence[Sample], ours: Sequence[Sample], clock: Clock) -> float:
    """Median, over the games both solved, of the rival's time against ours; above 1: we win.

    A rival stopped at its time limit counts with the time it had used, too little for it.

    Raises
    ------
    ValueError
        When they have no game in common.
    """
    own = {sample.game: getattr(sample, clock) for sample in ours}
    ratios = [getattr(s, clock) / own[s.game] for s in rival if s.game in own]
    if not ratios:
        raise ValueError("the two have no game in common; a ratio needs the same games")
    return float(median(ratios))
