"""A prior that changes at known rounds: no theorem here covers it, but one can look."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.random import SeedSequence

from persuasion.environments.states import IntArray, StateSequence
from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray

__all__ = ["Drifting"]


@dataclass(frozen=True)
class Drifting:
    """Independent draws whose prior is constant between change points.

    Parameters
    ----------
    priors : tuple of tuple of float, each (n_states,)
    starts : tuple of int
        First round of each prior; the first is 1, they increase.

    Notes
    -----
    Regret is measured against the optimum at the prior of the round (dynamic regret).

    Examples
    --------
    >>> from persuasion.environments import Drifting
    >>> [start for start, _ in Drifting.between([0.2, 0.8], [0.6, 0.4], 3, 900).segments(900)]
    [1, 301, 601]
    """

    priors: tuple[tuple[float, ...], ...]
    starts: tuple[int, ...]

    def __post_init__(self) -> None:
        if len(self.priors) != len(self.starts) or not self.starts or self.starts[0] != 1:
            raise PersuasionError("each prior needs its first round, and the first one is round 1")
        if any(b <= a for a, b in zip(self.starts, self.starts[1:], strict=False)):
            raise PersuasionError(f"`starts` must increase; got {self.starts}")

    @classmethod
    def between(
        cls, first: Sequence[float], last: Sequence[float], n_steps: int, horizon: int
    ) -> Drifting:
        """Move from one prior to another in `n_steps` equal steps over `horizon` rounds."""
        if not 1 <= n_steps <= horizon:
            raise PersuasionError(f"`n_steps` must be between 1 and the horizon; got {n_steps}")
        share = np.linspace(0.0, 1.0, n_steps)[:, None]
        priors = (1 - share) * np.asarray(first) + share * np.asarray(last)
        starts = 1 + np.arange(n_steps) * horizon // n_steps
        return cls(tuple(map(tuple, priors.tolist())), tuple(starts.tolist()))

    def segments(self, horizon: int) -> list[tuple[int, FloatArray]]:
        """First round and prior of each stretch that begins within the horizon."""
        return [
            (start, np.array(prior))
            for start, prior in zip(self.starts, self.priors, strict=True)
            if start <= horizon
        ]

    def sequence(self, seed: SeedSequence) -> StateSequence:
        """Return the sequence of one run."""
        return _Pieces(self, seed)


class _Pieces(StateSequence):
    """One sequence per stretch, each read only where it applies."""

    def __init__(self, drift: Drifting, seed: SeedSequence) -> None:
        self._starts = drift.starts
        self._parts = [
            StateSequence(np.array(prior), child)
            for prior, child in zip(drift.priors, seed.spawn(len(drift.priors)), strict=True)
        ]

    def _cut(self, start: int, stop: int) -> list[tuple[StateSequence, int, int]]:
        ends = [*self._starts[1:], max(stop, self._starts[-1] + 1)]
        return [
            (part, max(start, low), min(stop, high))
            for part, low, high in zip(self._parts, self._starts, ends, strict=True)
            if max(start, low) < min(stop, high)
        ]

    def counts(self, start: int, stop: int) -> IntArray:
        """Counts over ``start <= t < stop``."""
        zero = np.zeros(len(self._parts[0].prior), dtype=np.int64)
        return sum((part.counts(a, b) for part, a, b in self._cut(start, stop)), zero)

    def states(self, start: int, stop: int) -> IntArray:
        """States of ``start <= t < stop``."""
        parts = [part.states(a, b) for part, a, b in self._cut(start, stop)]
        return np.concatenate(parts) if parts else np.zeros(0, dtype=np.int64)
