"""At most k signals: exact search over sets of recommendations.

With k signals some optimal scheme recommends k actions at most (signals that induce the same
action can be merged), so the problem is to choose the set. Best-first branch and bound: a node
allows some actions and requires others; the linear program over the allowed actions bounds it,
and a node whose optimum uses at most k of them is solved. Otherwise one of the actions used is
branched on: left out, or required.
"""

from __future__ import annotations

import heapq
from collections.abc import Callable
from dataclasses import replace
from itertools import count
from time import perf_counter

from persuasion.errors import InfeasibleError
from persuasion.problem import Problem
from persuasion.results import TIME_LIMIT, Solution

__all__ = ["solve_with_few_signals"]


def solve_with_few_signals(
    problem: Problem, max_signals: int, solve_part: Callable[[Problem], Solution]
) -> Solution:
    """Find the best scheme with at most `max_signals` signals.

    Parameters
    ----------
    problem : Problem
    max_signals : int
    solve_part : callable
        Solves the problem for a restricted set of recommendations and certifies the answer.

    Returns
    -------
    Solution
        `upper_bound` and the duality gap refer to the whole search: the largest bound among the
        sets not yet excluded. State and obedience prices are those of the set found.

    Raises
    ------
    InfeasibleError
        When a margin leaves no scheme with so few signals.
    """
    started = perf_counter()
    order = count()
    everything = tuple(range(problem.n_actions))
    root = _solved(problem.allowing(everything), solve_part)
    if root is None:
        raise InfeasibleError("no scheme meets the margin, whatever the number of signals")
    heap = [(-root.value, next(order), root, everything, frozenset[int]())]
    best: Solution | None = None
    while heap:
        negative_bound, _, solution, allowed, required = heapq.heappop(heap)
        if best is not None and -negative_bound <= best.value:
            break
        used = solution.recommendations or ()
        if len(used) <= max_signals:
            # best-first: no set left has a larger bound
            best = solution
            break
        if problem.time_limit is not None and perf_counter() - started > problem.time_limit:
            return _stopped(problem, solution, solve_part)
        # branch on the action that carries most mass among those not yet decided
        share = dict(zip(used, solution.scheme.signal_probabilities(problem.game), strict=True))
        undecided = [a for a in used if a not in required]
        action = max(undecided, key=lambda a: share[a])
        children = [(tuple(a for a in allowed if a != action), required)]
        with_action = required | {action}
        if len(with_action) == max_signals:
            children.append((tuple(sorted(with_action)), with_action))
        else:
            children.append((allowed, with_action))
        for child_allowed, child_required in children:
            if child_allowed == allowed:
                part: Solution | None = solution
            else:
                part = _solved(problem.allowing(child_allowed), solve_part)
            if part is not None:
                entry = (-part.value, next(order), part, child_allowed, child_required)
                heapq.heappush(heap, entry)
    if best is None:
        raise InfeasibleError(
            f"no scheme with at most {max_signals} signals meets the margin {problem.margin}"
        )
    return replace(best, seconds=perf_counter() - started)


def _solved(part: Problem, solve_part: Callable[[Problem], Solution]) -> Solution | None:
    try:
        return solve_part(part)
    except InfeasibleError:
        return None


def _stopped(
    problem: Problem, bound: Solution, solve_part: Callable[[Problem], Solution]
) -> Solution:
    """The best single recommendation, with the bound of the open sets."""
    singles = (_solved(problem.allowing((a,)), solve_part) for a in range(problem.n_actions))
    known = [s for s in singles if s is not None]
    if not known:
        raise InfeasibleError("the time limit was reached before any scheme was found")
    best = max(known, key=lambda s: s.value)
    return replace(best, status=TIME_LIMIT, upper_bound=bound.upper_bound)
