"""Any game: the dual simplex method of `persuasion.structured_kernel`, compiled by numba.

Compiling takes some seconds, once for every installation; the result is kept on disk. The first
call says so through the logger ``persuasion``. ``PERSUASION_COMPILE=0`` in the environment, or the
absence of numba, leaves the method out; `auto` then takes `lp`.
"""

from __future__ import annotations

import os
from functools import cache
from time import perf_counter
from typing import Any

import numpy as np

from persuasion.errors import NotSolvedError
from persuasion.interruptible import interruptible
from persuasion.problem import Candidate, Problem, Vertex
from persuasion.rationals import FloatArray
from persuasion.solvers.lp import full_disclosure, infeasible

__all__ = ["SOLVER", "Structured", "kernel", "pivot_budget", "switched_off"]

_NO_CELLS = np.zeros((0, 2), dtype=np.int64)
_SLICE = 200
"""Changes of basis between two looks at the clock."""
_NUDGE = 1e-10
"""By how much gains are disturbed, at random, where the method did not get through without."""


class Structured:
    """The obedience linear program by a dual simplex method made for it; answers are vertices.

    Notes
    -----
    Source: generalised upper bounds after Dantzig & Van Slyke, *J. Comput. Syst. Sci.* 1, 1967;
    the ratio test that passes breakpoints after Fourer, *Notes on the dual simplex method*, 1994.
    Departures: the breakpoints passed are whole states changing their action.
    """

    name = "structured"

    def supports(self, problem: Problem) -> str | None:
        """Every Receiver who plays like a best responder, where numba is installed."""
        if not problem.is_linear:
            return "it optimises against best responders only; use method='concave_closure'"
        return switched_off()

    def solve(self, problem: Problem) -> Candidate:
        """Solve from the start that the problem brings, or from scratch."""
        return _Run(problem).solve()


@cache
def switched_off() -> str | None:
    """Why the compiled method cannot be used here; None when it can."""
    if os.environ.get("PERSUASION_COMPILE") == "0":
        return "it is switched off by PERSUASION_COMPILE=0; use method='lp'"
    try:
        import persuasion.structured_kernel  # noqa: F401
    except ModuleNotFoundError:
        return "numba is not installed (pip install numba); use method='lp'"
    except (ImportError, SystemError, AttributeError, OSError) as failure:  # versions that clash
        return f"numba cannot be imported here ({failure}); use method='lp'"
    return None


@cache
def kernel() -> Any:
    """Return the module `persuasion.structured_kernel`, ready to be called."""
    from persuasion import structured_kernel
    from persuasion.compiled import announced

    announced(structured_kernel.propose, "the structured simplex")
    return structured_kernel


def pivot_budget(n_states: int, n_actions: int) -> int:
    """Changes of basis after which the method gives up; far more than it has ever needed."""
    return 5 * n_states + 60 * n_actions + 500


class _Run:
    """One problem on its way through the kernel."""

    def __init__(self, problem: Problem) -> None:
        self.problem = problem
        m, n = problem.gains.shape
        self.slack = np.zeros(m) if problem.slack is None else problem.slack.copy()
        if problem.actions is None:
            self.allowed = np.ones(n, dtype=np.bool_)
        else:
            self.allowed = np.zeros(n, dtype=np.bool_)
            self.allowed[list(problem.actions)] = True
        self.masses = np.empty((m, n))
        self.key = np.full(m, -1)
        self.cells = self.rows = _NO_CELLS

    def solve(self) -> Candidate:
        """Propose a vertex; a second try disturbs the gains, against stalling."""
        code = kernel()
        started = perf_counter()
        if self.problem.start is not None:
            self._take(self.problem.start)
        outcome = self._solve(self.problem.gains, started)
        if outcome[0] == code.STALE:
            self._reset()
            outcome = self._solve(self.problem.gains, started)
        if outcome[0] not in (code.OPTIMAL, code.UNREACHABLE) and not self._late(started):
            outcome = self._disturbed(started)
        status, cells, rows, prices, counts = outcome
        if status == code.BUDGET and self._late(started):
            return full_disclosure(self.problem, rows, prices)
        if status == code.UNREACHABLE and (self.problem.slack is not None or self.problem.actions):
            raise infeasible(self.problem)
        if status != code.OPTIMAL:
            raise NotSolvedError(
                f"the structured simplex stopped after {counts[0]} changes of basis ("
                + {
                    code.BUDGET: "its budget",
                    code.UNREACHABLE: "no scheme seems to obey",
                    code.STALLED: "no price changed any more",
                }.get(status, "a working matrix was singular")
                + ")"
            )
        keys = np.empty((len(self.key), 2), dtype=np.int64)
        keys[:, 0] = np.arange(len(keys))
        keys[:, 1] = self.key
        return Candidate(
            masses=self.masses,
            price_rows=rows,
            prices=prices,
            vertex=Vertex(np.concatenate([keys, cells]), rows),
            compiled=True,
        )

    def _solve(self, gains: FloatArray, started: float) -> tuple[Any, ...]:
        """Run the kernel, in slices where time is limited."""
        code = kernel()
        problem = self.problem
        limited = problem.time_limit is not None
        budget = pivot_budget(*gains.shape)
        # numba tells read-only arrays from others
        weights, gains, payoffs = problem.weights.copy(), gains.copy(), problem.payoffs.copy()
        done = 0
        while True:
            outcome: tuple[Any, ...] = interruptible(
                code.propose,
                weights,
                gains,
                payoffs,
                self.slack,
                self.allowed,
                self.key,
                self.cells,
                self.rows,
                _SLICE if limited else budget,
                self.masses,
            )
            done += int(outcome[4][0])
            if outcome[0] != code.BUDGET or not limited or done > budget or self._late(started):
                return outcome
            self.cells, self.rows = outcome[1], outcome[2]

    def _disturbed(self, started: float) -> tuple[Any, ...]:
        """Break ties at random; the vertex found is nearly always optimal without as well."""
        self._reset()
        gains = self.problem.gains
        unit = float(np.ptp(gains, axis=1).max())
        noise = np.random.default_rng(0).random(gains.shape)
        outcome = self._solve(gains - _NUDGE * unit * (0.5 + noise), started)
        if outcome[0] == kernel().OPTIMAL:
            self.cells, self.rows = outcome[1], outcome[2]
            found = self.key.copy(), self.masses.copy()
            clean = self._solve(gains, started)
            if clean[0] == kernel().OPTIMAL:
                return clean
            self.key, self.masses = found
        return outcome

    def _late(self, started: float) -> bool:
        limit = self.problem.time_limit
        return limit is not None and perf_counter() - started > limit

    def _reset(self) -> None:
        self.key[:] = -1
        self.cells = self.rows = _NO_CELLS

    def _take(self, start: Vertex) -> None:
        """Begin at a basis found earlier, if it is one of this problem."""
        m, n = self.problem.gains.shape
        cells, rows = start.cells, start.rows
        fits = len(cells) == m + len(rows) and cells[:, 0].max(initial=0) < m
        if not fits or max(cells[:, 1].max(initial=0), rows.max(initial=0)) >= n:
            return
        if len(rows) == 0 or not self.allowed[cells[:, 1]].all():
            return
        first = np.arange(m)
        if (cells[:m, 0] != first).any():  # not one of this method's
            states, first = np.unique(cells[:, 0], return_index=True)
            if len(states) != m:
                return
        self.key[:] = cells[first, 1]
        self.cells = np.delete(cells, first, axis=0).astype(np.int64)
        self.rows = rows.astype(np.int64)


SOLVER = Structured()
