"""Learning to persuade: what a run of a million rounds costs, and what the naive loop would."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import asdict, dataclass
from statistics import median
from typing import Any

import numpy as np

from benchmarks.naive import naive_loop
from benchmarks.report import markdown_table, number, seconds
from benchmarks.stopwatch import timed_play
from benchmarks.timing import Clocks
from persuasion import PersuasionGame, simulate, zoo
from persuasion.learners import load

__all__ = ["NAME", "TITLE", "Plan", "measure", "run", "tables"]

NAME = "online"
TITLE = "Learning to persuade"
LEARNERS = ("robust", "plug_in")
_GROWTH = 1.2
_SEED = 20260101
_SOLVING_TARGET = 1.0
_BATCH_TARGET = 20.0


@dataclass(frozen=True)
class Plan:
    """How long the horizon, how many games, runs and seconds."""

    horizon: int
    n_games: int
    n_runs: int
    n_jobs: int
    naive_seconds: float
    size: tuple[int, int] = (10, 5)


PLANS = {
    "quick": Plan(horizon=1000, n_games=2, n_runs=4, n_jobs=2, naive_seconds=0.3),
    "standard": Plan(horizon=1_000_000, n_games=9, n_runs=32, n_jobs=2, naive_seconds=10.0),
}


def run(scale: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure single runs, a batch of runs, the number of solves and the naive loop."""
    return measure(PLANS["quick" if scale == "quick" else "standard"], say)


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure what a plan asks for."""
    say(f"online: {plan.n_games} games, horizon {plan.horizon}")
    runs = {name: _single_runs(name, plan) for name in LEARNERS}
    say(f"online: {plan.n_runs} runs in {plan.n_jobs} processes")
    batch = _batch(plan)
    say("online: number of solves")
    solves = _solves(plan)
    naive = {}
    for name in LEARNERS:
        say(f"online: naive loop, {name}")
        loop = naive_loop(name, _game(plan, 0), plan.horizon, plan.naive_seconds, _SEED)
        total = loop.mean_cpu * plan.horizon
        naive[name] = {
            **asdict(loop),
            "extrapolated_seconds": total,
            "ratio": total / runs[name]["solving_cpu"],
            "ratio_per_solve": loop.mean_cpu / (runs[name]["solving_cpu"] / runs[name]["solves"]),
        }
    return {
        "plan": asdict(plan),
        "growth": _GROWTH,
        "seed": _SEED,
        "runs": runs,
        "batch": batch,
        "solves": solves,
        "naive": naive,
        "targets": _targets(runs["robust"], batch, plan),
    }


def _game(plan: Plan, position: int) -> PersuasionGame:
    key = np.random.SeedSequence(_SEED, spawn_key=(*plan.size, position))
    return zoo.random_game("uniform", *plan.size, key)


def _single_runs(name: str, plan: Plan) -> dict[str, float]:
    """Medians over games of one run each, solving timed apart."""
    simulate(_game(plan, 0), load(name, growth=_GROWTH), horizon=10)  # imports are not counted
    plays = [
        timed_play(
            _game(plan, position), load(name, growth=_GROWTH), horizon=plan.horizon, seed=position
        )
        for position in range(plan.n_games)
    ]
    return {
        "solving_wall": median(play.learner["wall"] for play in plays),
        "solving_wall_largest": max(play.learner["wall"] for play in plays),
        "solving_cpu": median(play.learner["cpu"] for play in plays),
        "solving_cpu_largest": max(play.learner["cpu"] for play in plays),
        "whole_wall": median(play.trajectory.seconds for play in plays),
        "solves": median(play.trajectory.solves_per_run for play in plays),
    }


def _batch(plan: Plan) -> dict[str, Any]:
    """Many runs on one game, workers started anew."""
    game = zoo.load("f1", m=12, beta=2)
    trajectory, wall, cpu = Clocks().time(
        lambda: simulate(
            game,
            load("robust", growth=_GROWTH),
            horizon=plan.horizon,
            n_runs=plan.n_runs,
            n_jobs=plan.n_jobs,
            seed=_SEED,
        )
    )
    return {
        "game": game.name,
        "wall": wall,
        "mean_regret": float(trajectory.regret[:, -1].mean()),
        "solves_per_run": trajectory.solves_per_run,
        "cpu_of_parent": cpu,
    }


def _solves(plan: Plan) -> dict[str, Any]:
    """Schemes used per run at horizons 10, 100, ..., and how many each decade adds."""
    horizons = [10**k for k in range(1, round(math.log10(plan.horizon)) + 1)]
    counts = [
        simulate(_game(plan, 0), load("plug_in", growth=_GROWTH), horizon=T).solves_per_run
        for T in horizons
    ]
    return {
        "horizons": horizons,
        "counts": counts,
        "per_decade": np.diff(counts).tolist(),
        "per_decade_expected": math.log(10) / math.log(_GROWTH),
    }


def _targets(single: dict[str, float], batch: dict[str, Any], plan: Plan) -> list[dict[str, Any]]:
    """Compare with the targets; the worse clock and the slowest game count."""
    measured = max(single["solving_wall_largest"], single["solving_cpu_largest"])
    return [
        {
            "claim": f"solving in a run of {plan.horizon:,} rounds, robust, slowest of the games",
            "needed": f"< {seconds(_SOLVING_TARGET)}",
            "measured": seconds(measured),
            "reached": measured < _SOLVING_TARGET,
        },
        {
            "claim": f"{plan.n_runs} robust runs of {plan.horizon:,} rounds on {batch['game']}, "
            f"{plan.n_jobs} processes",
            "needed": f"< {seconds(_BATCH_TARGET)}",
            "measured": seconds(batch["wall"]),
            "reached": batch["wall"] < _BATCH_TARGET,
        },
    ]


# -- shown ---------------------------------------------------------------------------------


def tables(result: dict[str, Any]) -> list[str]:
    """Write targets, runs, solves and the comparison with the naive loop as Markdown."""
    plan, solves = result["plan"], result["solves"]
    m, n = plan["size"]
    return [
        f"Horizon {plan['horizon']:,}, growth factor {result['growth']}; {plan['n_games']} uniform "
        f"random games with {m} states and {n} actions.",
        "## Targets",
        markdown_table(
            ["target", "needed", "measured", "reached"],
            [
                [t["claim"], t["needed"], t["measured"], "yes" if t["reached"] else "**no**"]
                for t in result["targets"]
            ],
        ),
        "## One run",
        markdown_table(
            ["learner", "solves", "solving (cpu)", "solving (wall)", "slowest", "whole run (wall)"],
            [
                [
                    name,
                    f"{run['solves']:.0f}",
                    seconds(run["solving_cpu"]),
                    seconds(run["solving_wall"]),
                    seconds(run["solving_wall_largest"]),
                    seconds(run["whole_wall"]),
                ]
                for name, run in result["runs"].items()
            ],
        ),
        "Medians over games. Solving is the time inside the learner.",
        "## Number of solves",
        markdown_table(
            ["horizon", *(f"{horizon:,}" for horizon in solves["horizons"])],
            [["solves", *(f"{count:.0f}" for count in solves["counts"])]],
        ),
        f"Each decade adds {', '.join(f'{step:.0f}' for step in solves['per_decade'])} solves; the "
        f"growth rule adds ln 10 / ln {result['growth']} = {solves['per_decade_expected']:.1f} "
        "once the horizon is long.",
        "## Against solving anew in every round with cvxpy",
        markdown_table(
            [
                "program",
                "rounds run",
                "per round",
                "whole horizon (extrapolated)",
                "against one run here",
                "of which per solve",
                "largest difference of values",
            ],
            [
                [
                    name,
                    f"{loop['rounds']} ({loop['failed']} failed)",
                    seconds(loop["mean_cpu"]),
                    seconds(loop["extrapolated_seconds"]),
                    f"{loop['ratio']:,.0f}x",
                    f"{number(loop['ratio_per_solve'])}x",
                    f"{loop['largest_difference']:.0e}",
                ]
                for name, loop in result["naive"].items()
            ],
        ),
        "The naive loop was **not run to the end**: some rounds, drawn evenly from the whole "
        f"horizon, were run for about {plan['naive_seconds']:g} s, and their mean processor time "
        "was multiplied by the horizon. Most of the factor is that the loop solves in every round.",
    ]
