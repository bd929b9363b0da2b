"""A second model, which knows the item, rewrites what the Receiver wrote when told nothing."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from llm_bridge.baselines._ground import Asked, Ground, Played, mean_tokens, plain_prompts
from llm_bridge.baselines._tuning import Tuning, encode_pairs, tune
from llm_bridge.models import fresh_gpt2
from llm_bridge.receivers.local import LocalReceiver
from llm_bridge.reply import Reply
from llm_bridge.spending import Spent, n_weights, training
from llm_bridge.task import Example, Task
from llm_bridge.training.demonstrations import TokenPair
from llm_bridge.vocabulary import build_tokenizer
from persuasion.errors import PersuasionError

__all__ = ["BASELINE", "Corrector"]

_TUNING = Tuning(batch=16, lr=6e-3)
"""The best of eight tried on inputs of the split "measure" of the task math."""
_COPIES = 0.2


@dataclass(frozen=True)
class Corrector:
    """A small GPT-2 from scratch that reads input, item and answer and writes another answer.

    It learns from pairs of the Receiver's plain answer and the demonstration that the Advisor
    scores best, after a warm-up in which it copies the answer. Nobody is persuaded: the corrected
    answer takes the place of the Receiver's, whatever she wants.

    Parameters
    ----------
    warm_share : float in [0, 1]
        Share of the budget spent on copying; 1: it copies only, the control.
    n_layer, n_embd, n_head : int
    vocabulary : int
        Most tokens of its own tokenizer.
    tuning : Tuning

    Notes
    -----
    Source: Ji et al., *Aligner: Efficient Alignment by Learning to Correct*, arXiv 2402.02416,
    2024.
    Departures: a model from scratch in place of a pretrained one; during corrections a fifth of
    the pairs still copies; it is told the item, as the Advisor is. Its tokens, not the Receiver's,
    count where a task charges for tokens.
    """

    warm_share: float = 0.25
    n_layer: int = 2
    n_embd: int = 64
    n_head: int = 4
    vocabulary: int = 512
    tuning: Tuning = _TUNING

    def __post_init__(self) -> None:
        if not 0 <= self.warm_share <= 1:
            raise PersuasionError(f"`warm_share` must be between 0 and 1; got {self.warm_share}")

    def lacks(self, ground: Ground) -> str | None:
        """Nothing is missing: neither weights nor a tokenizer of the Receiver are used."""
        return None

    def control(self) -> Corrector:
        """Return one that learns to copy and nothing else."""
        return Corrector(1.0, self.n_layer, self.n_embd, self.n_head, self.vocabulary, self.tuning)

    @property
    def bound(self) -> str:
        """A copy is worth the plain answer."""
        return "none"

    def asks(
        self, task: Task, training: Sequence[Example], held_out: Sequence[Example]
    ) -> list[Asked]:
        """The plain answer to every input: to learn from, and to be rewritten."""
        return [Asked(prompt) for prompt in plain_prompts(task, [*training, *held_out])]

    def play(self, ground: Ground) -> Played:
        """Train the corrector and have it rewrite the answers to the held-out inputs."""
        task = ground.task
        before = ground.unhinted(ground.training)
        given = ground.unhinted(ground.held_out)
        prompts, held_out = (
            _prompts(task, ground.training, before),
            _prompts(task, ground.held_out, given),
        )
        answers = [reply.text for reply in before for _ in task.items]
        wanted = [ground.wanted[x.text, item] for x in ground.training for item in task.items]
        tokenizer = build_tokenizer([*prompts, *wanted], self.vocabulary)
        texts = tokenizer([*answers, *wanted])["input_ids"]
        longest = max(map(len, texts)) + 1
        model = fresh_gpt2(
            tokenizer,
            n_layer=self.n_layer,
            n_embd=self.n_embd,
            n_head=self.n_head,
            n_positions=max(map(len, tokenizer([*prompts, *held_out])["input_ids"])) + longest,
            seed=ground.seed,
        )
        copying = encode_pairs(
            tokenizer, model, list(zip(prompts, answers, strict=True)), "answers"
        )
        correct = encode_pairs(tokenizer, model, list(zip(prompts, wanted, strict=True)), "answers")
        priors = ground.priors(ground.training)

        def draw(rng: np.random.Generator, n: int, share: float) -> list[TokenPair]:
            batch = []
            for x in rng.integers(len(priors), size=n).tolist():
                row = x * len(task.items) + int(rng.choice(len(task.items), p=priors[x]))
                copies = share < self.warm_share or self.warm_share == 1 or rng.random() < _COPIES
                batch.append((copying if copies else correct)[row])
            return batch

        weights = n_weights(model)
        used = tune(model, draw, ground.budget.tokens(weights), self.tuning, ground.seed)
        writer = LocalReceiver(model, tokenizer, name="corrector")
        replies = writer.generate(held_out, max_new_tokens=longest)
        n = len(task.items)
        rewritten = [replies[k : k + n] for k in range(0, len(replies), n)]
        scored = ground.scores(ground.held_out, rewritten)
        plain = plain_prompts(task, ground.held_out)
        read = [ground.tokens(plain), mean_tokens(tokenizer, held_out)]
        spent = Spent(
            trained=weights,
            training_tokens=used,
            operations=training(weights, used),
            asked=len(before),
            read=None if read[0] is None else sum(one or 0.0 for one in read),
            written=float(
                np.mean([r.n_tokens for r in given]) + np.mean([r.n_tokens for r in replies])
            ),
        )
        return ground.played([np.eye(n)] * len(scored), scored, spent)


def _prompts(task: Task, examples: tuple[Example, ...], replies: list[Reply]) -> list[str]:
    """What the corrector reads, item by item of each input."""
    return [
        f"{task.advisor_prompt(example, item)}\n{reply.text}\n"
        for example, reply in zip(examples, replies, strict=True)
        for item in task.items
    ]


BASELINE = Corrector()
