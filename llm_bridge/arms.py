"""From a signaling kernel to what the Receiver comes to believe, and from that to values.

Whatever an arm of an experiment does, it ends in a law of the believed item for each true item of
each input: its *hint law*. Values follow from it and the replies, without any further draw.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np

from llm_bridge.receivers import TextReceiver
from llm_bridge.task import Example, Task
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.receivers import Bayesian, Biased, Receiver
from persuasion.scheme import SignalingScheme

__all__ = [
    "Signaler",
    "Signaling",
    "against_the_advisor",
    "expected_values",
    "kernels_of",
    "rule_of",
    "signaling",
]

_ROW_SLACK = 1e-4
"""Rows of a kernel computed in single or half precision miss 1 by that much."""


class Signaler(Protocol):
    """What can send signals: an Advisor, or anything with her `kernels`."""

    def kernels(self, task: Task, examples: Sequence[Example]) -> FloatArray:
        """Probabilities ``[input, item, signal]``."""
        ...


@dataclass(frozen=True, eq=False)
class Signaling:
    """Signals sent to one Receiver for inputs of one template.

    Attributes
    ----------
    kernels : ndarray (n_inputs, n_items, n_signals)
        Probability of each signal given the true item.
    posteriors : ndarray (n_inputs, n_signals, n_items)
        Belief after each signal; the Receiver knows the input and the kernel.
    believed : ndarray (n_inputs, n_signals, n_items)
        Probability of each believed item after each signal.
    """

    kernels: FloatArray
    posteriors: FloatArray
    believed: FloatArray

    @property
    def hints(self) -> FloatArray:
        """Law of the believed item given the true one, ``[input, item, believed]``."""
        law: FloatArray = np.einsum("xig,xga->xia", self.kernels, self.believed)
        return law


def kernels_of(signaler: Signaler, task: Task, examples: Sequence[Example]) -> FloatArray:
    """Return checked probabilities (n_inputs, n_items, n_signals), rows summing to 1."""
    kernels = np.asarray(signaler.kernels(task, examples), dtype=np.float64)
    legal = (len(examples), len(task.items))
    if kernels.ndim != 3 or kernels.shape[:2] != legal or kernels.shape[2] == 0:
        raise PersuasionError(
            f"kernels must be indexed [input, item, signal], shape ({legal[0]}, {legal[1]}, "
            f"n_signals); got {kernels.shape}"
        )
    totals = kernels.sum(axis=2, keepdims=True)
    if not (kernels >= 0).all() or not (np.abs(totals - 1) <= _ROW_SLACK).all():
        raise PersuasionError(
            "kernels must hold probabilities of signals that sum to 1 for every input and item; "
            f"got entries from {kernels.min():.6g} and sums from {totals.min():.6g} to "
            f"{totals.max():.6g}"
        )
    return np.asarray(kernels / totals)


def signaling(game: PersuasionGame, kernels: FloatArray, receiver: Receiver) -> Signaling:
    """Let `receiver` update and respond to every signal of every input.

    Parameters
    ----------
    game : PersuasionGame
        What she knows: the prior, and her utilities by template.
    kernels : ndarray (n_inputs, n_items, n_signals)
    receiver : Receiver
        Her response to a posterior must not depend on other posteriors.

    Notes
    -----
    As she sees the input, input and signal together are one signal of a scheme that draws the input
    first: its posteriors are those of all inputs at once.
    """
    n_inputs, n_items, n_signals = kernels.shape
    table = kernels.transpose(1, 0, 2).reshape(n_items, n_inputs * n_signals) / n_inputs
    posteriors = SignalingScheme.unchecked(table, None).posteriors(game.receiver_prior)
    believed = np.asarray(receiver.respond(game, posteriors), dtype=np.float64)
    shape = (n_inputs, n_signals, n_items)
    if believed.shape != posteriors.shape:
        raise PersuasionError(
            f"`respond` must return probabilities [signal, believed item], shape "
            f"{posteriors.shape}; got {believed.shape}"
        )
    return Signaling(kernels, posteriors.reshape(shape), believed.reshape(shape))


def expected_values(prior: FloatArray, hints: FloatArray, table: FloatArray) -> FloatArray:
    """Value of each input, shape (n_inputs,), in expectation over true and believed item.

    Parameters
    ----------
    prior : ndarray (n_items,)
    hints : ndarray (n_inputs, n_items, n_items)
        ``hints[x, i, a]``: probability of believing a when i is true.
    table : ndarray (n_inputs, n_items, n_items)
        ``table[x, i, a]``: utils of the reply to hint a when i is true.
    """
    values: FloatArray = np.einsum("i,xia,xia->x", prior, hints, table)
    return values


def rule_of(receiver: TextReceiver | Receiver) -> Receiver:
    """Return the Receiver of `persuasion` by which a text Receiver responds, where she names it."""
    rule = getattr(receiver, "rule", None)
    return rule if isinstance(rule, Receiver) else receiver


def against_the_advisor(receiver: TextReceiver | Receiver) -> Receiver | None:
    """Return the same best responder breaking ties against the Advisor; None for other rules."""
    rule = rule_of(receiver)
    return replace(rule, ties="adversarial") if isinstance(rule, Bayesian | Biased) else None
