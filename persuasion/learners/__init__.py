"""Online Senders, one file each; a file that defines ``LEARNER`` is found by listing this folder.

A learner is told the game without the prior (`LearnerView`), commits to a scheme, keeps it until a
round of its own choosing, and is then told what happened meanwhile (`Feedback`).
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from functools import cache
from typing import Any, Protocol

from numpy.random import Generator

from persuasion.errors import PersuasionError
from persuasion.scheme import SignalingScheme
from persuasion.view import Feedback, LearnerView

__all__ = ["Learner", "load", "names"]


class Learner(Protocol):
    """What `simulate` plays.

    A learner is copied for every run before `reset`, so that runs cannot influence one another. It
    may also have ``belief() -> PriorEstimate``, which is recorded at each change of scheme, and
    ``check(view)``, which raises before any run is played where it could not play.
    """

    name: str
    knows: frozenset[str]
    feedback: str

    def reset(self, view: LearnerView, rng: Generator) -> None:
        """Forget everything and start a run."""
        ...

    def scheme(self) -> SignalingScheme:
        """Return the scheme to play from the current round on."""
        ...

    def next_change(self) -> int:
        """Return the first round, later than the current one, before which the scheme stays."""
        ...

    def observe(self, feedback: Feedback) -> None:
        """Take note of the stretch of rounds up to (excluding) the next change."""
        ...


@cache
def names() -> tuple[str, ...]:
    """Names of the learners in this folder, sorted."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name[0] != "_"))


def load(name: str, **parameters: Any) -> Learner:
    """Build the learner called `name`.

    Examples
    --------
    >>> from persuasion import learners
    >>> learners.load("plug_in").name
    'plug_in'
    """
    if name not in names():
        raise PersuasionError(f"no learner is called {name!r}; legal are {', '.join(names())}")
    build = importlib.import_module(f"persuasion.learners.{name}").LEARNER
    try:
        learner: Learner = build(**parameters)
    except TypeError as cause:
        legal = ", ".join(inspect.signature(build).parameters) or "none"
        raise PersuasionError(f"learner {name!r}: {cause}; legal parameters: {legal}") from cause
    return learner
