"""A Receiver of whom every process of a run holds a copy."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

from llm_bridge.receivers.local import LocalReceiver
from llm_bridge.reply import Reply
from persuasion.errors import PersuasionError

__all__ = ["SharedReceiver", "in_order"]


class SharedReceiver(LocalReceiver):
    """Greedy answers come from all processes, what is drawn from the first.

    Batches are dealt whole, so that answers are those of one process to the bit; a single batch is
    not worth asking the others for.

    Attributes
    ----------
    ask_all : callable
        Called with prompts, ``max_new_tokens`` and, as a keyword, ``progress``: has every process
        answer its share by `generate_share`, and returns all shares.
    """

    ask_all: Callable[..., Sequence[Mapping[int, Reply]]]

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Reply]:
        """Answer each prompt, in order, as `LocalReceiver.generate` does."""
        self._read(prompts, max_new_tokens)  # what cannot work is refused before others are asked
        if len(prompts) <= self.batch_size:
            return super().generate(prompts, max_new_tokens=max_new_tokens, progress=progress)
        shares = self.ask_all(list(prompts), max_new_tokens, progress=progress)
        return in_order(shares, len(prompts))


def in_order(shares: Sequence[Mapping[int, Any]], n: int) -> list[Any]:
    """Return what the shares hold for places 0 to n - 1, each of which one of them has.

    Examples
    --------
    >>> in_order([{0: "a", 2: "c"}, {1: "b"}], 3)
    ['a', 'b', 'c']
    """
    found = {place: one for share in shares for place, one in share.items()}
    if sorted(found) != list(range(n)) or sum(map(len, shares)) != n:
        raise PersuasionError(
            f"{len(shares)} processes gave {sum(map(len, shares))} answers to {n} prompts, of "
            f"which {len(found)} are to different ones; every prompt needs one"
        )
    return [found[place] for place in range(n)]
