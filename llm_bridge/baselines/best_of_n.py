"""The Receiver answers n times, told nothing; the Advisor, who knows the item, sends the best."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llm_bridge.baselines._ground import Asked, Ground, Played, plain_prompts
from llm_bridge.reply import Reply
from llm_bridge.spending import Spent
from llm_bridge.task import Example, Task
from persuasion.errors import PersuasionError

__all__ = ["BASELINE", "BestOfN"]


@dataclass(frozen=True)
class BestOfN:
    """The best of n answers by the Advisor's own score.

    Parameters
    ----------
    n : int, >= 1
        Answers to each input. The first is the greedy one, the others are drawn; best of one is
        the plain arm: the control.
    temperature : float, > 0
        For Receivers in this process; others have a temperature of their own.

    Notes
    -----
    The same answers serve every item, for the Receiver knows none of them.
    Departures: the true score takes the place of a learned one, which could only be worse.
    """

    n: int = 8
    temperature: float = 1.0

    def __post_init__(self) -> None:
        if isinstance(self.n, bool) or self.n < 1:
            raise PersuasionError(f"`n` must be an integer >= 1; got {self.n}")

    def lacks(self, ground: Ground) -> str | None:
        """Drawing needs a Receiver who draws."""
        one = ground.receiver
        if self.n > 1 and not (hasattr(one, "sample_many") or hasattr(one, "sample")):
            return "the Receiver has no `sample` or `sample_many` that draws answers"
        if self.n > 1 and getattr(one, "temperature", 1.0) == 0:
            return "the Receiver is set to temperature 0 and always writes the same"
        return None

    def control(self) -> BestOfN:
        """Return best of one: the plain arm."""
        return BestOfN(n=1, temperature=self.temperature)

    @property
    def bound(self) -> str:
        """One answer is the plain one."""
        return "none"

    def asks(
        self, task: Task, training: Sequence[Example], held_out: Sequence[Example]
    ) -> list[Asked]:
        """The plain answer to each held-out input, and one answer less than n drawn."""
        prompts = plain_prompts(task, held_out)
        drawn = [Asked(prompt, self.n - 1) for prompt in prompts] if self.n > 1 else []
        return [*(Asked(prompt) for prompt in prompts), *drawn]

    def play(self, ground: Ground) -> Played:
        """Answer the held-out inputs n times and choose."""
        candidates = [[reply] for reply in ground.unhinted(ground.held_out)]
        prompts = plain_prompts(ground.task, ground.held_out)
        if self.n > 1:
            for one, drawn in zip(candidates, self._drawn(ground, prompts), strict=True):
                one += drawn
        scored = ground.scores(ground.held_out, candidates)
        laws = [np.eye(self.n)[one.sender.argmax(axis=0)] for one in scored]
        read = ground.tokens(prompts)
        spent = Spent(
            read=None if read is None else self.n * read,
            written=self.n * float(np.mean([r.n_tokens for some in candidates for r in some])),
        )
        return ground.played(laws, scored, spent)

    def _drawn(self, ground: Ground, prompts: list[str]) -> list[list[Reply]]:
        receiver: Any = ground.receiver
        most = ground.task.max_new_tokens
        if hasattr(receiver, "samples"):  # a server: at her temperature
            several: list[list[Reply]] = receiver.samples(prompts, self.n - 1, max_new_tokens=most)
            return several
        if not hasattr(receiver, "sample_many"):
            return [receiver.sample(p, self.n - 1, max_new_tokens=most) for p in prompts]
        drawn: list[list[Reply]] = receiver.sample_many(
            prompts,
            self.n - 1,
            max_new_tokens=most,
            temperature=self.temperature,
            seed=ground.seed,
        )
        return drawn


BASELINE = BestOfN()
