"""The textbook Receiver: updates by Bayes' rule and takes a best response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from persuasion.beliefs import Ties, best_responses, sender_beliefs
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray

__all__ = ["Bayesian", "best_choice"]


@dataclass(frozen=True)
class Bayesian:
    """Best-responding Receiver with a rule for ties.

    Parameters
    ----------
    ties : {"sender", "adversarial", "first"}
        Which optimal action she takes: best for the Sender, worst for the Sender, or the one of
        lowest index.

    Examples
    --------
    >>> from persuasion import Bayesian, PersuasionGame
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> Bayesian().respond(game, [[0.5, 0.5]]).tolist()
    [[0.0, 1.0]]
    >>> Bayesian(ties="first").respond(game, [[0.5, 0.5]]).tolist()
    [[1.0, 0.0]]
    """

    ties: Ties = "sender"

    def __post_init__(self) -> None:
        if self.ties not in get_args(Ties):
            raise PersuasionError(f"`ties` must be one of {get_args(Ties)}; got {self.ties!r}")

    def respond(self, game: PersuasionGame, posteriors: FloatArray) -> FloatArray:
        """Put probability one on the chosen best response, shape (n_signals, n_actions)."""
        return best_choice(game, posteriors, posteriors, self.ties)

    def effective_game(self, game: PersuasionGame) -> PersuasionGame:
        """Return the game itself."""
        return game


def best_choice(
    game: PersuasionGame, beliefs: FloatArray, posteriors: FloatArray, ties: Ties
) -> FloatArray:
    """Put probability one on a best response to `beliefs`, shape (n_signals, n_actions).

    Parameters
    ----------
    game : PersuasionGame
    beliefs : ndarray (n_signals, n_states)
        What the Receiver acts on.
    posteriors : ndarray (n_signals, n_states)
        What Bayes' rule tells her, by which ties are good or bad for the Sender.
    ties : {"sender", "adversarial", "first"}
    """
    optimal = best_responses(game, beliefs)
    if ties == "first":
        chosen = optimal.argmax(axis=-1)
    else:
        sender = sender_beliefs(game, posteriors) @ game.sender_utility
        sign = 1.0 if ties == "sender" else -1.0
        chosen = np.where(optimal, sign * sender, -np.inf).argmax(axis=-1)
    certain: FloatArray = np.eye(game.n_actions)[chosen]
    return certain
