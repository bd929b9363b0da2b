"""The loop that `simulate` is compared with: every round, write the program in cvxpy and solve it.

It is never run to the end. Rounds are drawn evenly from the whole horizon, each with the sample
that it would have seen, until the time allowed is used up; the total is their mean time by the
number of rounds.
"""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial
from typing import Any

import numpy as np

from benchmarks.rivals import plain_program
from benchmarks.timing import Clocks
from persuasion import PersuasionGame, solve
from persuasion.ambiguity import l1_ball, l1_radius
from persuasion.rationals import FloatArray
from persuasion.robust import solve_robust

__all__ = ["PROGRAMS", "NaiveLoop", "naive_loop"]

Build = Callable[[PersuasionGame, FloatArray, float], Any]


def plug_in(game: PersuasionGame, center: FloatArray, radius: float) -> Any:
    """Return the program at the estimate; the radius plays no part."""
    return plain_program(center, game.sender_utility, game.receiver_utility)


def robust(game: PersuasionGame, center: FloatArray, radius: float) -> Any:
    """Return the robust program over the L1 ball, each worst case written through its dual.

    The worst prior moves at most ``radius / 2`` of mass, from each state at most what the estimate
    gives it, to the state where obeying is worth least.
    """
    cvxpy: Any = importlib.import_module("cvxpy")

    m, n = game.n_states, game.n_actions
    v, u = game.sender_utility, game.receiver_utility
    kernel = cvxpy.Variable((m, n), nonneg=True)
    constraints = [cvxpy.sum(kernel, axis=1) == 1]
    for a in range(n):
        for b in range(n):
            if a != b:
                worth = cvxpy.multiply(u[:, a] - u[:, b], kernel[:, a])
                rate, kept = cvxpy.Variable(nonneg=True), cvxpy.Variable(m, nonneg=True)
                least = cvxpy.Variable()
                constraints += [
                    center @ worth - radius / 2 * rate - center @ kept >= 0,
                    rate + kept + least >= worth,
                    least <= worth,
                ]
    value = cvxpy.sum(cvxpy.multiply(center[:, None] * v, kernel))
    return cvxpy.Problem(cvxpy.Maximize(value), constraints)


def _plug_in_value(game: PersuasionGame, center: FloatArray, radius: float) -> float:
    return float(solve(game.with_prior(center)).value)


def _robust_value(game: PersuasionGame, center: FloatArray, radius: float) -> float:
    return solve_robust(game.with_prior(center), l1_ball(center, radius)).value


PROGRAMS: dict[str, tuple[Build, Callable[[PersuasionGame, FloatArray, float], float]]] = {
    "plug_in": (plug_in, _plug_in_value),
    "robust": (robust, _robust_value),
}
"""By name of the learner that solves the same program: how to build it, and our value of it."""


@dataclass(frozen=True)
class NaiveLoop:
    """Rounds of the naive loop that were run, and what they found.

    Attributes
    ----------
    rounds : int
    mean_wall, mean_cpu : float
        Seconds per round, building included.
    largest_difference : float
        Largest deviation of the value from ours, against the spread of the Sender's utilities.
    failed : int
        Rounds in which the backend found no answer.
    """

    rounds: int
    mean_wall: float
    mean_cpu: float
    largest_difference: float
    failed: int


def _solve_anew(build: Build, game: PersuasionGame, center: FloatArray, radius: float) -> Any:
    return build(game, center, radius).solve()


def naive_loop(
    name: str, game: PersuasionGame, horizon: int, allowed_seconds: float, seed: int
) -> NaiveLoop:
    """Time rounds drawn evenly from ``2 .. horizon`` for `allowed_seconds`."""
    build, own_value = PROGRAMS[name]
    rng, clocks = np.random.default_rng(seed), Clocks()
    spread = float(np.ptp(game.sender_utility)) or 1.0
    build(game, game.prior, 0.1).solve()  # imports are not counted
    walls: list[float] = []
    cpus: list[float] = []
    differences: list[float] = []
    failed = 0
    while sum(walls) < allowed_seconds:
        round_ = int(rng.integers(2, horizon + 1))
        center = rng.multinomial(round_ - 1, game.prior) / (round_ - 1)
        delta = 1 / horizon / (round_ * (round_ + 1))  # as if it had solved in every round
        radius = l1_radius(round_ - 1, game.n_states, delta)
        value, wall, cpu = clocks.time(partial(_solve_anew, build, game, center, radius))
        walls.append(wall)
        cpus.append(cpu)
        if value is None or not np.isfinite(value):
            failed += 1
        else:
            differences.append(abs(float(value) - own_value(game, center, radius)) / spread)
    return NaiveLoop(
        rounds=len(walls),
        mean_wall=float(np.mean(walls)),
        mean_cpu=float(np.mean(cpus)),
        largest_difference=max(differences, default=float("nan")),
        failed=failed,
    )
