"""Language models in the Receiver's chair, one file per way of reaching one.

A text Receiver is a Receiver of `persuasion`, who turns posteriors over items into probabilities of
believing each, and who then writes: `generate` answers the prompts that carry what she believes.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Protocol, runtime_checkable

from llm_bridge.reply import Reply
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray

__all__ = ["TextReceiver"]


@runtime_checkable
class TextReceiver(Protocol):
    """What can be persuaded and then writes."""

    name: str

    @property
    def fingerprint(self) -> str:
        """What tells her from every other Receiver: weights, settings; keys of caches."""
        ...

    def respond(self, game: PersuasionGame, posteriors: FloatArray) -> FloatArray:
        """Probabilities ``[signal, believed item]`` after ``posteriors[signal, item]``."""
        ...

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Reply]:
        """Answer each prompt, in order; as many replies as prompts or an error."""
        ...
