"""The ground on which baselines meet: same inputs, same Receiver, same budget, same scores."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from typing import Any

import numpy as np

from llm_bridge.arms import Signaler, kernels_of
from llm_bridge.receivers import TextReceiver
from llm_bridge.reply import Reply
from llm_bridge.reply_log import ReplyLog, ask
from llm_bridge.responses import checked_prior
from llm_bridge.spending import Spent, TrainingBudget
from llm_bridge.task import Example, Task, Utilities
from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray, frozen

__all__ = ["Asked", "Ground", "Played", "mean_tokens", "plain_prompts"]


@dataclass(frozen=True)
class Asked:
    """A prompt that a baseline puts to the Receiver.

    Attributes
    ----------
    prompt : str
    n : int
        Answers that are drawn at once; 0: the plain answer, not drawn.
    """

    prompt: str
    n: int = 0


@dataclass(frozen=True, eq=False)
class Played:
    """What came of a baseline.

    Attributes
    ----------
    sender, receiver : ndarray (n_inputs,)
        Expected utils at each held-out input.
    spent : Spent
    """

    sender: FloatArray
    receiver: FloatArray
    spent: Spent


@dataclass(frozen=True, eq=False)
class Ground:
    """What every baseline is given.

    Attributes
    ----------
    task : Task
    receiver : TextReceiver
    advisor : Signaler
        Whose signals and scores are used.
    training, held_out : tuple of Example
        Inputs to learn from, and to be judged on.
    budget : TrainingBudget
    seed : int
    log : ReplyLog
        Replies of the Receiver, kept.
    """

    task: Task
    receiver: TextReceiver
    advisor: Signaler
    training: tuple[Example, ...]
    held_out: tuple[Example, ...]
    budget: TrainingBudget
    seed: int = 0
    log: ReplyLog = field(default_factory=ReplyLog)

    def __post_init__(self) -> None:
        seen = {example.text for example in self.training}
        both = [example.text for example in self.held_out if example.text in seen]
        if both:
            raise PersuasionError(
                f"{len(both)} held-out inputs are trained on, {both[0]!r} among them; judge on "
                "another split"
            )

    # -- what is known ---------------------------------------------------------------------

    def priors(self, examples: Sequence[Example]) -> FloatArray:
        """p(item | template) at each input, shape (n_inputs, n_items)."""
        by_template = {t: checked_prior(self.task, t) for t in {x.template for x in examples}}
        return np.array([by_template[example.template] for example in examples])

    def kernels(self, examples: Sequence[Example]) -> FloatArray:
        """The Advisor's scheme at each input, shape (n_inputs, n_items, n_signals)."""
        return kernels_of(self.advisor, self.task, examples)

    def words(self, n_signals: int) -> tuple[str, ...]:
        """How signals are written: the Advisor's codewords, or else numbers."""
        words = getattr(getattr(self.advisor, "codebook", None), "words", None)
        return tuple(words or (str(k + 1) for k in range(n_signals)))

    # -- answers ---------------------------------------------------------------------------

    def unhinted(self, examples: Sequence[Example]) -> list[Reply]:
        """What the Receiver writes when told nothing."""
        return self.answers(self.receiver, plain_prompts(self.task, examples))

    def answers(self, receiver: TextReceiver, prompts: Sequence[str]) -> list[Reply]:
        """Ask a Receiver, but not for what the log knows."""
        most = self.task.max_new_tokens
        return ask(receiver, prompts, max_new_tokens=most, log=self.log)

    @cached_property
    def wanted(self) -> Mapping[tuple[str, str], str]:
        """For each training input and item the demonstration that the Advisor likes best.

        By her own score; the item's own demonstration where others are no better.
        """
        task = self.task
        shown = [[task.demonstration(x, item) for item in task.items] for x in self.training]
        scored = self.scores(self.training, [[_as_reply(y, None) for y in row] for row in shown])
        out = {}
        for example, row, one in zip(self.training, shown, scored, strict=True):
            for i, item in enumerate(task.items):
                column = one.sender[:, i]
                best = i if column[i] >= column.max() else int(column.argmax())
                out[example.text, item] = row[best]
        return out

    # -- values ----------------------------------------------------------------------------

    def blind(self) -> Played:
        """Value of the best answer to each held-out input that does not depend on the item.

        For the Advisor, among all demonstrations and what the Receiver writes when told nothing.
        """
        tokenizer = getattr(self.receiver, "tokenizer", None)
        answers = [
            [*(_as_reply(self.task.demonstration(x, item), tokenizer) for item in self.task.items),
             plain]
            for x, plain in zip(self.held_out, self.unhinted(self.held_out), strict=True)
        ]  # fmt: skip
        scored = self.scores(self.held_out, answers)
        laws = []
        for prior, one in zip(self.priors(self.held_out), scored, strict=True):
            best = int((one.sender @ prior).argmax())
            laws.append(np.tile(np.eye(len(one.sender))[best], (len(prior), 1)))
        return self.played(laws, scored, Spent())

    def scores(
        self, examples: Sequence[Example], replies: Sequence[Sequence[Reply]]
    ) -> list[Utilities]:
        """Score several replies to each input against every item."""
        scored = self.task.utilities_of_many(list(zip(examples, replies, strict=True)))
        for some, one in zip(replies, scored, strict=True):
            shape = (len(some), len(self.task.items))
            if one.sender.shape != shape or one.receiver.shape != shape:
                raise PersuasionError(
                    f"task {self.task.name!r} must score {shape[0]} replies against {shape[1]} "
                    f"items, shape {shape}; got {one.sender.shape} and {one.receiver.shape}"
                )
        return scored

    def played(self, laws: Sequence[FloatArray], scored: Sequence[Utilities], spent: Any) -> Played:
        """Value of the held-out inputs when given replies are sent with given probabilities.

        Parameters
        ----------
        laws : sequence of ndarray (n_items, n_replies)
            One for each input: probability of each reply given the item.
        scored : sequence of Utilities
            Of these replies.
        spent : Spent
        """
        priors = self.priors(self.held_out)
        values = [
            [float(np.einsum("i,iy,yi->", p, law, table)) for table in (one.sender, one.receiver)]
            for p, law, one in zip(priors, laws, scored, strict=True)
        ]
        sender, receiver = np.array(values).T
        return Played(frozen(sender.copy()), frozen(receiver.copy()), spent)

    def tokens(self, texts: Sequence[str]) -> float | None:
        """Mean number of the Receiver's tokens, where she says."""
        return mean_tokens(getattr(self.receiver, "tokenizer", None), texts)


def _as_reply(text: str, tokenizer: Any) -> Reply:
    """A text as if the Receiver had written it; characters count where her tokens are unknown."""
    return Reply(text, len(text) if tokenizer is None else len(tokenizer(text)["input_ids"]) + 1)


def plain_prompts(task: Task, examples: Sequence[Example]) -> list[str]:
    """What the Receiver reads when told nothing."""
    return [task.receiver_prompt(example, None) for example in examples]


def mean_tokens(tokenizer: Any, texts: Sequence[str]) -> float | None:
    """Mean number of tokens; None without a tokenizer."""
    if tokenizer is None:
        return None
    return float(np.mean([len(row) for row in tokenizer(list(texts))["input_ids"]]))
