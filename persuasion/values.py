"""What a scheme is worth, and the benchmarks it is compared with: each defined once."""

from __future__ import annotations

from collections.abc import Sequence
from typing import TYPE_CHECKING

import numpy as np

from persuasion.beliefs import Ties, indirect_utility
from persuasion.calling import called_like, require_game, require_scheme
from persuasion.errors import SchemeError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.receivers.bayesian import Bayesian
from persuasion.scheme import SignalingScheme

if TYPE_CHECKING:
    from persuasion.receivers import Receiver

__all__ = [
    "first_best",
    "full_disclosure_value",
    "no_disclosure_value",
    "obedience_gap",
    "receiver_value",
    "sender_value",
]


def sender_value(
    game: PersuasionGame, scheme: SignalingScheme, receiver: Receiver | None = None
) -> float:
    """Sender's expected utility when `receiver` plays against `scheme`, in utils.

    Parameters
    ----------
    game : PersuasionGame
    scheme : SignalingScheme
    receiver : Receiver, optional
        Default `Bayesian()`: a best responder who breaks ties in the Sender's favour.

    Returns
    -------
    float
        In utils.

    Raises
    ------
    SchemeError
        When the scheme is none, or has another number of states than the game.

    Examples
    --------
    >>> from persuasion import PersuasionGame, SignalingScheme
    >>> from persuasion.values import sender_value
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> sender_value(game, SignalingScheme.full_disclosure(2))
    0.3
    """
    response = _response(game, scheme, receiver)
    joint = game.prior[:, None] * scheme.kernel
    return float(np.einsum("ws,sa,wa->", joint, response, game.sender_utility))


def receiver_value(
    game: PersuasionGame, scheme: SignalingScheme, receiver: Receiver | None = None
) -> float:
    """Receiver's expected utility under her own prior when she plays, in utils.

    Parameters
    ----------
    game : PersuasionGame
    scheme : SignalingScheme
    receiver : Receiver, optional
        Default `Bayesian()`.

    Returns
    -------
    float
        In utils.

    Raises
    ------
    SchemeError
        When the scheme is none, or has another number of states than the game.
    """
    response = _response(game, scheme, receiver)
    joint = game.receiver_prior[:, None] * scheme.kernel
    return float(np.einsum("ws,sa,wa->", joint, response, game.receiver_utility))


def _response(
    game: PersuasionGame, scheme: SignalingScheme, receiver: Receiver | None
) -> FloatArray:
    require_game(game)
    require_scheme(scheme)
    if scheme.n_states != game.n_states:
        raise SchemeError(
            f"the scheme has {scheme.n_states} states but the game has {game.n_states}"
        )
    return (receiver or Bayesian()).respond(game, scheme.posteriors(game.receiver_prior))


def obedience_gap(
    game: PersuasionGame, scheme: SignalingScheme, recommendations: Sequence[int]
) -> float:
    """Largest gain from disobeying a recommendation, in the Receiver's expected utils.

    ``max over signals s, actions b of sum_w q(w) pi(s|w) (u(w, b) - u(w, a_s))``, with q the
    Receiver's prior and ``a_s = recommendations[s]``: joint masses, not normalised by the
    probability of the signal. Zero when every recommendation is obeyed.

    Examples
    --------
    >>> from persuasion import PersuasionGame, SignalingScheme
    >>> from persuasion.values import obedience_gap
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> round(obedience_gap(game, SignalingScheme.no_disclosure(2), [1]), 12)
    0.4
    """
    joint = game.receiver_prior[:, None] * scheme.kernel
    against = joint.T @ game.receiver_utility
    chosen = np.asarray(recommendations, dtype=np.intp)
    if chosen.shape != (scheme.n_signals,):
        raise SchemeError(
            f"`recommendations` needs one action per signal ({scheme.n_signals}); "
            f"got shape {chosen.shape}"
        )
    own = against[np.arange(scheme.n_signals), chosen]
    return float((against - own[:, None]).max())


@called_like("no_disclosure_value(game)")
def no_disclosure_value(game: PersuasionGame, ties: Ties = "sender") -> float:
    """Sender's expected utility when the Receiver keeps her prior, v-hat(prior).

    Parameters
    ----------
    game : PersuasionGame
    ties : {"sender", "adversarial"}
        In whose favour an indifferent Receiver decides.

    Returns
    -------
    float
        In utils.
    """
    require_game(game)
    return float(indirect_utility(game, game.receiver_prior, ties=ties))


@called_like("full_disclosure_value(game)")
def full_disclosure_value(game: PersuasionGame, ties: Ties = "sender") -> float:
    """Sender's expected utility when the Receiver learns the state.

    Parameters
    ----------
    game : PersuasionGame
    ties : {"sender", "adversarial"}
        In whose favour an indifferent Receiver decides.

    Returns
    -------
    float
        In utils.
    """
    require_game(game)
    at_states = indirect_utility(game, np.eye(game.n_states), ties=ties)
    return float(game.prior @ at_states)


@called_like("first_best(game)")
def first_best(game: PersuasionGame) -> float:
    """Sender's expected utility if she could choose the action herself in every state.

    Parameters
    ----------
    game : PersuasionGame

    Returns
    -------
    float
        In utils.
    """
    require_game(game)
    return float(game.prior @ game.sender_utility.max(axis=1))
