"""Checking an answer in fractions, from the problem alone.

Nothing is taken from the method that found the answer: value, obedience, Bayes plausibility and
the bound of weak duality are computed anew, and an answer is optimal exactly when its value equals
its bound.
"""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from fractions import Fraction
from typing import TYPE_CHECKING

from persuasion.errors import UnsupportedError
from persuasion.problem import Candidate, ExactProblem, Problem

if TYPE_CHECKING:
    from persuasion.results import Solution

__all__ = ["ExactCertificate", "certificate_of", "check_certificate"]

_ZERO = Fraction(0)


@dataclass(frozen=True, slots=True)
class ExactCertificate:
    """What masses and prices say about each other.

    Attributes
    ----------
    value : Fraction
        Sender's value of the masses, in utils.
    upper_bound : Fraction or float
        Value that no obedient scheme exceeds; infinite where a price is negative or belongs to no
        obedience row, which bounds nothing.
    obeys : bool
        Whether every recommendation is obeyed, with the margin asked.
    plausible : bool
        Whether the masses are nonnegative, lie on allowed recommendations and add up to the
        weight of every state.
    violation : Fraction
        Largest shortfall of an obedience row, mass times Receiver's utils; 0 when `obeys`.
    state_prices : tuple of Fraction or None
        Price theta of every state of the support; None where there is no bound.
    """

    value: Fraction
    upper_bound: Fraction | float
    obeys: bool
    plausible: bool
    violation: Fraction
    state_prices: tuple[Fraction, ...] | None

    @property
    def optimal(self) -> bool:
        """Whether the masses are a legal scheme that attains the bound."""
        return self.plausible and self.obeys and self.value == self.upper_bound


def check_certificate(
    problem: Problem | ExactProblem,
    masses: Mapping[tuple[int, int], Fraction],
    prices: Mapping[tuple[int, int], Fraction],
    *,
    actions: Sequence[int] | None = None,
) -> ExactCertificate:
    """Check masses and obedience prices against the problem.

    Parameters
    ----------
    problem : Problem or ExactProblem
    masses : mapping
        Joint masses ``{(state, action): Fraction}``; pairs left out are zero.
    prices : mapping
        Obedience prices ``{(action, deviation): Fraction}``; pairs left out are zero.
    actions : sequence of int, optional
        Recommendations allowed; by default those of a `Problem`, all of an `ExactProblem`.

    Returns
    -------
    ExactCertificate

    Notes
    -----
    Symbols: masses = x, prices = y, state_prices = theta(omega).
    Source: duality of the obedience program; Dughmi & Xu, *Algorithmic Bayesian Persuasion*,
    SIAM J. Comput. 50(3), 2021.
    Departures: none.

    Examples
    --------
    >>> from fractions import Fraction
    >>> from persuasion.game import PersuasionGame
    >>> from persuasion.problem import Problem
    >>> from persuasion.receivers import Bayesian
    >>> game = PersuasionGame(["7/10", "3/10"], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> masses = {(0, 0): Fraction("0.4"), (0, 1): Fraction("0.3"), (1, 1): Fraction("0.3")}
    >>> problem = Problem.of(game, Bayesian())
    >>> certificate = check_certificate(problem, masses, {(1, 0): Fraction(1)})
    >>> certificate.value, certificate.upper_bound, certificate.optimal
    (Fraction(3, 5), Fraction(3, 5), True)
    """
    if isinstance(problem, Problem):
        actions = problem.actions if actions is None else actions
        problem = problem.exact
    n_states, n_actions = len(problem.weights), len(problem.gains[0])
    everything = range(n_actions)
    allowed = set(everything) if actions is None else set(actions)

    def advantage(state: int, action: int, deviation: int) -> Fraction:
        utils = problem.payoffs[state]
        return utils[action] - utils[deviation] - problem.slack[state]

    plausible = True
    value = _ZERO
    sums = [_ZERO] * n_states
    surplus: dict[tuple[int, int], Fraction] = {}
    for (w, a), x in masses.items():
        if x == 0:
            continue
        plausible = plausible and x > 0 and w in range(n_states) and a in allowed
        if w not in range(n_states) or a not in everything:
            continue
        value += x * problem.gains[w][a]
        sums[w] += x
        for b in everything:
            if b != a:
                surplus[a, b] = surplus.get((a, b), _ZERO) + x * advantage(w, a, b)
    violation = -min(surplus.values(), default=_ZERO)
    charged = {row: y for row, y in prices.items() if y != 0}
    upper_bound: Fraction | float = float("inf")
    state_prices = None
    if all(y > 0 and a != b and {a, b} <= set(everything) for (a, b), y in charged.items()):
        adjusted = [list(row) for row in problem.gains]
        for (a, b), y in charged.items():
            for w in range(n_states):
                adjusted[w][a] += y * advantage(w, a, b)
        state_prices = tuple(max(row[a] for a in allowed) for row in adjusted)
        upper_bound = sum(
            (p * theta for p, theta in zip(problem.weights, state_prices, strict=True)), _ZERO
        )
    return ExactCertificate(
        value=value,
        upper_bound=upper_bound,
        obeys=violation <= 0,
        plausible=plausible and sums == list(problem.weights),
        violation=max(violation, _ZERO),
        state_prices=state_prices,
    )


def certificate_of(solution: Solution) -> ExactCertificate:
    """Check the answer in a `Solution`, exact or floating.

    Parameters
    ----------
    solution : Solution
        A floating answer is read as the binary numbers it consists of, each state's masses
        divided by their exact sum, so that rounding shows as a small `violation`.

    Raises
    ------
    UnsupportedError
        When the solution does not come from the obedience program.
    """
    problem, candidate = solution.problem, solution.candidate
    if not isinstance(candidate, Candidate) or problem is None:
        raise UnsupportedError(
            f"method {solution.method!r} gives no prices to certify with; solve the game against a "
            "best-responding Receiver again"
        )
    if candidate.exact_masses is not None and candidate.exact_prices is not None:
        return check_certificate(problem, candidate.exact_masses, candidate.exact_prices)
    assert solution.masses is not None
    assert solution.recommendations is not None
    masses: dict[tuple[int, int], Fraction] = {}
    for w, (weight, row) in enumerate(
        zip(problem.exact.weights, solution.masses.tolist(), strict=True)
    ):
        own = [Fraction(x) for x in row]
        unit = weight / sum(own, _ZERO)
        masses |= {
            (w, a): x * unit for a, x in zip(solution.recommendations, own, strict=True) if x
        }
    prices = {
        (a, b): Fraction(y)
        for (a, b), y in zip(candidate.price_rows.tolist(), candidate.prices.tolist(), strict=True)
        if y > 0
    }
    return check_certificate(problem, masses, prices)
