"""Rounds of the game as they are played, and the score of a round."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from llm_bridge.training.belief_response import Stakes, log_responses, posteriors
from persuasion.errors import PersuasionError

__all__ = ["Draws", "advantages", "sampled_rounds", "scores"]

Draws = tuple[Tensor, Tensor, Tensor]
"""Items, signals and actions, each (n_inputs, n_samples)."""


def sampled_rounds(
    log_kernel: Tensor, stakes: Stakes, generator: Generator, n_samples: int
) -> Draws:
    """Play `n_samples` rounds at each input."""
    with torch.no_grad():
        kernel = log_kernel.exp()
        responses = log_responses(posteriors(kernel, stakes.receiver_prior), stakes).exp()
        items = torch.multinomial(stakes.prior, n_samples, replacement=True, generator=generator)
        rows = _rows(items)
        signals = _drawn(kernel[rows, items], generator)
        actions = _drawn(responses[rows, signals], generator)
    return items, signals, actions


def advantages(stakes: Stakes, draws: Draws) -> Tensor:
    """Payoff of each round less the mean of the others at its input, (n_inputs, n_samples), utils.

    That baseline does not depend on the round that it is taken from, and so adds no bias.
    """
    items, _, actions = draws
    payoffs = stakes.sender_utility[_rows(items), items, actions]
    n_samples = payoffs.shape[1]
    if n_samples < 2:
        raise PersuasionError("the baseline needs two or more samples at each input; got 1")
    return (n_samples * payoffs - payoffs.sum(dim=1, keepdim=True)) / (n_samples - 1)


def scores(log_kernel: Tensor, stakes: Stakes, draws: Draws, *, belief_term: bool) -> Tensor:
    """Log-probability of each round as a function of the scheme, shape (n_inputs, n_samples).

    Parameters
    ----------
    log_kernel : Tensor (n_inputs, n_items, n_signals)
    stakes : Stakes
    draws : tuple of Tensor
    belief_term : bool
        Whether the Receiver's response counts, which depends on the scheme through her belief.
    """
    items, signals, actions = draws
    score = log_kernel[_rows(items), items, signals]
    if belief_term:
        beliefs = posteriors(log_kernel.exp(), stakes.receiver_prior)
        score = score + log_responses(beliefs, stakes)[_rows(items), signals, actions]
    return score


def _rows(items: Tensor) -> Tensor:
    return torch.arange(len(items), device=items.device)[:, None]


def _drawn(laws: Tensor, generator: Generator) -> Tensor:
    """One draw from each law along the last axis."""
    return torch.multinomial(laws.flatten(0, 1), 1, generator=generator).view(laws.shape[:2])
