"""The second routes agree with published values, closed forms and each other."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from persuasion import PersuasionGame
from persuasion.errors import InfeasibleError, UnsupportedError
from persuasion.testing import (
    SlaterMargin,
    cell_vertices,
    check_solution,
    conditioning,
    enumeration_size,
    exact_value,
    margin_price,
    reference_solution,
    reference_value,
    robust_value,
    slater_margin,
    stakes,
    value_with_margin,
)
from tests.reference.cases import CASES, Case


def one_good_state(n_states: int, beta: float) -> PersuasionGame:
    """Family F1 of the theory notes: uniform prior, one good state, closed forms."""
    receiver = np.zeros((n_states, 2))
    receiver[0, 1] = 1.0
    receiver[1:, 0] = beta / (n_states - 1)
    sender = np.tile([0.0, 1.0], (n_states, 1))
    return PersuasionGame(np.full(n_states, 1 / n_states), sender, receiver)


@pytest.mark.parametrize("case", CASES.values(), ids=CASES)
def test_published_values(case: Case) -> None:
    unit = stakes(case.game)
    assert abs(reference_value(case.game) - float(case.value)) <= 1e-9 * unit
    if enumeration_size(case.game) <= 400:
        assert exact_value(case.game) == case.value


def test_enumeration_reaches_most_published_games() -> None:
    reached = [case for case in CASES.values() if enumeration_size(case.game) <= 400]
    assert len(reached) >= len(CASES) / 2


@pytest.mark.parametrize(("m", "beta"), [(3, 1.5), (4, 2.0), (7, 3.0)])
def test_closed_forms(m: int, beta: float) -> None:
    game, b, p0 = one_good_state(m, beta), beta / (m - 1), 1 / m
    assert reference_value(game) == pytest.approx(p0 * (1 + 1 / b), abs=1e-9)
    assert margin_price(game, [0, 1]) == pytest.approx(1 / b, abs=1e-9)
    for radius in (0.0, p0 / 3, 2 * p0):
        loss = (radius / 2) / (b * (1 - p0 + radius / 2))
        assert robust_value(game, radius) == pytest.approx(p0 * (1 + 1 / b) - loss, abs=1e-9)


def test_robust_share_of_bad_states_falls() -> None:
    """F13: what a robust scheme recommends in bad states falls with the radius, strictly."""
    game = one_good_state(4, 2.0)
    shares = [robust_value(game, radius) for radius in np.linspace(0, 0.5, 6)]
    assert (np.diff(shares) < -1e-3).all()


def test_slope_in_the_margin_is_the_price_of_the_margin() -> None:
    """F14: F'(0+) = -kappa, on random games whose first linear piece floats can see."""
    rng = np.random.default_rng(8)
    slopes = []
    for _ in range(25):
        m, n = rng.integers(2, 5, 2)
        game = PersuasionGame(rng.dirichlet(np.ones(m)), rng.random((m, n)), rng.random((m, n)))
        used = reference_solution(game).recommendations
        d = slater_margin(game, used).margin
        if conditioning(game) < 1e-3 or d < 1e-2:
            continue
        kappa, rho = margin_price(game, used), 1e-4 * d
        slopes.append((reference_value(game) - value_with_margin(game, used, rho)) / rho)
        assert slopes[-1] == pytest.approx(kappa, rel=1e-4, abs=1e-4)
        assert slopes[-1] * d <= stakes(game) * (1 + 1e-9)
    assert len(slopes) >= 10
    assert max(slopes) > 0.1


def test_margin_beyond_the_largest_is_infeasible() -> None:
    game = one_good_state(3, 2.0)
    d = slater_margin(game, [0, 1]).margin
    value_with_margin(game, [0, 1], 0.999 * d)
    with pytest.raises(InfeasibleError):
        value_with_margin(game, [0, 1], 1.001 * d)


def test_margin_of_a_dominated_action() -> None:
    game = PersuasionGame([0.5, 0.5], [[0, 1], [0, 1]], [[1, 0], [1, 0]])
    assert slater_margin(game).margin == 0.0
    assert slater_margin(game, [0]) == SlaterMargin(1.0, 0.0)
    assert slater_margin(game, [1]) == SlaterMargin(-1.0, 1.0)


def test_margin_over_the_used_actions_is_not_two_sided() -> None:
    """F7: raising an unused action by 0.01 lifts OPT from 0 to 1."""
    utility = np.array([[1, 0, 0.49], [0, 1, 0.49]])
    game = PersuasionGame([0.5, 0.5], [[0, 0, 1]] * 2, utility)
    raised = PersuasionGame([0.5, 0.5], [[0, 0, 1]] * 2, utility + [[0, 0, 0.01]] * 2)
    assert slater_margin(game, [0, 1]).margin > 0.2
    assert slater_margin(game).margin <= 0
    assert (reference_value(game), reference_value(raised)) == (0.0, 1.0)


def test_state_dependent_units_of_the_receiver_matter() -> None:
    """F11: u -> c(w) u is a change of the Receiver's prior, not of her units."""
    game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    scaled = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 2]])
    assert reference_value(scaled) > reference_value(game) + 0.2


def test_reference_solution_certifies_itself() -> None:
    rng = np.random.default_rng(5)
    for _ in range(20):
        m, n = rng.integers(1, 6, 2)
        own = rng.dirichlet(np.ones(m)) if rng.random() < 0.5 else None
        game = PersuasionGame(
            rng.dirichlet(np.ones(m)),
            rng.normal(size=(m, n)),
            rng.normal(size=(m, n)),
            receiver_prior=own,
        )
        assert check_solution(game, reference_solution(game))


def test_forgotten_row_is_worth_something() -> None:
    game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    assert reference_solution(game, without=(1, 0)).value == pytest.approx(1.0)


def test_enumeration_against_program() -> None:
    rng = np.random.default_rng(11)
    for _ in range(40):
        m, n = rng.integers(1, 5, 2)
        weights = rng.integers(0, 5, m)
        weights[rng.integers(m)] += 1
        game = PersuasionGame(
            [Fraction(int(x), int(weights.sum())) for x in weights],
            rng.integers(-3, 4, (m, n)),
            rng.integers(-3, 4, (m, n)),
        )
        assert float(exact_value(game)) == pytest.approx(reference_value(game), abs=1e-9)


def test_cells_of_three_states() -> None:
    """Guess the state, three states: corners, midpoints of edges, and the centre."""
    game = PersuasionGame(["1/3"] * 3, np.zeros((3, 3)), np.eye(3))
    third, half = Fraction(1, 3), Fraction(1, 2)
    expected = {(third, third, third)}
    for i in range(3):
        expected.add(tuple(Fraction(int(w == i)) for w in range(3)))
        expected.add(tuple(Fraction(0) if w == i else half for w in range(3)))
    assert set(cell_vertices(game)) == expected


def test_enumeration_refuses_what_it_cannot_do() -> None:
    rng = np.random.default_rng(0)
    large = PersuasionGame(np.full(8, 1 / 8), rng.random((8, 8)), rng.random((8, 8)))
    with pytest.raises(UnsupportedError, match="more than 400"):
        exact_value(large)
    subjective = PersuasionGame([0.5, 0.5], np.eye(2), np.eye(2), receiver_prior=[0.4, 0.6])
    with pytest.raises(UnsupportedError, match="common prior"):
        exact_value(subjective)
