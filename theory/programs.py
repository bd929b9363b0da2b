"""The linear programs of the theory: a second, independent definition of OPT, and the margins.

Written on joint masses ``x[state, action] = prior * probability`` and solved by
`scipy.optimize.linprog`; nothing here is shared with the package's solvers, so that a verdict never
rests on the code it judges. All games must have utilities in [0, 1] (``game.rescaled()``).
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import lru_cache
from itertools import permutations
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persuasion.errors import NotSolvedError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray, frozen

__all__ = [
    "SlaterScheme",
    "ex_post_optimal",
    "full_revelation_value",
    "multiplier_norm",
    "optimal_vertex",
    "plug_in_margin",
    "receiver_gain",
    "regularity",
    "robust_value",
    "slater_scheme",
    "solve_program",
    "strict_scheme",
]

BoolArray = NDArray[np.bool_]
_TIE = 1e-12
"""Utilities that differ by less are equal: rounding of numbers in [0, 1], with room."""
_TOLERANCE = 1e-10
"""Feasibility tolerance asked of the linear program solver, the smallest it takes."""
_MARGIN_HALVINGS = 20
_ROUNDING = 1e-9
"""What rounding may have taken from an optimum in [0, 1], with room."""


def solve_program(cost: Any, **program: Any) -> Any:
    """Minimise; return the result, its status 0 (solved), 2 (infeasible) or 3 (unbounded)."""
    from scipy.optimize import linprog

    options = {
        "primal_feasibility_tolerance": _TOLERANCE,
        "dual_feasibility_tolerance": _TOLERANCE,
    }
    result = linprog(cost, method="highs-ds", options=options, **program)
    if result.status not in (0, 2, 3):
        raise NotSolvedError(f"a linear program of the theory was not solved: {result.message}")
    return result


def receiver_gain(game: PersuasionGame, action: int, other: int) -> FloatArray:
    """What the Receiver gains by `action` over `other` in each state, shape (n_states,)."""
    gain: FloatArray = game.receiver_utility[:, action] - game.receiver_utility[:, other]
    return gain


def ex_post_optimal(game: PersuasionGame) -> BoolArray:
    """Whether an action is optimal for a Receiver who knows the state, (n_states, n_actions)."""
    utility = game.receiver_utility
    best: BoolArray = utility >= utility.max(axis=1, keepdims=True) - _TIE
    return best


def full_revelation_value(game: PersuasionGame) -> float:
    """Sender's value when the state is told and ties favour her."""
    best = np.where(ex_post_optimal(game), game.sender_utility, -np.inf).max(axis=1)
    return float(game.prior @ best)


def _pairs(game: PersuasionGame) -> list[tuple[int, int]]:
    return list(permutations(range(game.n_actions), 2))


def _row(gain: FloatArray, n_actions: int, action: int) -> FloatArray:
    """Coefficients of ``sum_w x[w, action] gain[w]``, for masses flattened in C order."""
    table = np.zeros((len(gain), n_actions))
    table[:, action] = gain
    return table.ravel()


def optimal_vertex(
    game: PersuasionGame, allowed: BoolArray | None = None
) -> tuple[float, FloatArray]:
    """OPT and the joint masses of one extreme optimal scheme, shape (n_states, n_actions).

    Maximises the Sender's expected utility over masses with the prior as state marginal, subject
    to obedience; the answer of the dual simplex method is a vertex. With a mask `allowed`,
    (n_actions,), only those actions are recommended; deviations are to every action all the same.
    """
    states, actions = game.n_states, game.n_actions
    rows = []
    for action, other in _pairs(game):
        gain = receiver_gain(game, action, other)
        size = np.abs(gain[game.prior > 0]).max()
        if size > 0:
            rows.append(-_row(gain / size, actions, action))
    result = solve_program(
        -game.sender_utility.ravel(),
        A_ub=np.array(rows) if rows else None,
        b_ub=np.zeros(len(rows)) if rows else None,
        A_eq=np.kron(np.eye(states), np.ones(actions)),
        b_eq=game.prior,
        bounds=None
        if allowed is None
        else [(0, None if free else 0) for free in np.tile(allowed, states)],
    )
    masses = np.maximum(result.x, 0.0).reshape(states, actions)
    return float((masses * game.sender_utility).sum()), frozen(masses)


def regularity(game: PersuasionGame, action: int) -> float:
    """D_a: largest margin by which `action` is best at some belief on the prior's support.

    ``max over beliefs eta of min over other actions of E_eta[gain]``, in scaled utils.
    """
    support = game.prior > 0
    gains = np.array(
        [receiver_gain(game, action, b)[support] for b in range(game.n_actions) if b != action]
    )
    size = int(support.sum())
    result = solve_program(
        np.append(np.zeros(size), -1.0),
        A_ub=np.hstack([-gains, np.ones((len(gains), 1))]),
        b_ub=np.zeros(len(gains)),
        A_eq=np.append(np.ones(size), 0.0)[None],
        b_eq=np.ones(1),
        bounds=[(0, None)] * size + [(None, None)],
    )
    return float(-result.fun)


@dataclass(frozen=True)
class SlaterScheme:
    """A complete scheme that persuades with room to spare.

    Attributes
    ----------
    margin : float
        d*: by at least this much (joint masses, scaled utils) every persuaded action beats every
        other one.
    value : float
        V_S: its Sender's value.
    masses : ndarray (n_states, n_actions)
    """

    margin: float
    value: float
    masses: FloatArray


def _allowed(game: PersuasionGame, persuaded: BoolArray) -> BoolArray:
    """Where mass may lie: anywhere for persuaded actions, else where ex-post optimal."""
    out: BoolArray = persuaded[None, :] | ex_post_optimal(game)
    return out


def slater_scheme(game: PersuasionGame, persuaded: BoolArray) -> SlaterScheme:
    """The complete scheme with the largest margin over the `persuaded` actions, mask (n_actions,).

    Actions that are not persuaded are recommended only where they are ex-post optimal.
    """
    gains = [
        (action, receiver_gain(game, action, other))
        for action, other in _pairs(game)
        if persuaded[action]
    ]
    return _widest(game, gains, _allowed(game, persuaded))


def strict_scheme(game: PersuasionGame, allowed: BoolArray) -> SlaterScheme:
    """The complete scheme with the largest margin over the `allowed` actions, mask (n_actions,).

    No other action is recommended. Margins may be negative where there is none.
    """
    gains = [
        (action, receiver_gain(game, action, other))
        for action, other in _pairs(game)
        if allowed[action]
    ]
    return _widest(game, gains, np.broadcast_to(allowed, game.sender_utility.shape))


def _widest(
    game: PersuasionGame, gains: list[tuple[int, FloatArray]], free: BoolArray
) -> SlaterScheme:
    """Largest d such that every ``sum_w x[w, action] gain[w] >= d``, masses only where `free`."""
    states, actions = game.n_states, game.n_actions
    rows = np.array([np.append(-_row(gain, actions, action), 1.0) for action, gain in gains])
    equal = np.kron(np.eye(states), np.ones(actions))
    result = solve_program(
        np.append(np.zeros(states * actions), -1.0),
        A_ub=rows,
        b_ub=np.zeros(len(rows)),
        A_eq=np.hstack([equal, np.zeros((states, 1))]),
        b_eq=game.prior,
        bounds=[(0, None if some else 0) for some in free.ravel()] + [(None, None)],
    )
    masses = np.maximum(result.x[:-1], 0.0).reshape(states, actions)
    margin = min(float(masses[:, action] @ gain) for action, gain in gains)
    return SlaterScheme(margin, float((masses * game.sender_utility).sum()), frozen(masses))


@lru_cache(maxsize=512)
def plug_in_margin(game: PersuasionGame, recommended: tuple[int, ...]) -> float:
    """Largest d of a complete scheme that a plug-in with slack can be mixed with (Theorem 6).

    Every `recommended` action a beats each other one by ``sum_w x_a gain >= d``, and every other
    action by ``sum_w x_a gain >= d sum_w x_a``. Found by halving intervals, rounded down; 0 where
    there is none.
    """
    states, actions = game.n_states, game.n_actions
    equal = np.kron(np.eye(states), np.ones(actions))

    def possible(d: float) -> bool:
        rows, limits = [], []
        for action, other in _pairs(game):
            gain = receiver_gain(game, action, other)
            absolute = action in recommended
            rows.append(-_row(gain if absolute else gain - d, actions, action))
            limits.append(-d if absolute else 0.0)
        result = solve_program(
            np.zeros(states * actions),
            A_ub=np.array(rows),
            b_ub=np.array(limits),
            A_eq=equal,
            b_eq=game.prior,
        )
        return bool(result.status == 0)

    low, high = 0.0, 1.0
    for _ in range(_MARGIN_HALVINGS):
        middle = (low + high) / 2
        low, high = (middle, high) if possible(middle) else (low, middle)
    return low


def multiplier_norm(
    game: PersuasionGame, persuaded: BoolArray, optimum: float, margin: float
) -> float:
    """kappa*: largest sum of optimal obedience prices of the `persuaded` actions.

    Equally the right derivative of the cost of a margin demanded of every persuaded action: the
    least of ``OPT tau - V(y)`` over masses y with marginal tau * prior that persuade with margin 1.
    Computed at margin d* = `margin` > 0, where tau = 1 is feasible, and divided by it. In scaled
    utils of the Sender per scaled util of the Receiver.
    """
    states, actions = game.n_states, game.n_actions
    rows = np.array(
        [
            np.append(-_row(receiver_gain(game, action, other), actions, action), 0.0)
            for action, other in _pairs(game)
            if persuaded[action]
        ]
    )
    least = math.inf
    for slack in (0.0, _ROUNDING):  # an optimum rounded down would make the program unbounded
        result = solve_program(
            np.append(-game.sender_utility.ravel(), optimum + slack),
            A_ub=rows,
            b_ub=np.full(len(rows), -margin),
            A_eq=np.hstack([np.kron(np.eye(states), np.ones(actions)), -game.prior[:, None]]),
            b_eq=np.zeros(states),
            bounds=[(0, None if free else 0) for free in _allowed(game, persuaded).ravel()]
            + [(0, None)],
        )
        if result.status == 0:
            least = float(result.fun) / margin
            break
    return least


@lru_cache(maxsize=8192)
def robust_value(game: PersuasionGame, radius: float) -> float:
    """V_rob: value at the prior of the best scheme persuasive throughout an L1 ball around it.

    The ball {mu : ||mu - prior||_1 <= radius} is intersected with the simplex, and the worst case
    within it is exact: for every pair of actions, with ``z = kernel[:, a] * gain``, the smallest
    ``mu @ z`` over the ball is the value of a linear program (move at most radius / 2 of mass, at
    most prior(w) from each state w, to the state where z is smallest) whose dual stands in the
    constraints.

    Parameters
    ----------
    game : PersuasionGame
        Utilities in [0, 1].
    radius : float
        2 or more is the whole simplex.
    """
    from scipy.sparse import coo_array

    states, actions = game.n_states, game.n_actions
    pairs = _pairs(game)
    kernel_size, block = states * actions, states + 2
    entries: list[tuple[int, int, float]] = []
    n_rows = 0
    for number, (action, other) in enumerate(pairs):
        gain = receiver_gain(game, action, other)
        gain = gain / (np.abs(gain).max() or 1.0)
        tau = kernel_size + number * block
        zeta, excess = tau + 1, tau + 2
        for w in range(states):
            column = w * actions + action
            entries += [  # prior z - (radius / 2) tau - prior pi >= 0
                (n_rows, column, -game.prior[w] * gain[w]),
                (n_rows, excess + w, game.prior[w]),
                (n_rows + 1 + w, column, gain[w]),  # z <= tau + pi + zeta
                (n_rows + 1 + w, tau, -1.0),
                (n_rows + 1 + w, zeta, -1.0),
                (n_rows + 1 + w, excess + w, -1.0),
                (n_rows + 1 + states + w, column, -gain[w]),  # zeta <= z
                (n_rows + 1 + states + w, zeta, 1.0),
            ]
        entries.append((n_rows, tau, min(radius, 2.0) / 2))
        n_rows += 1 + 2 * states
    at, of, value = zip(*entries, strict=True)
    n_columns = kernel_size + len(pairs) * block
    bounds: list[tuple[float | None, None]] = [(0, None)] * n_columns
    for number in range(len(pairs)):
        bounds[kernel_size + number * block + 1] = (None, None)
    cost = np.zeros(n_columns)
    cost[:kernel_size] = -(game.prior[:, None] * game.sender_utility).ravel()
    sums = np.hstack(
        [np.kron(np.eye(states), np.ones(actions)), np.zeros((states, n_columns - kernel_size))]
    )
    result = solve_program(
        cost,
        A_ub=coo_array((value, (at, of)), shape=(n_rows, n_columns)).tocsr(),
        b_ub=np.zeros(n_rows),
        A_eq=sums,
        b_eq=np.ones(states),
        bounds=bounds,
    )
    return float(-result.fun)
