"""Solving one game: `solve` and its kernel beside linprog and cvxpy, on distinct random games."""

from __future__ import annotations

from collections.abc import Callable, Collection, Iterator, Sequence
from dataclasses import asdict, dataclass
from statistics import median, quantiles
from typing import Any, Protocol

import numpy as np

from benchmarks.report import markdown_table, number, seconds
from benchmarks.rivals import (
    CvxpyPlain,
    CvxpyVectorised,
    Kernel,
    Linprog,
    Solve,
    too_large,
)
from benchmarks.scaling import fit_power_law
from benchmarks.targets import judge
from benchmarks.timing import CLOCKS, Contender, Pace, Sample, paired_ratio, race
from persuasion import PersuasionGame, solve, zoo

__all__ = [
    "NAME",
    "TITLE",
    "Plan",
    "measure",
    "measure_size",
    "run",
    "tables",
    "target_table",
    "time_table",
]

NAME = "static"
TITLE = "Solving one game"
_SEED = 20260101
_FAMILY = "uniform"
KINDS = {"general": "General games", "two actions": "Two actions", "two states": "Two states"}


@dataclass(frozen=True)
class Plan:
    """Sizes (n_states, n_actions), and how long to measure."""

    sizes: tuple[tuple[int, int], ...]
    pace: Pace
    time_limit: float
    """Seconds after which linprog is stopped."""


QUICK = Plan(
    ((4, 3), (8, 3), (5, 4), (8, 4), (20, 2), (2, 6)),
    Pace(rounds=2, block=2, turn_seconds=0.05, budget_seconds=0.5, least_runs=1),
    time_limit=10.0,
)
STANDARD = Plan(
    (
        *((5, 3), (10, 5), (20, 10), (50, 10), (100, 20), (200, 20)),
        *((1000, 5), (1000, 20), (10_000, 5)),
        *((100, 2), (1000, 2), (10_000, 2)),
        *((2, 100), (2, 1000), (2, 10_000)),
    ),
    Pace(rounds=9, block=9, turn_seconds=0.3, budget_seconds=60.0),
    time_limit=60.0,
)


def run(scale: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure every size and judge the targets."""
    return measure(QUICK if scale == "quick" else STANDARD, say)


def measure(plan: Plan, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure the sizes of a plan."""
    sizes = []
    for m, n in plan.sizes:
        sizes.append(measure_size(m, n, plan))
        ours = sizes[-1]["contenders"]["solve"]
        say(f"static {m} x {n}: solve {seconds(ours['cpu']['median'])}")
    return {
        "family": _FAMILY,
        "seed": _SEED,
        "plan": asdict(plan),
        "sizes": sizes,
        "fits": _fits(sizes),
        "targets": judge(sizes),
    }


def kind_of(n_states: int, n_actions: int) -> str:
    """Which of the three tables a size belongs to."""
    if n_actions == 2:
        return "two actions"
    return "two states" if n_states == 2 else "general"


def draw(n_states: int, n_actions: int, position: int) -> PersuasionGame:
    """Return game number `position` of a size."""
    key = np.random.SeedSequence(_SEED, spawn_key=(n_states, n_actions, position))
    return zoo.random_game(_FAMILY, n_states, n_actions, key)


class Limits(Protocol):
    """What of a plan says how one size is measured."""

    @property
    def pace(self) -> Pace: ...

    @property
    def time_limit(self) -> float: ...


def measure_size(m: int, n: int, plan: Limits, *, without: Collection[str] = ()) -> dict[str, Any]:
    """Let every contender but some solve the same games of a size."""
    method = solve(draw(m, n, 0)).method
    field: list[Contender] = [
        Solve(),
        Kernel(method),
        Linprog("highs", plan.time_limit),
        Linprog("highs-ipm", plan.time_limit),
        CvxpyPlain(),
        CvxpyVectorised(),
    ]
    field = [contender for contender in field if contender.name not in without]
    skipped = {c.name: why for c in field if (why := too_large(c.name, m, n)) is not None}
    running = [contender for contender in field if contender.name not in skipped]
    tiny = draw(min(m, 4), min(n, 4), 0)  # imports and first-call costs are nobody's
    for contender in running:
        if contender.name != "kernel":
            contender.prepare(tiny)()

    spreads: list[float] = []

    def games(turn: int) -> Iterator[PersuasionGame]:
        for i in range(plan.pace.block):
            game = draw(m, n, 1 + turn * plan.pace.block + i)
            spreads.append(float(np.ptp(game.sender_utility)))
            yield game

    samples = race(running, games, plan.pace)
    return {
        "n_states": m,
        "n_actions": n,
        "kind": kind_of(m, n),
        "method": method,
        "contenders": {
            name: _summary(name, found, samples["solve"], spreads)
            for name, found in samples.items()
        },
        "skipped": skipped,
    }


def _summary(
    name: str, found: list[Sample], ours: list[Sample], spreads: list[float]
) -> dict[str, Any]:
    reference = {sample.game: sample.value for sample in ours}
    differences = []
    for sample in found:
        certified = reference.get(sample.game)
        if sample.value is not None and certified is not None:
            differences.append(abs(sample.value - certified) / spreads[sample.game])
    return {
        "runs": len(found),
        "stopped": sum(sample.value is None for sample in found),
        **{clock: _spread_of([getattr(sample, clock) for sample in found]) for clock in CLOCKS},
        "ratio": None
        if name == "solve"
        else {clock: paired_ratio(found, ours, clock) for clock in CLOCKS},
        "largest_difference": max(differences, default=None),
    }


def _spread_of(times: Sequence[float]) -> dict[str, float]:
    low, _, high = quantiles(times, n=4, method="inclusive") if len(times) > 1 else (times[0],) * 3
    return {"median": median(times), "lower_quartile": low, "upper_quartile": high}


def _fits(sizes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    fits = []
    for kind in KINDS:
        chosen = [size for size in sizes if size["kind"] == kind]
        names = dict.fromkeys(name for size in chosen for name in size["contenders"])
        for name in names:
            where = [size for size in chosen if name in size["contenders"]]
            law = fit_power_law(
                {"m": [s["n_states"] for s in where], "n": [s["n_actions"] for s in where]},
                [s["contenders"][name]["cpu"]["median"] for s in where],
            )
            if law is not None:
                fits.append({"kind": kind, "contender": name, **asdict(law), "shown": str(law)})
    return fits


# -- shown ---------------------------------------------------------------------------------


def tables(result: dict[str, Any]) -> list[str]:
    """Write targets, times, values and growth as Markdown."""
    parts = [
        "Times are medians over distinct random games; in brackets how many times as long as "
        "`solve` a contender took: the median over the games both solved. How to read this: "
        "`benchmarks/README.md`.",
        "## Targets",
        target_table(result["targets"]),
    ]
    for kind, title in KINDS.items():
        sizes = [size for size in result["sizes"] if size["kind"] == kind]
        if not sizes:
            continue
        for clock, label in (("cpu", "processor time"), ("wall", "wall time")):
            parts += [f"## {title}, {label}", time_table(sizes, clock)]
        parts += [f"### {title}: largest difference of values from `solve`", _value_table(sizes)]
    skipped = [
        f"- {name} at {size['n_states']} x {size['n_actions']}: {why}"
        for size in result["sizes"]
        for name, why in size["skipped"].items()
    ]
    if skipped:
        parts += ["## Not run", "\n".join(skipped)]
    parts += [
        "## Growth of processor time",
        "Least squares in logarithms over the sizes above; m states, n actions. Small sizes "
        "consist of fixed costs and flatten the exponents.",
        markdown_table(
            ["games", "contender", "fit"],
            [[fit["kind"], fit["contender"], fit["shown"]] for fit in result["fits"]],
        ),
    ]
    return parts


def target_table(targets: list[dict[str, Any]]) -> str:
    """Write what `benchmarks.targets.judge` found."""
    return markdown_table(
        ["target", "needed", "measured", "where", "reached"],
        [
            [
                target["claim"],
                target["needed"],
                target["measured"],
                target["where"],
                {True: "yes", False: "**no**", None: "undecided"}[target["reached"]],
            ]
            for target in targets
        ],
    )


def time_table(sizes: list[dict[str, Any]], clock: str) -> str:
    """Write times and ratios, a row for each size."""
    names = list(dict.fromkeys(name for size in sizes for name in size["contenders"]))
    rows = []
    for size in sizes:
        row = [f"{size['n_states']} x {size['n_actions']}", size["method"]]
        for name in names:
            entry = size["contenders"].get(name)
            if entry is None:
                row.append("not run")
                continue
            cell = seconds(entry[clock]["median"])
            if entry["stopped"]:
                cell = f"> {cell}"
            if entry["ratio"] is not None:
                cell += f" ({number(entry['ratio'][clock])}x)"
            row.append(cell)
        rows.append(row)
    return markdown_table(["states x actions", "method", *names], rows)


def _value_table(sizes: list[dict[str, Any]]) -> str:
    names = list(dict.fromkeys(name for size in sizes for name in size["contenders"]))
    names.remove("solve")
    rows = []
    for size in sizes:
        row = [f"{size['n_states']} x {size['n_actions']}"]
        for name in names:
            entry = size["contenders"].get(name)
            gap = None if entry is None else entry["largest_difference"]
            row.append("-" if gap is None else f"{gap:.0e} ({entry['runs']} games)")
        rows.append(row)
    return markdown_table(["states x actions", *names], rows)
