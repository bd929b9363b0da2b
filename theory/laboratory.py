"""What the theory may ask of whoever carries out its experiments."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any, Protocol

from persuasion.game import PersuasionGame
from persuasion.trajectory import Trajectory
from persuasion.types import ReceiverTypes
from theory.evidence import PlugInScheme, PolicyRun

__all__ = ["Laboratory", "Setup"]


@dataclass(frozen=True)
class Setup:
    """One game played by one learner.

    Attributes
    ----------
    game : PersuasionGame
    learner : str
    parameters : mapping
    horizon, n_runs : int
    types : ReceiverTypes or None
        Who is met in place of the game's own Receiver.
    """

    game: PersuasionGame
    learner: str
    parameters: Mapping[str, Any]
    horizon: int
    n_runs: int
    types: ReceiverTypes | None = None


class Laboratory(Protocol):
    """Where games are played and measured, robust programs solved and policies trained."""

    def play(self, setup: Setup) -> Trajectory:
        """Return the runs of a setup; equal setups give equal runs."""
        ...

    def robust_value(self, game: PersuasionGame, radius: float) -> float:
        """Value of the best scheme persuasive throughout the L1 ball around the game's prior."""
        ...

    def plug_in(
        self, game: PersuasionGame, n_samples: int, n_draws: int, slack: float = 1.0
    ) -> list[PlugInScheme]:
        """Measure the game `n_draws` times; solve each with `slack` times Theorem 6's margin."""
        ...

    def exponentiated_gradient(
        self, game: PersuasionGame, n_steps: int, penalty: float | None = None
    ) -> PolicyRun:
        """Train by exponentiated gradient; None is the penalty from where on it is exact."""
        ...

    def policy_gradient(
        self, game: PersuasionGame, n_steps: int, beta: float | None = None
    ) -> PolicyRun:
        """Train by policy gradient against a best responder, or a quantal one of precision beta."""
        ...
