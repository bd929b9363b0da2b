"""Any game, by any linear programming backend that cvxpy knows.

Interior points leave traces of mass on recommendations that the optimum never makes, and obedience
right to some 1e-10 only. Near the answer it is known which masses are zero and which rows bind, so
the rest is a linear system: solved, it puts both right to rounding.
"""

from __future__ import annotations

import copy
import importlib
import importlib.util
import warnings
from dataclasses import replace
from typing import Any

import numpy as np

from persuasion.certificate import certify
from persuasion.cvxpy_model import cvxpy_model, obedience_matrix
from persuasion.errors import NotSolvedError
from persuasion.problem import Candidate, Problem
from persuasion.rationals import FloatArray
from persuasion.solvers.lp import infeasible

__all__ = ["SOLVER", "CvxpySolver", "variant"]

_PREFERRED = ("HIGHS", "CLARABEL")
_TIGHT: dict[str, dict[str, Any]] = {
    "HIGHS": {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    "CLARABEL": {"tol_gap_abs": 1e-12, "tol_gap_rel": 1e-12, "tol_feas": 1e-12, "max_iter": 200},
    "SCIPY": {
        "scipy_options": {
            "method": "highs-ds",
            "primal_feasibility_tolerance": 1e-10,
            "dual_feasibility_tolerance": 1e-10,
        }
    },
    "SCS": {"eps_abs": 1e-11, "eps_rel": 1e-11, "max_iters": 200_000},
    "OSQP": {"eps_abs": 1e-11, "eps_rel": 1e-11, "max_iter": 200_000, "polishing": True},
}
_TOLERANCE = 1e-9
_THRESHOLDS = (1e-9, 1e-7, 1e-5)
_LARGEST_CHANGE = 0.1
_TIME_LIMIT = {"HIGHS": "time_limit", "CLARABEL": "time_limit", "SCS": "time_limit_secs"}


class CvxpySolver:
    """The obedience program handed to cvxpy.

    Parameters
    ----------
    solver : str, optional
        Name of an installed cvxpy backend. Default HIGHS, else CLARABEL, else cvxpy's own choice.
    **options
        For the backend; they replace the tight tolerances asked for by default.

    Notes
    -----
    `solve` certifies to 1e-9. HIGHS, SCIPY and CLARABEL reach that on ordinary games, first-order
    backends (SCS, OSQP) not on all; none does where payoffs differ by 1e-10 or span ten orders of
    magnitude: use method='exact' there.
    Source: Diamond & Boyd, *CVXPY*, JMLR 17(83), 2016.
    Departures: none.

    Examples
    --------
    >>> from persuasion import PersuasionGame, solve
    >>> from persuasion.solvers.cvxpy import CvxpySolver
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> round(solve(game, method=CvxpySolver("CLARABEL")).value, 7)
    0.6
    """

    def __init__(self, solver: str | None = None, **options: Any) -> None:
        self.name = "cvxpy" if solver is None else f"cvxpy:{solver}"
        self.solver = None if solver is None else solver.upper()
        self.options = options

    def supports(self, problem: Problem) -> str | None:
        """Every Receiver who plays like a best responder, where the backend is installed."""
        if not problem.is_linear:
            return "it optimises against best responders only; use method='concave_closure'"
        if importlib.util.find_spec("cvxpy") is None:
            return "cvxpy is not installed; pip install cvxpy, or use method='lp'"
        if self.solver is not None:
            installed = importlib.import_module("cvxpy").installed_solvers()
            if self.solver not in installed:
                return (
                    f"cvxpy has no backend {self.solver!r} here; installed are "
                    f"{', '.join(installed)}"
                )
        return None

    def solve(self, problem: Problem) -> Candidate:
        """Solve in comparable units and translate the prices back."""
        loss = problem.gains.max(axis=1, keepdims=True) - problem.gains
        unit = float(loss.max())  # zero: nothing is at stake, all prices are zero
        model = cvxpy_model(problem, objective=-loss / (unit or 1.0))
        status = self._run(model.problem, problem.time_limit)
        if status.startswith("infeasible"):
            raise infeasible(problem)
        if model.masses.value is None:
            raise NotSolvedError(f"cvxpy stopped with status {status!r}")
        n = problem.n_actions
        prices = np.zeros((n, n)) if model.obedience is None else model.obedience_prices * unit
        rows = np.argwhere(prices > 0)
        candidate = Candidate(
            masses=np.asarray(model.masses.value, dtype=np.float64),
            price_rows=rows.astype(np.intp),
            prices=prices[rows[:, 0], rows[:, 1]],
            finished=status.startswith("optimal"),
        )
        return _polished(problem, candidate)

    def _run(self, program: Any, time_limit: float | None) -> str:
        cvxpy = importlib.import_module("cvxpy")
        name = self.solver or next(
            (known for known in _PREFERRED if known in cvxpy.installed_solvers()), None
        )
        options = {**copy.deepcopy(_TIGHT.get(name or "", {})), **self.options}
        if time_limit is not None and name in _TIME_LIMIT:
            options.setdefault(_TIME_LIMIT[name], time_limit)
        try:
            with warnings.catch_warnings():
                warnings.simplefilter("ignore")  # inaccurate answers are judged by `solve`
                program.solve(solver=name, **options)
        except (cvxpy.error.SolverError, ValueError) as failure:
            raise NotSolvedError(f"cvxpy with backend {name or 'default'}: {failure}") from failure
        return str(program.status)


def _polished(problem: Problem, candidate: Candidate) -> Candidate:
    """Return the answer on the face of the program where it lies, if it passes there."""
    if certify(problem, candidate).residuals.within(_TOLERANCE):
        return candidate
    matrix, _, _ = obedience_matrix(problem)
    for threshold in _THRESHOLDS:
        masses = _on_face(problem, candidate.masses, matrix, threshold)
        if masses is not None:
            polished = replace(candidate, masses=masses)
            if certify(problem, polished).residuals.within(_TOLERANCE):
                return polished
    return candidate


def _on_face(
    problem: Problem, masses: FloatArray, matrix: Any, threshold: float
) -> FloatArray | None:
    """Drop masses and slacks below `threshold`, then restore the equations at the least change.

    Unknown are the relative changes of the masses kept; each row is divided by its size.
    """
    kernel = masses / problem.weights[:, None]
    start = np.where(kernel > threshold, kernel, 0.0).ravel()
    columns = np.flatnonzero(start)
    size, slack = abs(matrix) @ start, matrix @ start
    tight = np.flatnonzero((size > 0) & (slack < threshold * size))
    shares = np.zeros((problem.n_states, len(columns)))
    states = columns // problem.n_actions
    shares[states, np.arange(len(columns))] = start[columns]
    rows = matrix[tight][:, columns].toarray() * start[columns] / size[tight, None]
    left = np.concatenate([1 - shares.sum(axis=1), -rows.sum(axis=1)])
    change, *_ = np.linalg.lstsq(np.concatenate([shares, rows]), left, rcond=None)
    if change.size == 0 or np.abs(change).max() > _LARGEST_CHANGE:
        return None
    start[columns] *= 1 + change
    found: FloatArray = start.reshape(masses.shape) * problem.weights[:, None]
    return found


SOLVER = CvxpySolver()


def variant(backend: str) -> CvxpySolver:
    """Return the method with the backend of that name, ``method="cvxpy:SCS"``."""
    return CvxpySolver(backend)
