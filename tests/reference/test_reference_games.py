"""Every method reproduces published values, also where units, order and labels change."""

from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from typing import Any

import numpy as np
import pytest

from persuasion import NotSolvedError, PersuasionGame, Solution, solve, solvers
from persuasion.problem import Candidate, Problem
from persuasion.receivers import Bayesian
from persuasion.values import full_disclosure_value, no_disclosure_value
from tests.reference.cases import CASES, Case
from tests.reference.textbook import price_slack, textbook_value

TOLERANCE = 1e-9
BENCHMARK_TOLERANCE = 1e-12
BEYOND_PROGRAMS = "concave_closure"
"""Works on beliefs: it has no obedience prices, and may leave linear programs to others."""


def applicable(game: PersuasionGame) -> list[str]:
    """Names of the methods that answer this game."""
    problem = Problem.of(game, Bayesian())
    return [name for name in solvers.names() if solvers.load(name).supports(problem) is None]


PAIRS = [
    pytest.param(case, method, id=f"{case.name}-{method}")
    for case in CASES.values()
    for method in applicable(case.game)
]
EACH_CASE = pytest.mark.parametrize("case", CASES.values(), ids=CASES)


def value_faults(value: Fraction, solution: Solution) -> list[str]:
    """What is wrong with the value of a solution; an interval must hold the value."""
    if solution.status == "optimal":
        if abs(float(solution.value) - float(value)) > TOLERANCE:
            return [f"{solution.method}: value {solution.value}, not {float(value)}"]
    elif not solution.value - TOLERANCE <= value <= solution.upper_bound + TOLERANCE:
        return [f"{solution.method}: {value} not in [{solution.value}, {solution.upper_bound}]"]
    return []


def price_faults(case: Case, prices: Any, obedience: Any) -> list[str]:
    """What is wrong with dual prices: their total, their signs, or a state and an action."""
    game, faults = case.game, []
    total = float(game.prior @ prices)
    if abs(total - float(case.value)) > TOLERANCE:
        faults.append(f"prior @ prices is {total}, not {float(case.value)}")
    if obedience.min() < 0:
        faults.append("a negative obedience price")
    u, v = game.receiver_utility, game.sender_utility
    for a in range(game.n_actions):
        needed = v[:, a] + (u[:, [a]] - u) @ obedience[a]
        if (prices - needed).min() < -TOLERANCE * max(1.0, float(np.abs(prices).max())):
            faults.append(f"prices {prices} are below {needed}, needed for action {a}")
    return faults


@pytest.mark.parametrize(("case", "method"), PAIRS)
def test_value(case: Case, method: str) -> None:
    solution = solve(case.game, method=method)
    assert solution.method == method
    assert value_faults(case.value, solution) == []


@pytest.mark.parametrize(
    ("case", "method"), [pair for pair in PAIRS if pair.values[1] != BEYOND_PROGRAMS]
)
def test_prices_are_dual_optimal(case: Case, method: str) -> None:
    solution = solve(case.game, method=method)
    assert price_faults(case, solution.state_prices, solution.obedience_prices) == []


@EACH_CASE
def test_auto(case: Case) -> None:
    solution = solve(case.game)
    assert solution.status == "optimal"
    assert value_faults(case.value, solution) == []


def exact_faults(case: Case, kernel: Any, recommendations: Any) -> list[str]:
    """What is wrong with an exact scheme: its value or its obedience, in fractions."""
    game = case.game.exact
    signals = list(zip(zip(*kernel, strict=True), recommendations, strict=True))

    def expected(table: Any, column: Any, action: int) -> Fraction:
        terms = zip(game.prior, column, table, strict=True)
        return sum((p * x * row[action] for p, x, row in terms), Fraction(0))

    total = sum(expected(game.sender_utility, column, a) for column, a in signals)
    faults = [] if total == case.value else [f"value {total}, not {case.value}"]
    for column, action in signals:
        utils = [expected(game.receiver_utility, column, b) for b in range(case.game.n_actions)]
        if utils[action] < max(utils):
            faults.append(f"action {action} is disobeyed: {utils}")
    return faults


@EACH_CASE
def test_exact(case: Case) -> None:
    solution = solve(case.game, exact=True)
    assert isinstance(solution.value, Fraction)
    assert solution.value == solution.upper_bound == case.value
    assert exact_faults(case, solution.scheme.exact_kernel, solution.recommendations) == []


@EACH_CASE
def test_benchmarks(case: Case) -> None:
    none, full = float(case.no_information_value), float(case.full_information_value)
    assert no_disclosure_value(case.game) == pytest.approx(none, abs=BENCHMARK_TOLERANCE)
    assert full_disclosure_value(case.game) == pytest.approx(full, abs=BENCHMARK_TOLERANCE)
    solution = solve(case.game)
    assert solution.no_disclosure == pytest.approx(none, abs=BENCHMARK_TOLERANCE)
    assert solution.full_disclosure == pytest.approx(full, abs=BENCHMARK_TOLERANCE)


# -- the same game in other words --------------------------------------------------------------


def changed(
    game: PersuasionGame,
    *,
    sender: Callable[[Any], Any] = lambda table: table,
    receiver: Callable[[Any], Any] = lambda table: table,
    prior: Callable[[Any], Any] = lambda weights: weights,
) -> PersuasionGame:
    exact = game.exact
    return PersuasionGame(
        prior(np.array(exact.prior, dtype=object)),
        sender(np.array(exact.sender_utility, dtype=object)),
        receiver(np.array(exact.receiver_utility, dtype=object)),
    )


def scaled(factor: Fraction) -> Callable[[PersuasionGame], PersuasionGame]:
    return lambda game: changed(game, receiver=lambda table: factor * table)


def shifted(game: PersuasionGame) -> PersuasionGame:
    shift = np.array([[Fraction(7 * w - 3, 2)] for w in range(game.n_states)], dtype=object)
    return changed(game, receiver=lambda table: table + shift)


def states_permuted(game: PersuasionGame) -> PersuasionGame:
    order = np.random.default_rng(3).permutation(game.n_states)[::-1]
    move = lambda table: table[order]  # noqa: E731
    return changed(game, sender=move, receiver=move, prior=move)


def actions_permuted(game: PersuasionGame) -> PersuasionGame:
    order = np.roll(np.arange(game.n_actions)[::-1], 1)
    move = lambda table: table[:, order]  # noqa: E731
    return changed(game, sender=move, receiver=move)


def state_split(game: PersuasionGame) -> PersuasionGame:
    """Split the likeliest state into two of a third and two thirds of its probability."""
    at = int(game.prior.argmax())
    rows = [*range(game.n_states), at]
    share = np.array([Fraction(1)] * len(rows), dtype=object)
    share[[at, -1]] = Fraction(1, 3), Fraction(2, 3)
    copy = lambda table: table[rows]  # noqa: E731
    return changed(game, sender=copy, receiver=copy, prior=lambda p: p[rows] * share)


VARIANTS: dict[str, Callable[[PersuasionGame], PersuasionGame]] = {
    "receiver-times-1e-9": scaled(Fraction(1, 10**9)),
    "receiver-times-1e9": scaled(Fraction(10**9)),
    "receiver-shifted-by-state": shifted,
    "states-permuted": states_permuted,
    "actions-permuted": actions_permuted,
    "state-split": state_split,
}


@pytest.mark.parametrize("variant", VARIANTS)
@EACH_CASE
def test_value_of_the_same_game_in_other_words(case: Case, variant: str) -> None:
    game = VARIANTS[variant](case.game)
    faults = [
        fault
        for method in ("auto", *applicable(game))
        for fault in value_faults(case.value, solve(game, method=method))
    ]
    assert faults == []
    assert solve(game, exact=True).value == case.value


# -- the file itself ---------------------------------------------------------------------------


def test_the_file_is_all_there() -> None:
    assert len(CASES) >= 25
    assert all(case.source and case.note for case in CASES.values())


@EACH_CASE
def test_file_agrees_with_the_textbook(case: Case) -> None:
    assert textbook_value(case.game) == pytest.approx(float(case.value), abs=TOLERANCE)
    prior = case.game.exact.prior
    assert sum(p * x for p, x in zip(prior, case.state_prices, strict=True)) == case.value
    assert price_slack(case.game, [float(x) for x in case.state_prices]) >= -TOLERANCE


@EACH_CASE
def test_several_methods_answer(case: Case) -> None:
    methods = set(applicable(case.game))
    assert {"lp", "exact"} <= methods
    assert ("knapsack" in methods) == (case.game.n_actions == 2)


def test_every_method_is_tested() -> None:
    tested = {pair.values[1] for pair in PAIRS}
    assert tested | {BEYOND_PROGRAMS} == set(solvers.names()) | {BEYOND_PROGRAMS}


# -- what must fail ----------------------------------------------------------------------------


@EACH_CASE
def test_wrong_reference_is_caught(case: Case) -> None:
    solution = solve(case.game)
    for wrong in (case.value + Fraction(1, 10**8), case.value - Fraction(1, 10**8)):
        assert value_faults(wrong, solution) != []
        assert value_faults(wrong, replace(solution, status="within bound")) != []


def test_wrong_exact_scheme_is_caught() -> None:
    case, tiny = CASES["kg_prosecutor"], Fraction(1, 10**30)
    right = ((Fraction(4, 7), Fraction(3, 7)), (Fraction(0), Fraction(1)))
    bold = ((Fraction(4, 7) - tiny, Fraction(3, 7) + tiny), (Fraction(0), Fraction(1)))
    assert exact_faults(case, right, (0, 1)) == []
    assert len(exact_faults(case, bold, (0, 1))) == 2
    assert exact_faults(case, right, (1, 0)) != []


class Disobedient:
    """Recommends the Sender's favourite action in every state, whatever the Receiver thinks."""

    name = "disobedient"

    def supports(self, problem: Problem) -> None:
        return None

    def solve(self, problem: Problem) -> Candidate:
        best = np.eye(problem.n_actions)[problem.gains.argmax(axis=1)]
        masses = problem.weights[:, None] * best
        return Candidate(masses, np.zeros((0, 2), dtype=np.intp), np.zeros(0))


@EACH_CASE
def test_disobedient_scheme_is_caught(case: Case) -> None:
    favourite = case.game.prior @ case.game.sender_utility.max(axis=1)
    if favourite == pytest.approx(float(case.value), abs=TOLERANCE):  # nothing to disobey
        assert value_faults(case.value, solve(case.game, method=Disobedient())) == []
    else:
        with pytest.raises(NotSolvedError, match="residuals too large"):
            solve(case.game, method=Disobedient())


@EACH_CASE
def test_wrong_prices_are_caught(case: Case) -> None:
    solution = solve(case.game)
    prices, obedience = solution.state_prices, solution.obedience_prices
    lower, higher = prices.copy(), prices.copy()
    at = int(case.game.prior.argmax())
    lower[at] -= 1e-6
    higher[at] += 1e-6
    assert len(price_faults(case, lower, obedience)) >= 2
    assert price_faults(case, higher, obedience) != []
    assert price_faults(case, prices, obedience - 1) != []
    cheap = [float(x) for x in case.state_prices]
    cheap[at] -= 1e-6
    assert price_slack(case.game, cheap) < -TOLERANCE


CHANGED_GAMES: dict[str, Callable[[PersuasionGame], PersuasionGame]] = {
    "receiver scaled in one state": lambda game: changed(
        game, receiver=lambda table: np.concatenate([3 * table[:1], table[1:]])
    ),
    "receiver's columns swapped": lambda game: changed(game, receiver=lambda t: t[:, ::-1]),
    "sender's states swapped": lambda game: changed(game, sender=lambda t: t[::-1]),
}


@pytest.mark.parametrize("change", CHANGED_GAMES)
def test_a_change_that_is_no_invariance_is_caught(change: str) -> None:
    case = CASES["random_int_3x3"]
    assert value_faults(case.value, solve(CHANGED_GAMES[change](case.game))) != []
