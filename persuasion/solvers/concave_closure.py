"""Two to four states, any Receiver: the concave closure of what the Sender gets at each belief.

Against best responders the indirect utility is linear on every best-response cell, so some optimal
split uses vertices of cells only: with all vertices listed the answer is exact, by another route
than the obedience program. Other Receivers must state how fast the indirect utility can vary.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from persuasion.beliefs import indirect_utility
from persuasion.cell_vertices import cell_vertices, n_systems
from persuasion.concave_closure import (
    MAX_STATES,
    closure_on_points,
    concave_closure,
    utility_against,
)
from persuasion.game import PersuasionGame
from persuasion.problem import Problem, SplitCandidate
from persuasion.values import first_best

__all__ = ["SOLVER", "ConcaveClosureSolver"]

_MAX_SYSTEMS = 300_000


@dataclass(frozen=True)
class ConcaveClosureSolver:
    """Splits of the prior into posteriors, with an error bound.

    Parameters
    ----------
    tolerance : float
        Error to aim at where the answer is not exact, in units of the range of v-hat.
    max_cells : int
        Largest number of cells of the partition that bounds the error.

    Notes
    -----
    The Receiver's ``lipschitz(game)`` (a number) or ``curvature(game, cells)`` (cell by cell, see
    `Quantal.curvature`) bounds the error. Reached on random games with two to six actions, u in
    [0, 1], error in units of the range of v, for `Quantal` with beta up to 50: two and three
    states 1e-6 in 0.1 s; four states 1e-6 in median, 6e-3 at worst, in 0.5 s and 9 s. With
    beta = 200: 3e-6 or better for three states, up to 0.2 for four. With a Lipschitz constant
    alone: 1e-5 for two states, 1e-3 (3e-2 with beta = 200) for three, no useful bound for four.
    `Solution.upper_bound` always says what was reached.
    Source: Kamenica & Gentzkow, AER 101(6), 2011 (concavification).
    Departures: none.

    Examples
    --------
    >>> from persuasion import PersuasionGame, Quantal, solve
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> solution = solve(game, receiver=Quantal(10.0))
    >>> round(solution.value, 4), solution.upper_bound - solution.value < 2e-6
    (0.4437, True)
    """

    tolerance: float = 1e-6
    max_cells: int = 500_000
    name: str = "concave_closure"

    def supports(self, problem: Problem) -> str | None:
        """At most four states; best responders, or Receivers who bound their own variation."""
        if problem.slack is not None:
            return "it does not treat a margin; use method='lp'"
        if problem.actions is not None:
            return "it splits beliefs and cannot restrict recommendations; use method='lp'"
        m, n = problem.n_states, problem.n_actions
        if m > MAX_STATES:
            remedy = (
                "use method='lp'"
                if problem.is_linear
                else "merge states, or drop some with game.restrict(states=...)"
            )
            return f"it needs at most {MAX_STATES} possible states, the game has {m}; {remedy}"
        if problem.is_linear:
            if n_systems(m, n) > _MAX_SYSTEMS:
                return f"{n} actions have too many best-response cells to list; use method='lp'"
            return None
        if not problem.game.has_common_prior:
            return (
                "against a Receiver who is no best responder it needs a common prior: her "
                "Lipschitz constant is stated in one belief, and here the two differ"
            )
        if not (hasattr(problem.receiver, "lipschitz") or hasattr(problem.receiver, "curvature")):
            return (
                f"{type(problem.receiver).__name__} has no method lipschitz(game), so the error "
                "would be unknown; add one, or call persuasion.concave_closure"
            )
        return None

    def solve(self, problem: Problem) -> SplitCandidate:
        """List vertices of best-response cells, or refine a partition of the beliefs."""
        return _exact(problem) if problem.is_linear else self._refined(problem)

    def _refined(self, problem: Problem) -> SplitCandidate:
        game, receiver = problem.game, problem.receiver
        bounds: dict[str, Any] = {}
        if hasattr(receiver, "curvature"):
            bounds["curvature"] = lambda cells: receiver.curvature(game, cells)
        if hasattr(receiver, "lipschitz"):
            bounds["lipschitz"] = receiver.lipschitz(game)
        closure = concave_closure(
            utility_against(game, receiver),
            game.prior,
            tolerance=self.tolerance,
            max_cells=self.max_cells,
            time_limit=problem.time_limit,
            **bounds,
        )
        posteriors = closure.posteriors
        return SplitCandidate(
            weights=closure.weights,
            posteriors=posteriors if problem.support is None else posteriors[:, problem.support],
            upper_bound=min(closure.upper_bound, max(first_best(game), closure.value)),
            finished=closure.finished,
        )


def _exact(problem: Problem) -> SplitCandidate:
    """Optimise over vertices of cells, in the beliefs of the Receiver.

    ``weights``, ``gains`` and ``payoffs`` of a problem are a game with a common prior, also where
    the priors differ.
    """
    prior = problem.weights / problem.weights.sum()
    common = PersuasionGame(prior, problem.gains, problem.payoffs)
    vertices, actions = cell_vertices(problem.payoffs)
    points = np.concatenate([np.eye(len(prior)), prior[None], vertices])
    closure = closure_on_points(points, indirect_utility(common, points), prior)
    # a tie that rounding hides at a vertex would hide value: count it in the bound
    hidden = (vertices * problem.gains[:, actions].T).sum(axis=1) - vertices @ closure.prices
    return SplitCandidate(
        weights=closure.weights,
        posteriors=closure.posteriors,
        upper_bound=closure.upper_bound + max(float(hidden.max()), 0.0),
    )


SOLVER = ConcaveClosureSolver()
