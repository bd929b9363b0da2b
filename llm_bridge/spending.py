"""What an arm of a comparison takes: weights trained, tokens read and written, operations."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Any

import numpy as np

from persuasion.errors import PersuasionError

if TYPE_CHECKING:
    from llm_bridge.advisor import Advisor
    from llm_bridge.task import Example, Task
    from llm_bridge.training.settings import AdvisorTraining

__all__ = ["Spent", "TrainingBudget", "advisor_spent", "n_weights"]

_TRAINING = 6
"""Operations per weight and token, forward and backward."""


def n_weights(model: Any) -> int:
    """Number of weights of a model that training changes."""
    return sum(weight.numel() for weight in model.parameters() if weight.requires_grad)


@dataclass(frozen=True)
class Spent:
    """What an arm took.

    Attributes
    ----------
    trained : int
        Weights that were trained for it.
    training_tokens : int
        Tokens that went forward and backward through them.
    operations : float
        Of training, 6 per weight and token.
    asked : int
        Answers of the Receiver that were needed before: to measure the game, to learn from.
    read, written : float or None
        Tokens per answer, of all models that take part; None where a model does not say.
    """

    trained: int = 0
    training_tokens: int = 0
    operations: float = 0.0
    asked: int = 0
    read: float | None = None
    written: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return dict(vars(self))


@dataclass(frozen=True)
class TrainingBudget:
    """What a baseline may spend, the same for all.

    Attributes
    ----------
    operations : float, >= 0
        Of training, at 6 per weight and token.

    Notes
    -----
    Source: Kaplan et al., *Scaling laws for neural language models*, arXiv 2001.08361, 2020,
    section 2.1. Departures: attention over the context, small for short texts, is left out.

    Examples
    --------
    >>> from llm_bridge.spending import TrainingBudget
    >>> TrainingBudget(6e9).tokens(n_weights=10**6)
    1000
    """

    operations: float

    def __post_init__(self) -> None:
        if not (self.operations >= 0 and np.isfinite(self.operations)):
            raise PersuasionError(
                f"`operations` must be a finite number >= 0; got {self.operations}"
            )

    def tokens(self, n_weights: int, already: float = 0.0) -> int:
        """Tokens of training that a model can have, `already` operations being spent."""
        return int(max(0.0, self.operations - already) / (_TRAINING * n_weights))


def training(n_weights: int, n_tokens: int) -> float:
    """Operations of training."""
    return float(_TRAINING * n_weights * n_tokens)


def advisor_spent(
    advisor: Advisor, task: Task, examples: Sequence[Example], settings: AdvisorTraining
) -> Spent:
    """Return what training an Advisor took, without what an answer takes.

    Parameters
    ----------
    advisor : Advisor
    task : Task
    examples : sequence of Example
        On which she was trained; a step's inputs are counted with their mean length.
    settings : AdvisorTraining
    """
    prompts = [task.advisor_prompt(x, item) for x in examples for item in task.items]
    each = sum(map(len, advisor.encode(prompts))) / len(examples)
    n_tokens = round(settings.total_steps * min(settings.batch, len(examples)) * each)
    weights = n_weights(advisor.model)
    return Spent(weights, n_tokens, training(weights, n_tokens))
