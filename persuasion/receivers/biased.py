"""A Receiver who under-reacts: she acts on a mixture of her prior and her posterior."""

from __future__ import annotations

from dataclasses import dataclass
from fractions import Fraction

import numpy as np

from persuasion.beliefs import Ties, checked_beliefs
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.receivers.bayesian import Bayesian, best_choice

__all__ = ["Biased"]


@dataclass(frozen=True)
class Biased:
    """Receiver who best-responds to ``alpha * prior + (1 - alpha) * posterior``.

    Parameters
    ----------
    alpha : float or Fraction in [0, 1]
        Weight on the prior; 0 is Bayesian, 1 never reacts.
    ties : {"sender", "adversarial", "first"}
        As in `Bayesian`.

    Notes
    -----
    Her expected utility at a posterior q is ``(1 - alpha) E_q[u] + alpha E_prior[u]``, that of a
    Bayesian with ``u'(w, a) = (1 - alpha) u(w, a) + alpha E_prior[u(., a)]``: optimising against
    her is an ordinary persuasion game.
    Source: de Clippel & Zhang, *Non-Bayesian Persuasion*, JPE 130(10), 2022 (affine distortion).
    Departures: the distortion mixes with the prior only.

    Examples
    --------
    >>> from persuasion import Biased, PersuasionGame
    >>> game = PersuasionGame(["7/10", "3/10"], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> Biased(0.5).respond(game, [[0.4, 0.6]]).tolist()
    [[1.0, 0.0]]
    """

    alpha: float | Fraction
    ties: Ties = "sender"

    def __post_init__(self) -> None:
        if isinstance(self.alpha, str):
            raise PersuasionError(
                f"`alpha` must be a number; got {self.alpha!r}. For an exact value pass a Fraction"
            )
        if not 0 <= self.alpha <= 1:
            raise PersuasionError(f"`alpha` must be between 0 and 1; got {self.alpha}")
        Bayesian(self.ties)

    def respond(self, game: PersuasionGame, posteriors: FloatArray) -> FloatArray:
        """Put probability one on the chosen action, shape (n_signals, n_actions)."""
        given = checked_beliefs(game, posteriors)
        weight = float(self.alpha)
        mixed = weight * game.receiver_prior + (1.0 - weight) * given
        return best_choice(game, mixed, given, self.ties)

    def effective_game(self, game: PersuasionGame) -> PersuasionGame:
        """Return the game of the Bayesian who acts alike, computed in fractions."""
        weight = Fraction(self.alpha)
        table = np.array(game.exact.receiver_utility, dtype=object)
        at_prior = np.array(game.exact.receiver_prior, dtype=object) @ table
        parts = {**game.parts(), "receiver_utility": (1 - weight) * table + weight * at_prior}
        return PersuasionGame(**parts)
