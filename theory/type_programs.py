"""Programs of the theorems about Receivers of changing type, independent of the package's own.

The optimum against a mixture of types is found here without any list of posteriors: a scheme may be
taken to recommend an action to every type at once, and obedience of each type is one linear
inequality for each recommendation and each other action.
"""

from __future__ import annotations

import math
from functools import lru_cache
from itertools import product

import numpy as np

from persuasion.errors import NotSolvedError, PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from theory.programs import solve_program

__all__ = [
    "MOST_PROFILES",
    "check_profiles",
    "entropy_bound",
    "most_candidates",
    "type_optimum",
    "type_values",
]

MOST_PROFILES = 2000
"""Profiles of recommendations, n_actions ** n_types, that `type_optimum` takes on."""


def type_optimum(game: PersuasionGame, utilities: FloatArray, weights: FloatArray) -> float:
    """Sender's value of the best scheme against a mixture of types, where her utility spans [0, 1].

    Parameters
    ----------
    game : PersuasionGame
        Its own Receiver plays no role.
    utilities : ndarray (n_types, n_states, n_actions)
    weights : ndarray (n_types,)
        Probability of each type.

    Notes
    -----
    Maximise ``sum x[p, w] sum_k c_k v(w, p_k)`` over masses x >= 0 of states w and profiles p of
    recommendations, with the prior as state marginal, subject to ``sum_w x[p, w] (u_k(w, p_k) -
    u_k(w, b)) >= 0`` for all types k and actions b.

    Examples
    --------
    >>> import numpy as np
    >>> from persuasion import zoo
    >>> from theory.type_programs import type_optimum
    >>> game = zoo.load("prosecutor")
    >>> round(type_optimum(game, game.receiver_utility[None], np.ones(1)), 9)
    0.6
    """
    shares = tuple(np.asarray(weights, dtype=np.float64).tolist())
    return _best_scheme(game, np.ascontiguousarray(utilities).tobytes(), shares)[0]


def type_values(game: PersuasionGame, utilities: FloatArray, weights: FloatArray) -> FloatArray:
    """Sender's value of that scheme against each type, shape (n_types,), scaled likewise.

    Examples
    --------
    >>> import numpy as np
    >>> from persuasion import zoo
    >>> from theory.type_programs import type_values
    >>> game = zoo.load("prosecutor")
    >>> lenient = [[1, 0], [0, 3]]
    >>> both = np.array([game.receiver_utility, lenient])
    >>> type_values(game, both, np.array([0.2, 0.8])).round(9).tolist()
    [0.2, 1.0]
    """
    shares = tuple(np.asarray(weights, dtype=np.float64).tolist())
    return np.array(_best_scheme(game, np.ascontiguousarray(utilities).tobytes(), shares)[1])


@lru_cache(maxsize=4096)
def _best_scheme(
    game: PersuasionGame, content: bytes, weights: tuple[float, ...]
) -> tuple[float, tuple[float, ...]]:
    """Its value against the mixture, and against each type."""
    from scipy.sparse import coo_array, eye_array, kron

    tables = np.frombuffer(content).reshape(len(weights), game.n_states, game.n_actions)
    n_states, n_actions = game.n_states, game.n_actions
    check_profiles(n_actions, len(weights))
    profiles = list(product(range(n_actions), repeat=len(weights)))
    sender = game.rescaled().sender_utility
    gains = [
        sum(c * sender[:, a] for c, a in zip(weights, profile, strict=True)) for profile in profiles
    ]
    rows: list[int] = []
    columns: list[int] = []
    entries: list[float] = []
    n_rows = 0
    for number, profile in enumerate(profiles):
        for table, a in zip(tables, profile, strict=True):
            for b in range(n_actions):
                lead = table[:, a] - table[:, b]
                size = np.abs(lead).max()
                if size == 0:
                    continue
                rows += [n_rows] * n_states
                columns += range(number * n_states, (number + 1) * n_states)
                entries += (-lead / size).tolist()
                n_rows += 1
    shape = (n_rows, len(profiles) * n_states)
    result = solve_program(
        -np.concatenate(gains),
        A_ub=coo_array((entries, (rows, columns)), shape=shape).tocsr() if n_rows else None,
        b_ub=np.zeros(n_rows) if n_rows else None,
        A_eq=kron(np.ones((1, len(profiles))), eye_array(n_states)).tocsr(),
        b_eq=game.prior,
    )
    if result.status != 0:
        raise NotSolvedError(f"the program against {len(weights)} types failed: {result.message}")
    masses = np.asarray(result.x).reshape(len(profiles), n_states)
    by_action = masses @ sender  # [profile, action]
    against = by_action[np.arange(len(profiles))[:, None], np.array(profiles)].sum(axis=0)
    return float(-result.fun), tuple(against.tolist())


def check_profiles(n_actions: int, n_types: int) -> None:
    """Raise where there are too many profiles of recommendations for `type_optimum`.

    Raises
    ------
    PersuasionError
    """
    if n_actions**n_types > MOST_PROFILES:
        raise PersuasionError(
            f"{n_types} types with {n_actions} actions have {n_actions**n_types} profiles of "
            f"recommendations, more than {MOST_PROFILES}; take fewer"
        )


def entropy_bound(posteriors: FloatArray, prior: FloatArray) -> float:
    """Upper bound on the entropy of every split of the prior into the posteriors, in nats.

    Parameters
    ----------
    posteriors : ndarray (n_posteriors, n_states)
    prior : ndarray (n_states,)
        Positive, and a mean of posteriors.

    Returns
    -------
    float
        H* up to the error of a numerical minimum, and never below it: for any theta,
        ``H(w) <= ln sum_q exp(theta . q) - theta . prior`` whenever w has the prior as its mean.

    Examples
    --------
    >>> import numpy as np
    >>> from theory.type_programs import entropy_bound
    >>> points = np.array([[1, 0], [0, 1], [0.5, 0.5]])
    >>> round(entropy_bound(points, np.array([0.5, 0.5])) - float(np.log(3)), 9)
    0.0
    """
    return _entropy_bound(np.ascontiguousarray(posteriors).tobytes(), tuple(prior.tolist()))


@lru_cache(maxsize=512)
def _entropy_bound(content: bytes, prior: tuple[float, ...]) -> float:
    from scipy.optimize import minimize

    centred = np.frombuffer(content).reshape(-1, len(prior)) - np.array(prior)

    def dual(theta: FloatArray) -> tuple[float, FloatArray]:
        logits = centred @ theta
        top = logits.max()
        weights = np.exp(logits - top)
        total = weights.sum()
        return float(top + np.log(total)), weights @ centred / total

    found = minimize(dual, np.zeros(len(prior)), jac=True, method="BFGS", options={"gtol": 1e-9})
    return min(float(found.fun), math.log(len(centred)))


def most_candidates(n_states: int, n_actions: int, n_types: int) -> int:
    """Largest possible size of W*, ``C(m + K n (n - 1) / 2, m - 1)``.

    Examples
    --------
    >>> from theory.type_programs import most_candidates
    >>> most_candidates(3, 2, 5)
    28
    """
    planes = n_states + n_types * n_actions * (n_actions - 1) // 2
    return math.comb(planes, n_states - 1)
