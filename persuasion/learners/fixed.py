"""A Sender who never learns: one scheme for ever."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any, ClassVar

import numpy as np
from numpy.random import Generator

from persuasion.errors import PersuasionError
from persuasion.scheme import SignalingScheme
from persuasion.view import Feedback, LearnerView

__all__ = ["LEARNER", "Fixed"]


@dataclass
class Fixed:
    """Play one scheme in every round.

    Parameters
    ----------
    plays : SignalingScheme, "full_disclosure", "no_disclosure" or a kernel
    """

    plays: Any = "full_disclosure"
    name: ClassVar[str] = "fixed"
    knows: ClassVar[frozenset[str]] = frozenset()
    feedback: ClassVar[str] = "none"
    _scheme: SignalingScheme = field(init=False, repr=False, compare=False)
    _next: int = field(init=False, repr=False, compare=False)

    def reset(self, view: LearnerView, rng: Generator) -> None:
        """Build the scheme and check that it fits the game."""
        if isinstance(self.plays, str):
            if self.plays not in ("full_disclosure", "no_disclosure"):
                raise PersuasionError(
                    "`plays` must be a scheme, a kernel, 'full_disclosure' or 'no_disclosure'; "
                    f"got {self.plays!r}"
                )
            self._scheme = getattr(SignalingScheme, self.plays)(view.n_states)
        elif isinstance(self.plays, SignalingScheme):
            self._scheme = self.plays
        else:
            self._scheme = SignalingScheme(np.asarray(self.plays))
        if self._scheme.n_states != view.n_states:
            raise PersuasionError(
                f"the scheme has {self._scheme.n_states} states, the game {view.n_states}"
            )
        self._next = view.horizon + 1

    def scheme(self) -> SignalingScheme:
        """Return the scheme."""
        return self._scheme

    def next_change(self) -> int:
        """Return a round after the horizon."""
        return self._next

    def observe(self, feedback: Feedback) -> None:
        """Take no notice."""


LEARNER = Fixed
