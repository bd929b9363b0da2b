"""Training on prompts and responses until a budget of tokens is used up."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from itertools import accumulate
from typing import Any

import numpy as np
import torch

from llm_bridge.device import accelerator
from llm_bridge.models import context_length
from llm_bridge.training.demonstrations import TokenPair
from llm_bridge.training.memory import in_parts
from llm_bridge.training.response_loss import response_loss
from persuasion.errors import PersuasionError

__all__ = ["Draw", "Tuning", "encode_pairs", "tune"]

Draw = Callable[[np.random.Generator, int, float], list[TokenPair]]
"""Given a source of randomness, how many, and the share of the budget used up: a batch."""


@dataclass(frozen=True)
class Tuning:
    """How a baseline is trained.

    Parameters
    ----------
    batch : int
    lr : float
        Of AdamW, reached after 5 % of the tokens, falling to 0 along a cosine.
    clip : float
    """

    batch: int = 32
    lr: float = 2e-3
    clip: float = 1.0

    def lr_at(self, share: float) -> float:
        """Return the learning rate when a share of the tokens is used up."""
        return self.lr * min(1.0, (share + 0.005) / 0.05) * (1 + math.cos(math.pi * share)) / 2


def tune(model: Any, draw: Draw, n_tokens: int, settings: Tuning, seed: int) -> int:
    """Train a model in place; return the tokens that went through it.

    Parameters
    ----------
    model : causal language model of transformers
    draw : callable
    n_tokens : int
        The last batch is cut where it reaches them; none is begun when it is 0.
    settings : Tuning
    seed : int
    """
    machine = accelerator()
    if model.dtype in (torch.float16, torch.bfloat16):
        model.float()
    model.to(machine.device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, betas=(0.9, 0.98))
    rng = np.random.default_rng([seed, 3])
    spent, parts = 0, 1

    def backward(batch: Sequence[TokenPair], parts: int) -> None:
        n_responses = sum(len(response) for _, response in batch)
        size = -(-len(batch) // parts)
        for first in range(0, len(batch), size):
            with machine.autocast():
                loss = response_loss(model, batch[first : first + size], n_tokens=n_responses)
            loss.backward()  # type: ignore[no-untyped-call]

    model.train()
    while spent < n_tokens:
        batch = _within(draw(rng, settings.batch, spent / n_tokens), n_tokens - spent)
        for group in optimizer.param_groups:
            group["lr"] = settings.lr_at(spent / n_tokens)
        _, parts = in_parts(
            lambda parts, batch=batch: backward(batch, parts),  # type: ignore[misc]
            parts,
            len(batch),
            optimizer.zero_grad,
        )
        torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
        optimizer.step()
        optimizer.zero_grad()
        spent += sum(len(prompt) + len(response) for prompt, response in batch)
    model.train(False)
    return spent


def _within(batch: list[TokenPair], n_tokens: int) -> list[TokenPair]:
    """The first pairs, up to the one that reaches so many tokens."""
    before = accumulate((len(p) + len(r) for p, r in batch), initial=0)
    return [pair for pair, used in zip(batch, before, strict=False) if used < n_tokens]


def encode_pairs(
    tokenizer: Any, model: Any, pairs: Sequence[tuple[str, str]], what: str
) -> list[TokenPair]:
    """Tokens of prompts and responses, ends included; none may be longer than the context."""
    prompts, responses = zip(*pairs, strict=True)
    read = tokenizer(list(prompts))["input_ids"]
    written = tokenizer(list(responses), add_special_tokens=False)["input_ids"]
    longest = max(len(r) + len(w) + 1 for r, w in zip(read, written, strict=True))
    limit = context_length(model)
    if limit is not None and longest > limit:
        raise PersuasionError(
            f"{what} have up to {longest} tokens, but the model reads {limit}; take one with a "
            "longer context, or leave this baseline out"
        )
    return [(r, [*w, tokenizer.eos_token_id]) for r, w in zip(read, written, strict=True)]
