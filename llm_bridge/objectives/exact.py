"""The Sender's expected utility itself: items and signals enumerated, beliefs inside the graph."""

from __future__ import annotations

import torch
from torch import Generator, Tensor

from llm_bridge.objectives import Objective
from llm_bridge.training.belief_response import Stakes, log_responses, posteriors

__all__ = ["OBJECTIVE", "expected_value"]


def expected_value(log_kernel: Tensor, stakes: Stakes) -> Tensor:
    """Sender's expected utility at each input, shape (n_inputs,), in utils.

    Notes
    -----
    Symbols: sum_i p(i) sum_g phi(g | i) sum_a r(a | mu_g) v(i, a); mu_g depends on phi, and the
    gradient goes through it.
    """
    kernel = log_kernel.exp()
    responses = log_responses(posteriors(kernel, stakes.receiver_prior), stakes).exp()
    joint = stakes.prior[:, :, None] * kernel
    return torch.einsum("xig,xga,xia->x", joint, responses, stakes.sender_utility)


def _loss(log_kernel: Tensor, stakes: Stakes, generator: Generator, n_samples: int) -> Tensor:
    return -expected_value(log_kernel, stakes)


OBJECTIVE = Objective(_loss)
