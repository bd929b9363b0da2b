"""What statements about a game, rather than about play, are held against: data somebody computed.

Each kind says where along its bound it stands (`at`). The theory judges these numbers and never
asks how they came about.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from dataclasses import dataclass
from typing import ClassVar

from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from theory.verdict import Where

__all__ = ["Evidence", "PlugInScheme", "PolicyRun", "RobustValue"]


@dataclass(frozen=True, eq=False)
class Evidence(ABC):
    """One thing computed about one game.

    Attributes
    ----------
    game : PersuasionGame
    """

    noun: ClassVar[str]
    """What several of them are called, for messages."""
    form: ClassVar[str]
    """How one is built, for messages."""
    game: PersuasionGame

    @property
    @abstractmethod
    def at(self) -> float:
        """Argument of the bound: a radius, a number of samples, a number of steps."""

    @abstractmethod
    def where(self, game: str) -> Where:
        """The same as a place, the game called `game`."""


@dataclass(frozen=True)
class RobustValue(Evidence):
    """A robust value.

    Attributes
    ----------
    game : PersuasionGame
        The centre of the ball is its prior.
    radius : float
        L1 radius, in [0, 2].
    value : float
        Sender's value at the prior of the best scheme persuasive throughout the ball, in utils.
    """

    noun: ClassVar[str] = "robust values"
    form: ClassVar[str] = "RobustValue(game, radius, value)"
    radius: float
    value: float

    @property
    def at(self) -> float:
        """The radius."""
        return self.radius

    def where(self, game: str) -> Where:
        """The radius as a place."""
        return Where(game, radius=self.radius)


@dataclass(frozen=True, eq=False)
class PlugInScheme(Evidence):
    """A scheme computed from a measured game in place of the true one.

    Attributes
    ----------
    game : PersuasionGame
        The true game.
    n_samples : int
        Independent samples of each cell of both utilities.
    kernel : ndarray (n_states, n_actions)
        Probability of each recommendation in each state.
    margin : float
        Slack asked of it, in utils of the true Receiver.
    failure : float
        Probability of bad luck that `margin` was computed for.
    range_width : float
        Width of the interval in which samples lie, where utilities span an interval of width 1.
    draw : int
        Number of the measurement among those of this game and size.
    """

    noun: ClassVar[str] = "plug-in schemes"
    form: ClassVar[str] = "PlugInScheme(game, n_samples, kernel, margin, failure, range_width)"
    n_samples: int
    kernel: FloatArray
    margin: float
    failure: float
    range_width: float
    draw: int = 0

    @property
    def at(self) -> float:
        """Samples of each cell."""
        return float(self.n_samples)

    def where(self, game: str) -> Where:
        """The number of samples, and which measurement."""
        return Where(game, run=self.draw, samples=self.n_samples)


@dataclass(frozen=True, eq=False)
class PolicyRun(Evidence):
    """A gradient method on the Advisor's policy, from a start to an answer.

    Attributes
    ----------
    game : PersuasionGame
    n_steps : int
    start, kernel : ndarray (n_states, n_signals)
        First policy, and the answer: the last policy, or the average where `averaged`.
    receiver : str
        Whose answers the gradient knew: "best responder", "quantal" or "none".
    penalty : float
        Utils of the Sender per util that the Receiver loses by obeying; 0 for none.
    averaged : bool
    """

    noun: ClassVar[str] = "runs of a gradient method"
    form: ClassVar[str] = "PolicyRun(game, n_steps, start, kernel, receiver, penalty, averaged)"
    n_steps: int
    start: FloatArray
    kernel: FloatArray
    receiver: str
    penalty: float = 0.0
    averaged: bool = False

    @property
    def at(self) -> float:
        """Steps taken."""
        return float(self.n_steps)

    def where(self, game: str) -> Where:
        """The number of steps as a place."""
        return Where(game, steps=self.n_steps)
