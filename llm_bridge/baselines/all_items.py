"""No Advisor: the Receiver's prompt lists all items that there might be."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_bridge.baselines._ground import Asked, Ground, Played
from llm_bridge.spending import Spent
from llm_bridge.task import Example, Task

__all__ = ["BASELINE", "AllItems"]


@dataclass(frozen=True)
class AllItems:
    """A list of items before the plain prompt.

    Parameters
    ----------
    items : tuple of str, optional
        What is listed; default all items of the task. Nothing to list leaves the prompt plain: the
        control.

    Notes
    -----
    Departures from a prompt that a person would write: models trained here from scratch have never
    seen a list; large ones have.
    """

    items: tuple[str, ...] | None = None

    def lacks(self, ground: Ground) -> str | None:
        """Nothing is missing."""
        return None

    def control(self) -> AllItems:
        """Return the same without items: the plain arm."""
        return AllItems(items=())

    def prompt(self, task: Task, example: Example) -> str:
        """Return what the Receiver reads."""
        items = task.items if self.items is None else self.items
        plain = task.receiver_prompt(example, None)
        return f"{', '.join(items)}.\n{plain}" if items else plain

    @property
    def bound(self) -> str:
        """A plain prompt gets the plain answer."""
        return "none"

    def asks(
        self, task: Task, training: Sequence[Example], held_out: Sequence[Example]
    ) -> list[Asked]:
        """One prompt for each held-out input."""
        return [Asked(self.prompt(task, example)) for example in held_out]

    def play(self, ground: Ground) -> Played:
        """Answer the held-out inputs."""
        prompts = [self.prompt(ground.task, example) for example in ground.held_out]
        replies = ground.answers(ground.receiver, prompts)
        scored = ground.scores(ground.held_out, [[reply] for reply in replies])
        written = float(np.mean([reply.n_tokens for reply in replies]))
        always = np.ones((len(ground.task.items), 1))
        spent = Spent(read=ground.tokens(prompts), written=written)
        return ground.played([always] * len(scored), scored, spent)


BASELINE = AllItems()
