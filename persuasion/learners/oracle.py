"""The Sender who knows the game's prior: the yardstick."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

from numpy.random import Generator

from persuasion.learners.fixed import Fixed
from persuasion.solve import solve
from persuasion.view import LearnerView

__all__ = ["LEARNER", "Oracle"]


@dataclass
class Oracle(Fixed):
    """Play the optimum at the game's prior in every round.

    Regret is zero where states are drawn from that prior, as they are by default.
    """

    plays: Any = field(default=None, init=False, repr=False)
    name: ClassVar[str] = "oracle"
    knows: ClassVar[frozenset[str]] = frozenset({"prior"})

    def reset(self, view: LearnerView, rng: Generator) -> None:
        """Solve once."""
        self.plays = solve(view.game_at(view.prior)).scheme
        super().reset(view, rng)


LEARNER = Oracle
