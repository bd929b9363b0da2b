"""What a belief makes the Receiver do: best responses and indirect utilities.

The only definition of these quantities; solvers, receivers, plots and checks all come here.
"""

from __future__ import annotations

from typing import Any, Literal, get_args

import numpy as np
from numpy.typing import NDArray

from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray

__all__ = [
    "TIE_TOLERANCE",
    "Ties",
    "best_responses",
    "checked_beliefs",
    "expected_utilities",
    "indirect_utility",
    "receiver_indirect_utility",
    "sender_beliefs",
]

Ties = Literal["sender", "adversarial", "first"]
TIE_TOLERANCE = 1e-9


def checked_beliefs(game: PersuasionGame, beliefs: Any) -> FloatArray:
    """Return `beliefs` as floats, shape (..., n_states), after checking the last axis."""
    array = np.asarray(beliefs, dtype=np.float64)
    if array.ndim == 0 or array.shape[-1] != game.n_states:
        raise PersuasionError(
            f"beliefs must have {game.n_states} entries along the last axis; "
            f"got shape {array.shape}"
        )
    return array


def expected_utilities(game: PersuasionGame, beliefs: Any) -> FloatArray:
    """Receiver's expected utility of every action, shape (..., n_actions).

    Parameters
    ----------
    game : PersuasionGame
    beliefs : array-like, shape (..., n_states)
    """
    utils: FloatArray = checked_beliefs(game, beliefs) @ game.receiver_utility
    return utils


def best_responses(
    game: PersuasionGame, beliefs: Any, *, tolerance: float = TIE_TOLERANCE
) -> NDArray[np.bool_]:
    """Which actions are optimal for the Receiver at each belief, shape (..., n_actions).

    Parameters
    ----------
    game : PersuasionGame
    beliefs : array-like, shape (..., n_states)
    tolerance : float
        An action counts as optimal when its expected loss against the best one is at most
        `tolerance` times the expected absolute payoff difference of the two: a bound without
        units, so that rescaling utilities changes nothing.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> from persuasion.beliefs import best_responses
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> best_responses(game, [[0.5, 0.5], [0.6, 0.4]]).tolist()
    [[True, True], [True, False]]
    """
    array = checked_beliefs(game, beliefs)
    flat = array.reshape(-1, game.n_states)
    utility = game.receiver_utility
    top = (flat @ utility).argmax(axis=1)
    loss, scale = _losses(flat, utility, top)
    if (loss < 0).any():  # the sums put a near tie in the wrong order
        top = loss.argmin(axis=1)
        loss, scale = _losses(flat, utility, top)
    mask = loss <= tolerance * scale
    mask[np.arange(len(top)), top] = True
    out: NDArray[np.bool_] = mask.reshape(*array.shape[:-1], game.n_actions)
    return out


def _losses(
    beliefs: FloatArray, utility: FloatArray, top: NDArray[np.intp]
) -> tuple[FloatArray, FloatArray]:
    """Expected loss of each action against `top`, and the expected absolute difference.

    Sums of differences, not differences of sums, in which a near tie would drown in rounding.
    """
    difference = utility.T[top][:, None, :] - utility.T[None, :, :]  # belief, action, state
    loss = np.einsum("bs,bas->ba", beliefs, difference)
    return loss, np.einsum("bs,bas->ba", beliefs, np.abs(difference))


def sender_beliefs(game: PersuasionGame, beliefs: Any) -> FloatArray:
    """Sender's belief where the Receiver, after the same signal, holds `beliefs`.

    Equal to `beliefs` under a common prior. With subjective priors each entry is multiplied by
    prior / receiver_prior and the result normalised; where the Sender gives the signal
    probability zero the row is zero. Shape (..., n_states).
    """
    array = checked_beliefs(game, beliefs)
    if game.has_common_prior:
        return array
    with np.errstate(divide="ignore", invalid="ignore"):
        ratio = np.where(game.receiver_prior > 0, game.prior / game.receiver_prior, 0.0)
        weighted = array * ratio
        total = weighted.sum(axis=-1, keepdims=True)
        out: FloatArray = np.where(total > 0, weighted / total, 0.0)
    return out


def indirect_utility(
    game: PersuasionGame,
    beliefs: Any,
    *,
    ties: Ties = "sender",
    tolerance: float = TIE_TOLERANCE,
) -> FloatArray:
    """Sender's expected utility v-hat when the Receiver best-responds, shape (...,).

    Parameters
    ----------
    game : PersuasionGame
    beliefs : array-like, shape (..., n_states)
        Receiver's beliefs.
    ties : {"sender", "adversarial", "first"}
        Whether a Receiver indifferent between actions takes the one best for the Sender, worst
        for the Sender, or of lowest index.
    tolerance : float
        See `best_responses`.

    Notes
    -----
    Symbols: v-hat(mu).
    Source: Kamenica & Gentzkow, AER 101(6), 2011, section 2.
    Departures: the tie rule is an argument.
    """
    if ties not in get_args(Ties):
        raise PersuasionError(f"`ties` must be one of {get_args(Ties)}; got {ties!r}")
    optimal = best_responses(game, beliefs, tolerance=tolerance)
    sender = sender_beliefs(game, beliefs) @ game.sender_utility
    if ties == "sender":
        return np.where(optimal, sender, -np.inf).max(axis=-1)  # type: ignore[no-any-return]
    if ties == "adversarial":
        return np.where(optimal, sender, np.inf).min(axis=-1)  # type: ignore[no-any-return]
    first = optimal.argmax(axis=-1)[..., None]
    return np.take_along_axis(sender, first, axis=-1)[..., 0]


def receiver_indirect_utility(game: PersuasionGame, beliefs: Any) -> FloatArray:
    """Receiver's expected utility of her best action, shape (...,): convex in the belief."""
    best: FloatArray = expected_utilities(game, beliefs).max(axis=-1)
    return best
