"""Imitation of a scheme given, such as the optimum of the linear program: a ceiling."""

from __future__ import annotations

from torch import Generator, Tensor

from llm_bridge.objectives import Objective
from llm_bridge.training.belief_response import Stakes
from persuasion.errors import PersuasionError

__all__ = ["OBJECTIVE", "imitation_loss"]


def imitation_loss(log_kernel: Tensor, target: Tensor, prior: Tensor) -> Tensor:
    """Cross-entropy of the target scheme against the Advisor's, shape (n_inputs,), in nats.

    Parameters
    ----------
    log_kernel, target : Tensor (n_inputs, n_items, n_signals)
    prior : Tensor (n_inputs, n_items)
        Weights of the items.
    """
    return -(prior[:, :, None] * target * log_kernel).sum(dim=(1, 2))


def _loss(log_kernel: Tensor, stakes: Stakes, generator: Generator, n_samples: int) -> Tensor:
    if stakes.target is None:
        raise PersuasionError("the mode 'distill' needs a scheme to imitate; pass `targets`")
    return imitation_loss(log_kernel, stakes.target, stakes.prior)


OBJECTIVE = Objective(
    _loss,
    needs_target=True,
    note="imitates a scheme that was computed: a ceiling, no evidence that it can be found",
)
