"""Constants of the bounds: closed forms, conventions, inequalities, and a second route."""

from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

from persuasion import PersuasionError, PersuasionGame, solve, zoo
from persuasion.ambiguity import l1_ball
from persuasion.robust import solve_robust
from theory import constants
from theory.programs import full_revelation_value, optimal_vertex, receiver_gain, robust_value

FAMILIES = ("uniform", "integer", "quadratic", "state_independent", "duplicates")
RANDOM = [
    zoo.random_game(family, m, n, seed=10 * m + n)
    for family in FAMILIES
    for m, n in ((2, 2), (3, 4), (5, 3))
] + [zoo.random_game("binary", m, 2, seed=m) for m in (2, 4, 7)]
ALIGNED = PersuasionGame([0.4, 0.6], [[1, 0], [0, 1]], [[1, 0], [0, 1]])
# action 1 is persuaded, but action 2 is as good for the Receiver everywhere: D = 0
DUPLICATED = PersuasionGame([0.7, 0.3], [[0, 1, 0.5]] * 2, [[1, 0, 0], [0, 1, 1]])


@pytest.mark.parametrize("m", [2, 3, 4, 12, 32])
@pytest.mark.parametrize("beta", ["1/2", "1", "3/2", "2", "5"])
def test_closed_forms_on_f1(m, beta):
    total = float(Fraction(beta))
    if total > m - 1:
        with pytest.raises(PersuasionError, match="beta"):
            zoo.load("f1", m=m, beta=beta)
        return
    b = total / (m - 1)
    game = zoo.load("f1", m=m, beta=beta)
    c = constants(game)
    assert c.optimum == pytest.approx(min(1, 1 / m + (1 - 1 / m) / total), abs=1e-12)
    assert c.persuaded == (1,)
    assert c.slater_margin == pytest.approx(1 / m, abs=1e-12)
    assert c.slater_value == pytest.approx(1 / m, abs=1e-12)
    assert c.regularity == pytest.approx(1, abs=1e-12)
    assert c.single_state_margin == 1
    assert c.n_persuaded == 1
    assert c.min_prior == pytest.approx(1 / m)
    assert c.balance == pytest.approx(1)
    assert c.full_revelation == pytest.approx(1 / m)
    assert c.spread == pytest.approx((1 + b) / 2, abs=1e-12)
    kappa = (m - 1) / total if total >= 1 else 0  # the largest price, where it is an interval
    assert c.multiplier_norm == pytest.approx(kappa, abs=1e-9)
    assert c.C_thm == pytest.approx(1 + (1 + b) * m)
    assert c.C_slater == pytest.approx(1 + (1 + b) * c.optimum * m)


@pytest.mark.parametrize(("m", "beta"), [(3, 1), (4, 2), (12, 2), (12, 5)])
@pytest.mark.parametrize("share", [0, 0.1, 0.5, 1])
def test_robust_value_of_f1(m, beta, share):
    e = share * 2 / m
    b = beta / (m - 1)
    game = zoo.load("f1", m=m, beta=beta).rescaled()
    loss = (e / 2) / (b * (1 - 1 / m + e / 2))
    assert constants(game).optimum - robust_value(game, e) == pytest.approx(loss, abs=1e-10)


def test_the_quoted_loss_of_f1():
    game = zoo.load("f1", m=12, beta=2)
    assert constants(game).optimum - robust_value(game, 1 / 60) == pytest.approx(0.04955, abs=5e-6)


def test_optimum_is_that_of_the_solvers():
    for game in RANDOM:
        own = game.sender_scale.from_unit(constants(game).optimum)
        assert own == pytest.approx(float(solve(game).value), abs=1e-10)


def test_the_scheme_is_a_complete_obedient_vertex():
    for game in RANDOM:
        unit, c = game.rescaled(), constants(game)
        assert np.allclose(c.masses.sum(axis=1), unit.prior, atol=1e-12)
        for a in range(unit.n_actions):
            for b in range(unit.n_actions):
                assert c.masses[:, a] @ receiver_gain(unit, a, b) >= -1e-10
        assert c.n_persuaded <= max(1, len(c.recommended)) <= min(unit.n_states, unit.n_actions)
        assert (unit.sender_utility * c.masses).sum() == pytest.approx(c.optimum)


def test_inequalities_between_the_constants():
    persuaded = 0
    for game in RANDOM:
        c = constants(game)
        assert 0 <= c.full_revelation <= c.optimum + 1e-12
        assert c.spread <= 1
        if not c.persuaded:
            continue
        persuaded += 1
        slack = 1e-9
        assert c.slater_margin >= c.min_prior * c.regularity / c.n_persuaded - slack
        assert c.slater_margin >= c.min_prior * c.single_state_margin - slack
        if c.slater_margin > 0:
            price = (c.optimum - c.slater_value) / c.slater_margin
            assert c.multiplier_norm <= price * (1 + slack) + slack
            assert price <= c.optimum / c.slater_margin
        assert c.C_slater <= c.C_thm * (1 + slack)
    assert persuaded >= 10


def margin_value(game, persuaded, margin):
    """Best value when every persuaded action must win by `margin`; HiGHS on dense rows."""
    unit = game.rescaled()
    m, n = unit.n_states, unit.n_actions
    rows, bounds = [], []
    best = unit.receiver_utility.max(axis=1)
    for w in range(m):
        for a in range(n):
            free = a in persuaded or unit.receiver_utility[w, a] >= best[w] - 1e-12
            bounds.append((0, None if free else 0))
    for a in persuaded:
        for b in set(range(n)) - {a}:
            table = np.zeros((m, n))
            table[:, a] = receiver_gain(unit, a, b)
            rows.append(-table.ravel())
    found = linprog(
        -unit.sender_utility.ravel(), A_ub=rows, b_ub=np.full(len(rows), -margin),
        A_eq=np.kron(np.eye(m), np.ones(n)), b_eq=unit.prior, bounds=bounds, method="highs",
    )  # fmt: skip
    return -found.fun


def test_the_multiplier_norm_is_the_slope_of_the_cost_of_a_margin():
    checked = 0
    for game in RANDOM:
        c = constants(game)
        if not c.persuaded or c.slater_margin < 1e-3:
            continue
        step = c.slater_margin * 1e-4
        slope = (c.optimum - margin_value(game, c.persuaded, step)) / step
        assert slope == pytest.approx(c.multiplier_norm, rel=1e-3, abs=1e-5)
        checked += 1
    assert checked >= 10


def test_nobody_persuaded_costs_nothing():
    c = constants(ALIGNED)
    assert c.persuaded == ()
    assert (c.spread, c.n_persuaded, c.regularity, c.multiplier_norm) == (0, 1, 1, 0)
    assert c.slater_margin == np.inf
    assert c.C_thm == c.C_slater == 1


def test_without_regularity_only_the_trivial_bound_is_left():
    c = constants(DUPLICATED)
    assert c.persuaded == (1,)
    assert c.regularity == c.slater_margin == 0
    assert c.C_thm == c.C_slater == c.multiplier_norm == np.inf


def test_units_do_not_matter():
    game = zoo.random_game("uniform", 4, 3, seed=5)
    other = PersuasionGame(
        game.prior, 40 * game.sender_utility - 7, 1e-3 * game.receiver_utility + 2
    )
    one, two = constants(game), constants(other)
    for name in ("optimum", "slater_margin", "multiplier_norm", "spread", "C_thm", "C_slater"):
        assert getattr(two, name) == pytest.approx(getattr(one, name), rel=1e-7), name


def test_subjective_priors_are_refused():
    game = PersuasionGame([0.5, 0.5], [[0, 1], [0, 1]], [[1, 0], [0, 1]], receiver_prior=[0.4, 0.6])
    with pytest.raises(PersuasionError, match="common prior"):
        constants(game)


@pytest.mark.parametrize("number", range(0, len(RANDOM), 2))
def test_robust_value_agrees_with_the_package_and_falls_with_the_radius(number):
    game = RANDOM[number]
    unit = game.rescaled()
    values = [robust_value(unit, e) for e in (0, 0.01, 0.1, 0.5, 2.0)]
    assert values[0] == pytest.approx(optimal_vertex(unit)[0], abs=1e-9)
    assert (np.diff(values) <= 1e-9).all()
    assert values[-1] >= full_revelation_value(unit) - 1e-9
    for e, value in zip((0.01, 0.1, 0.5), values[1:4], strict=True):
        theirs = solve_robust(game, l1_ball(game.prior, e)).value
        assert game.sender_scale.to_unit(float(theirs)) == pytest.approx(value, abs=1e-8)
