"""A Receiver who acts as if a draw from her posterior were the state."""

from __future__ import annotations

from dataclasses import dataclass

from persuasion.beliefs import checked_beliefs
from persuasion.errors import UnsupportedError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray

__all__ = ["PosteriorSampling"]


@dataclass(frozen=True)
class PosteriorSampling:
    """Receiver who takes action a with the posterior probability of state a.

    For games whose actions are guesses of the state, one for each, in the same order.

    Notes
    -----
    The Sender's value of a posterior q is the quadratic form ``q' v q``, where v is her utility
    table: neither linear programs nor obedience apply.
    Source: probability matching; Thompson, *On the Likelihood that One Unknown Probability Exceeds
    Another*, Biometrika 25, 1933.
    Departures: no payoffs enter, the posterior alone is drawn from.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> from persuasion.receivers import PosteriorSampling
    >>> game = PersuasionGame([0.7, 0.3], [[1, 0], [0, 1]], [[1, 0], [0, 1]])
    >>> PosteriorSampling().respond(game, [[0.4, 0.6]]).tolist()
    [[0.4, 0.6]]
    """

    def respond(self, game: PersuasionGame, posteriors: FloatArray) -> FloatArray:
        """Return the posteriors, shape (n_signals, n_actions)."""
        if game.n_actions != game.n_states:
            raise UnsupportedError(
                "posterior sampling needs one action for each state, its guess; this game has "
                f"{game.n_states} states and {game.n_actions} actions. Use Bayesian() or "
                "Quantal(beta)"
            )
        return checked_beliefs(game, posteriors).copy()
