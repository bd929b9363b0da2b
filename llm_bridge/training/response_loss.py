"""What a language model is trained on here: responses to prompts, token by token."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import torch
from torch import Tensor
from torch.nn.functional import cross_entropy

from llm_bridge.models import context_length
from llm_bridge.training.demonstrations import TokenPair

__all__ = ["response_loss"]

_IGNORED = -100
_LENGTHS = 16


def response_loss(
    model: Any,
    batch: Sequence[TokenPair],
    *,
    n_tokens: int | None = None,
    body: Any = None,
) -> Tensor:
    """Mean cross-entropy of the response tokens, in nats.

    Parameters
    ----------
    model : causal language model of transformers
    batch : sequence of (prompt tokens, response tokens)
    n_tokens : int, optional
        What the sum is divided by: response tokens of the whole batch, of which this is a part.
    body : optional
        What computes ``model.base_model``, such as its compiled form.

    Notes
    -----
    The vocabulary is visited for response tokens alone.
    """
    length = max(len(prompt) + len(response) for prompt, response in batch)
    if body is not None and hasattr(body, "_orig_mod"):  # few lengths, few compilations
        rounded, limit = -(-(length - 1) // _LENGTHS) * _LENGTHS, context_length(model)
        length = 1 + (rounded if limit is None else min(rounded, limit))
    rows = [(*p, *r, *r[-1:] * (length - len(p) - len(r))) for p, r in batch]
    targets = [
        [*[_IGNORED] * len(p), *r, *[_IGNORED] * (length - len(p) - len(r))] for p, r in batch
    ]
    ids = torch.tensor(rows, device=model.device)
    wanted = torch.tensor(targets, device=model.device)[:, 1:]
    # rows are filled up on the right and attention looks to the left: nothing to mask
    whole = model.base_model if body is None else body
    hidden = whole(input_ids=ids[:, :-1], use_cache=False).last_hidden_state
    scored = wanted != _IGNORED
    logits = model.get_output_embeddings()(hidden[scored])
    if n_tokens is None:
        return cross_entropy(logits.float(), wanted[scored])
    return cross_entropy(logits.float(), wanted[scored], reduction="sum") / n_tokens
