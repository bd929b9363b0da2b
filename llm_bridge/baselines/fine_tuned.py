"""White box: the Receiver's own weights learn what the Advisor's signals mean."""

from __future__ import annotations

import copy
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from llm_bridge.baselines._ground import Asked, Ground, Played
from llm_bridge.baselines._tuning import Tuning, encode_pairs, tune
from llm_bridge.receivers.local import LocalReceiver
from llm_bridge.spending import Spent, n_weights, training
from llm_bridge.task import Example, Task
from llm_bridge.training.demonstrations import TokenPair

__all__ = ["BASELINE", "FineTuned"]

_TUNING = Tuning(batch=8, lr=3e-3)
"""The best of seven tried on inputs of the split "measure" of the task math."""


@dataclass(frozen=True)
class FineTuned:
    """A copy of the Receiver, trained to write what the Advisor wants on reading her signal.

    Inputs, items and signals are drawn as they occur, x evenly, i from the prior, g from the
    Advisor's scheme at x; the response to learn is the demonstration that the Advisor scores best
    at (x, i). The copy reads the codeword before the plain prompt, and has as much information as
    the Receiver who updates by Bayes' rule. She no longer chooses: where interests differ, it is
    the Advisor's utility that her weights were trained for.

    Parameters
    ----------
    shuffled : bool
        Whether signals are those of another item, so that they say nothing: the control.
    tuning : Tuning
    """

    shuffled: bool = False
    tuning: Tuning = _TUNING

    def lacks(self, ground: Ground) -> str | None:
        """Weights are needed."""
        if hasattr(ground.receiver, "model") and hasattr(ground.receiver, "tokenizer"):
            return None
        return "the Receiver's weights are not at hand"

    def control(self) -> FineTuned:
        """Return the same with signals that say nothing."""
        return FineTuned(shuffled=True, tuning=self.tuning)

    @property
    def bound(self) -> str:
        """Training teaches priors and what the Advisor likes, but no items."""
        return "blind"

    def asks(
        self, task: Task, training: Sequence[Example], held_out: Sequence[Example]
    ) -> list[Asked]:
        """Nothing: a copy answers, not the Receiver."""
        return []

    def play(self, ground: Ground) -> Played:
        """Train the copy and let it answer the held-out inputs after each signal."""
        original: Any = ground.receiver
        model, tokenizer = copy.deepcopy(original.model), original.tokenizer
        task, items = ground.task, range(len(ground.task.items))
        kernels, priors = self._kernels(ground, ground.training), ground.priors(ground.training)
        n_signals = kernels.shape[2]
        words = ground.words(n_signals)
        pairs = encode_pairs(
            tokenizer,
            model,
            [
                (_prompt(task, x, word), ground.wanted[x.text, item])
                for x in ground.training
                for item in task.items
                for word in words
            ],
            "demonstrations after signals",
        )

        def draw(rng: np.random.Generator, n: int, share: float) -> list[TokenPair]:
            batch = []
            for x in rng.integers(len(ground.training), size=n).tolist():
                i = int(rng.choice(len(items), p=priors[x]))
                g = int(rng.choice(n_signals, p=kernels[x, i]))
                batch.append(pairs[(x * len(items) + i) * n_signals + g])
            return batch

        weights = n_weights(model)
        used = tune(model, draw, ground.budget.tokens(weights), self.tuning, ground.seed)
        tuned = LocalReceiver(model, tokenizer, original.rule, "fine-tuned", original.batch_size)
        prompts = [_prompt(task, x, word) for x in ground.held_out for word in words]
        replies = ground.answers(tuned, prompts)
        answers = [replies[k : k + n_signals] for k in range(0, len(replies), n_signals)]
        scored = ground.scores(ground.held_out, answers)
        law = self._kernels(ground, ground.held_out)
        spent = Spent(
            trained=weights,
            training_tokens=used,
            operations=training(weights, used),
            read=ground.tokens(prompts),
            written=float(np.mean([reply.n_tokens for reply in replies])),
        )
        return ground.played(list(law), scored, spent)

    def _kernels(self, ground: Ground, examples: tuple[Example, ...]) -> np.ndarray[Any, Any]:
        kernels = ground.kernels(examples)
        if not self.shuffled:
            return kernels
        mean = np.einsum("xi,xig->xg", ground.priors(examples), kernels)
        return np.broadcast_to((mean / mean.sum(axis=1, keepdims=True))[:, None], kernels.shape)


def _prompt(task: Task, example: Example, word: str) -> str:
    return f"{word}\n{task.receiver_prompt(example, None)}"


BASELINE = FineTuned()
