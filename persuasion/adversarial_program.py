"""The linear program behind the supremum under adversarial ties.

Variables are shares ``z[state, i]``: the probability of recommending the i-th action that counts.
An action counts if it is the one best response at some belief, duplicates taken as one. Obedience
of the recommendations is weak; among duplicates the Receiver takes the one worst for the Sender in
expectation, which makes the cost of an action the largest of several linear functions.
"""

from __future__ import annotations

from dataclasses import dataclass, field, replace
from typing import Any

import numpy as np

from persuasion.certificate import certify, reduced_gains
from persuasion.errors import NotSolvedError
from persuasion.exact_certificate import check_certificate
from persuasion.game import PersuasionGame
from persuasion.problem import Candidate, IntArray, Problem
from persuasion.rationals import FloatArray
from persuasion.receivers import Bayesian
from persuasion.scheme import SignalingScheme
from persuasion.solvers import load

__all__ = ["NIL", "AdversarialProgram", "Face"]

Bounds = tuple[float | None, float | None]
NIL = 1e-9
"""A reduced cost, a price or a slack of a program up to this is rounding."""
_EXACT_CELLS = 5000
"""Up to this many (state, action) pairs exact arithmetic helps out where floats fail."""
_PRECISION = 1e-10
"""Tolerance of the linear programs, all of whose coefficients are at most one."""
_RESCALINGS = 4


@dataclass(slots=True)
class Face:
    """Optimal points of the program: which columns and rows complementary slackness fixes."""

    bounds: list[Bounds]
    tight: IntArray


@dataclass(slots=True)
class AdversarialProgram:
    """The program of one game; build it with `of`.

    Attributes
    ----------
    problem : Problem
    actions : ndarray of int (k,)
        Actions that count, the first of each group of duplicates.
    groups : list of list of int
        Duplicates of each, itself included.
    rivals : list of list of int
        For each, the first of every other group, whether it counts or not.
    alike : dict
        From the first of every group to the group.
    loss : ndarray (n_support, n_actions)
        What the Sender loses against her favourite action, times the state's weight, in `unit`.
    unit : float
        Utils of the Sender; makes the largest loss 1.
    pairs : list of (int, int)
        Position in `actions` and rival of every obedience row.
    slack : ndarray (n_support, n_pairs)
        Obedience rows, each divided by its largest coefficient.
    sizes : ndarray (n_pairs,)
        Those largest coefficients.
    epigraph : list of (int, int)
        Position in `actions` and duplicate of every row that defines a cost.
    rows, sums : sparse matrices
        All rows ``<= 0`` and the equations of the states, over shares, then costs.
    """

    problem: Problem
    actions: IntArray
    groups: list[list[int]]
    rivals: list[list[int]]
    alike: dict[int, list[int]]
    loss: FloatArray
    unit: float
    pairs: list[tuple[int, int]] = field(init=False)
    slack: FloatArray = field(init=False)
    sizes: FloatArray = field(init=False)
    epigraph: list[tuple[int, int]] = field(init=False)
    rows: Any = field(init=False)
    sums: Any = field(init=False)

    @classmethod
    def of(cls, game: PersuasionGame, tolerance: float) -> AdversarialProgram:
        """Find the actions that count and set up the program.

        Parameters
        ----------
        game : PersuasionGame
        tolerance : float
            An action counts if at some belief its expected advantage over every rival is more
            than this part of the expected absolute payoff difference between the two, the tie rule
            of `best_responses`.
        """
        problem = Problem.of(game, Bayesian())
        kept = slice(None) if problem.support is None else problem.support
        utility = game.receiver_utility[kept]
        groups = _duplicates(utility)
        first = [group[0] for group in groups]
        counting = [
            g
            for g, group in enumerate(groups)
            if _has_interior(utility, group[0], [b for b in first if b != group[0]], tolerance)
        ]
        if not counting:
            raise NotSolvedError(
                "no action beats all others anywhere by more than the tolerance "
                f"{tolerance:g}; give a smaller `tolerance` or check the Receiver's utility"
            )
        loss = problem.gains.max(axis=1, keepdims=True) - problem.gains
        loss *= problem.weights[:, None]
        unit = float(loss.max()) or 1.0
        return cls(
            problem=problem,
            actions=np.array([groups[g][0] for g in counting], dtype=np.intp),
            groups=[groups[g] for g in counting],
            rivals=[[b for b in first if b != groups[g][0]] for g in counting],
            alike={group[0]: group for group in groups},
            loss=loss / unit,
            unit=unit,
        )

    def __post_init__(self) -> None:
        from scipy import sparse

        payoffs, weights = self.problem.payoffs, self.problem.weights
        m, k = len(weights), len(self.actions)
        self.pairs = [(i, b) for i in range(k) for b in self.rivals[i]]
        self.epigraph = [(i, d) for i in range(k) for d in self.groups[i]]
        index = np.array([i for i, _ in self.pairs], dtype=np.intp)
        rival = np.array([b for _, b in self.pairs], dtype=np.intp)
        table = weights[:, None] * (payoffs[:, self.actions[index]] - payoffs[:, rival])
        self.sizes = np.abs(table).max(axis=0)
        self.slack = table / self.sizes  # state, pair
        n_rows = len(self.pairs) + len(self.epigraph)
        rows = sparse.lil_matrix((n_rows, m * k + k))
        for row, (i, _) in enumerate(self.pairs):
            rows[row, i : m * k : k] = -self.slack[:, row]
        for row, (i, d) in enumerate(self.epigraph, start=len(self.pairs)):
            rows[row, i : m * k : k] = self.loss[:, d]
            rows[row, m * k + i] = -1.0
        self.rows = rows.tocsr()
        self.sums = sparse.hstack(
            [sparse.kron(sparse.eye(m), np.ones((1, k))), sparse.csr_matrix((m, k))], format="csr"
        )

    # -- what shares are worth

    def worth(self, shares: FloatArray) -> float:
        """Sender's value when recommendations are obeyed, or an adversarial duplicate is."""
        masses = self.problem.weights[:, None] * shares
        return float(
            sum(
                (masses[:, i] @ self.problem.gains[:, group]).min()
                for i, group in enumerate(self.groups)
            )
        )

    @property
    def spread(self) -> float:
        """How much the scheme can matter to the Sender, in utils; a floor against rounding."""
        gains, weights = self.problem.gains, self.problem.weights
        floor = 1e-6 * float(weights @ np.abs(gains).max(axis=1))
        return max(self.unit * float(self.loss.max(axis=1).sum()), floor) or 1.0

    def surplus(self, shares: FloatArray) -> FloatArray:
        """Advantage of recommendation over rival, against the largest it could have."""
        index = np.array([i for i, _ in self.pairs], dtype=np.intp)
        mass: FloatArray = np.einsum("wp,wp->p", shares[:, index], self.slack)
        might = np.einsum("wp,wp->p", shares[:, index], np.abs(self.slack))
        relative: FloatArray = np.divide(mass, might, out=np.zeros_like(mass), where=might > 0)
        return relative

    def harm(self, shares: FloatArray, pair: int) -> float:
        """What the Sender loses when the rival is taken instead, in `unit`; negative: a gain."""
        i, b = self.pairs[pair]
        losses = shares[:, i] @ self.loss
        return float(losses[self.alike[b]].max() - losses[self.groups[i]].max())

    def scheme(self, shares: FloatArray) -> tuple[SignalingScheme, tuple[int, ...]]:
        """Build the scheme over all states of the game."""
        problem = self.problem
        used = np.flatnonzero(shares.any(axis=0))
        actions = self.actions[used]
        kernel = np.zeros((problem.game.n_states, len(used)))
        # in states that nobody deems possible: what the Receiver likes best there
        liked = problem.game.receiver_utility[:, actions].argmax(axis=1)
        kernel[np.arange(len(kernel)), liked] = 1.0
        kernel[slice(None) if problem.support is None else problem.support] = shares[:, used]
        labels = [problem.game.actions[a] for a in actions]
        return SignalingScheme(kernel, signals=labels), tuple(actions.tolist())

    # -- programs over the shares

    def run(self, cost: FloatArray, face: Face | None = None, extra: Any = None) -> Any:
        """Minimise `cost` over the shares, on a face of the optimum, with `extra` rows <= 0."""
        from scipy import sparse

        n = self.rows.shape[1]
        below, equal = self.rows, self.sums
        k = len(self.actions)
        bounds: list[Bounds] = [(0.0, None)] * (n - k) + [(None, None)] * k
        if face is not None:
            bounds = face.bounds
            below = self.rows[np.setdiff1d(np.arange(self.rows.shape[0]), face.tight)]
            equal = sparse.vstack([self.sums, self.rows[face.tight]], format="csr")
        more = len(cost) - n
        if more:
            below = sparse.hstack([below, sparse.csr_matrix((below.shape[0], more))])
            equal = sparse.hstack([equal, sparse.csr_matrix((equal.shape[0], more))])
            bounds = bounds + [(0.0, None)] * more
        if extra is not None:
            below = sparse.vstack([below, sparse.csr_matrix(extra)])
        right = np.zeros(equal.shape[0])
        right[: self.sums.shape[0]] = 1.0
        return _minimise(cost, below=below, equal=equal, right=right, bounds=bounds)

    def shares(self, x: FloatArray) -> FloatArray:
        """Read the shares off a point of the program, rounding noise put right."""
        m, k = len(self.problem.weights), len(self.actions)
        z = x[: m * k].reshape(m, k)
        z = np.where(z > 1e-13, z, 0.0)
        out: FloatArray = z / z.sum(axis=1, keepdims=True)
        return out

    def optimum(self, tolerance: float) -> tuple[FloatArray, float, Face]:
        """Optimal shares, the bound on their worth, and the face of all optima."""
        problem = self.problem
        m, k = len(problem.weights), len(self.actions)
        found = self.run(np.append(np.zeros(m * k), np.ones(k)))
        dual = np.maximum(-np.asarray(found.ineqlin.marginals), 0.0)
        # against duplicates the bound holds for every mixture of them: the dual picks one
        mixture = np.zeros((problem.n_actions, k))
        for (i, d), weight in zip(self.epigraph, dual[len(self.pairs) :].tolist(), strict=True):
            mixture[d, i] = weight
        gains = problem.gains.copy()
        gains[:, self.actions] = problem.gains @ (mixture / mixture.sum(axis=0))
        mixed = replace(problem, gains=gains, actions=tuple(self.actions.tolist()))
        masses = np.zeros_like(gains)
        masses[:, self.actions] = problem.weights[:, None] * self.shares(found.x)
        prices = dual[: len(self.pairs)] * self.unit / self.sizes
        rows = np.array([(self.actions[i], b) for i, b in self.pairs], dtype=np.intp).reshape(-1, 2)
        candidate = Candidate(masses, rows, prices)
        upper_bound, complaint = self.judge(mixed, candidate, tolerance)
        if complaint and len(self.epigraph) == k and problem.n_states * k <= _EXACT_CELLS:
            # without duplicates it is an ordinary program, which exact arithmetic solves
            exact = load("exact").solve(mixed)
            assert isinstance(exact, Candidate)
            assert exact.exact_masses is not None
            assert exact.exact_prices is not None
            checked = check_certificate(mixed, exact.exact_masses, exact.exact_prices)
            if checked.optimal:
                candidate, upper_bound, complaint = exact, float(checked.upper_bound), ""
        if complaint:
            raise NotSolvedError(f"the supremum does not pass its certificate: {complaint}")
        table = reduced_gains(gains, problem.payoffs, None, candidate.price_rows, candidate.prices)[
            :, self.actions
        ]
        height = np.maximum(np.abs(gains).max(axis=1), np.abs(table).max(axis=1))
        free = table.max(axis=1, keepdims=True) - table <= NIL * height[:, None]
        bounds: list[Bounds] = [(0.0, None if f else 0.0) for f in free.ravel().tolist()]
        price = dict(zip(map(tuple, candidate.price_rows.tolist()), candidate.prices, strict=True))
        paid = [price.get((int(self.actions[i]), b), 0.0) for i, b in self.pairs]
        tight = np.append(np.array(paid) * self.sizes / self.unit, dual[len(self.pairs) :]) > NIL
        face = Face(bounds + [(None, None)] * k, np.flatnonzero(tight))
        return self.own(candidate.masses), upper_bound, face

    def own(self, masses: FloatArray) -> FloatArray:
        """Shares of joint masses ``[state, action]``."""
        return self.shares((masses[:, self.actions] / self.problem.weights[:, None]).ravel())

    def judge(self, mixed: Problem, candidate: Candidate, tolerance: float) -> tuple[float, str]:
        """Recompute the bound of a proposal and say what is wrong with it, nothing if empty."""
        certified = certify(mixed, candidate)
        gap = certified.upper_bound - self.worth(self.own(candidate.masses))
        if certified.residuals.within(tolerance) and abs(gap) <= self.spread * tolerance:
            return certified.upper_bound, ""
        return certified.upper_bound, f"{certified.residuals}, gap {gap:.1e} utils"

    def strictest(self) -> FloatArray:
        """Shares under which the least advantage over a rival, normalised, is largest."""
        n = self.rows.shape[1]
        if not self.pairs:
            return np.ones((len(self.problem.weights), 1))
        cost = np.zeros(n + 1)
        cost[-1] = -1.0
        extra = np.hstack([self.rows[: len(self.pairs)].toarray(), np.ones((len(self.pairs), 1))])
        return self.shares(self.run(cost, extra=extra).x)


def _duplicates(payoffs: FloatArray) -> list[list[int]]:
    """Group the actions with equal columns."""
    groups: dict[bytes, list[int]] = {}
    for action, column in enumerate((payoffs + 0.0).T):
        groups.setdefault(column.tobytes(), []).append(action)
    return list(groups.values())


def _has_interior(utility: FloatArray, action: int, rivals: list[int], tolerance: float) -> bool:
    """Whether `action` is the one best response at some belief, by the rule of ties.

    Advantages are discounted by what the tolerance takes for a tie; what is left must be positive
    against every rival. Only signs matter, so rivals and states are rescaled for the linear
    program, whose tolerances are absolute.
    """
    if not rivals:
        return True
    table = utility[:, [action]] - utility[:, rivals]
    table -= tolerance * np.abs(table)
    if (table > 0).all(axis=1).any():
        return True
    table = table[(table > 0).any(axis=1)]  # no other state speaks for the action
    if not (table > 0).any(axis=0).all():
        return False
    table = table / np.abs(table).max(axis=0)
    return _positive_somewhere(table) or _positive_somewhere(_balanced(table))


def _positive_somewhere(table: FloatArray) -> bool:
    """Whether some mixture of rows is positive in every column."""
    m, k = table.shape
    found = _minimise(
        np.append(np.zeros(m), -1.0),
        below=np.hstack([-table.T, np.ones((k, 1))]),
        equal=np.append(np.ones(m), 0.0)[None],
        right=np.ones(1),
        bounds=[(0.0, 1.0)] * m + [(-1.0, 1.0)],
    )
    mixture: FloatArray = np.maximum(found.x[:m], 0.0)
    return bool((mixture @ table).min() > 0)


def _balanced(table: FloatArray) -> FloatArray:
    """Rows and columns divided by their typical sizes; the largest size of a column is 1."""
    for _ in range(_RESCALINGS):
        table = table / _typical_size(table, axis=1)
        table = table / _typical_size(table, axis=0)
    balanced: FloatArray = table / np.abs(table).max(axis=0)
    return balanced


def _typical_size(table: FloatArray, axis: int) -> FloatArray:
    """Geometric mean of the largest and the smallest nonzero size; 1 where all is zero."""
    sizes = np.abs(table)
    largest = sizes.max(axis=axis, keepdims=True)
    least = np.where(sizes > 0, sizes, np.inf).min(axis=axis, keepdims=True)
    typical: FloatArray = np.sqrt(largest) * np.sqrt(np.where(largest > 0, least, 1.0))
    return np.where(typical > 0, typical, 1.0)


def _minimise(cost: FloatArray, *, below: Any, equal: Any, right: FloatArray, bounds: Any) -> Any:
    from scipy.optimize import linprog

    message = ""
    for presolve in (True, False):
        found = linprog(
            cost,
            A_ub=below if below.shape[0] else None,
            b_ub=np.zeros(below.shape[0]) if below.shape[0] else None,
            A_eq=equal,
            b_eq=right,
            bounds=bounds,
            method="highs-ds",
            options={
                "primal_feasibility_tolerance": _PRECISION,
                "dual_feasibility_tolerance": _PRECISION,
                "presolve": presolve,
            },
        )
        if found.status == 0:
            return found
        message = str(found.message)
    raise NotSolvedError(f"a linear program of the supremum was not solved: {message}")
