"""Bounds against formulas typed a second time, numbers quoted for them, and one another."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from persuasion import PersuasionError, zoo
from persuasion.ambiguity import l1_radius
from persuasion.learners._epochs import n_solves as learners_n_solves
from theory import constants, statements
from theory.algorithm import Schedule, log_subsets, n_solves, radius, solve_rounds
from theory.programs import robust_value
from theory.statements._pair import PairConstants, read_pair
from theory.statements._robust import capped_sum
from theory.statements.theorem_1_box import generic_bound

F1 = zoo.load("f1", m=4, beta=2)
PROSECUTOR = zoo.load("prosecutor")
PARAMETERS = {"growth": 1.2, "delta": None, "confidence": "l1", "form": "sum"}


# -- the same, typed again from the theory's page ----------------------------------------------


def literal_growth(T, m, C, delta, g, OPT):
    n, j, t = 0, 0, 1
    while t <= T:
        j += 1
        n = t - 1
        t = max(t + 1, int(np.ceil(g * n)) + 1)
    A = C * np.sqrt(2 * g * (np.log(2.0**m - 2) + np.log(j * (j + 1) / delta)))
    S = T - 1.0
    s0 = S if (OPT <= 0 or not np.isfinite(A)) else min(S, np.floor((A / OPT) ** 2))
    return 1 + s0 * OPT + (2 * A * (np.sqrt(S) - np.sqrt(s0)) if s0 < S else 0.0)


def literal_every_round(T, m, C):
    return 2 + C * 2 * np.sqrt(2 * (T - 1) * (m * np.log(2) + 2 * np.log(T)))


def literal_paper_form(T, m, k, c, D, g):
    return 2 + np.sqrt(g) * 12 * k / (c * D) * m**1.5 * np.sqrt(T * np.log(T))


def literal_box(T, m, OPT, d, delta, g, J):
    L = np.log(2 * m * J * (J + 1) / delta)
    return (
        1
        + (1 + 2 * OPT / d) * 4 * np.sqrt(g * m * L * T)
        + (1 + 4 * OPT / d) * m * L * g * (1 + np.log(T))
    )


def literal_lower(T, p=0.25, B=1.0):
    D = np.geomspace(1e-9, min(p, 0.5 * (1 - p)), 20000)
    D = D[B * (p + D) <= (1 - p - D)]
    a = B * D / (1 - p)
    c0 = p * (1 + B)
    kl = D**2 / (p * (1 - p))
    ok = a < c0 / 1.05
    inner = np.log(c0 / np.where(ok, a, c0 / 2))
    f = np.where(ok, 0.5 * T * a * (1 - ((T - 1) * kl / 2 + 1 / np.e) / inner), 0.0)
    return max(0.0, f.max())


@pytest.mark.parametrize("growth", [1.05, 1.2, 2.0])
@pytest.mark.parametrize("T", [2, 10, 10**4, 10**7])
def test_growth_and_slater_bounds(growth, T):
    for game in (F1, PROSECUTOR, zoo.random_game("uniform", 5, 3, seed=1)):
        c = constants(game)
        for name, C in (("theorem_1_growth", c.C_thm), ("theorem_1_slater", c.C_slater)):
            bound = statements.load(name).bound(game, T, {"growth": growth, "delta": 0.01})
            wanted = literal_growth(T, game.n_states, C, 0.01, growth, c.optimum)
            assert bound == pytest.approx([wanted], rel=1e-12)


def test_growth_bound_dominates_the_sum_it_stands_for():
    c = constants(F1)
    for T in (3, 50, 3000):
        L = log_subsets(4) + math.log(n_solves(T, 1.2) * (n_solves(T, 1.2) + 1) * T)
        s = np.arange(1, T)
        total = 1 + np.minimum(c.optimum, c.C_slater * np.sqrt(2 * 1.2 * L / s)).sum()
        bound = statements.load("theorem_1_slater").bound(F1, T, PARAMETERS)[0]
        assert total <= bound <= 1.02 * total + 1


@pytest.mark.parametrize("T", [10**3, 10**6])
def test_expectation_bounds(T):
    for game in (F1, PROSECUTOR):
        c, m = constants(game), game.n_states
        star = statements.load("theorem_1_every_round").bound(game, T, {"growth": 1.0})
        assert star == pytest.approx([literal_every_round(T, m, c.C_thm)])
        paper = statements.load("corollary_1").bound(game, T, {"growth": 1.2})
        balance, D = c.min_prior * m, c.regularity
        assert paper == pytest.approx([literal_paper_form(T, m, 1, balance, D, 1.2)])


def test_corollary_drops_k_where_single_states_suffice():
    game = zoo.load("price_discrimination", values=[1, 2, 4])
    c = constants(game)
    assert c.n_persuaded == 2
    bound = statements.load("corollary_1").bound(game, 10**4, {"growth": 1.0})[0]
    with_k = literal_paper_form(10**4, 3, 2, c.balance, c.regularity, 1.0)
    assert c.single_state_margin > 0
    without = literal_paper_form(10**4, 3, 1, c.balance, c.single_state_margin, 1.0)
    assert bound == pytest.approx(min(with_k, without))


def test_box_bound():
    T, game = 10**6, zoo.load("f1", m=12, beta=2)
    c = constants(game)
    J = n_solves(T, 1.2)
    wanted = literal_box(T, 12, c.optimum, c.slater_margin, 1 / T, 1.2, J)
    log_term = math.log(2 * 12 * J * (J + 1) * T)
    price = c.optimum / c.slater_margin
    assert generic_bound(T, 12, price, log_term, 1.2) == pytest.approx(wanted)
    assert wanted > T  # vacuous, where the instance bound is not
    bound = statements.load("theorem_1_box").bound(game, T, {"growth": 1.2})[0]
    assert 2.3e4 < bound < 0.6 * T * c.optimum
    # the instance bound again, summed term by term
    b = 2 / 11
    s = np.arange(1, T)
    n = s / 1.2
    R = 4 * np.sqrt(log_term / 12 / n) * (1 + 11 * b) + 4 * log_term / n * (1 + 11 * b)
    loss = 2 * np.sqrt(12 * log_term / n) + 12 * log_term / n + price * R
    total = 1 + np.minimum(c.optimum, loss).sum()
    assert total <= bound <= 1.01 * total


def test_numbers_quoted_for_the_lower_bounds():
    closed = statements.load("theorem_2")
    for T, quoted in ((10**3, 7.2), (10**4, 27.4), (10**5, 99.8), (10**6, 353.8), (10**8, 4214)):
        bound = closed.bound(closed.games(T), T)[0]
        assert bound == pytest.approx(quoted, rel=6e-3)
        assert bound == pytest.approx(literal_lower(T), rel=1e-4)  # another grid of gaps
    computed = statements.load("theorem_2_neyman_pearson")
    for T, quoted in ((10**2, 4.9), (10**3, 18.6), (10**4, 69), (10**5, 248)):
        bound = computed.bound(computed.games(T), T)[0]
        assert bound == pytest.approx(quoted, rel=0.015)  # quoted: trapezoid, coarser search
        assert 0.22 < bound / math.sqrt(T * math.log(T)) < 0.24
        assert bound > 2 * literal_lower(T)


@pytest.mark.parametrize("T", [1, 2, 40, 600, 2500])
def test_neyman_pearson_is_the_sum_over_all_outcomes(T):
    theorem = statements.load("theorem_2_neyman_pearson")
    p = PairConstants(0.25, 0.03, 1.0)
    total = 0.0
    for n in range(T):
        j = np.arange(n + 1)
        low = p.loss_first * binom.pmf(j, n, p.good)
        high = p.loss_second * binom.pmf(j, n, p.good + p.gap)
        total += np.minimum(low, high).sum() / 2
    bound = theorem.at(p, np.array([T]), {})[0]
    if T <= 513:
        assert bound == pytest.approx(total, rel=1e-9)
    assert 0.995 * total <= bound <= total * (1 + 1e-9)


def test_relaxed_bound_at_its_own_gap():
    theorem = statements.load("theorem_2_relaxed")
    for T in (4, 100, 10**6):
        bound = theorem.bound(theorem.games(T), T)[0]
        assert bound == pytest.approx(math.sqrt(6) / 8 * 0.95**2 * math.sqrt(T), rel=1e-9)
    games = theorem.games(100)
    t = np.arange(1, 101)
    slope = math.sqrt(read_pair(games).divergence / 2)
    exact = (read_pair(games).loss_second * np.maximum(0.9 - slope * np.sqrt(t - 1), 0)).sum()
    assert 0.9 * exact <= theorem.bound(games, 100, {"beta": 0.1})[0] <= exact
    assert theorem.bound(games, 100, {"beta": 1.0})[0] == 0


def test_asymptotic_constants_of_the_lower_bound():
    """(1 / (3 sqrt 3)) B sqrt(p / (1 - p)) sqrt(T ln T), approached slowly from below."""
    theorem = statements.load("theorem_2")
    ratios = []
    for T in (10**4, 10**8, 10**14):
        bound = theorem.bound(theorem.games(T), T)[0]
        ratios.append(bound / (math.sqrt(T * math.log(T)) / 9))
    assert 0.7 < ratios[0] < ratios[1] < ratios[2] < 1


def test_lower_bounds_on_many_bad_states():
    theorem = statements.load("theorem_2")
    games = theorem.games(10**5, good=1 / 8, ratio=7 / 2, n_states=8)
    assert [g.n_states for g in games] == [8, 8]
    found = read_pair(games)
    assert (found.good, found.ratio) == (pytest.approx(1 / 8), pytest.approx(7 / 2))
    assert theorem.bound(games, 10**5)[0] == pytest.approx(
        literal_lower(10**5, 1 / 8, 3.5), rel=1e-4
    )
    assert games[0].receiver_utility.max() == 1
    assert constants(games[0]).optimum == pytest.approx(1 / 8 * (1 + 3.5))


@pytest.mark.parametrize(
    ("games", "message"),
    [
        (F1, "pair"),
        ((F1, PROSECUTOR), "equally bad|conditional law|same"),
        ((zoo.load("three_state_sale"), PROSECUTOR), "lower bounds speak"),
        ((PROSECUTOR, PROSECUTOR.with_prior([0, 1])), "positive probability"),
    ],
)
def test_games_that_are_no_pair_are_refused(games, message):
    with pytest.raises(PersuasionError, match=message):
        statements.load("theorem_2").bound(games, 100)


# -- radii and schedules -----------------------------------------------------------------------


@pytest.mark.parametrize("form", ["sum", "mcdiarmid", "product", "min"])
@pytest.mark.parametrize("m", [2, 3, 40, 2000])
def test_radii_agree_with_the_learners(form, m):
    for n in (0, 1, 100, 10**7):
        for delta in (0.3, 1e-9):
            own = radius(n, m, delta, form)[0]
            assert own == pytest.approx(l1_radius(n, m, delta, form=form), rel=1e-12)


def test_radius_forms_are_ordered():
    n, delta = np.array([10**4]), 1e-3
    for m in (2, 5, 100):
        assert radius(n, m, delta, "mcdiarmid") <= radius(n, m, delta, "product")
        assert radius(n, m, delta, "min") <= radius(n, m, delta, "sum")
    with pytest.raises(PersuasionError, match="form"):
        radius(1, 2, 0.1, "guess")


@pytest.mark.parametrize("growth", [1.0, 1.01, 1.2, 1.5, 2.0, 3.7])
def test_schedules_agree_with_the_learners(growth):
    for T in (1, 2, 3, 1000, 12345):
        assert n_solves(T, growth) == learners_n_solves(T, growth)
    rounds = solve_rounds(12345, growth)
    assert rounds[0] == 1
    assert (rounds[1:] - 1 >= growth * (rounds[:-1] - 1)).all()
    t = np.arange(2, 12346)
    last = rounds[np.searchsorted(rounds, t, side="right") - 1] - 1
    assert (last > (t - 1) / growth - 1e-9).all() or growth == 1.0
    assert len(rounds) <= 2 + math.log(12345, growth) if growth > 1 else True


def test_the_radii_of_a_run_fail_with_probability_delta_at_most():
    schedule = Schedule(n_states=3, horizon=10**5, growth=1.2, delta=0.2)
    j = np.arange(1, len(schedule.rounds) + 1)
    assert (0.2 / (j * (j + 1))).sum() < 0.2
    n = schedule.rounds - 1
    again = [l1_radius(int(k), 3, 0.2 / (i * (i + 1))) for i, k in zip(j, n, strict=True)]
    assert schedule.radii == pytest.approx(again)


# -- order -------------------------------------------------------------------------------------


def test_three_curves_in_their_order():
    """thm >= slater >= pathwise: ever more is known about the game."""
    rounds = np.array([10, 10**3, 10**5, 10**7])
    for game in (F1, PROSECUTOR, zoo.random_game("integer", 4, 3, seed=3)):
        curves = [
            statements.load(name).bound(game, rounds, PARAMETERS)
            for name in ("theorem_1_growth", "theorem_1_slater", "theorem_1_pathwise")
        ]
        assert (curves[0] >= curves[1] * (1 - 1e-9)).all()
        assert (curves[1] >= curves[2]).all()
        assert curves[1][-1] > 1.2 * curves[2][-1]


def test_the_chain_of_the_pathwise_bound():
    """rho + OPT - V_rob(rho + e) <= e + OPT - V_rob(2 e) <= C e, for rho <= e."""
    rng = np.random.default_rng(0)
    for game in (F1, PROSECUTOR, zoo.random_game("uniform", 4, 3, seed=2)):
        unit, c = game.rescaled(), constants(game)
        for e in (0.001, 0.01, 0.1, 0.4):
            rho = e * rng.random()
            first = rho + c.optimum - robust_value(unit, rho + e)
            second = e + c.optimum - robust_value(unit, 2 * e)
            assert first <= second + 1e-9
            assert min(second, c.optimum) <= min(c.C_slater * e, c.optimum) + 1e-9


def test_capped_sums_dominate_term_by_term():
    rng = np.random.default_rng(4)
    for _ in range(50):
        cap, a, b = rng.random(), 10 * rng.random(), 30 * rng.random()
        S = int(rng.integers(0, 500))
        s = np.arange(1, S + 1)
        exact = np.minimum(cap, a / np.sqrt(s) + b / s).sum()
        assert exact - 1e-9 <= capped_sum(S, cap, a, b)[0] <= cap * S + 1e-9 + 2 * cap
    assert capped_sum(7, 0.5, math.inf)[0] == 3.5
    assert capped_sum([0, 3], 0.0, 1.0).tolist() == [0, 0]
