"""Reading samples of a utility: rounds by states by actions, NaN where a cell was left out."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persuasion.cell_limits import cell_limits
from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray, frozen, read_numbers

__all__ = ["UNIT", "IntArray", "MeasuredTable", "common_counts", "read_counts"]

IntArray = NDArray[np.int64]
UNIT = (0.0, 1.0)


@dataclass(frozen=True, eq=False)
class MeasuredTable:
    """One utility as given: samples, or a table that is known.

    Attributes
    ----------
    table : array-like (n_states, n_actions) or None
        Where it is known.
    samples : ndarray (n_samples, n_states, n_actions) or None
        Where it was sampled; NaN where a cell was left out.
    counts : ndarray of int (n_states, n_actions) or None
        Samples of each cell, at least one.
    range : (float, float)
        Declared smallest and largest possible sample.
    """

    table: Any
    samples: FloatArray | None
    counts: IntArray | None
    range: tuple[float, float]

    @classmethod
    def read(cls, given: Any, who: str, declared: tuple[float, float] | None) -> MeasuredTable:
        """Check what the user gave for `who`, "sender" or "receiver"."""
        label = f"{who}_samples"
        try:
            array = np.asarray(given)
            if array.ndim == 3:
                array = np.array(given, dtype=np.float64)  # a copy; None becomes NaN
        except (ValueError, TypeError) as cause:
            raise PersuasionError(
                f"`{label}` must be an array (n_samples, n_states, n_actions) of numbers, NaN or "
                "None where a cell was not sampled"
            ) from cause
        if array.ndim == 2:
            known = read_numbers(given, label, 2, PersuasionError)
            if known.floats.size == 0:
                raise PersuasionError(f"`{label}` is empty: shape {known.floats.shape}")
            low, high = float(known.floats.min()), float(known.floats.max())
            low, high = _range(declared, (low, high if high > low else low + 1), who)
            _check_inside(known.floats, low, high, who)
            return cls(given, None, None, (low, high))
        if array.ndim != 3 or 0 in array.shape:
            raise PersuasionError(
                f"`{label}` must have shape (n_samples, n_states, n_actions), or (n_states, "
                f"n_actions) where the utility is known; got {array.shape}"
            )
        low, high = _range(declared, UNIT, who)
        _check_inside(array, low, high, who)
        counts = (~np.isnan(array)).sum(axis=0)
        if counts.min() == 0:
            state, action = (int(i) for i in np.argwhere(counts == 0)[0])
            raise PersuasionError(
                f"`{label}` has no sample of action {action} in state {state}; "
                "sample that cell, or leave the state or the action out"
            )
        counts = counts.astype(np.int64)
        counts.flags.writeable = False
        return cls(None, frozen(array), counts, (low, high))

    @property
    def shape(self) -> tuple[int, ...]:
        """Numbers of states and actions."""
        return np.shape(self.table) if self.samples is None else self.samples.shape[1:]

    def limits(self, confidence: float) -> tuple[Any, FloatArray, FloatArray]:
        """Mean, lower and upper limit of each cell, in utils."""
        if self.samples is None:
            known = read_numbers(self.table, "utility", 2, PersuasionError).floats
            return self.table, known, known
        assert self.counts is not None
        low, high = self.range
        width = high - low
        unit = self.samples if self.range == UNIT else (self.samples - low) / width
        mean, lower, upper = cell_limits(unit, self.counts, confidence)
        return low + width * mean, frozen(low + width * lower), frozen(low + width * upper)


def _range(
    declared: tuple[float, float] | None, default: tuple[float, float], who: str
) -> tuple[float, float]:
    if declared is None:
        return default
    try:
        low, high = (float(end) for end in declared)
    except (TypeError, ValueError) as cause:
        raise PersuasionError(
            f"`{who}_range` must be a pair (low, high); got {declared!r}"
        ) from cause
    if not (math.isfinite(low) and math.isfinite(high) and low < high):
        raise PersuasionError(f"`{who}_range` must be finite with low < high; got {declared!r}")
    return low, high


def _check_inside(values: FloatArray, low: float, high: float, who: str) -> None:
    outside = (values < low) | (values > high)  # NaN is neither
    if outside.any():
        worst = float(values[outside].flat[0])
        raise PersuasionError(
            f"{who} utilities must lie in [{low:g}, {high:g}]; got {worst:g}. Declare what a "
            f"sample can be, not what it happened to be: {who}_range=(low, high); or rescale with "
            "(x - low) / (high - low)"
        )


def common_counts(sender: MeasuredTable, receiver: MeasuredTable) -> IntArray:
    """Samples of each cell, (n_states, n_actions), once both tables are seen to fit together."""
    if sender.counts is None and receiver.counts is None:
        raise PersuasionError(
            "both utilities are given as tables, so nothing is measured; "
            "use PersuasionGame(prior, sender_utility, receiver_utility)"
        )
    if sender.shape != receiver.shape:
        raise PersuasionError(
            f"the Sender's utility is over {sender.shape} states and actions, the Receiver's over "
            f"{receiver.shape}"
        )
    if sender.samples is not None and receiver.samples is not None:
        if sender.samples.shape != receiver.samples.shape:
            raise PersuasionError(
                f"`sender_samples` has shape {sender.samples.shape} but `receiver_samples` has "
                f"{receiver.samples.shape}; round i of both must be one and the same"
            )
        differs = np.isnan(sender.samples) != np.isnan(receiver.samples)
        if differs.any():
            where = [int(i) for i in np.argwhere(differs)[0]]
            raise PersuasionError(
                "a cell is sampled for both or for neither; `sender_samples` and "
                f"`receiver_samples` differ in that at [round, state, action] = {where}"
            )
    counts = sender.counts if receiver.counts is None else receiver.counts
    assert counts is not None
    return counts


def read_counts(counts: Any, n_states: int) -> IntArray:
    """Read how often each state was drawn, shape (n_states,)."""
    k = read_numbers(counts, "prior_counts", 1, PersuasionError).floats
    if k.shape != (n_states,) or k.min() < 0 or (k != np.floor(k)).any() or k.sum() == 0:
        raise PersuasionError(
            f"`prior_counts` must be {n_states} whole numbers >= 0, not all 0; got {k.tolist()}"
        )
    whole = k.astype(np.int64)
    whole.flags.writeable = False
    return whole
