"""At most k signals: exact search over sets of recommendations.

With k signals some optimal scheme recommends k actions at most (signals that induce the same
action can be merged), so the problem is to choose the set. Best-first branch and bound: a node
allows some actions and requires others; the linear program over the allowed actions bounds it,
and a node whose optimum uses at most k of them is solved. Otherwise one of the actions used is
branched on: left out, or required. Every program is solved from scratch: driving the cells of an
action out of the basis of the node before takes longer than the few long steps from nothing.
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
    while heap:
        _, _, solution, allowed, required = heapq.heappop(heap)
        used = solution.recommendations or ()
        if len(used) <= max_signals:  # best-first: no set left has a larger bound
            return replace(solution, seconds=perf_counter() - started)
        share = dict(zip(used, solution.scheme.signal_probabilities(problem.game), strict=True))
        if problem.time_limit is not None and perf_counter() - started > problem.time_limit:
            heaviest = sorted(used, key=lambda a: -share[a])[:max_signals]
            return _stopped(problem, solution, tuple(sorted(heaviest)), solve_part)
        # branch on the action that carries most mass among those not yet decided
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
    raise InfeasibleError(
        f"no scheme with at most {max_signals} signals meets the margin {problem.margin}"
    )


def _solved(part: Problem, solve_part: Callable[[Problem], Solution]) -> Solution | None:
    try:
        return solve_part(part)
    except InfeasibleError:
        return None


def _stopped(
    problem: Problem,
    bound: Solution,
    guess: tuple[int, ...],
    solve_part: Callable[[Problem], Solution],
) -> Solution:
    """The better of a guessed set and all single recommendations, with the bound of open sets."""
    sets = [guess, *((a,) for a in range(problem.n_actions))]
    solved = (_solved(problem.allowing(actions), solve_part) for actions in sets)
    known = [solution for solution in solved if solution is not None]
    if not known:
        raise InfeasibleError("the time limit was reached before any scheme was found")
    best = max(known, key=lambda solution: solution.value)
    return replace(best, status=TIME_LIMIT, upper_bound=bound.upper_bound)
