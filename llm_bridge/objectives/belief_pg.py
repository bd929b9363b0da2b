"""Sampled policy gradient with the belief term.

What the Receiver believes after a signal depends on how often the Advisor sends it in every other
state. The score of a round is therefore that of the signal *and* of her response: the log-gradient
of p(i) phi(g | i) r(a | mu_g), whose mean times the payoff is the gradient of the expected value.
"""

from __future__ import annotations

from torch import Generator, Tensor

from llm_bridge.objectives import Objective
from llm_bridge.objectives._rounds import advantages, sampled_rounds, scores
from llm_bridge.training.belief_response import Stakes

__all__ = ["OBJECTIVE"]


def _loss(log_kernel: Tensor, stakes: Stakes, generator: Generator, n_samples: int) -> Tensor:
    draws = sampled_rounds(log_kernel, stakes, generator, n_samples)
    score = scores(log_kernel, stakes, draws, belief_term=True)
    return -(advantages(stakes, draws) * score).mean(dim=1)


OBJECTIVE = Objective(_loss)
