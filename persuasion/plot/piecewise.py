"""The indirect utility along a segment of beliefs: exact kinks, jumps, concave closure.

Beliefs are ``(1 - t) start + t end`` with t in [0, 1]. Expected utilities are lines in t, so the
Receiver's choice changes only where two lines of her upper envelope cross; no grid is involved.
"""

from __future__ import annotations

from dataclasses import dataclass
from itertools import pairwise

import numpy as np

from persuasion.beliefs import best_responses, expected_utilities, indirect_utility
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray

__all__ = ["PiecewiseLinear", "along", "concave_closure", "indirect_utility_along"]

_SAME_PLACE = 1e-12


@dataclass(frozen=True)
class PiecewiseLinear:
    """A function on [0, 1] that is linear between knots and may jump at them.

    Attributes
    ----------
    knots : ndarray (n_knots,)
        Increasing, from 0 to 1.
    values : ndarray (n_knots,)
        Value at each knot.
    limits : ndarray (n_knots - 1, 2)
        Limits from inside at both ends of each interval.
    actions : tuple of int, length n_knots - 1
        Action taken inside each interval.
    """

    knots: FloatArray
    values: FloatArray
    limits: FloatArray
    actions: tuple[int, ...]

    def __call__(self, t: float) -> float:
        """Value at one point."""
        at = np.flatnonzero(np.abs(self.knots - t) <= _SAME_PLACE)
        if at.size:
            return float(self.values[at[0]])
        k = int(np.searchsorted(self.knots, t)) - 1
        share = (t - self.knots[k]) / (self.knots[k + 1] - self.knots[k])
        return float((1 - share) * self.limits[k, 0] + share * self.limits[k, 1])


def along(start: FloatArray, end: FloatArray, t: FloatArray) -> FloatArray:
    """Beliefs on the segment, shape (len(t), n_states)."""
    return np.multiply.outer(1 - t, start) + np.multiply.outer(t, end)


def indirect_utility_along(
    game: PersuasionGame, start: FloatArray, end: FloatArray
) -> PiecewiseLinear:
    """v-hat (ties for the Sender) on the segment from `start` to `end`, each (n_states,).

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> curve = indirect_utility_along(game, np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    >>> curve.knots.tolist(), curve.values.tolist(), curve.actions
    ([0.0, 0.5, 1.0], [0.0, 1.0, 1.0], (0, 1))
    """
    ends = np.stack([start, end])
    receiver = expected_utilities(game, ends)
    sender = ends @ game.sender_utility
    knots = [0.0, *_envelope_kinks(receiver, 0.0, 1.0), 1.0]
    # where several actions are tied all along an interval, the Sender's favourite may change
    inside = []
    for low, high in pairwise(knots):
        tied = best_responses(game, along(start, end, np.array([(low + high) / 2])))[0]
        inside += _envelope_kinks(sender[:, tied], low, high)
    knots = sorted(knots + inside)
    t = np.array(knots)
    middle = along(start, end, (t[:-1] + t[1:]) / 2)
    optimal = best_responses(game, middle)
    actions = np.where(optimal, middle @ game.sender_utility, -np.inf).argmax(axis=1)
    limits = np.stack(
        [(1 - s) * sender[0, actions] + s * sender[1, actions] for s in (t[:-1], t[1:])], axis=1
    )
    return PiecewiseLinear(
        knots=t,
        values=indirect_utility(game, along(start, end, t)),
        limits=limits,
        actions=tuple(actions.tolist()),
    )


def _envelope_kinks(lines: FloatArray, low: float, high: float) -> list[float]:
    """Kinks inside (low, high) of the maximum of lines given by their values at 0 and 1."""
    slope = lines[1] - lines[0]
    slack = 1e-13 * float(np.ptp(lines)) if lines.size else 0.0

    def best(t: float, side: float) -> int:
        """Line on top at t and, among ties, just beyond t on the given side."""
        height = lines[0] + t * slope
        top = height >= height.max() - slack
        return int(np.where(top, side * slope, -np.inf).argmax())

    kinks: list[float] = []
    open_intervals = [(low, best(low, 1.0), high, best(high, -1.0))]
    while open_intervals:
        left, a, right, b = open_intervals.pop()
        bend = slope[b] - slope[a]
        if a == b or bend <= 0:
            continue
        cross = float((lines[0, a] - lines[0, b]) / bend)
        if not left + _SAME_PLACE < cross < right - _SAME_PLACE:
            continue
        if (lines[0] + cross * slope).max() <= lines[0, a] + cross * slope[a] + slack:
            kinks.append(cross)
        else:
            open_intervals.append((left, a, cross, best(cross, -1.0)))
            open_intervals.append((cross, best(cross, 1.0), right, b))
            # the top line at `cross` may itself bend there
            if best(cross, -1.0) != best(cross, 1.0):
                kinks.append(cross)
    return sorted(kinks)


def concave_closure(curve: PiecewiseLinear) -> tuple[FloatArray, FloatArray]:
    """Corners (t, value) of the smallest concave function above the curve.

    Examples
    --------
    >>> from persuasion import PersuasionGame
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> curve = indirect_utility_along(game, np.array([1.0, 0.0]), np.array([0.0, 1.0]))
    >>> [corner.tolist() for corner in concave_closure(curve)]
    [[0.0, 0.5, 1.0], [0.0, 1.0, 1.0]]
    """
    corners: list[tuple[float, float]] = []
    for x, y in zip(curve.knots.tolist(), curve.values.tolist(), strict=True):
        while len(corners) > 1:
            (x0, y0), (x1, y1) = corners[-2:]
            if (y1 - y0) * (x - x0) > (y - y0) * (x1 - x0):
                break
            corners.pop()
        corners.append((x, y))
    t, height = np.array(corners).T
    return t, height
