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
        """Lipschitz constant of v-hat in the L1 norm of the belief, under a common prior.

        ``v_hat(q) = sum_a p_a(q) E_q v(., a)`` with p = softmax(beta E_q u). Moving the belief by d
        changes it, to first order, by ``sum_a p_a d.v_a + beta Cov_p(d.u, E_q v)``. As d sums to
        zero, ``|d.f| <= range(f) / 2 * sum|d|``, and a covariance is at most a quarter of the
        product of the two ranges over actions.

        Examples
        --------
        >>> from persuasion import PersuasionGame, Quantal
        >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
        >>> Quantal(4.0).lipschitz(game)  # v-hat is a logistic curve of slope 2 at the middle
        1.0
        """
        v, u = game.sender_utility, game.receiver_utility
        direct = float(np.ptp(v, axis=0).max()) / 2
        # change[w, w', a]: what moving all mass from w' to w does to u_a; there sum|d| = 2
        change = u[:, None, :] - u[None, :, :]
        swing = float(np.ptp(change, axis=2).max()) / 2
        spread = float(np.ptp(v, axis=1).max())
        return direct + self.beta * swing * spread / 4

    def curvature(self, game: PersuasionGame, cells: FloatArray) -> FloatArray:
        """Bound how far v-hat bends downwards inside simplices of beliefs, under a common prior.

        Parameters
        ----------
        game : PersuasionGame
        cells : ndarray (k, n_corners, n_states)
            Corners of each simplex, at least two.

        Returns
        -------
        ndarray (k, n_pairs)
            For every pair of corners, in the order of ``numpy.triu_indices(n_corners, 1)``. The
            largest of a cell bounds ``-d^2/dt^2 v_hat(q + t d)`` for every belief q of the cell
            and every difference d of two of its beliefs.

        Notes
        -----
        With X = d.u, Z = d.v and Y = E_q v, random through the action, the second derivative is
        ``2 beta Cov_p(X, Z) + beta^2 E_p[(X - E X)^2 (Y - E Y)]``, at least
        ``-s (2 beta R(X) R(Z) + beta^2 R(X)^2 R(Y))`` where R is the range over actions and
        ``s R(.)^2`` bounds variances: s = t (1 - t) when all actions but one have probability at
        most t <= 1/2 together. Ranges are convex in d and q, so corners bound them.
        """
        first, second = np.triu_indices(cells.shape[1], 1)
        expected = expected_utilities(game, cells)
        sender = cells @ game.sender_utility
        across = np.ptp(expected[:, first] - expected[:, second], axis=2)
        across_sender = np.ptp(sender[:, first] - sender[:, second], axis=2)
        spread = np.ptp(sender, axis=2).max(axis=1, keepdims=True)
        likely = expected.mean(axis=1).argmax(axis=1)[:, None]
        lead = (np.take_along_axis(expected, likely[:, None], axis=2) - expected).min(axis=1)
        exponent = np.minimum(self.beta * lead, 700.0)  # exp(700) is still finite
        odds = 1.0 / (1.0 + np.exp(exponent))  # p_a <= 1 / (1 + exp(beta * lead of `likely`))
        np.put_along_axis(odds, likely, 0.0, axis=1)
        others = np.minimum(odds.sum(axis=1, keepdims=True), 0.5)
        bend: FloatArray = (
            others
            * (1 - others)
            * (
                2 * self.beta * across * across_sender.max(axis=1, keepdims=True)
                + self.beta**2 * across * across.max(axis=1, keepdims=True) * spread
            )
        )
        return bend
