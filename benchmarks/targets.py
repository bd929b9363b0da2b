"""What the static suite is measured against; reported as reached or not, never asserted."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

from benchmarks.report import number
from benchmarks.timing import CLOCKS, Clock

__all__ = ["TARGETS", "Factor", "judge"]

_LINPROG = ("linprog highs", "linprog highs-ipm")
_AGREEMENT: dict[str, tuple[tuple[str, ...], float]] = {
    "values of kernel and linprog, from `solve`": (("kernel", *_LINPROG), 1e-9),
    "values of the cvxpy models, from `solve`": (("cvxpy plain", "cvxpy vectorised"), 1e-6),
}
"""Differences against the spread of the Sender's utilities; cvxpy's default backend stops early."""
Size = dict[str, Any]


@dataclass(frozen=True)
class Factor:
    """A claim "`ours` is `factor` times as fast as every one of `rivals`" at some sizes."""

    claim: str
    ours: str
    rivals: tuple[str, ...]
    factor: float
    applies: Callable[[Size], bool]
    clocks: tuple[Clock, ...] = CLOCKS

    def measured(self, size: Size) -> float | None:
        """Return the smallest factor over rivals and clocks; None where no rival ran."""
        return min(
            (
                size["contenders"][rival]["ratio"][clock] * _against_solve(size, self.ours, clock)
                for rival in self.rivals
                if rival in size["contenders"]
                for clock in self.clocks
            ),
            default=None,
        )

    def at_least(self, size: Size, sizes: Sequence[Size]) -> float | None:
        """Bound the factor where no rival could run: a rival's time at a smaller size of the kind.

        A bound above what is needed counts as reached, a bound below says nothing.
        """
        bounds = [
            min(
                other["contenders"][rival][clock]["median"]
                / size["contenders"][self.ours][clock]["median"]
                for rival in self.rivals
                if rival in other["contenders"]
                for clock in self.clocks
            )
            for other in sizes
            if other["kind"] == size["kind"]
            and other["n_states"] <= size["n_states"]
            and other["n_actions"] <= size["n_actions"]
            and any(rival in other["contenders"] for rival in self.rivals)
        ]
        return max(bounds, default=None)


def _against_solve(size: Size, name: str, clock: str) -> float:
    """Return how many times as long as `name` solve took."""
    ratio = size["contenders"][name]["ratio"]
    return 1.0 if ratio is None else 1 / ratio[clock]


def _is_special(size: Size) -> bool:
    return size["kind"] != "general" and _longest(size) >= 100


def _is_special_and_large(size: Size) -> bool:
    return _is_special(size) and _longest(size) >= 10_000


def _longest(size: Size) -> int:
    return max(int(size["n_states"]), int(size["n_actions"]))


TARGETS: tuple[Factor, ...] = (
    Factor(
        "`solve` against the faster linprog, general games",
        "solve",
        _LINPROG,
        2.5,
        lambda size: size["kind"] == "general",
    ),
    Factor(
        "`solve` against the faster linprog, two actions or states, from 100 on",
        "solve",
        _LINPROG,
        20.0,
        _is_special,
    ),
    Factor(
        "`solve` against the faster linprog, two actions or states, 10,000",
        "solve",
        _LINPROG,
        100.0,
        _is_special_and_large,
    ),
    Factor(
        "kernel against the faster linprog, two actions or states, from 100 on",
        "kernel",
        _LINPROG,
        100.0,
        _is_special,
    ),
    Factor(
        "`solve` against the plain cvxpy model, every size",
        "solve",
        ("cvxpy plain",),
        4.0,
        lambda size: True,
    ),
    Factor(
        "`solve` against the vectorised cvxpy model, every size",
        "solve",
        ("cvxpy vectorised",),
        1.0,
        lambda size: True,
    ),
)


def judge(sizes: Sequence[Size], targets: Sequence[Factor] = TARGETS) -> list[dict[str, Any]]:
    """Compare every target with its worst size, and the values with one another."""
    return [_judge_factor(target, sizes) for target in targets] + [
        _judge_values(claim, names, needed, sizes) for claim, (names, needed) in _AGREEMENT.items()
    ]


def _judge_factor(target: Factor, sizes: Sequence[Size]) -> dict[str, Any]:
    measured: list[tuple[float, Size]] = []
    bounded: list[tuple[float, Size]] = []
    undecided: list[Size] = []
    for size in filter(target.applies, sizes):
        factor = target.measured(size)
        bound = None if factor is not None else target.at_least(size, sizes)
        if factor is not None:
            measured.append((factor, size))
        elif bound is not None and bound >= target.factor:
            bounded.append((bound, size))
        else:
            undecided.append(size)
    missed = [(factor, size) for factor, size in measured if factor < target.factor]
    out: dict[str, Any] = {"claim": target.claim, "needed": f">= {number(target.factor)}x"}
    where = [f"{_name(size)}: {number(factor)}x" for factor, size in missed]
    where += [f"{_name(size)}: rival not run" for size in undecided]
    if not where and measured:
        where = [f"least at {_name(min(measured, key=_factor)[1])}"]
    where += [f"{_name(size)}: at least {number(bound)}x" for bound, size in bounded]
    return {
        **out,
        "measured": f"{number(min(measured, key=_factor)[0])}x" if measured else "-",
        "where": ", ".join(where) or "-",
        "reached": False if missed else None if undecided or not (measured or bounded) else True,
        "missed_at": [_name(size) for _, size in missed],
    }


def _factor(entry: tuple[float, Size]) -> float:
    return entry[0]


def _judge_values(
    claim: str, names: tuple[str, ...], needed: float, sizes: Sequence[Size]
) -> dict[str, Any]:
    found = [
        (entry["largest_difference"], name, size)
        for size in sizes
        for name, entry in size["contenders"].items()
        if name in names and entry["largest_difference"] is not None
    ]
    out = {"claim": claim, "needed": f"<= {needed:.0e}"}
    if not found:
        return {**out, "measured": "-", "where": "-", "reached": None, "missed_at": []}
    worst, name, size = max(found, key=lambda entry: entry[0])
    missed = [f"{who} at {_name(where)}" for gap, who, where in found if gap > needed]
    return {
        **out,
        "measured": f"{worst:.1e}",
        "where": f"largest: {name} at {_name(size)}",
        "reached": not missed,
        "missed_at": missed,
    }


def _name(size: Size) -> str:
    return f"{size['n_states']} x {size['n_actions']}"
