"""Any game: the obedience linear program, solved by HiGHS with obedience rows added as needed.

An optimum leaves few obedience rows binding, so they enter lazily: at most one per action and
round, the most violated one, followed by a warm-started dual simplex. The start, every state
recommended the Sender's favourite, is optimal while no row is present. Rows are normalised to
largest coefficient one, because HiGHS' tolerances are absolute: with utilities of size 1e-9 it
would accept a disobedient scheme. Without `highspy`, SciPy's HiGHS solves the full program.
"""

from __future__ import annotations

import importlib
import importlib.util
from dataclasses import dataclass, field
from time import perf_counter
from typing import Any

import numpy as np

from persuasion.errors import InfeasibleError, NotSolvedError
from persuasion.kernel_highs import highs_over_kernels
from persuasion.obedience import obedience_matrix, obedience_rows
from persuasion.problem import Candidate, IntArray, Problem, Vertex
from persuasion.rationals import FloatArray

__all__ = ["SOLVER", "LinearProgram", "full_disclosure", "infeasible"]

_TOLERANCE = 1e-9
_ALL_ROWS_UP_TO = 40_000
"""Coefficients of the full program below which all rows are given at once."""
_INFEASIBLE = "no scheme meets the options: {what}. Ask for a smaller margin, or allow more actions"


def infeasible(problem: Problem) -> InfeasibleError:
    """Build the error that says which option cannot be met."""
    asked = []
    if problem.slack is not None:
        asked.append(f"obedience with margin {problem.margin}")
    if problem.actions is not None:
        names = [problem.game.actions[a] for a in problem.actions]
        asked.append(f"recommending only {', '.join(names)}")
    return InfeasibleError(_INFEASIBLE.format(what=" and ".join(asked) or "none were given"))


class LinearProgram:
    """The obedience linear program by HiGHS; answers are vertices.

    Notes
    -----
    Source: the program is Bergemann & Morris, *Bayes correlated equilibrium*, TE 11, 2016, with
    one player; the rows-as-needed scheme is an ordinary cutting plane method.
    Departures: none.
    """

    name = "lp"

    def supports(self, problem: Problem) -> str | None:
        """Every Receiver who plays like a best responder."""
        if not problem.is_linear:
            return "it optimises against best responders only; use method='concave_closure'"
        return None

    def solve(self, problem: Problem) -> Candidate:
        """Solve by `highspy` where installed, else by SciPy."""
        if importlib.util.find_spec("highspy") is not None:
            return _Rows(problem, importlib.import_module("highspy")).solve()
        return _solve_with_scipy(problem)


def _unit(problem: Problem, actions: IntArray) -> float:
    """The Sender's utils per unit of the program's objective: costs become of order one."""
    gains = problem.gains[:, actions]
    loss = gains.max(axis=1, keepdims=True) - gains
    return float((loss * problem.weights[:, None]).max()) or 1.0


@dataclass(slots=True)
class _Rows:
    """The program while obedience rows are being added."""

    problem: Problem
    highspy: Any
    actions: IntArray = field(init=False)
    unit: float = field(init=False)
    rows: list[tuple[int, int]] = field(default_factory=list)
    sizes: list[float] = field(default_factory=list)
    known_sizes: dict[int, FloatArray] = field(default_factory=dict)
    highs: Any = None

    def __post_init__(self) -> None:
        self.actions = np.array(list(self.problem.recommendable()), dtype=np.intp)
        self.unit = _unit(self.problem, self.actions)

    def solve(self) -> Candidate:
        started = perf_counter()
        self._start()
        if self.problem.n_states * self.problem.n_actions**2 <= _ALL_ROWS_UP_TO:
            self._add_all()
        status = self.highspy.HighsModelStatus
        while True:
            if self.problem.time_limit is not None:
                left = self.problem.time_limit - (perf_counter() - started)
                self.highs.setOptionValue("time_limit", self.highs.getRunTime() + max(left, 0.0))
            self.highs.run()
            outcome = self.highs.getModelStatus()
            if outcome == status.kInfeasible:
                raise infeasible(self.problem)
            if outcome == status.kTimeLimit:
                return self._best_known()
            if outcome != status.kOptimal:
                raise NotSolvedError(f"HiGHS stopped with status {outcome.name}")
            solution = self.highs.getSolution()
            kernel = np.array(solution.col_value).reshape(self.problem.n_states, -1)
            masses = kernel * self.problem.weights[:, None]
            if not self._add_violated(masses):
                return self._candidate(masses, np.array(solution.row_dual))

    def _start(self) -> None:
        gains = self.problem.gains[:, self.actions]
        loss = gains.max(axis=1, keepdims=True) - gains
        costs = loss * (self.problem.weights / self.unit)[:, None]
        self.highs = highs_over_kernels(self.highspy, costs, _TOLERANCE)

    def _add_violated(self, masses: FloatArray) -> bool:
        """Add, for each recommended action, its most violated absent row."""
        problem = self.problem
        added = False
        against = masses.T @ problem.payoffs
        for column in np.flatnonzero(masses.any(axis=0)).tolist():
            a = int(self.actions[column])
            loss = against[column] - against[column, a]
            if problem.slack is not None:
                loss += float(masses[:, column] @ problem.slack)
                loss[a] = 0.0
            if loss.max() <= 0:
                continue
            table = None
            if a not in self.known_sizes:
                table, self.known_sizes[a] = obedience_rows(problem, a)
            sizes = self.known_sizes[a]
            violation = np.divide(loss, sizes, out=np.zeros_like(loss), where=sizes > 0)
            violation[[b for action, b in self.rows if action == a]] = 0.0
            b = int(violation.argmax())
            if violation[b] <= _TOLERANCE:
                continue
            table = obedience_rows(problem, a)[0] if table is None else table
            self._add(column, b, table[:, b], float(sizes[b]))
            added = True
        return added

    def _add_all(self) -> None:
        """Add every obedience row: for small games fewer calls matter more than fewer rows."""
        m, n = self.problem.n_states, len(self.actions)
        start = np.arange(m, dtype=np.int32) * n
        coefficients, indices = [], []
        for column, a in enumerate(self.actions.tolist()):
            table, sizes = obedience_rows(self.problem, a)
            self.known_sizes[a] = sizes
            present = np.flatnonzero(sizes)
            coefficients.append(table[:, present].T.ravel())
            indices.append(np.tile(start + column, len(present)))
            self.rows += [(a, b) for b in present.tolist()]
            self.sizes += sizes[present].tolist()
        k = len(self.rows)
        self.highs.addRows(
            k,
            np.zeros(k),
            np.full(k, self.highspy.kHighsInf),
            k * m,
            np.arange(k, dtype=np.int32) * m,
            np.concatenate(indices),
            np.concatenate(coefficients),
        )

    def _add(self, column: int, deviation: int, row: FloatArray, size: float) -> None:
        m, n = self.problem.n_states, len(self.actions)
        index = np.arange(m, dtype=np.int32) * n + column
        self.highs.addRow(0.0, self.highspy.kHighsInf, m, index, row)
        self.rows.append((int(self.actions[column]), deviation))
        self.sizes.append(size)

    def _prices(self, row_dual: FloatArray) -> tuple[IntArray, FloatArray]:
        """Prices of the rows present, in Sender's utils per util of the Receiver."""
        known = row_dual[self.problem.n_states :]  # rows added after the last run have no dual yet
        prices = np.zeros(len(self.sizes))
        prices[: len(known)] = np.maximum(known, 0.0)
        prices *= self.unit / np.array(self.sizes)
        return np.array(self.rows, dtype=np.intp).reshape(-1, 2), prices

    def _candidate(self, masses: FloatArray, row_dual: FloatArray) -> Candidate:
        problem = self.problem
        m, n = masses.shape
        rows, prices = self._prices(row_dual)
        _, variables = self.highs.getBasicVariables()
        variables = np.asarray(variables)
        columns = variables[variables >= 0]
        cells = np.stack([columns // n, self.actions[columns % n]], axis=1)
        basic_rows = -1 - variables[variables < 0] - m
        tight = np.delete(np.arange(len(rows)), basic_rows[basic_rows >= 0])
        full = np.zeros((m, problem.n_actions))
        full[:, self.actions] = masses
        return Candidate(
            masses=full,
            price_rows=rows,
            prices=prices,
            vertex=Vertex(cells.astype(np.intp), rows[tight]),
        )

    def _best_known(self) -> Candidate:
        rows, prices = self._prices(np.array(self.highs.getSolution().row_dual))
        return full_disclosure(self.problem, rows, prices)


def full_disclosure(problem: Problem, rows: IntArray, prices: FloatArray) -> Candidate:
    """When time is up: a scheme that is surely obeyed, and the honest bound of the last prices."""
    if problem.slack is not None or problem.actions is not None:
        raise NotSolvedError("the time limit was reached before any scheme was found")
    best = problem.payoffs == problem.payoffs.max(axis=1, keepdims=True)
    chosen = np.where(best, problem.gains, -np.inf).argmax(axis=1)
    masses = np.zeros_like(problem.gains)
    masses[np.arange(problem.n_states), chosen] = problem.weights
    return Candidate(masses=masses, price_rows=rows, prices=prices, finished=False)


def _solve_with_scipy(problem: Problem) -> Candidate:
    from scipy import sparse
    from scipy.optimize import linprog

    m, n = problem.gains.shape
    actions = np.array(list(problem.recommendable()), dtype=np.intp)
    unit = _unit(problem, actions)
    loss = problem.gains[:, actions].max(axis=1, keepdims=True) - problem.gains
    above, pairs, sizes = obedience_matrix(problem)
    upper = np.zeros((m, n))
    upper[:, actions] = 1.0
    result = linprog(
        (loss * (problem.weights / unit)[:, None]).ravel(),
        A_ub=-above,
        b_ub=np.zeros(len(pairs)),
        A_eq=sparse.kron(sparse.eye(m), np.ones((1, n)), format="csr"),
        b_eq=np.ones(m),
        bounds=np.stack([np.zeros(m * n), upper.ravel()], axis=1),
        method="highs-ds",
        options={
            "primal_feasibility_tolerance": _TOLERANCE,
            "dual_feasibility_tolerance": _TOLERANCE,
            "time_limit": problem.time_limit,
        },
    )
    if result.status == 2:
        raise infeasible(problem)
    if result.x is None or result.status != 0:
        raise NotSolvedError(f"scipy.optimize.linprog stopped: {result.message}")
    return Candidate(
        masses=result.x.reshape(m, n) * problem.weights[:, None],
        price_rows=pairs,
        prices=np.maximum(-result.ineqlin.marginals, 0.0) * unit / sizes,
    )


SOLVER = LinearProgram()
