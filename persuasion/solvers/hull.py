"""Two states: the upper hull of the indirect utility, O(n log n).

Beliefs are numbers p in [0, 1], the probability of the second state. The Receiver's expected
utilities are lines, action a is optimal on an interval, her cell, and the Sender's utility is
linear inside a cell. Some optimal split therefore uses cell endpoints only, and the concave
closure is the upper hull of at most 2n points. Its edge above the prior is the price function;
an action that beats this line outside its cell is held down by the price of the neighbouring
action that bounds the cell, or, if no belief makes it optimal, by a mixture that dominates it.
"""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from persuasion.errors import InfeasibleError
from persuasion.problem import Candidate, IntArray, Problem, Vertex
from persuasion.rationals import FloatArray

__all__ = ["SOLVER", "Hull"]

_TOUCH = 1e-13
"""Distance from the envelope, against the spread of utilities, that still counts as touching."""


class Hull:
    """Exact up to rounding, for games with two possible states.

    Notes
    -----
    Source: Kamenica & Gentzkow, AER 101(6), 2011, section 3 (concavification); hull and envelope
    by Andrew's monotone chain.
    """

    name = "hull"

    def supports(self, problem: Problem) -> str | None:
        """Two states of positive probability, best-responding Receiver, no margin."""
        if not problem.is_linear:
            return "it optimises against best responders only; use method='concave_closure'"
        if problem.n_states != 2:
            return f"it needs two possible states, the game has {problem.n_states}; use method='lp'"
        if problem.slack is not None:
            return "it does not treat a margin; use method='lp'"
        return None

    def solve(self, problem: Problem) -> Candidate:
        """Find the cells, take the hull of their endpoints, read off the split at the prior."""
        total = float(problem.weights.sum())
        prior = float(problem.weights[1]) / total
        cells = _find_cells(problem.payoffs)
        allowed = np.array(problem.recommendable(), dtype=np.intp)
        live = allowed[cells.low[allowed] <= cells.high[allowed]]
        action = np.concatenate([live, live])
        at = np.concatenate([cells.low[live], cells.high[live]])
        gain = problem.gains[0, action] * (1 - at) + problem.gains[1, action] * at
        if live.size == 0 or not at.min() <= prior <= at.max():
            raise InfeasibleError(
                "the allowed recommendations cannot be obeyed on average: no mixture of beliefs at "
                "which they are best responses gives the prior; allow more signals or actions"
            )
        left, right = _edge_above(at, gain, prior)
        gap = float(at[right] - at[left])
        share = (prior - float(at[left])) / gap if gap > 0 else 0.0
        masses = np.zeros_like(problem.gains)
        for point, part in ((left, 1 - share), (right, share)):
            where = float(at[point])
            masses[0, action[point]] += total * part * (1 - where)
            masses[1, action[point]] += total * part * where
        slope = float(gain[right] - gain[left]) / gap if gap > 0 else 0.0
        start = float(gain[left]) - slope * float(at[left])
        excess = problem.gains - np.array([[start], [start + slope]])
        rows, prices = _prices(problem.payoffs, excess, cells, allowed)
        return Candidate(
            masses=masses,
            price_rows=rows,
            prices=prices,
            vertex=_vertex(cells, action, at, left, right),
        )


@dataclass(slots=True)
class _Cells:
    """Where each action is optimal, and which envelope lines bound it.

    ``low[a] > high[a]`` when no belief makes a optimal. `before` and `after` are the envelope
    lines (actions) just left and right of the cell, or of the belief where a comes closest;
    -1 at the ends of [0, 1].
    """

    low: FloatArray
    high: FloatArray
    before: IntArray
    after: IntArray


def _find_cells(payoffs: FloatArray) -> _Cells:
    n = payoffs.shape[1]
    start, end = payoffs[0], payoffs[1]
    slope = end - start
    envelope, kinks = _envelope(start, slope)
    slopes = slope[envelope]
    # piece k of the envelope covers [kinks[k], kinks[k + 1]]
    first = np.searchsorted(slopes, slope, side="left")  # pieces before it are flatter
    steeper = np.searchsorted(slopes, slope, side="right")  # pieces from it on are steeper
    low, high = kinks[first], kinks[steeper]
    before = np.where(first > 0, envelope[first - 1], -1)
    after = np.where(steeper < len(envelope), envelope[np.minimum(steeper, len(envelope) - 1)], -1)
    nearest = envelope[np.minimum(first, len(envelope) - 1)]
    height = (start[nearest] - start) * (1 - low) + (end[nearest] - end) * low
    touches = height <= _TOUCH * (float(np.ptp(payoffs)) or 1.0)
    touches[envelope] = True
    # a parallel below a piece of the envelope is dominated by that piece alone
    below = (first < steeper) & ~touches
    before, after = np.where(below, -1, before), np.where(below, nearest, after)
    return (
        _Cells(np.where(touches, low, 2.0), np.where(touches, high, -1.0), before, after)
        if n > 1
        else _Cells(np.zeros(1), np.ones(1), np.array([-1]), np.array([-1]))
    )


def _envelope(start: FloatArray, slope: FloatArray) -> tuple[IntArray, FloatArray]:
    """Upper envelope on [0, 1]: lines from left to right, and the kinks with 0 and 1 around."""
    order = np.lexsort((-start, slope))  # by slope; among parallels the highest first
    chain: list[int] = []
    kinks: list[float] = []  # kinks[i] is where chain[i] takes over
    heights, slopes = start.tolist(), slope.tolist()
    for line in order.tolist():
        if chain and slopes[line] == slopes[chain[-1]]:
            continue
        at = 0.0
        while chain:
            rise = slopes[line] - slopes[chain[-1]]
            at = (heights[chain[-1]] - heights[line]) / rise
            if at > kinks[-1]:
                break
            chain.pop()
            kinks.pop()
            at = 0.0
        if at < 1.0:
            chain.append(line)
            kinks.append(max(at, 0.0))
    return np.array(chain, dtype=np.intp), np.array([*kinks, 1.0])


def _edge_above(at: FloatArray, gain: FloatArray, prior: float) -> tuple[int, int]:
    """Positions of the two points whose chord is the upper hull at `prior`."""
    order = np.lexsort((-gain, at)).tolist()
    x, y = at.tolist(), gain.tolist()
    hull: list[int] = []
    for point in order:
        if hull and x[point] == x[hull[-1]]:
            continue
        while len(hull) > 1:
            a, b = hull[-2], hull[-1]
            if (y[b] - y[a]) * (x[point] - x[a]) > (y[point] - y[a]) * (x[b] - x[a]):
                break
            hull.pop()
        hull.append(point)
    position = min(int(np.searchsorted(at[hull], prior)), len(hull) - 1)
    return hull[max(position - 1, 0)], hull[position]


def _prices(
    payoffs: FloatArray, excess: FloatArray, cells: _Cells, actions: IntArray
) -> tuple[IntArray, FloatArray]:
    """Obedience prices that push ``excess[state, action]`` below zero in both states."""
    above = actions[excess[:, actions].max(axis=0) > 0]
    inside = cells.low[above] <= cells.high[above]
    # a cell: the neighbour on the side where the action pays too much
    own = above[inside]
    left, right = own[excess[0, own] > 0], own[excess[1, own] > 0]
    before, after = cells.before[left], cells.after[right]
    lead_before = payoffs[0, before] - payoffs[0, left]
    lead_after = payoffs[1, after] - payoffs[1, right]
    # no cell: a mixture of the neighbours is better for the Receiver in both states
    own = above[~inside]
    low, high = cells.before[own], cells.after[own]
    lead_low = payoffs[:, low] - payoffs[:, own]
    lead_high = payoffs[:, high] - payoffs[:, own]
    fall, rise = lead_low[0] - lead_low[1], lead_high[1] - lead_high[0]
    with np.errstate(divide="ignore", invalid="ignore"):
        price_before = excess[0, left] / lead_before
        price_after = excess[1, right] / lead_after
        share = np.where(low < 0, 1.0, np.where(high < 0, 0.0, fall / (fall + rise)))
        lead = lead_low + share * (lead_high - lead_low)
        need = (excess[:, own] / lead).max(axis=0)
    first = np.concatenate([left, right, own, own])
    second = np.concatenate([before, after, low, high])
    prices = np.concatenate([price_before, price_after, (1 - share) * need, share * need])
    kept = (prices > 0) & (second >= 0) & (prices < np.inf)
    return np.stack([first[kept], second[kept]], axis=1), prices[kept]


def _vertex(
    cells: _Cells, action: IntArray, at: FloatArray, left: int, right: int
) -> Vertex | None:
    """The basis of the split: an interior endpoint mixes two states and has one tight row."""
    if at[left] == at[right]:
        return None
    if action[left] == action[right]:
        a = int(action[left])
        return Vertex(np.array([[0, a], [1, a]], dtype=np.intp), np.empty((0, 2), dtype=np.intp))
    basic: list[tuple[int, int]] = []
    rows: list[tuple[int, int]] = []
    for point in (left, right):
        a, where = int(action[point]), float(at[point])
        if where < 1:
            basic.append((0, a))
        if where > 0:
            basic.append((1, a))
        if 0 < where < 1:
            side = cells.before if where == cells.low[a] else cells.after
            rows.append((a, int(side[a])))
    return Vertex(np.array(basic, dtype=np.intp), np.array(rows, dtype=np.intp).reshape(-1, 2))


SOLVER = Hull()
