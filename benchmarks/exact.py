"""Exact answers: how often ``solve(game, exact=True)`` succeeds, and what it costs."""

from __future__ import annotations

import json
from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from fractions import Fraction
from functools import partial
from pathlib import Path
from statistics import median
from typing import Any

import numpy as np

from benchmarks.report import markdown_table, number, seconds
from benchmarks.rivals import Linprog
from benchmarks.timing import CLOCKS, Clocks
from persuasion import PersuasionError, PersuasionGame, Solution, solve, zoo
from persuasion.results import OPTIMAL

__all__ = ["NAME", "TITLE", "measure", "recheck", "run", "tables"]

NAME = "exact"
TITLE = "Exact answers"
GAMES_PER_FAMILY = {"quick": 2, "standard": 200, "full": 1000}
_LARGEST = {"quick": (5, 4), "standard": (20, 10), "full": (20, 10)}
_TIME_LIMIT = 60.0
_SEED = 20260101
_WRONG = 1e-6
"""Linprog's value counts as wrong from this error on, against the spread of utilities."""
_REFERENCE = Path(__file__).parents[1] / "tests" / "reference" / "persuasion_games.json"


Row = tuple[tuple[float, float], tuple[float, float]]
"""Seconds (cpu, wall) of the exact method and of linprog on one game."""


@dataclass(frozen=True)
class Case:
    """A game and, where it is known, its optimal value."""

    name: str
    game: PersuasionGame
    value: Fraction | None = None


def run(scale: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure the zoo, the reference games and every random family."""
    count, largest = GAMES_PER_FAMILY[scale], _LARGEST[scale]
    groups = [
        ("zoo", _zoo()),
        ("reference games", _reference()),
        *((family, _family(family, count, *largest)) for family in zoo.families()),
    ]
    return measure(groups, say) | {"largest": list(largest), "seed": _SEED}


def measure(
    groups: Iterable[tuple[str, Iterable[Case]]], say: Callable[[str], None]
) -> dict[str, Any]:
    """Solve every case exactly, and by linprog for comparison."""
    linprog, clocks = Linprog("highs", _TIME_LIMIT), Clocks()
    warm = zoo.load("prosecutor")  # imports are nobody's
    _attempt(warm)
    linprog.prepare(warm)()
    out: list[dict[str, Any]] = []
    for name, cases in groups:
        rows: list[Row] = []
        failures: list[dict[str, str]] = []
        wrong: list[str] = []
        known = 0
        for case in cases:
            found, wall, cpu = clocks.time(partial(_attempt, case.game))
            rival, rival_wall, rival_cpu = clocks.time(linprog.prepare(case.game))
            rows.append(((cpu, wall), (rival_cpu, rival_wall)))
            why = found if isinstance(found, str) else recheck(case, found)
            if why is not None:
                failures.append({"game": case.name, "why": why})
                continue
            known += case.value is not None
            assert not isinstance(found, str)
            spread = float(np.ptp(case.game.sender_utility)) or 1.0
            value = linprog.value(case.game, rival)
            if value is None or abs(value - float(found.value)) > _WRONG * spread:
                wrong.append(case.name)
        if not rows:
            continue
        out.append(
            {
                "group": name,
                "games": len(rows),
                "solved": len(rows) - len(failures),
                "failures": failures,
                "known_values_matched": known,
                "linprog_wrong": wrong,
                **{clock: _times(rows, position) for position, clock in enumerate(CLOCKS)},
            }
        )
        say(f"exact {name}: {out[-1]['solved']} of {len(rows)}")
    return {"groups": out, "time_limit": _TIME_LIMIT}


def _attempt(game: PersuasionGame) -> Solution | str:
    try:
        return solve(game, exact=True, time_limit=_TIME_LIMIT)
    except PersuasionError as failure:
        return str(failure)


def recheck(case: Case, solution: Solution) -> str | None:
    """Check an exact answer once more, in fractions; return what is wrong with it, or None.

    Value, obedience and, where known, the published value are recomputed here. That nothing is
    better rests on `Solution.upper_bound`, which `solve` computed in fractions.
    """
    if solution.status != OPTIMAL or solution.value != solution.upper_bound:
        return f"status {solution.status}, value {solution.value} <= {solution.upper_bound}"
    numbers, kernel = case.game.exact, solution.scheme.exact_kernel
    value = Fraction(0)
    for signal, action in enumerate(solution.recommendations or ()):
        sent = [row[signal] for row in kernel]
        if min(sent) < 0:
            return f"signal {signal} has a negative probability"
        believed = [q * x for q, x in zip(numbers.receiver_prior, sent, strict=True)]
        utils = [
            sum(x * row[b] for x, row in zip(believed, numbers.receiver_utility, strict=True))
            for b in range(case.game.n_actions)
        ]
        if utils[action] < max(utils):
            return f"recommendation {action} is not obeyed"
        value += sum(
            p * x * row[action]
            for p, x, row in zip(numbers.prior, sent, numbers.sender_utility, strict=True)
        )
    if any(sum(row) != 1 for row in kernel):
        return "the kernel's rows do not sum to 1"
    if value != solution.value:
        return f"the scheme is worth {value}, not {solution.value}"
    if case.value is not None and value != case.value:
        return f"the value is {value}, published is {case.value}"
    return None


def _times(rows: list[Row], position: int) -> dict[str, float]:
    exact = [ours[position] for ours, _ in rows]
    rival = [theirs[position] for _, theirs in rows]
    return {
        "median": median(exact),
        "largest": max(exact),
        "linprog_median": median(rival),
        "ratio": median(a / b for a, b in zip(exact, rival, strict=True)),
    }


# -- games ---------------------------------------------------------------------------------


def _zoo() -> Iterator[Case]:
    for entry in zoo.entries():
        yield Case(entry.name, entry.load(), entry.value_at())


def _reference() -> Iterator[Case]:
    if not _REFERENCE.exists():  # an installation without the tests
        return
    for row in json.loads(_REFERENCE.read_text(encoding="utf-8"))["cases"]:
        game = PersuasionGame(row["prior"], row["sender_utility"], row["receiver_utility"])
        yield Case(row["name"], game, Fraction(row["value_exact"]))


def _family(family: str, count: int, most_states: int, most_actions: int) -> Iterator[Case]:
    """Draw sizes evenly from 2 up to the largest, then a game of each."""
    for position in range(count):
        key = np.random.SeedSequence(_SEED, spawn_key=(position,))
        rng = np.random.default_rng(key)
        m, n = int(rng.integers(2, most_states + 1)), int(rng.integers(2, most_actions + 1))
        game = zoo.random_game(family, m, n, key.spawn(1)[0])
        yield Case(f"{family} {m}x{n} number {position}", game)


# -- shown ---------------------------------------------------------------------------------


def tables(result: dict[str, Any]) -> list[str]:
    """Write success rates, times and failures as Markdown."""
    groups = result["groups"]
    games, solved = (sum(group[key] for group in groups) for key in ("games", "solved"))
    largest = " x ".join(map(str, result["largest"]))
    parts = [
        f"Solved exactly: {solved} of {games} ({solved / games:.2%}). Random games have 2 x 2 up "
        f'to {largest} states and actions. "Solved" means within {result["time_limit"]:.0f} s, '
        "value equal to the upper bound in fractions, kernel, obedience and value checked again "
        f'by the benchmark. "Linprog wrong": no answer, or a value off by more than {_WRONG:g} '
        "of the spread of the Sender's utilities.",
        markdown_table(
            ["games", "solved", "known values", "linprog wrong", *_TIME_HEADER],
            [_row(group) for group in groups],
        ),
        "Times are medians of processor time; the ratio is the median over games of exact against "
        "linprog.",
    ]
    failures = [
        f"- {failure['game']}: {failure['why']}"
        for group in groups
        for failure in group["failures"]
    ]
    if failures:
        parts += ["## Not solved", "\n".join(failures)]
    return parts


_TIME_HEADER = ("exact", "slowest", "linprog highs", "exact / linprog")


def _row(group: dict[str, Any]) -> list[str]:
    times = group["cpu"]
    return [
        group["group"],
        f"{group['solved']} / {group['games']}",
        f"{group['known_values_matched']} matched" if group["known_values_matched"] else "-",
        str(len(group["linprog_wrong"])),
        seconds(times["median"]),
        seconds(times["largest"]),
        seconds(times["linprog_median"]),
        f"{number(times['ratio'])}x",
    ]
