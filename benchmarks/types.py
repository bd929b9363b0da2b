"""Receivers of changing type: a round of play, one projection, and the list of posteriors."""

from __future__ import annotations

import importlib
from collections.abc import Callable, Iterator
from dataclasses import asdict, dataclass
from functools import partial
from itertools import count, islice
from statistics import median
from typing import Any

import numpy as np

from benchmarks.report import markdown_table, number, seconds
from benchmarks.stopwatch import timed_play
from benchmarks.timing import CLOCKS, Clocks, Pace, paired_ratio, race
from persuasion import PersuasionGame, ReceiverTypes, simulate
from persuasion.candidates import candidate_posteriors, n_candidate_systems
from persuasion.kl_projection import KLProjection, Projected, entropy
from persuasion.learners import load
from persuasion.learners.hedge import Hedge
from persuasion.rationals import FloatArray
from persuasion.types import IID
from persuasion.view import Feedback

__all__ = ["NAME", "TITLE", "Plan", "Projection", "measure", "run", "tables"]

NAME = "types"
TITLE = "Receivers of changing type"
_SEED = 20260201
_ROUND_TARGET = 1e-3
_N_POSTERIORS = 24
_SIZE = (4, 3, 2)
"""States, actions and types; the games taken are those with exactly so many posteriors."""


@dataclass(frozen=True)
class Plan:
    """How many games, rounds, and which sizes are listed."""

    horizon: int
    n_games: int
    n_projections: int
    cvxpy_seconds: float
    sizes: tuple[tuple[int, int, int], ...]


PLANS = {
    "quick": Plan(100, 2, 4, 1.0, ((2, 2, 2), (3, 2, 3))),
    "standard": Plan(
        5000,
        15,
        90,
        60.0,
        (
            (2, 2, 2), (2, 5, 5), (3, 2, 3), (3, 3, 3), (3, 4, 5), (4, 2, 3), (4, 3, 2),
            (4, 4, 4), (5, 3, 3), (6, 3, 3), (6, 4, 3),
        ),
    ),
}  # fmt: skip


@dataclass(frozen=True)
class Projection:
    """A projection as it occurs in play: log-weights of a round, prices of the round before."""

    splits: KLProjection
    log_weights: FloatArray
    prices: FloatArray


def run(scale: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure play, projections and enumeration."""
    return measure(PLANS["quick" if scale == "quick" else "standard"], say)


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure what a plan asks for."""
    worlds = list(islice(_worlds(), max(plan.n_games, plan.n_projections)))
    say(f"types: {plan.n_games} games with {_N_POSTERIORS} posteriors, {plan.horizon} rounds")
    rounds = {name: _rounds(name, worlds[: plan.n_games], plan) for name in ("hedge", "exp3")}
    say(f"types: {plan.n_projections} projections, against cvxpy")
    projections = _projections(worlds[: plan.n_projections], plan)
    say("types: lists of posteriors")
    listed = [_listed(size, plan) for size in plan.sizes]
    return {
        "plan": asdict(plan),
        "seed": _SEED,
        "size": _SIZE,
        "n_posteriors": _N_POSTERIORS,
        "rounds": rounds,
        "projections": projections,
        "listed": listed,
        "targets": _targets(rounds["hedge"], projections),
    }


# -- games ---------------------------------------------------------------------------------


def _draw(size: tuple[int, int, int], position: int) -> tuple[PersuasionGame, FloatArray]:
    m, n, k = size
    rng = np.random.default_rng(np.random.SeedSequence(_SEED, spawn_key=(*size, position)))
    game = PersuasionGame(rng.dirichlet(np.ones(m)), rng.random((m, n)), rng.random((m, n)))
    return game, rng.random((k, m, n))


def _worlds() -> Iterator[tuple[PersuasionGame, ReceiverTypes]]:
    """Distinct games with exactly so many posteriors; types come independently."""
    for position in count():
        game, utilities = _draw(_SIZE, position)
        if candidate_posteriors(game, utilities).n_posteriors == _N_POSTERIORS:
            k = len(utilities)
            yield game, ReceiverTypes(utilities, IID((1 / k,) * k))


# -- play ----------------------------------------------------------------------------------


def _rounds(
    name: str, worlds: list[tuple[PersuasionGame, ReceiverTypes]], plan: Plan
) -> dict[str, float]:
    """Seconds per round: of everything that `simulate` does, and of the learner."""
    game, types = worlds[0]
    simulate(game, name, types=types, horizon=10)  # imports are not counted
    plays = [
        timed_play(game, load(name), types=types, horizon=plan.horizon, seed=position)
        for position, (game, types) in enumerate(worlds)
    ]
    whole = {clock: [play.whole[clock] / plan.horizon for play in plays] for clock in CLOCKS}
    own = {clock: [play.learner[clock] / plan.horizon for play in plays] for clock in CLOCKS}
    return {
        **{f"whole_{clock}": median(whole[clock]) for clock in CLOCKS},
        **{f"learner_{clock}": median(own[clock]) for clock in CLOCKS},
        "whole_wall_largest": max(whole["wall"]),
    }


# -- projections ---------------------------------------------------------------------------


class _Recorded(Hedge):
    """Keeps the last projection that it asked for; copies share what is kept."""

    kept: Projection

    def observe(self, feedback: Feedback) -> None:
        prices = self._projected.prices
        super().observe(feedback)
        _Recorded.kept = Projection(self._splits, self.step() * self._gains, prices)


class Warm:
    """`KLProjection` from the prices of the round before, as `hedge` calls it."""

    name = "warm"

    def prepare(self, task: Projection) -> Callable[[], Projected]:
        return partial(task.splits, task.log_weights, task.prices)

    def value(self, task: Projection, result: Projected) -> float:
        return float(result.weights @ task.log_weights) + entropy(result.weights)


class Cold(Warm):
    """`KLProjection` from scratch."""

    name = "cold"

    def prepare(self, task: Projection) -> Callable[[], Projected]:
        return partial(task.splits, task.log_weights)


class Cvxpy:
    """The same maximum in cvxpy, default backend; building the model is included."""

    name = "cvxpy"

    def prepare(self, task: Projection) -> Callable[[], FloatArray | None]:
        cvxpy: Any = importlib.import_module("cvxpy")

        def call() -> FloatArray | None:
            weights = cvxpy.Variable(len(task.log_weights))
            gain = task.log_weights @ weights + cvxpy.sum(cvxpy.entr(weights))
            plausible = [task.splits.posteriors.T @ weights == task.splits.prior]
            cvxpy.Problem(cvxpy.Maximize(gain), plausible).solve()
            found: FloatArray | None = weights.value
            return found

        return call

    def value(self, task: Projection, result: FloatArray | None) -> float | None:
        if result is None:
            return None
        weights = np.maximum(result, 0.0)  # a little below zero, where entropy is not defined
        return float(weights @ task.log_weights) + entropy(weights)


def _tasks(worlds: list[tuple[PersuasionGame, ReceiverTypes]]) -> list[Projection]:
    """One projection per game, of a different round each."""
    tasks = []
    for position, (game, types) in enumerate(worlds):
        recorder: Any = _Recorded()
        simulate(game, recorder, types=types, horizon=50 + 10 * position, seed=position)
        tasks.append(_Recorded.kept)
    return tasks


def _projections(
    worlds: list[tuple[PersuasionGame, ReceiverTypes]], plan: Plan
) -> dict[str, dict[str, float]]:
    """Medians over distinct projections, and ratios to ours on the same ones."""
    tasks = _tasks(worlds)
    block = max(len(tasks) // 3, 1)
    pace = Pace(len(tasks) // block, block, plan.cvxpy_seconds, plan.cvxpy_seconds)
    field = (Warm(), Cold(), Cvxpy())
    for contender in field:
        contender.prepare(tasks[0])()  # imports are not counted
    found = race(field, lambda turn: tasks[turn * block : (turn + 1) * block], pace)
    ours = {sample.game: sample.value for sample in found["warm"]}
    out: dict[str, dict[str, float]] = {}
    for name, samples in found.items():
        answers = [(s.game, s.value) for s in samples if s.value is not None]
        gaps = [abs(value - (ours[game] or 0.0)) for game, value in answers]
        out[name] = {
            "n": len(samples),
            "failed": len(samples) - len(answers),
            **{clock: median(getattr(s, clock) for s in samples) for clock in CLOCKS},
            **{f"ratio_{clock}": paired_ratio(samples, found["warm"], clock) for clock in CLOCKS},
            "largest_difference": max(gaps),
        }
    return out


# -- lists of posteriors -------------------------------------------------------------------


def _listed(size: tuple[int, int, int], plan: Plan) -> dict[str, Any]:
    """Time to list all posteriors, and how many there are, over distinct games."""
    wall, cpu, found, systems = [], [], [], []
    for position in range(plan.n_games):
        game, utilities = _draw(size, 10**6 + position)  # not listed before, nor cached
        listed, elapsed, worked = Clocks().time(partial(candidate_posteriors, game, utilities))
        wall.append(elapsed)
        cpu.append(worked)
        found.append(listed.n_posteriors)
        systems.append(n_candidate_systems(utilities))
    return {
        "size": list(size),
        "systems": median(systems),
        "posteriors": median(found),
        "posteriors_largest": max(found),
        "wall": median(wall),
        "cpu": median(cpu),
    }


# -- shown ---------------------------------------------------------------------------------


def _targets(
    hedge: dict[str, float], projections: dict[str, dict[str, float]]
) -> list[dict[str, Any]]:
    """Compare with the targets; the worse clock counts."""
    measured = max(hedge["whole_wall"], hedge["whole_cpu"])
    least = min(projections["cvxpy"][f"ratio_{clock}"] for clock in CLOCKS)
    return [
        {
            "claim": f"a round of hedge with {_N_POSTERIORS} posteriors, all of `simulate`, median",
            "needed": f"< {seconds(_ROUND_TARGET)}",
            "measured": seconds(measured),
            "reached": measured < _ROUND_TARGET,
        },
        {
            "claim": "a projection in cvxpy against ours in play, the smaller of the two clocks",
            "needed": "> 1x",
            "measured": f"{number(least)}x",
            "reached": least > 1,
        },
    ]


def tables(result: dict[str, Any]) -> list[str]:
    """Write targets, rounds, projections and lists as Markdown."""
    plan = result["plan"]
    m, n, k = result["size"]
    return [
        f"{plan['n_games']} random games with {m} states, {n} actions, {k} types and exactly "
        f"{result['n_posteriors']} posteriors; {plan['horizon']:,} rounds, independent types.",
        "## Targets",
        markdown_table(
            ["target", "needed", "measured", "reached"],
            [
                [t["claim"], t["needed"], t["measured"], "yes" if t["reached"] else "**no**"]
                for t in result["targets"]
            ],
        ),
        "## One round",
        markdown_table(
            ["learner", "whole (cpu)", "whole (wall)", "slowest game", "learner (cpu)"],
            [
                [
                    name,
                    seconds(row["whole_cpu"]),
                    seconds(row["whole_wall"]),
                    seconds(row["whole_wall_largest"]),
                    seconds(row["learner_cpu"]),
                ]
                for name, row in result["rounds"].items()
            ],
        ),
        "Medians over games. Whole is everything that `simulate` does in a round.",
        "## One projection",
        markdown_table(
            ["way", "projections", "cpu", "wall", "ratio (cpu)", "ratio (wall)", "difference"],
            [
                [
                    name,
                    f"{row['n']} ({row['failed']} failed)",
                    seconds(row["cpu"]),
                    seconds(row["wall"]),
                    f"{number(row['ratio_cpu'])}x",
                    f"{number(row['ratio_wall'])}x",
                    f"{row['largest_difference']:.0e}",
                ]
                for name, row in result["projections"].items()
            ],
        ),
        "Distinct projections as they occur in play, each solved once by all three; medians, and "
        "medians of the ratios to `warm`. Difference: largest of the values, against `warm`.",
        "## Listing all posteriors",
        markdown_table(
            ["states, actions, types", "linear systems", "posteriors", "most", "cpu", "wall"],
            [
                [
                    ", ".join(map(str, row["size"])),
                    f"{row['systems']:,.0f}",
                    f"{row['posteriors']:g}",
                    str(row["posteriors_largest"]),
                    seconds(row["cpu"]),
                    seconds(row["wall"]),
                ]
                for row in result["listed"]
            ],
        ),
        f"Medians over {plan['n_games']} games each.",
    ]
