"""Two actions or two states: the optimum in closed form, in fractions (F12, F13)."""

from __future__ import annotations

from fractions import Fraction

import numpy as np

from persuasion import solve as default_solve
from persuasion.game import PersuasionGame
from persuasion.testing.invariant import (
    TOLERANCE,
    InvariantError,
    SolutionLike,
    Solve,
    expect_equal,
    law,
    promises_vertex,
    recommendations_of,
    scheme_of,
    stakes,
    value_of,
)

__all__ = ["check_binary_actions", "check_two_states"]

ROUNDING = 1e-15
"""Probabilities are known up to about this."""


@law("F12", "two actions: OPT is the value of a fractional knapsack")
def check_binary_actions(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check OPT against its one-dimensional dual, in fractions.

    With ``d = v(., 1) - v(., 0)`` and ``g = u(., 1) - u(., 0)``:
    ``OPT = E v(., 0) + min_{y >= 0} { E (d + y g)^+ - y (E g)^+ }``, and the minimum is at y = 0 or
    at some ``y = -d(w)/g(w) >= 0``. Proviso: two actions, a common prior, at most 64 states.

    Notes
    -----
    Source: own derivation (theory notes, F12); two actions are also treated by Dughmi & Xu,
    SIAM J. Comput. 50(3), 2021.
    """
    if game.n_actions != 2 or game.n_states > 64 or not game.has_common_prior:
        return False
    numbers = game.exact
    prior = numbers.prior
    d = [v1 - v0 for v0, v1 in numbers.sender_utility]
    g = [u1 - u0 for u0, u1 in numbers.receiver_utility]
    pull = sum((p * x for p, x in zip(prior, g, strict=True)), Fraction(0))
    prices = {Fraction(0)} | {-x / y for x, y in zip(d, g, strict=True) if y and x / y < 0}

    def dual(y: Fraction) -> Fraction:
        terms = (p * max(x + y * z, Fraction(0)) for p, x, z in zip(prior, d, g, strict=True))
        return sum(terms, Fraction(0)) - y * max(pull, Fraction(0))

    base = sum((p * v[0] for p, v in zip(prior, numbers.sender_utility, strict=True)), Fraction(0))
    expect_equal(
        value_of(solution),
        float(base + min(dual(y) for y in prices)),
        unit=stakes(game),
        tolerance=tolerance,
        because="OPT against the knapsack formula",
    )
    return True


@law("F13", "two states: OPT is the upper hull of v-hat's breakpoints, posteriors lie on them")
def check_two_states(
    game: PersuasionGame,
    solution: SolutionLike,
    *,
    solve: Solve = default_solve,
    tolerance: float = TOLERANCE,
) -> bool:
    """Check value and posteriors of a game with two possible states, in fractions.

    The Receiver's cells are intervals, v-hat has at most 2n breakpoints, and OPT is the upper hull
    of v-hat at these, read at the prior. A vertex of the linear program has at most 2 posteriors,
    each an end of its action's cell or 0, 1 or mu. Distances of posteriors count with the
    probability of their signal. Proviso: two possible states, a common prior; for the posteriors a
    promised vertex and recommendations.

    Notes
    -----
    Source: Kamenica & Gentzkow, AER 101(6), 2011, section 3; posteriors: own derivation.
    """
    support = np.flatnonzero(game.prior)
    if len(support) != 2 or not game.has_common_prior:
        return False
    numbers = game.exact
    first, second = (int(w) for w in support)
    v = list(zip(numbers.sender_utility[first], numbers.sender_utility[second], strict=True))
    u = list(zip(numbers.receiver_utility[first], numbers.receiver_utility[second], strict=True))
    cells = {a: cell for a in range(len(u)) if (cell := _cell(a, u)) is not None}
    height: dict[Fraction, Fraction] = {}
    for p in {end for cell in cells.values() for end in cell}:
        height[p] = max(
            (1 - p) * v[a][0] + p * v[a][1] for a, (low, high) in cells.items() if low <= p <= high
        )
    prior = numbers.prior[second]
    hull = max(
        height[left]
        if left == right
        else ((right - prior) * height[left] + (prior - left) * height[right]) / (right - left)
        for left in height
        if left <= prior
        for right in height
        if right >= prior and (right > left or left == prior)
    )
    expect_equal(
        value_of(solution),
        float(hull),
        unit=stakes(game),
        tolerance=tolerance,
        because="OPT against the upper hull of the breakpoints",
    )
    recommendations = recommendations_of(game, solution)
    if recommendations is None or not promises_vertex(solution):
        return True
    scheme = scheme_of(game, solution)
    probabilities = scheme.signal_probabilities(game)
    used = [i for i, probability in enumerate(probabilities) if probability > 0]
    if len(used) > 2:
        raise InvariantError(f"{len(used)} posteriors are used; two are enough at a vertex")
    for i in used:
        posterior = float(scheme.posteriors(game)[i, second])
        ends = [0.0, 1.0, float(prior), *map(float, cells.get(recommendations[i], ()))]
        distance = min(abs(posterior - end) for end in ends)
        allowed = tolerance * float(min(prior, 1 - prior)) + ROUNDING
        if not probabilities[i] * distance <= allowed:
            raise InvariantError(
                f"signal {i} leads to the belief {posterior:.12g} of state {second}; a vertex "
                f"would stop at one of {ends}"
            )
    return True


def _cell(a: int, u: list[tuple[Fraction, Fraction]]) -> tuple[Fraction, Fraction] | None:
    """Interval of the second state's probability at which `a` is optimal, or None."""
    low, high = Fraction(0), Fraction(1)
    for other in u:
        at_zero, at_one = u[a][0] - other[0], u[a][1] - other[1]
        if at_zero < 0 and at_one < 0:
            return None
        if at_zero < 0:
            low = max(low, at_zero / (at_zero - at_one))
        elif at_one < 0:
            high = min(high, at_zero / (at_zero - at_one))
    return (low, high) if low <= high else None
