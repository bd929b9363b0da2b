"""Measuring: let a Receiver answer under every belief, and read off which game that makes."""

from __future__ import annotations

from collections.abc import Callable, Mapping

import numpy as np

from llm_bridge.measurement import Measurement
from llm_bridge.receivers import TextReceiver
from llm_bridge.reply_log import ReplyLog
from llm_bridge.responses import checked_prior, draw_examples, respond_to_every_hint
from llm_bridge.task import Split, Task
from persuasion.estimate import estimate

__all__ = ["measure"]


def measure(
    task: Task,
    receiver: TextReceiver,
    *,
    n_inputs: int | Mapping[str, int],
    seed: int = 0,
    split: Split = "measure",
    confidence: float = 0.95,
    log: ReplyLog | None = None,
    progress: Callable[[int, int], None] | None = None,
) -> Measurement:
    """Measure the persuasion game of each template of a task.

    Parameters
    ----------
    task : Task
    receiver : TextReceiver
    n_inputs : int or mapping of str to int
        Inputs per template.
    seed : int
        Which inputs are drawn.
    split : {"train", "measure", "test"}
        Where they are drawn from; evaluate on another one.
    confidence : float in (0, 1)
        Of the limits of each cell by itself.
    log : ReplyLog, optional
        Keeps what was generated: with a file, a killed run asks nothing twice.
    progress : callable, optional
        Called with (replies, replies in all).

    Returns
    -------
    Measurement

    Raises
    ------
    PersuasionError
        When a template has too few inputs, a prior does not cover the items, replies are missing,
        or scores leave the ranges that the task declares.

    Notes
    -----
    Every input costs ``n_items + 1`` replies, one for each hint and one without: a reply is scored
    against every item, which gives all ``n_items ** 2`` cells of both utilities.
    Symbols: ``sender_utility[i, a]`` = mean over inputs x of v(x, response to hint a, true i).
    """
    examples = draw_examples(task, split, n_inputs, seed)
    responses = respond_to_every_hint(task, receiver, examples, log=log, progress=progress)
    by_template = {template: responses.of(template) for template in task.priors}
    replies = [
        reply
        for group, alone in zip(responses.hinted, responses.unhinted, strict=True)
        for reply in (*group, alone)
    ]
    return Measurement(
        task=task.name,
        receiver=receiver.name,
        fingerprint=receiver.fingerprint,
        items=tuple(task.items),
        split=split,
        seed=seed,
        estimates={
            template: estimate(
                part.sender,
                part.receiver,
                checked_prior(task, template),
                confidence=confidence,
                states=task.items,
                actions=task.items,
                name=f"{task.name}: {template}",
                sender_range=task.sender_range,
                receiver_range=task.receiver_range,
            )
            for template, part in by_template.items()
        },
        inputs={
            template: tuple(example.text for example in part.examples)
            for template, part in by_template.items()
        },
        sender_unhinted={t: part.sender_unhinted for t, part in by_template.items()},
        receiver_unhinted={t: part.receiver_unhinted for t, part in by_template.items()},
        tokens={
            template: np.array(
                [
                    [reply.n_tokens for reply in (*group, alone)]
                    for group, alone in zip(part.hinted, part.unhinted, strict=True)
                ],
                dtype=np.int64,
            )
            for template, part in by_template.items()
        },
        unfinished=sum(not reply.finished for reply in replies),
    )
