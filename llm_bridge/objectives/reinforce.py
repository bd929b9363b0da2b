"""Naive REINFORCE on sampled rounds: what a trainer computes that takes the payoff for a reward.

It leaves out that beliefs depend on the scheme, so that its mean is not the gradient of the value:
each signal is pushed towards what pays at the present beliefs, and these then no longer hold.
"""

from __future__ import annotations

from torch import Generator, Tensor

from llm_bridge.objectives import Objective
from llm_bridge.objectives._rounds import advantages, sampled_rounds, scores
from llm_bridge.training.belief_response import Stakes

__all__ = ["OBJECTIVE"]


def _loss(log_kernel: Tensor, stakes: Stakes, generator: Generator, n_samples: int) -> Tensor:
    draws = sampled_rounds(log_kernel, stakes, generator, n_samples)
    score = scores(log_kernel, stakes, draws, belief_term=False)
    return -(advantages(stakes, draws) * score).mean(dim=1)


OBJECTIVE = Objective(_loss, note="a negative control: its gradient misses how beliefs move")
