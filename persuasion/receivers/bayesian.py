"""The textbook Receiver: updates by Bayes' rule and takes a best response."""

from __future__ import annotations

from dataclasses import dataclass
from typing import get_args

import numpy as np

from persuasion.beliefs import Ties, best_responses, sender_beliefs
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray

__all__ = ["Bayesian"]


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
        optimal = best_responses(game, posteriors)
        if self.ties == "first":
            chosen = optimal.argmax(axis=-1)
        else:
            sender = sender_beliefs(game, posteriors) @ game.sender_utility
            sign = 1.0 if self.ties == "sender" else -1.0
            chosen = np.where(optimal, sign * sender, -np.inf).argmax(axis=-1)
        certain: FloatArray = np.eye(game.n_actions)[chosen]
        return certain

    def effective_game(self, game: PersuasionGame) -> PersuasionGame:
        """Return the game itself."""
        return game
