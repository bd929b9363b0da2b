"""What a sweep over many games and runs costs: a cell, keeping it, handing it out."""

from __future__ import annotations

import math
import tempfile
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from statistics import median
from typing import Any
from unittest.mock import patch

import numpy as np

from benchmarks.report import markdown_table, number, seconds
from benchmarks.timing import Clocks
from persuasion import PersuasionGame, cluster, simulate, zoo
from persuasion.backends import Workers
from persuasion.cluster import SECONDS_PER_TASK
from persuasion.learners import load

__all__ = ["NAME", "TITLE", "Plan", "estimate", "measure", "run", "tables"]

NAME = "scale"
TITLE = "A sweep over many games and runs"
_LEARNER = "robust"
_SEED = 20260101


@dataclass(frozen=True)
class Plan:
    """Which games and horizons, how many of each, and the sweep that is estimated."""

    sizes: tuple[tuple[int, int], ...]
    horizons: tuple[int, ...]
    n_games: int
    n_runs: int
    n_cells: int
    sweep: tuple[int, int] = (10_000, 1_000)
    cores: tuple[int, ...] = (1, 16, 128, 1024)


PLANS = {
    "quick": Plan(sizes=((2, 2),), horizons=(1000,), n_games=1, n_runs=2, n_cells=20),
    "standard": Plan(
        sizes=((2, 2), (4, 3), (10, 5)),
        horizons=(10_000, 1_000_000),
        n_games=5,
        n_runs=4,
        n_cells=1000,
    ),
}


def run(scale: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure cells and how they are handed out."""
    return measure(PLANS["quick" if scale == "quick" else "standard"], say)


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure what a plan asks for, and add up the sweep."""
    cells = []
    for n_states, n_actions in plan.sizes:
        for horizon in plan.horizons:
            say(f"scale: {n_states} x {n_actions}, horizon {horizon}")
            cell = _cell(plan, n_states, n_actions, horizon)
            cells.append({**cell, **estimate(cell, *plan.sweep)})
    say("scale: handing out")
    return {
        "plan": asdict(plan),
        "seed": _SEED,
        "cells": cells,
        "handing_out": _handing_out(plan),
    }


def estimate(cell: dict[str, Any], n_games: int, n_runs: int) -> dict[str, float]:
    """Add up a sweep: core seconds, files and bytes of its stores."""
    each = cell["run_cpu"] + cell["keep_cpu"]
    return {
        "core_seconds": n_games * (cell["call_cpu"] + n_runs * each),
        "files": float(n_games * n_runs),
        "kept_bytes": float(n_games * n_runs * cell["bytes"]),
    }


def _games(plan: Plan, n_states: int, n_actions: int) -> list[PersuasionGame]:
    keys = [
        np.random.SeedSequence(_SEED, spawn_key=(n_states, n_actions, i))
        for i in range(plan.n_games)
    ]
    return [zoo.random_game("uniform", n_states, n_actions, key) for key in keys]


def _cell(plan: Plan, n_states: int, n_actions: int, horizon: int) -> dict[str, Any]:
    """Means over games: a call without its runs, a run, keeping it, reading it back.

    A mean and not a median: a sweep pays for its slow games too.
    """
    call, play, keep, read, size = [], [], [], [], []
    for game in _games(plan, n_states, n_actions):

        def go(n_runs: int, store: Any = None, game: PersuasionGame = game) -> float:
            learner = load(_LEARNER)
            return Clocks().time(
                lambda: simulate(
                    game, learner, horizon=horizon, n_runs=n_runs, seed=_SEED, store=store
                )
            )[2]

        go(1)  # imports are not counted
        one, all_runs = go(1), go(plan.n_runs)
        each = (all_runs - one) / (plan.n_runs - 1)
        play.append(each)
        call.append(max(0.0, one - each))
        with tempfile.TemporaryDirectory() as folder:
            store = Path(folder) / "runs"
            keep.append(max(0.0, go(plan.n_runs, store) - all_runs) / plan.n_runs)
            read.append(go(plan.n_runs, store) / plan.n_runs)
            size.append(median(path.stat().st_size for path in store.glob("*.npz")))
    return {
        "n_states": n_states,
        "n_actions": n_actions,
        "horizon": horizon,
        "call_cpu": float(np.mean(call)),
        "run_cpu": float(np.mean(play)),
        "run_cpu_largest": max(play),
        "keep_cpu": float(np.mean(keep)),
        "read_cpu": float(np.mean(read)),
        "bytes": float(np.mean(size)),
    }


def _nothing(cell: int) -> int:
    return cell


def _handing_out(plan: Plan) -> dict[str, dict[str, float]]:
    """Seconds per cell that does nothing, for the process that hands them out."""
    out = {"this process": _rate(Workers(), plan), "loky, 2 processes": _rate(Workers(2), plan)}
    try:
        from distributed import LocalCluster
    except ImportError:
        return out
    with (
        LocalCluster(
            n_workers=2, threads_per_worker=1, dashboard_address=":0", silence_logs=60
        ) as local,
        Workers(backend="dask", scheduler=local.scheduler_address) as workers,
    ):
        out["dask, 2 processes, scheduler in this process"] = _rate(workers, plan)
        with patch.object(cluster, "SECONDS_PER_TASK", 0.0):
            out["dask, one cell per task"] = _rate(workers, plan)
    return out


def _rate(workers: Workers, plan: Plan) -> dict[str, float]:
    list(workers.run(_nothing, range(8)))  # starting is not counted
    results, wall, cpu = Clocks().time(lambda: list(workers.run(_nothing, range(plan.n_cells))))
    assert sorted(results) == [(i, i) for i in range(plan.n_cells)]
    return {"wall": wall / plan.n_cells, "cpu": cpu / plan.n_cells}


# -- shown ---------------------------------------------------------------------------------


def tables(result: dict[str, Any]) -> list[str]:
    """Write cells, the sweep and the handing out as Markdown."""
    plan, cells = result["plan"], result["cells"]
    n_games, n_runs = plan["sweep"]
    task = result["handing_out"].get("dask, one cell per task", {}).get("wall", math.nan)
    return [
        f"Learner `{_LEARNER}`, {plan['n_games']} uniform random games of each size, "
        f"{plan['n_runs']} runs each; processor time, means over games.",
        "## A cell",
        markdown_table(
            [
                "states x actions, horizon",
                "a call",
                "a run",
                "slowest game",
                "keeping it",
                "reading it",
                "size",
            ],
            [
                [
                    _name(cell),
                    seconds(cell["call_cpu"]),
                    seconds(cell["run_cpu"]),
                    seconds(cell["run_cpu_largest"]),
                    seconds(cell["keep_cpu"]),
                    seconds(cell["read_cpu"]),
                    f"{cell['bytes'] / 1000:.1f} kB",
                ]
                for cell in cells
            ],
        ),
        f"## {n_games:,} games, {n_runs:,} runs of each (added up, **not run**)",
        markdown_table(
            [
                "states x actions, horizon",
                "core hours",
                *(f"on {cores:,} core{'s' if cores > 1 else ''}" for cores in plan["cores"]),
                "kept",
            ],
            [
                [
                    _name(cell),
                    number(cell["core_seconds"] / 3600),
                    *(_long(cell["core_seconds"] / cores) for cores in plan["cores"]),
                    f"{cell['kept_bytes'] / 1e9:.0f} GB in {cell['files']:.0e} files",
                ]
                for cell in cells
            ],
        ),
        "Perfectly divided among cores as fast as this one.",
        "## Handing cells out",
        markdown_table(
            ["who", "per cell (wall)", "per cell (cpu of this process)", "cells per second"],
            [
                [who, seconds(entry["wall"]), seconds(entry["cpu"]), number(1 / entry["wall"])]
                for who, entry in result["handing_out"].items()
            ],
        ),
        "On a cluster, cells are handed out together until a task takes about "
        f"{SECONDS_PER_TASK:g} s. At "
        f"{seconds(task)} per task one scheduler and caller keep about "
        f"{SECONDS_PER_TASK / task:.0f} cores busy with runs as quick as these.",
    ]


def _name(cell: dict[str, Any]) -> str:
    return f"{cell['n_states']} x {cell['n_actions']}, {cell['horizon']:,}"


def _long(duration: float) -> str:
    days = duration / 86400
    return f"{number(days)} days" if days >= 2 else seconds(duration)
