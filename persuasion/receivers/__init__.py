"""How Receivers turn posteriors into actions, one file per behaviour.

A Receiver is any object with ``respond(game, posteriors) -> probabilities``. One that acts as a
best responder in some other game says so with ``effective_game(game)``; the linear-programming
solvers then optimise against it exactly.
"""

from __future__ import annotations

from typing import Protocol, TypeGuard, runtime_checkable

from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.receivers.bayesian import Bayesian
from persuasion.receivers.biased import Biased
from persuasion.receivers.posterior_sampling import PosteriorSampling
from persuasion.receivers.quantal import Quantal

__all__ = [
    "Bayesian",
    "BestResponder",
    "Biased",
    "PosteriorSampling",
    "Quantal",
    "Receiver",
    "is_best_responder",
]


@runtime_checkable
class Receiver(Protocol):
    """What can be played against."""

    def respond(self, game: PersuasionGame, posteriors: FloatArray) -> FloatArray:
        """Probabilities ``[signal, action]`` after ``posteriors[signal, state]``."""
        ...


class BestResponder(Receiver, Protocol):
    """A Receiver who plays like a Bayesian best responder of another game."""

    def effective_game(self, game: PersuasionGame) -> PersuasionGame:
        """Return the game in which this Receiver is an ordinary best responder."""
        ...


def is_best_responder(receiver: Receiver) -> TypeGuard[BestResponder]:
    """Whether the linear-programming methods apply; a run-time Protocol check is far slower."""
    return hasattr(receiver, "effective_game")
