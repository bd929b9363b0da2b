"""An Advisor who reads the question: she is not told the level, she has to see it.

A language model learns to signal the level of a question from its words, on questions whose
solutions are published. On other questions her signals are a garbled version of the level; what
persuasion is worth with her signals is found as with the levels themselves.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from typing import Annotated

import numpy as np
import torch
from numpy.typing import NDArray

from llm_bridge.advisor import Advisor
from llm_bridge.codebook import Codebook
from llm_bridge.settings import Says
from llm_bridge.vocabulary import build_tokenizer
from persuasion.errors import PersuasionError
from persuasion.zoo.gsm8k_replay import LEVELS, Questions

__all__ = ["ReaderTraining", "as_read", "signals_of", "train_reader"]

_LEVELS = 3


@dataclass(frozen=True)
class ReaderTraining:
    """How the reading Advisor is made.

    Attributes
    ----------
    steps, batch : int
    lr : float
        Largest; warmed up over a tenth of the steps, then a cosine to 0.
    vocabulary, n_layer, n_embd, n_head, n_positions : int
        Tokens and size of the model; longer questions lose their beginning.
    weight_decay : float
    seed : int
    """

    steps: Annotated[int, Says("Steps.", at_least=1)] = 250
    batch: Annotated[int, Says("Questions per step.", at_least=1)] = 32
    lr: Annotated[float, Says("Largest rate of learning.", above=0)] = 1e-2
    vocabulary: Annotated[int, Says("Tokens.", at_least=259)] = 1000
    n_layer: Annotated[int, Says("Layers.", at_least=1)] = 1
    n_embd: Annotated[int, Says("Width.", at_least=1)] = 32
    n_head: Annotated[int, Says("Heads.", at_least=1)] = 2
    n_positions: Annotated[int, Says("Longest question, in tokens.", at_least=8)] = 160
    weight_decay: Annotated[float, Says("Decay of weights.", at_least=0)] = 0.1
    seed: Annotated[int, Says("Seed.", at_least=0)] = 0


def train_reader(
    texts: Sequence[str],
    steps_of_solution: Sequence[int] | NDArray[np.intp],
    settings: ReaderTraining | None = None,
    *,
    progress: Callable[[int, int], None] | None = None,
) -> Advisor:
    """Train an Advisor whose three signals say the level of a question.

    Parameters
    ----------
    texts : sequence of str
        Questions.
    steps_of_solution : sequence of int
        Steps of the solution of each; the three levels are those of the game.
    settings : ReaderTraining, optional
    progress : callable, optional
        Called with (steps done, steps in all) after each step.

    Returns
    -------
    Advisor

    Raises
    ------
    PersuasionError
        When a level has no question.
    """
    settings = settings or ReaderTraining()
    levels = np.searchsorted(LEVELS[_LEVELS], np.asarray(steps_of_solution), side="left")
    if len(texts) != len(levels) or len(np.unique(levels)) < _LEVELS:
        raise PersuasionError(
            f"give as many texts as numbers of steps, of all {_LEVELS} levels; got {len(texts)} "
            f"texts, {len(levels)} numbers of {len(np.unique(levels))} levels"
        )
    codebook = Codebook.default(_LEVELS)
    tokenizer = build_tokenizer(texts, settings.vocabulary, whole=codebook.words)
    size = {name: getattr(settings, name)
            for name in ("n_layer", "n_embd", "n_head", "n_positions")}  # fmt: skip
    advisor = Advisor.fresh(tokenizer, codebook, size, seed=settings.seed)
    rows = _encoded(advisor, texts)
    wanted = torch.tensor(levels)
    optimizer = torch.optim.AdamW(
        advisor.model.parameters(),
        lr=settings.lr,
        betas=(0.9, 0.98),
        weight_decay=settings.weight_decay,
    )
    warm = max(1, settings.steps // 10)

    def rate(step: int) -> float:
        left = (step - warm) / max(1, settings.steps - warm)
        return (step + 1) / warm if step < warm else 0.5 * (1 + float(np.cos(np.pi * left)))

    schedule = torch.optim.lr_scheduler.LambdaLR(optimizer, rate)
    advisor.model.train()
    for step in range(settings.steps):
        chosen = np.random.default_rng([settings.seed, step]).choice(
            len(rows), size=min(settings.batch, len(rows)), replace=False
        )
        log_law = advisor.log_law([rows[i] for i in chosen])
        loss = -log_law[torch.arange(len(chosen)), wanted[chosen]].mean()
        optimizer.zero_grad(set_to_none=True)
        loss.backward()  # type: ignore[no-untyped-call]
        torch.nn.utils.clip_grad_norm_(advisor.model.parameters(), 1.0)
        optimizer.step()
        schedule.step()
        if progress is not None:
            progress(step + 1, settings.steps)
    advisor.model.train(False)
    return advisor


@torch.no_grad()
def signals_of(
    advisor: Advisor, texts: Sequence[str], *, batch_size: int = 128
) -> NDArray[np.intp]:
    """Return the likeliest signal of each question."""
    rows = _encoded(advisor, texts)
    order = sorted(range(len(rows)), key=lambda i: len(rows[i]))
    found = np.zeros(len(rows), dtype=np.intp)
    for first in range(0, len(order), batch_size):
        chosen = order[first : first + batch_size]
        law = advisor.log_law([rows[i] for i in chosen])
        found[chosen] = law.argmax(dim=1).cpu().numpy()
    return found


def as_read(asked: Questions, signals: NDArray[np.intp]) -> Questions:
    """Return the same questions with levels as signalled, for `study.held_out`.

    Parameters
    ----------
    asked : Questions
    signals : ndarray of int (n_questions,)
        One of the three levels for each.
    """
    typical = np.array([*LEVELS[_LEVELS], LEVELS[_LEVELS][-1] + 1], dtype=np.intp)
    return replace(asked, steps=typical[signals])


def _encoded(advisor: Advisor, texts: Sequence[str]) -> list[list[int]]:
    """Tokens of each question, as many of the last as fit."""
    room = int(advisor.model.config.n_positions) - advisor.tree.longest
    rows: list[list[int]] = advisor.tokenizer(list(texts))["input_ids"]
    return [row[-room:] for row in rows]
