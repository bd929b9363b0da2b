"""One draw of item, signal and believed item for every input and arm, with what was written."""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from typing import Any

import numpy as np

from llm_bridge.play_arms import PlayedArm
from llm_bridge.responses import Responses
from persuasion.rationals import FloatArray

__all__ = ["sampled_rows"]


def sampled_rows(
    responses: Responses,
    arms: Mapping[str, PlayedArm],
    prior: FloatArray,
    items: Sequence[str],
    words: Mapping[str, Sequence[str]],
    seed: np.random.SeedSequence,
) -> Iterator[dict[str, Any]]:
    """Yield one row per input of a template and arm, JSON-ready.

    Parameters
    ----------
    responses : Responses
    arms : mapping of str to PlayedArm
        On the same inputs.
    prior : ndarray (n_items,)
    items : sequence of str
    words : mapping of str to sequence of str
        How the signals of an arm are spelled, where they have words.
    seed : SeedSequence

    Notes
    -----
    All arms share the draws: the same item is true, and equal laws give equal signals.
    """
    rng = np.random.default_rng(seed)
    for x, (example, draws) in enumerate(
        zip(responses.examples, rng.random((len(responses.examples), 4)), strict=True)
    ):
        item = _drawn(prior, draws[0])
        for name, arm in arms.items():
            signal = posterior = believed = None
            if arm.signals is not None:
                about = _drawn(prior, draws[3]) if arm.misled else item
                signal = _drawn(arm.signals.kernels[x, about], draws[1])
                posterior = arm.signals.posteriors[x, signal].tolist()
                believed = _drawn(arm.signals.believed[x, signal], draws[2])
            elif arm.hints is not None:
                believed = _drawn(arm.hints[x, item], draws[2])
            if believed is None or arm.deaf:
                reply, u = responses.unhinted[x], responses.receiver_unhinted[x, item]
                v = responses.sender_unhinted[x, item]
            else:
                reply, u = responses.hinted[x][believed], responses.receiver[x, item, believed]
                v = responses.sender[x, item, believed]
            spelled = words.get(name)
            yield {
                "input": example.text,
                "template": example.template,
                "arm": name,
                "item": items[item],
                "signal": signal if signal is None or spelled is None else spelled[signal],
                "posterior": posterior,
                "believed": None if believed is None else items[believed],
                "response": reply.text,
                "n_tokens": reply.n_tokens,
                "finished": reply.finished,
                "sender": float(v),
                "receiver": float(u),
                "expected_sender": float(arm.sender[x]),
            }


def _drawn(law: FloatArray, uniform: float) -> int:
    """Position at which the distribution function passes `uniform`; never one of chance zero."""
    steps = np.cumsum(law)
    position = int(np.searchsorted(steps, uniform * steps[-1], side="right"))
    return min(position, int(np.flatnonzero(law)[-1]))
