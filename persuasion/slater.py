"""Schemes that persuade with room to spare: the largest obedience margin of a game."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from typing import Any

import numpy as np

from persuasion.errors import InfeasibleError, NotSolvedError, PersuasionError, UnsupportedError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray, frozen

__all__ = ["SlaterScheme", "slater_scheme"]

_NO_MARGIN = 1e-9
"""Margins below this, in widths of the Receiver's utility, cannot be told from none."""


@dataclass(frozen=True, eq=False)
class SlaterScheme:
    """A complete scheme whose every recommendation beats every other action by a margin.

    Attributes
    ----------
    margin : float
        In utils of the Receiver, joint masses: ``sum_w prior(w) kernel[w, a] (u(w, a) - u(w, b))``
        is at least this for every recommendation a of `actions` and every b != a.
    kernel : ndarray (n_states, n_actions)
        0 outside `actions`.
    actions : tuple of int
        Actions that may be recommended.
    """

    margin: float
    kernel: FloatArray
    actions: tuple[int, ...]


def slater_scheme(game: PersuasionGame, actions: Iterable[int] | None = None) -> SlaterScheme:
    """Find the scheme with the largest margin over some of the actions.

    Parameters
    ----------
    game : PersuasionGame
        With a common prior and two actions or more.
    actions : iterable of int, optional
        Actions that may be recommended; default those that are the only best response at some
        belief. Margins are against all actions.

    Raises
    ------
    InfeasibleError
        When there is no positive margin.

    Notes
    -----
    Symbols: margin = d.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> from persuasion.slater import slater_scheme
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> slater = slater_scheme(game)
    >>> round(slater.margin, 6), slater.kernel.round(6).tolist()
    (0.3, [[1.0, 0.0], [0.0, 1.0]])
    """
    if not game.has_common_prior:
        raise UnsupportedError("margins are about a common prior; the game has subjective priors")
    if game.n_actions < 2:
        raise UnsupportedError("with one action there is nothing to disobey; use two or more")
    width = float(np.ptp(game.receiver_utility)) or 1.0
    if actions is None:
        chosen = tuple(a for a in range(game.n_actions) if _best_lead(game, a) > _NO_MARGIN * width)
    else:
        chosen = tuple(sorted({int(a) for a in actions}))
        if not chosen or chosen[0] < 0 or chosen[-1] >= game.n_actions:
            raise PersuasionError(
                f"`actions` must hold positions 0 to {game.n_actions - 1}; got {list(chosen)}"
            )
    states, size = game.n_states, game.n_states * len(chosen)
    rows = []
    for i, a in enumerate(chosen):
        for b in range(game.n_actions):
            if b != a:
                row = np.zeros((states, len(chosen)))
                row[:, i] = -(game.receiver_utility[:, a] - game.receiver_utility[:, b]) / width
                rows.append(np.append(row.ravel(), 1.0))
    found = _solved(
        np.append(np.zeros(size), -1.0),
        A_ub=np.array(rows),
        b_ub=np.zeros(len(rows)),
        A_eq=np.hstack([np.kron(np.eye(states), np.ones(len(chosen))), np.zeros((states, 1))]),
        b_eq=game.prior,
        bounds=[(0, None)] * size + [(None, None)],
    ) if chosen else None  # fmt: skip
    if found is None or -found.fun <= _NO_MARGIN:
        raise InfeasibleError(
            "no scheme has every recommendation beat every other action by a positive margin; "
            "leave weakly dominated and duplicate actions out with game.restrict(actions=...)"
        )
    masses = np.maximum(found.x[:-1], 0.0).reshape(states, len(chosen))
    kernel = np.zeros((states, game.n_actions))
    totals = masses.sum(axis=1, keepdims=True)
    kernel[:, list(chosen)] = np.where(totals > 0, masses / np.where(totals > 0, totals, 1.0), 0.0)
    empty = np.flatnonzero(totals[:, 0] == 0)  # impossible states: anything allowed will do
    kernel[empty, chosen[0]] = 1.0
    joint = game.prior[:, None] * kernel
    against = (joint.T @ game.receiver_utility)[list(chosen)]
    lead = against[np.arange(len(chosen)), list(chosen)][:, None] - against
    lead[np.arange(len(chosen)), list(chosen)] = np.inf
    return SlaterScheme(float(lead.min()), frozen(kernel), chosen)


def _best_lead(game: PersuasionGame, action: int) -> float:
    """Largest margin by which `action` is best at some belief on the possible states, in utils."""
    support = game.prior > 0
    utility = game.receiver_utility[support]
    others = [b for b in range(game.n_actions) if b != action]
    leads = (utility[:, [action]] - utility[:, others]).T
    size = int(support.sum())
    found = _solved(
        np.append(np.zeros(size), -1.0),
        A_ub=np.hstack([-leads, np.ones((len(leads), 1))]),
        b_ub=np.zeros(len(leads)),
        A_eq=np.append(np.ones(size), 0.0)[None],
        b_eq=np.ones(1),
        bounds=[(0, None)] * size + [(None, None)],
    )
    return float(-found.fun)


def _solved(cost: FloatArray, **program: Any) -> Any:
    from scipy.optimize import linprog

    result = linprog(cost, method="highs", **program)
    if result.status != 0:
        raise NotSolvedError(f"the linear program of the margin was not solved: {result.message}")
    return result
