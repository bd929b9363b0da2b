"""The compiled simplex: speed by size, ties, batches, robust programs, and how often it is left."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable
from dataclasses import asdict, dataclass
from functools import partial
from statistics import median
from typing import Any

import numpy as np

from benchmarks import static
from benchmarks.report import markdown_table, number, seconds
from benchmarks.rivals import Linprog
from benchmarks.scaling import fit_power_law
from benchmarks.targets import Factor, judge
from benchmarks.timing import Clocks, Pace
from persuasion import Bayesian, PersuasionGame, solve, solve_batch, zoo
from persuasion.ambiguity import l1_ball
from persuasion.problem import Problem
from persuasion.rationals import FloatArray
from persuasion.robust import solve_robust
from persuasion.solvers import structured

__all__ = ["NAME", "TITLE", "full_robust_program", "run", "tables"]

NAME = "structured"
TITLE = "The structured simplex"
_LINPROG = ("linprog highs", "linprog highs-ipm")
_ONLY_IPM = (1000, 50)
"""Too large for linprog's simplex and for cvxpy to be waited for."""
_DEGENERATE = ("binary", "duplicates", "integer", "quadratic", "state_independent")
_SEED = 20261121

NEEDED: dict[tuple[int, int], tuple[float, float | None]] = {
    **dict.fromkeys([(2, 2), (3, 3), (5, 3), (10, 5)], (20.0, 70.0)),
    **dict.fromkeys([(20, 10), (50, 10)], (30.0, 200.0)),
    (100, 20): (20.0, 120.0),
    (200, 50): (20.0, 100.0),
    (1000, 5): (60.0, 100.0),
    (1000, 20): (50.0, 300.0),
    _ONLY_IPM: (30.0, None),
    (10_000, 5): (100.0, 150.0),
}
"""By size: how many times as fast as the faster linprog, and as the plain cvxpy model."""


@dataclass(frozen=True)
class Plan:
    """How much to measure."""

    sizes: tuple[tuple[int, int], ...]
    pace: Pace
    time_limit: float
    degenerate: tuple[tuple[int, int], ...]
    per_family: int
    batch: int
    robust: tuple[int, int]
    n_robust: int


QUICK = Plan(
    ((3, 3), (6, 4)),
    Pace(rounds=1, block=2, turn_seconds=0.05, budget_seconds=0.5, least_runs=1),
    10.0,
    ((5, 4),),
    2,
    50,
    (5, 3),
    1,
)
STANDARD = Plan(
    tuple(NEEDED),
    Pace(rounds=5, block=9, turn_seconds=2.0, budget_seconds=6.0, least_runs=1),
    120.0,
    ((10, 5), (20, 10), (50, 20)),
    15,
    4000,
    (50, 10),
    5,
)


def run(scale: str, say: Callable[[str], None]) -> dict[str, Any]:
    """Measure everything."""
    plan = QUICK if scale == "quick" else STANDARD
    tiny = zoo.random_game("uniform", 3, 3, 0)  # compiling, imports: nobody's time
    solve(tiny, method="structured")
    solve_robust(tiny, l1_ball(tiny.prior, 0.1))
    full_robust_program(tiny, 0.1)()
    sizes = []
    for m, n in plan.sizes:
        sizes.append(static.measure_size(m, n, plan, without=_without(m, n)))
        sizes[-1]["work"] = _work(m, n)
        ours = sizes[-1]["contenders"]["solve"]["cpu"]["median"]
        say(f"structured {m} x {n}: solve {seconds(ours)}")
    targets = []
    for (m, n), (linprog, cvxpy) in NEEDED.items():
        here = partial(_is_size, m, n)
        rivals = _LINPROG if (m, n) != _ONLY_IPM else _LINPROG[1:]
        targets.append(
            Factor(f"{m} x {n}, the faster linprog", "solve", rivals, linprog, here, ("cpu",))
        )
        if cvxpy is not None:
            names = ("cvxpy plain",)
            targets.append(Factor(f"{m} x {n}, plain cvxpy", "solve", names, cvxpy, here, ("cpu",)))
    chosen = [t for t in targets if any(t.applies(size) for size in sizes)]
    handed_on = _handed_on(plan)
    say("structured: families")
    result = {
        "plan": asdict(plan),
        "sizes": sizes,
        "fits": _fits(sizes),
        "targets": judge(sizes, chosen),
        "degenerate": _degenerate(plan),
        "handed_on": handed_on,
        "batch": [_batch(*size, plan.batch) for size in ((5, 3), (10, 5))],
        "robust": _robust(*plan.robust, plan.n_robust),
    }
    say("structured: degenerate games, batches, robust programs")
    return result


def _without(m: int, n: int) -> tuple[str, ...]:
    few = ("cvxpy vectorised",)
    return few if (m, n) != _ONLY_IPM else (*few, "cvxpy plain", "linprog highs")


def _is_size(m: int, n: int, size: dict[str, Any]) -> bool:
    return (size["n_states"], size["n_actions"]) == (m, n)


def _work(m: int, n: int) -> dict[str, float]:
    """Medians of the method's own counts, and its time without Python around it."""
    clocks, code = Clocks(), structured.kernel()
    counts, times = [], []
    for i in range(5 if m * n > 1000 else 25):
        problem = Problem.of(static.draw(m, n, i), Bayesian())
        none = np.zeros((0, 2), dtype=np.int64)
        arguments = (problem.weights.copy(), problem.gains.copy(), problem.payoffs.copy())
        call = partial(
            code.propose,
            *arguments,
            np.zeros(m),
            np.ones(n, dtype=np.bool_),
            np.full(m, -1),
            none,
            none,
            structured.pivot_budget(m, n),
            np.empty((m, n)),
        )
        outcome, _, cpu = clocks.time(call)
        counts.append(outcome[4])
        times.append(cpu)
    names = ("changes of basis", "states passed", "inversions", "largest W")
    return {
        **dict(zip(names, np.median(counts, axis=0).tolist(), strict=True)),
        "bare kernel": median(times),
    }


def _fits(sizes: list[dict[str, Any]]) -> list[dict[str, Any]]:
    where = {"m": [s["n_states"] for s in sizes], "n": [s["n_actions"] for s in sizes]}
    quantities = {
        "solve": [s["contenders"]["solve"]["cpu"]["median"] for s in sizes],
        "bare kernel": [s["work"]["bare kernel"] for s in sizes],
        "changes of basis": [max(s["work"]["changes of basis"], 1) for s in sizes],
    }
    laws = {name: fit_power_law(where, values) for name, values in quantities.items()}
    return [{"what": name, "shown": str(law)} for name, law in laws.items() if law is not None]


def _games(family: str, m: int, n: int, count: int) -> list[PersuasionGame]:
    keys = [np.random.SeedSequence(_SEED, spawn_key=(m, n, i)) for i in range(count)]
    return [zoo.random_game(family, m, n, key) for key in keys]


def _degenerate(plan: Plan) -> list[dict[str, Any]]:
    """Games full of ties, each against the faster linprog on that game."""
    clocks, rows = Clocks(), []
    for family in _DEGENERATE:
        for m, n in plan.degenerate:
            ratios = []
            for game in _games(family, m, n, plan.per_family):
                _, _, ours = clocks.time(partial(solve, game))
                rivals = []
                for method in ("highs", "highs-ipm"):
                    call = Linprog(method, plan.time_limit).prepare(game)  # type: ignore[arg-type]
                    rivals.append(clocks.time(call)[2])
                ratios.append(min(rivals) / ours)
            rows.append(
                {
                    "family": family,
                    "size": [m, n],
                    "median_ratio": median(ratios),
                    "least_ratio": min(ratios),
                }
            )
    return rows


def _handed_on(plan: Plan) -> list[dict[str, Any]]:
    """How often the method's answer did not pass, and what answered instead."""
    rows = []
    for family in zoo.families():
        methods: Counter[str] = Counter()
        for m, n in ((3, 3), (5, 4), *plan.degenerate):
            for game in _games(family, m, n, 8 * plan.per_family):
                methods[solve(game).method] += 1
        rows.append({"family": family, "games": methods.total(), "methods": dict(methods)})
    return rows


def _batch(m: int, n: int, count: int) -> dict[str, Any]:
    games = _games("uniform", m, n, count)
    arrays = [
        np.stack([getattr(game, name) for game in games])
        for name in ("prior", "sender_utility", "receiver_utility")
    ]
    solve_batch(*(table[:2] for table in arrays))
    clocks = Clocks()
    found, _, cpu = clocks.time(partial(solve_batch, *arrays))
    times, gaps = [], []
    for i, game in enumerate(games[:60]):
        rival = Linprog("highs", 10.0)
        result, _, spent = clocks.time(rival.prepare(game))
        times.append(spent)
        gaps.append(abs(float(rival.value(game, result) or np.nan) - float(found.values[i])))
    return {
        "size": [m, n],
        "games": count,
        "cpu_per_game": cpu / count,
        "ratio": median(times) / (cpu / count),
        "handed_over": len(found.handed_over),
        "largest_difference": max(gaps),
    }


def full_robust_program(game: PersuasionGame, radius: float) -> Callable[[], Any]:
    """Return a call of linprog on the robust program with every worst case dualised.

    For each pair of actions: ``center z - radius / 2 tau - center pi >= 0``, ``tau + pi(w) + zeta
    >= z(w)``, ``zeta <= z(w)``, where ``z(w) = kernel[w, a] (u(w, a) - u(w, b))``.
    """
    from scipy import sparse
    from scipy.optimize import linprog

    m, n = game.n_states, game.n_actions
    a, b = np.nonzero(~np.eye(n, dtype=bool))
    k, u, center = len(a), game.receiver_utility, game.prior

    def call() -> Any:
        columns = (np.arange(m) * n + a[:, None]).ravel()
        z = sparse.csr_matrix(
            ((u[:, a] - u[:, b]).T.ravel(), (np.arange(k * m), columns)), shape=(k * m, m * n)
        )
        each, state = sparse.eye(k, format="csr"), sparse.eye(k * m, format="csr")
        mean = sparse.kron(each, center[None], format="csr")
        spread = sparse.kron(each, np.ones((m, 1)), format="csr")
        above = sparse.bmat(
            [
                [-mean @ z, radius / 2 * each, None, mean],
                [z, -spread, -spread, -state],
                [-z, None, spread, None],
            ],
            format="csr",
        )
        more = 2 * k + k * m
        equal = sparse.hstack(
            [sparse.kron(sparse.eye(m), np.ones((1, n))), sparse.csr_matrix((m, more))],
            format="csr",
        )
        lower = np.zeros(m * n + more)
        lower[m * n + k : m * n + 2 * k] = -np.inf
        gains: FloatArray = (center[:, None] * game.sender_utility).ravel()
        return linprog(
            -np.concatenate([gains, np.zeros(more)]),
            A_ub=above,
            b_ub=np.zeros(above.shape[0]),
            A_eq=equal,
            b_eq=np.ones(m),
            bounds=np.stack([lower, np.full(len(lower), np.inf)], axis=1),
            method="highs",
        )

    return call


def _robust(m: int, n: int, count: int, radius: float = 0.01) -> dict[str, Any]:
    clocks, ratios, times, gaps = Clocks(), [], [], []
    for game in _games("uniform", m, n, count + 1)[1:]:
        found, _, ours = clocks.time(partial(solve_robust, game, l1_ball(game.prior, radius)))
        full, _, spent = clocks.time(full_robust_program(game, radius))
        ratios.append(spent / ours)
        times.append(ours)
        gaps.append(abs(-float(full.fun) - found.value))
    return {
        "size": [m, n],
        "radius": radius,
        "games": count,
        "cpu": median(times),
        "ratio": median(ratios),
        "largest_difference": max(gaps),
    }


# -- shown ---------------------------------------------------------------------------------


def tables(result: dict[str, Any]) -> list[str]:
    """Write everything as Markdown."""
    sizes = result["sizes"]
    return [
        "Processor time, medians over distinct games; in brackets how many times as long as "
        "`solve` (certificate included) a contender took. How to read this: "
        "`benchmarks/README.md`.",
        "## Targets",
        static.target_table(result["targets"]),
        "## Uniform games",
        static.time_table(sizes, "cpu"),
        "## What the method did",
        markdown_table(
            ["states x actions", *sizes[0]["work"]],
            [
                [
                    f"{s['n_states']} x {s['n_actions']}",
                    *(f"{v:.0f}" for k, v in s["work"].items() if k != "bare kernel"),
                    seconds(s["work"]["bare kernel"]),
                ]
                for s in sizes
            ],
        ),
        markdown_table(["growth", "fit"], [[fit["what"], fit["shown"]] for fit in result["fits"]]),
        "## Degenerate games",
        "The faster linprog on each game against `solve`; needed: at least 0.83x on every game.",
        markdown_table(
            ["family", "states x actions", "median", "least"],
            [
                [row["family"], "{} x {}".format(*row["size"])]
                + [f"{number(row[k])}x" for k in ("median_ratio", "least_ratio")]
                for row in result["degenerate"]
            ],
        ),
        "## What answered",
        markdown_table(
            ["family", "games", "methods"],
            [
                [
                    row["family"],
                    str(row["games"]),
                    ", ".join(f"{k} {v}" for k, v in row["methods"].items()),
                ]
                for row in result["handed_on"]
            ],
        ),
        "## Batches",
        "`solve_batch` on distinct games against a loop of linprog; needed 200x at 5 x 3 and "
        "100x at 10 x 5.",
        markdown_table(
            ["states x actions", "games", "time for one", "linprog", "handed to `solve`"],
            [
                [
                    "{} x {}".format(*row["size"]),
                    str(row["games"]),
                    seconds(row["cpu_per_game"]),
                    f"{number(row['ratio'])}x",
                    str(row["handed_over"]),
                ]
                for row in result["batch"]
            ],
        ),
        "## Robust programs",
        "`solve_robust` over an L1 ball of radius {radius} against linprog on the full program at "
        "{size[0]} x {size[1]}: {time}, {times}x (needed 10x), values at most {gap:.0e} "
        "apart.".format(
            **result["robust"],
            time=seconds(result["robust"]["cpu"]),
            times=number(result["robust"]["ratio"]),
            gap=result["robust"]["largest_difference"],
        ),
    ]
