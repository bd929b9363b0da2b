"""From signaling schemes to what the Receiver does, with gradients.

The counterpart in torch of `SignalingScheme.posteriors` and of the Receivers of `persuasion`, for
many inputs at once; tests hold one against the other.
"""

from __future__ import annotations

from dataclasses import dataclass, replace
from typing import Literal, get_args

import torch
from torch import Tensor

from persuasion.errors import PersuasionError

__all__ = ["ReceiverRule", "Stakes", "log_responses", "posteriors"]

ReceiverRule = Literal["posterior_sampling", "best_response", "quantal"]
_LEAST_MASS = 1e-30
_LEAST_RANGE = 1e-3


@dataclass(frozen=True)
class Stakes:
    """What is at stake at each of a batch of inputs: their games, and how the Receiver plays.

    Attributes
    ----------
    prior, receiver_prior : Tensor (n_inputs, n_items)
    sender_utility, receiver_utility : Tensor (n_inputs, n_items, n_actions)
        In utils.
    margin : Tensor (n_inputs,)
        Obedience margin in the Receiver's utils.
    rule : str
    beta : float
        Precision of the response, in 1 / util.
    target : Tensor (n_inputs, n_items, n_signals) or None
        Scheme to imitate.
    """

    prior: Tensor
    receiver_prior: Tensor
    sender_utility: Tensor
    receiver_utility: Tensor
    margin: Tensor
    rule: ReceiverRule = "best_response"
    beta: float = 1.0
    target: Tensor | None = None

    def __post_init__(self) -> None:
        if self.rule not in get_args(ReceiverRule):
            raise PersuasionError(
                f"`rule` must be one of {', '.join(get_args(ReceiverRule))}; got {self.rule!r}"
            )

    def to(self, device: torch.device) -> Stakes:
        """Return the stakes on a device."""
        return replace(
            self,
            prior=self.prior.to(device),
            receiver_prior=self.receiver_prior.to(device),
            sender_utility=self.sender_utility.to(device),
            receiver_utility=self.receiver_utility.to(device),
            margin=self.margin.to(device),
            target=None if self.target is None else self.target.to(device),
        )

    def at(self, inputs: Tensor, beta: float) -> Stakes:
        """Return the stakes at some of the inputs, repeated as they are named."""
        return replace(
            self,
            prior=self.prior[inputs],
            receiver_prior=self.receiver_prior[inputs],
            sender_utility=self.sender_utility[inputs],
            receiver_utility=self.receiver_utility[inputs],
            margin=self.margin[inputs],
            beta=beta,
            target=None if self.target is None else self.target[inputs],
        )


def posteriors(kernel: Tensor, prior: Tensor) -> Tensor:
    """Belief after each signal by Bayes' rule, shape (n_inputs, n_signals, n_items).

    Parameters
    ----------
    kernel : Tensor (n_inputs, n_items, n_signals)
    prior : Tensor (n_inputs, n_items)

    Notes
    -----
    Symbols: posteriors[., g, i] = mu_g(i) = p(i) phi(g | i) / sum_j p(j) phi(g | j).
    Departures: a signal of probability below 1e-30 gets a belief of smaller sum; it is never seen.
    """
    joint = (prior[:, :, None] * kernel).transpose(1, 2)
    return joint / joint.sum(dim=2, keepdim=True).clamp_min(_LEAST_MASS)


def log_responses(beliefs: Tensor, stakes: Stakes) -> Tensor:
    """Log-probability of each action after each signal, shape (n_inputs, n_signals, n_actions).

    Parameters
    ----------
    beliefs : Tensor (n_inputs, n_signals, n_items)
        The Receiver's.
    stakes : Stakes

    Notes
    -----
    posterior_sampling: the action is an item, drawn from the belief; exact.
    quantal: softmax of beta times the Receiver's expected utility; exact.
    best_response: the same softmax as a smooth stand-in for her best response, after a handicap of
    `margin` on what the Sender likes: an action counts with its expected utility less the margin
    times its place between the Sender's worst (0) and best (1) action at this belief. As beta grows
    this is the best response that stays right when she misjudges two such actions by `margin`;
    with two actions, or a Sender for whom all but one are equal, obedience with that margin.
    """
    if stakes.rule == "posterior_sampling":
        return beliefs.clamp_min(_LEAST_MASS).log()
    scores = beliefs @ stakes.receiver_utility
    if stakes.rule == "best_response":
        liked = beliefs @ stakes.sender_utility
        least = liked.min(dim=2, keepdim=True).values
        spread = (liked.max(dim=2, keepdim=True).values - least).clamp_min(_LEAST_RANGE)
        scores = scores - stakes.margin[:, None, None] * (liked - least) / spread
    return torch.log_softmax(stakes.beta * scores, dim=2)
