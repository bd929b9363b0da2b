"""Every arm of an evaluation, played on the inputs of one template."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING

import numpy as np

from llm_bridge.arms import Signaling, against_the_advisor, expected_values, signaling
from llm_bridge.receivers import TextReceiver
from llm_bridge.responses import Responses
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray

if TYPE_CHECKING:
    from llm_bridge.evaluation import ArmKind

__all__ = ["PlayedArm", "play_arms"]


@dataclass(frozen=True, eq=False)
class PlayedArm:
    """One arm on the inputs of one template.

    Attributes
    ----------
    kind : ArmKind
    signals : Signaling or None
        None where nothing is signaled.
    hints : ndarray (n_inputs, n_items, n_items) or None
        Law of the believed item given the true one; None where she is told nothing.
    misled : bool
        Whether the signal is that of another item and she does not know.
    deaf : bool
        Whether she writes without a hint, whatever she believes.
    sender, receiver : ndarray (n_inputs,)
        Expected utils.
    adversarial : ndarray (n_inputs,) or None
        Advisor's, with ties against her.
    """

    kind: ArmKind
    signals: Signaling | None
    hints: FloatArray | None
    sender: FloatArray
    receiver: FloatArray
    adversarial: FloatArray | None = None
    misled: bool = False
    deaf: bool = False


def play_arms(
    game: PersuasionGame,
    responses: Responses,
    receiver: TextReceiver,
    kernels: Mapping[str, tuple[ArmKind, FloatArray]],
) -> dict[str, PlayedArm]:
    """Play all arms on inputs of one template.

    Parameters
    ----------
    game : PersuasionGame
        The measured game, by which the Receiver turns posteriors into believed items.
    responses : Responses
        To these inputs.
    receiver : TextReceiver
    kernels : mapping of str to (ArmKind, ndarray (n_inputs, n_items, n_signals))
        Of the arms that signal, "silent" and "full" among them.

    Notes
    -----
    The signal of another item, drawn from the prior for the same input, says nothing: its kernel is
    the prior mean of the Advisor's, for every item. A Receiver who knows believes as in silence;
    one who does not believes what the honest signal would mean, by the prior mean of the hint law.
    """
    prior = game.prior
    n_inputs, n_items = len(responses.examples), game.n_states
    shape = (n_inputs, n_items, n_items)

    def hinted(kind: ArmKind, hints: FloatArray) -> PlayedArm:
        return PlayedArm(kind, None, hints, *both(hints))

    def both(hints: FloatArray) -> tuple[FloatArray, FloatArray]:
        return (
            expected_values(prior, hints, responses.sender),
            expected_values(prior, hints, responses.receiver),
        )

    out = {
        "none": PlayedArm(
            "baseline",
            None,
            None,
            responses.sender_unhinted @ prior,
            responses.receiver_unhinted @ prior,
        ),
        "prior": hinted("baseline", np.broadcast_to(prior, shape)),
        "oracle": hinted("baseline", np.broadcast_to(np.eye(n_items), shape)),
    }
    against = against_the_advisor(receiver)

    def sending(kind: ArmKind, kernel: FloatArray) -> PlayedArm:
        sent = signaling(game, kernel, receiver)
        adversarial = None
        if against is not None:
            worst = signaling(game, kernel, against).hints
            adversarial = expected_values(prior, worst, responses.sender)
        return PlayedArm(kind, sent, sent.hints, *both(sent.hints), adversarial)

    told_nothing = (
        np.broadcast_to(responses.sender_unhinted[:, :, None], shape),
        np.broadcast_to(responses.receiver_unhinted[:, :, None], shape),
    )
    for name, (kind, kernel) in kernels.items():
        out[name] = honest = sending(kind, kernel)
        if kind != "advisor":
            continue
        assert honest.hints is not None
        hints = honest.hints
        out[f"shuffled {name}"] = sending("control", _whatever_the_item(prior, kernel))
        mixed = _whatever_the_item(prior, hints)
        out[f"misled {name}"] = replace(
            PlayedArm("control", honest.signals, mixed, *both(mixed)), misled=True
        )
        v, u = (expected_values(prior, hints, table) for table in told_nothing)
        out[f"deaf {name}"] = PlayedArm("control", honest.signals, hints, v, u, deaf=True)
    return out


def _whatever_the_item(prior: FloatArray, laws: FloatArray) -> FloatArray:
    """Replace the law of every item, ``laws[input, item, :]``, by their prior mean."""
    return np.broadcast_to(np.einsum("i,xig->xg", prior, laws)[:, None, :], laws.shape)
