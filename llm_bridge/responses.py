"""What a Receiver writes to the same inputs under every belief, and what it is worth."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass

import numpy as np

from llm_bridge.receivers import TextReceiver
from llm_bridge.reply import Reply
from llm_bridge.reply_log import ReplyLog, ask
from llm_bridge.task import Example, Split, Task, Utilities
from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray, frozen

__all__ = ["Responses", "checked_prior", "draw_examples", "prompts_of", "respond_to_every_hint"]

_SUM_SLACK = 1e-9


@dataclass(frozen=True, eq=False)
class Responses:
    """Replies to each input, led to believe each item and none, scored against each item.

    Attributes
    ----------
    examples : tuple of Example, length n_inputs
    hinted : tuple of tuple of Reply, (n_inputs, n_items)
        ``hinted[x][a]``: led to believe item a.
    unhinted : tuple of Reply, length n_inputs
    sender, receiver : ndarray (n_inputs, n_items, n_items)
        ``sender[x, i, a]``: utils of the reply to hint a when the item is i.
    sender_unhinted, receiver_unhinted : ndarray (n_inputs, n_items)
    """

    examples: tuple[Example, ...]
    hinted: tuple[tuple[Reply, ...], ...]
    unhinted: tuple[Reply, ...]
    sender: FloatArray
    receiver: FloatArray
    sender_unhinted: FloatArray
    receiver_unhinted: FloatArray

    def of(self, template: str) -> Responses:
        """Return those to the inputs of one template."""
        chosen = [x for x, example in enumerate(self.examples) if example.template == template]
        return Responses(
            tuple(self.examples[x] for x in chosen),
            tuple(self.hinted[x] for x in chosen),
            tuple(self.unhinted[x] for x in chosen),
            *(
                frozen(table[chosen])
                for table in (
                    self.sender,
                    self.receiver,
                    self.sender_unhinted,
                    self.receiver_unhinted,
                )
            ),
        )


def checked_prior(task: Task, template: str) -> FloatArray:
    """Return the prior of a template after checking it, shape (n_items,)."""
    prior = task.prior(template)
    if prior.shape != (len(task.items),):
        raise PersuasionError(
            f"the prior of template {template!r} of task {task.name!r} has shape {prior.shape}, "
            f"but the task has {len(task.items)} items: {', '.join(task.items)}"
        )
    if not (prior >= 0).all() or abs(float(prior.sum()) - 1) > _SUM_SLACK:
        raise PersuasionError(
            f"the prior of template {template!r} of task {task.name!r} must be probabilities that "
            f"sum to 1; got {prior.tolist()}"
        )
    return prior


def draw_examples(
    task: Task, split: Split, n_inputs: int | Mapping[str, int], seed: int
) -> tuple[Example, ...]:
    """Return distinct inputs of every template, template by template.

    Parameters
    ----------
    task : Task
    split : {"train", "measure", "test"}
    n_inputs : int or mapping of str to int
        Per template.
    seed : int

    Raises
    ------
    PersuasionError
        When a template gives fewer inputs than asked for, or the same twice.
    """
    out: list[Example] = []
    for template in task.priors:
        n = n_inputs if isinstance(n_inputs, int) else n_inputs.get(template, 0)
        if isinstance(n, bool) or n < 1:
            raise PersuasionError(
                f"`n_inputs` must be an integer >= 1 for every template; got {n!r} for {template!r}"
            )
        checked_prior(task, template)
        found = task.examples(template, split, n, seed)
        texts = {example.text for example in found}
        if len(found) < n or len(texts) < len(found):
            raise PersuasionError(
                f"template {template!r} of task {task.name!r} gave {len(texts)} distinct inputs "
                f"in split {split!r} where {n} were asked for; ask for fewer"
            )
        wrong = [example.template for example in found if example.template != template]
        if wrong:
            raise PersuasionError(
                f"asked for template {template!r}, task {task.name!r} gave one of {wrong[0]!r}"
            )
        out += found
    return tuple(out)


def prompts_of(task: Task, examples: Sequence[Example]) -> list[str]:
    """Return every prompt that `respond_to_every_hint` puts: input by input, no hint last."""
    hints = (*task.items, None)
    return [task.receiver_prompt(example, hint) for example in examples for hint in hints]


def respond_to_every_hint(
    task: Task,
    receiver: TextReceiver,
    examples: Sequence[Example],
    *,
    log: ReplyLog | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Responses:
    """Generate once per input and hint, the hint that says nothing included, and score.

    Parameters
    ----------
    task : Task
    receiver : TextReceiver
    examples : sequence of Example, at least one
    log : ReplyLog, optional
        Replies it holds are not generated again.
    progress : callable, optional
        Called with (replies, replies in all).

    Returns
    -------
    Responses

    Raises
    ------
    PersuasionError
        When replies are missing, or the task's scores have a wrong shape or leave its ranges.
    """
    if not examples:
        raise PersuasionError("`examples` is empty; give at least one input")
    n, prompts = len(task.items), prompts_of(task, examples)
    replies = ask(receiver, prompts, max_new_tokens=task.max_new_tokens, log=log, progress=progress)
    groups = [tuple(replies[x * (n + 1) : (x + 1) * (n + 1)]) for x in range(len(examples))]
    scores = task.utilities_of_many(list(zip(examples, groups, strict=True)))
    if len(scores) != len(examples):
        raise PersuasionError(f"task {task.name!r} scored {len(scores)} inputs of {len(examples)}")
    sender = _stacked(task, scores, "sender")
    receivers = _stacked(task, scores, "receiver")
    # scores are [input, response, item]; a game wants [input, item (state), response (action)]
    return Responses(
        examples=tuple(examples),
        hinted=tuple(group[:n] for group in groups),
        unhinted=tuple(group[n] for group in groups),
        sender=frozen(sender[:, :n].transpose(0, 2, 1).copy()),
        receiver=frozen(receivers[:, :n].transpose(0, 2, 1).copy()),
        sender_unhinted=frozen(sender[:, n].copy()),
        receiver_unhinted=frozen(receivers[:, n].copy()),
    )


def _stacked(task: Task, scores: Sequence[Utilities], who: str) -> FloatArray:
    n = len(task.items)
    tables = [np.asarray(getattr(score, who), dtype=np.float64) for score in scores]
    low, high = task.sender_range if who == "sender" else task.receiver_range
    for table in tables:
        if table.shape != (n + 1, n):
            raise PersuasionError(
                f"task {task.name!r} must score {n + 1} responses against {n} items, shape "
                f"{(n + 1, n)}; its {who} utilities have shape {table.shape}"
            )
        if not ((table >= low) & (table <= high)).all():  # NaN neither
            raise PersuasionError(
                f"{who} utilities of task {task.name!r} must lie in its {who}_range "
                f"[{low:g}, {high:g}]; got {table.min():g} to {table.max():g}"
            )
    return np.stack(tables)
