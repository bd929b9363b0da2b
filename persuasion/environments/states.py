"""A sequence of states that is never stored: counts over any stretch of rounds on demand.

Rounds are cut into blocks 1, 2-3, 4-7, 8-15, ... of doubling length, capped at 2^28. A block's
counts are multinomial; given them, its left half is multivariate hypergeometric, and so on down
to leaves, which hold a random arrangement of their counts. Every draw is seeded by its place, so

- the counts of a prefix cost O(n_states log T) and agree with the states themselves;
- a sequence does not depend on who asks, in which order, or on the horizon.
"""

from __future__ import annotations

from collections import OrderedDict

import numpy as np
from numpy.random import Generator, Philox, SeedSequence
from numpy.typing import NDArray

from persuasion.rationals import FloatArray

__all__ = ["StateSequence"]

IntArray = NDArray[np.int64]

_LEAF = 256
_LARGEST_BLOCK = 2**28  # numpy's hypergeometric takes populations below 10^9
_REMEMBERED = 256
_BLOCK, _SPLIT, _ARRANGEMENT = 0, 1, 2  # what is drawn at a node


class StateSequence:
    """Independent draws from `prior`, rounds numbered from 1.

    Parameters
    ----------
    prior : ndarray (n_states,)
    seed : SeedSequence
        Two sequences with equal prior and seed are equal, whatever was asked of them before.

    Examples
    --------
    >>> import numpy as np
    >>> from persuasion.environments import StateSequence
    >>> sequence = StateSequence(np.array([0.5, 0.5]), np.random.SeedSequence(7))
    >>> counts = sequence.counts(1, 1001)
    >>> int(counts.sum()), bool((counts == np.bincount(sequence.states(1, 1001))).all())
    (1000, True)
    """

    def __init__(self, prior: FloatArray, seed: SeedSequence) -> None:
        self.prior = np.asarray(prior, dtype=np.float64)
        self._key = seed.generate_state(2, np.uint64)
        self._known: OrderedDict[tuple[int, int], IntArray] = OrderedDict()

    def counts(self, start: int, stop: int) -> IntArray:
        """How often each state occurs in rounds ``start <= t < stop``, shape (n_states,)."""
        total = np.zeros(len(self.prior), dtype=np.int64)
        for first, length in _blocks(start, stop):
            total += self._within(first, length, start, stop)
        return total

    def states(self, start: int, stop: int) -> IntArray:
        """The states of rounds ``start <= t < stop``; meant for short stretches."""
        out: list[IntArray] = []
        for first, length in _blocks(start, stop):
            self._collect(first, length, start, stop, out)
        return np.concatenate(out) if out else np.zeros(0, dtype=np.int64)

    def _generator(self, first: int, length: int, role: int) -> Generator:
        # the counter names the node and what is drawn there; its low word is left to the draws
        counter = np.array([0, role, first, length], dtype=np.uint64)
        return Generator(Philox(key=self._key, counter=counter))

    def _block_counts(self, first: int, length: int) -> IntArray:
        known = self._known.get((first, length))
        if known is None:
            known = self._generator(first, length, _BLOCK).multinomial(length, self.prior)
            self._remember(first, length, known)
        return known

    def _remember(self, first: int, length: int, counts: IntArray) -> None:
        self._known[first, length] = counts
        if len(self._known) > _REMEMBERED:
            self._known.popitem(last=False)

    def _left(self, first: int, length: int, counts: IntArray) -> IntArray:
        """Counts of the left half of a node, state by state."""
        half = length // 2
        known = self._known.get((first, half))
        if known is not None:
            return known
        rng = self._generator(first, length, _SPLIT)
        left = np.zeros_like(counts)
        wanted, others = half, length
        for state, count in enumerate(counts.tolist()):
            others -= count
            if wanted == 0:
                break
            if others == 0:
                left[state] = wanted
                break
            if count:
                left[state] = rng.hypergeometric(count, others, wanted)
                wanted -= int(left[state])
        self._remember(first, half, left)
        return left

    def _within(self, first: int, length: int, start: int, stop: int) -> IntArray:
        """Counts of rounds in [start, stop) among the block that begins at `first`."""
        counts = self._block_counts(first, length)
        total = np.zeros_like(counts)
        stack = [(first, length, counts)]
        while stack:
            at, size, here = stack.pop()
            if stop <= at or at + size <= start:
                continue
            if start <= at and at + size <= stop:
                total += here
            elif size <= _LEAF:
                low, high = max(start - at, 0), min(stop - at, size)
                part = self._arrangement(at, size, here)[low:high]
                total += np.bincount(part, minlength=len(here))
            else:
                left = self._left(at, size, here)
                half = size // 2
                stack += [(at, half, left), (at + half, half, here - left)]
        return total

    def _arrangement(self, first: int, length: int, counts: IntArray) -> IntArray:
        ordered = np.repeat(np.arange(len(counts)), counts)
        return self._generator(first, length, _ARRANGEMENT).permutation(ordered)

    def _collect(self, first: int, length: int, start: int, stop: int, out: list[IntArray]) -> None:
        stack = [(first, length, self._block_counts(first, length))]
        while stack:
            at, size, here = stack.pop()
            if stop <= at or at + size <= start:
                continue
            if size <= _LEAF:
                low, high = max(start - at, 0), min(stop - at, size)
                out.append(self._arrangement(at, size, here)[low:high])
            else:
                left = self._left(at, size, here)
                half = size // 2
                stack += [(at + half, half, here - left), (at, half, left)]


def _blocks(start: int, stop: int) -> list[tuple[int, int]]:
    """Blocks (first round, length) that meet rounds ``start <= t < stop``."""
    blocks = []
    first, length = 1, 1
    while first < stop:
        if first + length > start:
            blocks.append((first, length))
        first += length
        length = min(2 * length, _LARGEST_BLOCK)
    return blocks
