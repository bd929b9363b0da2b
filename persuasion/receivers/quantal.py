"""A noisy Receiver: logit quantal response."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from persuasion.beliefs import expected_utilities
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray

__all__ = ["Quantal"]


@dataclass(frozen=True)
class Quantal:
    """Receiver who takes action a with probability proportional to exp(beta * E[u(., a)]).

    Parameters
    ----------
    beta : float, >= 0
        Precision, in 1 / util: 0 plays uniformly, infinity is a best responder.

    Notes
    -----
    Source: McKelvey & Palfrey, *Quantal Response Equilibria for Normal Form Games*, GEB 10, 1995.
    Departures: applied to a single decision maker's posterior-expected utilities.

    Examples
    --------
    >>> from persuasion import PersuasionGame, Quantal
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> Quantal(2.0).respond(game, [[0.5, 0.5]]).tolist()
    [[0.5, 0.5]]
    """

    beta: float

    def __post_init__(self) -> None:
        if not (self.beta >= 0 and np.isfinite(self.beta)):
            raise PersuasionError(
                f"`beta` must be a finite number >= 0; got {self.beta}. "
                "For the limit of no noise use Bayesian()"
            )

    def respond(self, game: PersuasionGame, posteriors: FloatArray) -> FloatArray:
        """Choice probabilities, shape (n_signals, n_actions)."""
        scores = self.beta * expected_utilities(game, posteriors)
        odds = np.exp(scores - scores.max(axis=-1, keepdims=True))
        probabilities: FloatArray = odds / odds.sum(axis=-1, keepdims=True)
        return probabilities

    def lipschitz(self, game: PersuasionGame) -> float:
        """Lipschitz constant of v-hat in the L1 norm of the belief.

        v-hat(q) = sum_a p_a(q) E_q v(., a) where p = softmax(beta * E_q u). Moving the belief
        by d changes E_q v by at most half the range of v over states times ||d||_1, and the
        choice probabilities move v-hat by beta times a covariance of u-changes and v under p,
        at most beta * (range of u-change over actions) / 2 * (range of v over actions) / 2.
        """
        v, u = game.sender_utility, game.receiver_utility
        direct = float(np.ptp(v, axis=0).max()) / 2
        # ||d||_1 = 2 moves mass one between two states; per unit of ||d||_1 halve it
        change = u[:, None, :] - u[None, :, :]
        swing = float(np.ptp(change, axis=2).max()) / 2
        spread = float(np.ptp(v))
        return direct + self.beta * swing / 2 * spread / 2
