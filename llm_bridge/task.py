"""A task: inputs that all see, an item that only the Advisor sees, and what answers are worth.

For an input x and a hidden item i a Receiver writes a response; the task scores it against i. What
she writes depends on the item that she is led to believe, so that scoring her response to each
believed item a against each true item i gives a table of utilities: a persuasion game whose states
are the items and whose actions are the believed items, one for each template of x.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from typing import ClassVar, Literal

import numpy as np

from llm_bridge.reply import Reply
from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray

__all__ = ["SPLITS", "Example", "Split", "Tally", "Task", "Utilities", "tally_of"]

Split = Literal["train", "measure", "test"]
SPLITS: tuple[Split, ...] = ("train", "measure", "test")
"""Inputs for training models, for measuring games, and those that nothing was fitted to."""


@dataclass(frozen=True)
class Example:
    """One input.

    Attributes
    ----------
    task, template : str
    text : str
        What both players read; tells the input from all others of its task.
    content : tuple
        The same for the task's own use, for example operands.
    """

    task: str
    template: str
    text: str
    content: tuple[object, ...] = ()


@dataclass(frozen=True)
class Utilities:
    """What responses to one input are worth, whatever the item is.

    Attributes
    ----------
    sender, receiver : ndarray (n_responses, n_items)
        Utils, within the ranges that the task declares.
    """

    sender: FloatArray
    receiver: FloatArray


@dataclass(frozen=True)
class Tally:
    """What was read of answers so far.

    Attributes
    ----------
    scored : int
        Answers.
    unreadable : int
        Those in which no answer could be found: scored as wrong, and counted here.
    cut : int
        Among the unreadable, those that had reached the limit of tokens.
    """

    scored: int = 0
    unreadable: int = 0
    cut: int = 0

    def __add__(self, other: Tally) -> Tally:
        return Tally(
            self.scored + other.scored, self.unreadable + other.unreadable, self.cut + other.cut
        )

    def since(self, before: Tally) -> Tally:
        """Return what was added to an earlier tally."""
        return self + Tally(-before.scored, -before.unreadable, -before.cut)

    def __str__(self) -> str:
        return (
            f"{self.scored} answers scored, {self.unreadable} unreadable ({self.cut} of them cut "
            "at the limit)"
        )


def tally_of(task: Task) -> Tally | None:
    """Return the tally of a task that keeps one, as ``tally``."""
    tally = getattr(task, "tally", None)
    return tally if isinstance(tally, Tally) else None


class Task(ABC):
    """Items, inputs, prompts and scores. A new task is one file that defines ``TASK``.

    Attributes
    ----------
    name : str
    items : tuple of str
        What is hidden; also what the Receiver may be led to believe.
    priors : mapping of str to tuple of float
        p(item | template), in the order of `items`, for each template.
    rule : str
        How the Receiver turns a belief into a believed item, by default: "posterior_sampling",
        "best_response" or "quantal".
    sender_range, receiver_range : (float, float)
        Least and greatest utility.
    max_new_tokens : int
        Longest response asked for.
    fingerprint : str
        What tells its data from other data; empty where a task makes its inputs itself.
    """

    name: ClassVar[str]
    items: ClassVar[tuple[str, ...]]
    priors: ClassVar[Mapping[str, tuple[float, ...]]]
    rule: ClassVar[str] = "posterior_sampling"
    sender_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    receiver_range: ClassVar[tuple[float, float]] = (0.0, 1.0)
    max_new_tokens: ClassVar[int] = 32
    fingerprint: str = ""

    @abstractmethod
    def examples(self, template: str, split: Split, n: int, seed: int) -> list[Example]:
        """Return `n` distinct inputs of a template; the split is decided by a hash of the text."""

    @abstractmethod
    def receiver_prompt(self, example: Example, hint: str | None) -> str:
        """Return what the Receiver reads, led to believe the item `hint`; None: no hint."""

    @abstractmethod
    def advisor_prompt(self, example: Example, item: str) -> str:
        """Return what the Advisor reads before she signals."""

    @abstractmethod
    def demonstration(self, example: Example, item: str) -> str:
        """Return a right response, for models that are trained here."""

    @abstractmethod
    def utilities(self, example: Example, replies: Sequence[Reply]) -> Utilities:
        """Score responses to one input against every item."""

    def utilities_of_many(self, work: Sequence[tuple[Example, Sequence[Reply]]]) -> list[Utilities]:
        """Score many; a task that runs programs does them together."""
        return [self.utilities(example, replies) for example, replies in work]

    def prior(self, template: str) -> FloatArray:
        """Return p(item | template), shape (n_items,)."""
        if template not in self.priors:
            raise PersuasionError(
                f"task {self.name!r} has no template {template!r}; it has {', '.join(self.priors)}"
            )
        return np.array(self.priors[template])
