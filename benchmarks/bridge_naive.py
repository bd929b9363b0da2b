"""Training an Advisor as one would write it first: loops over inputs, items and codewords."""

from __future__ import annotations

from dataclasses import dataclass

import torch
from torch import Tensor

from llm_bridge import tasks
from llm_bridge.advisor import Advisor
from llm_bridge.codebook import Codebook
from llm_bridge.task import Example, Task
from llm_bridge.train import AdvisorTraining, train
from llm_bridge.vocabulary import build_tokenizer
from persuasion import PersuasionGame

__all__ = ["Problem", "naive_training", "vectorised_training"]

_BETA = 20.0
_RULE = "quantal"
"""A response of fixed precision, so that both trainings descend the same loss in each step."""


@dataclass(frozen=True)
class Problem:
    """An Advisor to be trained on some inputs of one template."""

    task: Task
    game: PersuasionGame
    examples: list[Example]
    seed: int

    @classmethod
    def of(cls, name: str, n_inputs: int, seed: int) -> Problem:
        """Draw inputs; the game is that of a Receiver who always writes what was demonstrated."""
        from llm_bridge.reply import Reply

        task = tasks.load(name)
        template = next(iter(task.priors))
        examples = task.examples(template, "train", n_inputs, seed)
        tables = [
            task.utilities(x, [Reply(task.demonstration(x, item), 8) for item in task.items])
            for x in examples
        ]
        sender = sum(table.sender for table in tables) / len(tables)
        receiver = sum(table.receiver for table in tables) / len(tables)
        return cls(task, PersuasionGame(task.prior(template), sender.T, receiver.T), examples, seed)

    @property
    def template(self) -> str:
        """The one template of the inputs."""
        return self.examples[0].template

    def advisor(self) -> Advisor:
        """Return an untrained Advisor, the same at each call."""
        prompts = [self.task.advisor_prompt(x, i) for x in self.examples for i in self.task.items]
        book = Codebook.default(len(self.task.items))
        tokenizer = build_tokenizer(prompts, whole=book.words)
        size = {"n_layer": 2, "n_embd": 64, "n_head": 4, "n_positions": 128}
        return Advisor.fresh(tokenizer, book, size, seed=self.seed)


def vectorised_training(problem: Problem, steps: int) -> list[float]:
    """Train with the package; return the expected utility before each step."""
    settings = AdvisorTraining(
        warm_steps=0, steps=steps, batch=len(problem.examples), receiver_beta=_BETA, starts=1
    )
    log = train(
        problem.advisor(),
        problem.task,
        {problem.template: problem.game},
        problem.examples,
        rule=_RULE,
        settings=settings,
        device="cpu",
        precision="no",
    )
    return list(log.values)


def naive_training(problem: Problem, steps: int) -> list[float]:
    """Train with loops; return the expected utility before each step."""
    advisor = problem.advisor()
    optimizer = torch.optim.AdamW(
        advisor.model.parameters(), lr=1e-3, betas=(0.9, 0.98), weight_decay=0.0
    )
    words = advisor.codebook.check(advisor.tokenizer)
    log = []
    for _ in range(steps):
        values = [_value(problem, advisor, words, example) for example in problem.examples]
        value = torch.stack(values).mean()
        log.append(float(value.detach()))
        optimizer.zero_grad()
        (-value).backward()
        torch.nn.utils.clip_grad_norm_(advisor.model.parameters(), 1.0)
        optimizer.step()
    return log


def _value(
    problem: Problem, advisor: Advisor, words: tuple[tuple[int, ...], ...], example: Example
) -> Tensor:
    """Expected utility at one input."""
    game, task = problem.game, problem.task
    kernel = []
    for item in task.items:
        prompt = advisor.tokenizer(task.advisor_prompt(example, item))["input_ids"]
        scores = [_log_prob(advisor, prompt, word) for word in words]
        kernel.append(torch.softmax(torch.stack(scores), dim=0))
    value = torch.zeros((), dtype=torch.float64)
    for signal in range(len(words)):
        joint = [float(game.prior[i]) * kernel[i][signal].double() for i in range(game.n_states)]
        total = torch.stack(joint).sum()
        utility = [
            sum(joint[i] / total * float(game.receiver_utility[i, a]) for i in range(game.n_states))
            for a in range(game.n_actions)
        ]
        response = torch.softmax(_BETA * torch.stack(utility), dim=0)  # type: ignore[arg-type]
        for i in range(game.n_states):
            for a in range(game.n_actions):
                value = value + joint[i] * response[a] * float(game.sender_utility[i, a])
    return value


def _log_prob(advisor: Advisor, prompt: list[int], word: tuple[int, ...]) -> Tensor:
    """Log-probability of a codeword after a prompt, by a forward pass of its own."""
    tokens = torch.tensor([[*prompt, *word]])
    read = advisor.model(input_ids=tokens, attention_mask=torch.ones_like(tokens))
    logs = torch.log_softmax(read.logits[0], dim=1)
    places = range(len(prompt) - 1, len(prompt) + len(word) - 1)
    return torch.stack([logs[at, token] for at, token in zip(places, word, strict=True)]).sum()
