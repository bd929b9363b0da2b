"""Supremum under adversarial ties against exact envelopes, cell vertices and margins."""

from __future__ import annotations

from fractions import Fraction
from itertools import combinations, pairwise

import numpy as np
import pytest
from scipy.optimize import linprog

from persuasion import Bayesian, PersuasionError, PersuasionGame, SignalingScheme, solve, zoo
from persuasion.adversarial import supremum_adversarial
from persuasion.errors import UnsupportedError
from persuasion.values import obedience_gap, sender_value

AGAINST = Bayesian(ties="adversarial")


def prosecutor(prior: str) -> PersuasionGame:
    p = Fraction(prior)
    return PersuasionGame([1 - p, p], [[0, 1], [0, 1]], [[1, 0], [0, 1]])


# -- known answers -------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("prior", "value", "attained"),
    [("3/10", 0.6, False), ("1/2", 1.0, False), ("7/10", 1.0, True), ("9/20", 0.9, False)],
)
def test_prosecutor(prior: str, value: float, attained: bool) -> None:
    found = supremum_adversarial(prosecutor(prior))
    assert found.value == pytest.approx(value, abs=1e-12)
    assert found.upper_bound == pytest.approx(value, abs=1e-12)
    assert found.attained is attained
    assert found.actions == (0, 1)


def test_limit_itself_may_be_worth_much_less() -> None:
    found = supremum_adversarial(prosecutor("3/10"))
    assert sender_value(found.game, found.limit, AGAINST) == 0.0


def test_aligned_with_strict_preferences_is_attained() -> None:
    utility = np.random.default_rng(3).random((4, 4))
    game = PersuasionGame([0.1, 0.2, 0.3, 0.4], utility, utility)
    found = supremum_adversarial(game)
    assert found.attained is True
    assert found.value == pytest.approx(game.prior @ utility.max(axis=1), abs=1e-12)
    assert sender_value(game, found.scheme(0.0), AGAINST) == pytest.approx(found.value, abs=1e-12)


def test_an_action_best_on_a_thin_set_does_not_count() -> None:
    # action 2 ties with 0 and 1 at belief 1/2 only, and is what the Sender wants
    game = PersuasionGame(["1/2", "1/2"], [[0, 0, 1], [0, 0, 1]], [[1, 0, "1/2"], [0, 1, "1/2"]])
    assert solve(game).value == 1.0
    found = supremum_adversarial(game)
    assert (found.value, found.attained, found.actions) == (0.0, True, (0, 1))
    # an epsilon more and it has a cell of its own
    more = PersuasionGame(["1/2", "1/2"], [[0, 0, 1], [0, 0, 1]], [[1, 0, "0.51"], [0, 1, "0.51"]])
    assert supremum_adversarial(more).value == pytest.approx(1.0)


def test_a_face_action_counts_when_only_the_face_is_possible() -> None:
    # action 2 is best only where state 2 is impossible; so it counts only when it is
    u = [[1, 0, "3/4", 0], [0, 1, "3/4", 0], [0, 0, -1, 2]]
    v = [[0, 0, 1, 0]] * 3
    wide = PersuasionGame(["1/4", "1/4", "1/2"], v, [[*row[:3], row[3]] for row in u])
    assert supremum_adversarial(wide).actions == (0, 1, 2, 3)
    weak = [[1, 0, "1/2", 0], [0, 1, "1/2", 0], [2, 2, 2, 0]]
    thin = PersuasionGame(["1/4", "1/4", "1/2"], v, weak)
    assert 2 not in supremum_adversarial(thin).actions
    strong = [[1, 0, "3/4", 0], [0, 1, "3/4", 0], [2, 2, 0, 0]]
    face = PersuasionGame(["1/2", "1/2", 0], v, strong)
    found = supremum_adversarial(face)
    assert 2 in found.actions
    assert found.value == pytest.approx(1.0)
    assert found.limit.n_states == 3


def test_duplicates_are_taken_in_expectation() -> None:
    # the two duplicates pay the Sender (1, 0) and (0, 1): a mixed posterior is worth min(p, 1 - p)
    game = PersuasionGame(["1/4", "3/4"], [[1, 0, -1], [0, 1, -1]], [[1, 1, 0], [1, 1, 0]])
    found = supremum_adversarial(game)
    assert found.actions == (0,)
    assert found.value == pytest.approx(0.25)
    assert found.attained is True


def test_duplicates_on_the_support_only() -> None:
    u = [[1, 1, 0], [0, 0, 1], [0, 9, 5]]
    v = [[1, "1/2", 0]] * 3
    assert supremum_adversarial(PersuasionGame(["1/2", "1/2", 0], v, u)).actions == (0, 2)
    # where state 2 is possible, action 1 is never worse than action 0, and better there
    assert supremum_adversarial(PersuasionGame(["1/4", "1/2", "1/4"], v, u)).actions == (1, 2)


# -- two states: the envelope in fractions ---------------------------------------------------


def envelope_answer(game: PersuasionGame) -> tuple[Fraction, bool]:
    """Supremum and attainment from the exact lower envelope over beliefs [1 - p, p]."""
    numbers = game.exact
    (u0, u1), (v0, v1) = numbers.receiver_utility, numbers.sender_utility
    n, prior = len(u0), numbers.prior[1]

    def line(low: Fraction, high: Fraction, p: Fraction) -> Fraction:
        return low + (high - low) * p

    def worst(p: Fraction) -> tuple[Fraction, int]:
        best = max(line(u0[a], u1[a], p) for a in range(n))
        optimal = [a for a in range(n) if line(u0[a], u1[a], p) == best]
        return min((line(v0[a], v1[a], p), a) for a in optimal)

    ends = {Fraction(0), Fraction(1)}
    for start, end in ((u0, u1), (v0, v1)):
        for a, b in combinations(range(n), 2):
            slope = (end[a] - start[a]) - (end[b] - start[b])
            if slope != 0 and 0 < (start[b] - start[a]) / slope < 1:
                ends.add((start[b] - start[a]) / slope)
    kinks = sorted(ends)
    pieces = []
    for x, y in pairwise(kinks):
        a = worst((x + y) / 2)[1]
        pieces.append((x, y, line(v0[a], v1[a], x), line(v0[a], v1[a], y)))
    limits = [(x, f) for x, _, f, _ in pieces] + [(y, g) for _, y, _, g in pieces]
    chords = [
        (f if x == y else f + (g - f) * (prior - x) / (y - x), x, f, y, g)
        for x, f in limits
        for y, g in limits
        if x < prior < y or x == prior == y
    ]
    value = max(chords)[0]
    # the optimum is a kink of the hull unless a chord around it reaches it
    chords = [chord for chord in chords if chord[0] == value and chord[1] < prior]
    if not chords:
        return value, worst(prior)[0] == value
    _, x, f, y, g = chords[0]

    def on_line(p: Fraction, w: Fraction) -> bool:
        return w == f + (g - f) * (p - x) / (y - x)

    below = above = False
    for p in kinks:
        if on_line(p, worst(p)[0]):
            below, above = below or p <= prior, above or p >= prior
    for a, b, at_a, at_b in pieces:
        if on_line(a, at_a) and on_line(b, at_b):
            below, above = below or a < prior, above or b > prior
    return value, below and above


def small_game(rng: np.random.Generator, n_states: int, n_actions: int) -> PersuasionGame:
    """Integer payoffs with many ties; the prior may sit at a kink."""
    weights = rng.integers(1, 5, size=n_states)
    u = rng.integers(-2, 3, size=(n_states, n_actions))
    if rng.random() < 0.4:
        u[:, -1] = u[:, 0]  # a duplicate
    v = rng.integers(-2, 3, size=(n_states, n_actions))
    return PersuasionGame([Fraction(int(w), int(weights.sum())) for w in weights], v, u)


def test_two_states_against_the_exact_envelope() -> None:
    rng = np.random.default_rng(11)
    seen = set()
    for _ in range(250):
        game = small_game(rng, 2, int(rng.integers(2, 6)))
        value, attained = envelope_answer(game)
        found = supremum_adversarial(game)
        assert found.value == pytest.approx(float(value), abs=1e-9), game.to_dict()
        assert found.attained is attained, (game.to_dict(), found.reason)
        seen.add((attained, abs(found.value - solve(game).value) < 1e-9))
    # attained or not, below the optimum with favourable ties or equal to it
    assert seen == {(True, True), (True, False), (False, True), (False, False)}


# -- more states: vertices of the cells, margins, random schemes -----------------------------


def vertices_of_cell(utility: np.ndarray, action: int) -> np.ndarray:
    m = len(utility)
    rows = np.vstack([np.eye(m), (utility[:, [action]] - utility).T])
    rows = rows[np.abs(rows).max(axis=1) > 0]
    found = []
    for chosen in combinations(range(len(rows)), m - 1):
        system = np.vstack([rows[list(chosen)], np.ones(m)])
        if abs(np.linalg.det(system)) > 1e-9:
            q = np.linalg.solve(system, np.eye(m)[-1])
            if (rows @ q >= -1e-10).all():
                found.append(q)
    return np.array(found).reshape(-1, m)


def vertex_supremum(game: PersuasionGame) -> float:
    """Best split into vertices of cells of full dimension (games without duplicates)."""
    points, gains = [], []
    for a in range(game.n_actions):
        q = vertices_of_cell(game.receiver_utility, a)
        if len(q) and np.linalg.matrix_rank(q - q[0], tol=1e-8) == game.n_states - 1:
            points.append(q)
            gains.append(q @ game.sender_utility[:, a])
    answer = linprog(-np.concatenate(gains), A_eq=np.vstack(points).T, b_eq=game.prior)
    return float(-answer.fun)


def without_duplicates(game: PersuasionGame) -> bool:
    return len(np.unique(game.receiver_utility, axis=1).T) == game.n_actions


def test_more_states_against_vertices_of_cells() -> None:
    rng = np.random.default_rng(5)
    compared = below = 0
    for _ in range(80):
        game = small_game(rng, int(rng.integers(3, 5)), int(rng.integers(2, 5)))
        if not without_duplicates(game):
            continue
        compared += 1
        found = supremum_adversarial(game)
        assert found.value == pytest.approx(vertex_supremum(game), abs=1e-7), game.to_dict()
        below += found.value < solve(game).value - 1e-7
    assert compared > 40
    assert below > 5


def test_margins_increase_to_the_supremum() -> None:
    rng = np.random.default_rng(8)
    compared = 0
    for _ in range(40):
        game = small_game(rng, 3, 3)
        if not without_duplicates(game):
            continue
        compared += 1
        value = supremum_adversarial(game).value
        coarse, fine = (solve(game, margin=margin).value for margin in (1e-4, 5e-5))
        assert coarse <= fine + 1e-9 <= value + 2e-9
        # smooth in the margin: what is left after one extrapolation is quadratic in it
        assert 2 * fine - coarse == pytest.approx(value, abs=1e-5)
    assert compared > 20


def test_no_scheme_is_worth_more() -> None:
    rng = np.random.default_rng(21)
    close = 0.0
    for _ in range(30):
        game = small_game(rng, 3, 4)
        value = supremum_adversarial(game).value
        for size in (1, 2, 3, 4):
            kernel = rng.dirichlet(np.full(size, 0.4), size=3)
            worth = sender_value(game, SignalingScheme(kernel), AGAINST)
            assert worth <= value + 1e-9
            close = max(close, worth - (value - 0.05))
    assert close > 0  # the same check of a supremum 0.05 lower would fail


def test_schemes_approach_or_attain_the_supremum() -> None:
    rng = np.random.default_rng(34)
    strict = attained = 0
    for _ in range(60):
        game = small_game(rng, 3, 4)
        found = supremum_adversarial(game)
        assert found.attained is not None, (game.to_dict(), found.reason)
        if found.attained:
            attained += 1
            assert sender_value(game, found.scheme(0), AGAINST) >= found.value - 1e-9
            continue
        for epsilon in (0.1, 1e-3, 1e-5):
            scheme = found.scheme(epsilon)
            assert sender_value(game, scheme, AGAINST) >= found.value - epsilon - 1e-12
            if without_duplicates(game):
                strict += 1
                at = [game.actions.index(label) for label in scheme.signals]
                rivals = scheme.posteriors(game) @ game.receiver_utility
                own = rivals[np.arange(len(at)), at]
                rivals[np.arange(len(at)), at] = -np.inf
                assert (own - rivals.max(axis=1) > 1e-8).all()
                assert obedience_gap(game, scheme, at) == 0.0
        with pytest.raises(UnsupportedError, match="no scheme is known that attains"):
            found.scheme(0.0)
    assert attained > 10
    assert strict > 10


def test_a_tie_that_no_optimum_breaks_can_be_made_harmless() -> None:
    # found by search: the optimum found first has a harmful tie, another optimum a harmless one
    game = PersuasionGame(
        ["1/4", "1/12", "1/3", "1/3"],
        [[-2, 1, 1], [0, 0, -2], [-2, -2, -2], [1, -1, -2]],
        [[1, 1, 1], [0, 0, 2], [-1, -2, -1], [0, 2, 1]],
    )
    found = supremum_adversarial(game)
    assert found.value == pytest.approx(-0.75, abs=1e-12)
    assert sender_value(game, found.limit, AGAINST) < -0.76
    assert found.attained is True
    assert sender_value(game, found.scheme(0), AGAINST) == pytest.approx(-0.75, abs=1e-12)


# -- other promises ------------------------------------------------------------------------


def test_subjective_priors_equal_a_common_prior_with_scaled_payoffs() -> None:
    rng = np.random.default_rng(2)
    for _ in range(20):
        game = small_game(rng, 3, 3)
        own = rng.dirichlet(np.ones(3))
        subjective = game.with_prior(game.prior, receiver_prior=own)
        common = PersuasionGame(
            own, game.sender_utility * (game.prior / own)[:, None], game.receiver_utility
        )
        left, right = supremum_adversarial(subjective), supremum_adversarial(common)
        assert left.value == pytest.approx(right.value, abs=1e-9)
        assert left.attained is right.attained
        if left.attained is False:
            worth = sender_value(subjective, left.scheme(1e-3), AGAINST)
            assert worth >= left.value - 1e-3 - 1e-12


def test_a_state_only_the_receiver_deems_possible() -> None:
    game = PersuasionGame(
        [0.7, 0.3, 0.0], [[0, 1]] * 3, [[1, 0], [0, 1], [0, 4]], receiver_prior=[0.6, 0.3, 0.1]
    )
    found = supremum_adversarial(game)
    assert found.value == pytest.approx(float(solve(game, exact=True).value), abs=1e-9)
    assert found.value > supremum_adversarial(prosecutor("3/10")).value


@pytest.mark.parametrize(
    "family", ["uniform", "quadratic", "near_ties", "duplicates", "bad_scaling"]
)
def test_never_above_the_optimum_with_favourable_ties(family: str) -> None:
    for seed in range(6):
        game = zoo.random_game(family, 5, 4, seed=seed)
        optimum = solve(game, exact=True).value
        found = supremum_adversarial(game)
        assert found.value <= float(optimum) + 1e-9 * (1 + abs(float(optimum)))
        if family == "uniform":  # in general position every action used has a cell of its own
            assert found.value == pytest.approx(float(optimum), abs=1e-12)


def test_units_change_nothing_else() -> None:
    game = small_game(np.random.default_rng(77), 3, 4)
    found = supremum_adversarial(game)
    scaled = PersuasionGame(game.prior, 1e6 * game.sender_utility + 5, 1e-9 * game.receiver_utility)
    again = supremum_adversarial(scaled)
    assert again.value == pytest.approx(1e6 * found.value + 5, rel=1e-9)
    assert again.attained is found.attained


def test_game_is_unchanged_and_options_are_checked() -> None:
    game = prosecutor("3/10")
    before = game.to_dict()
    found = supremum_adversarial(game)
    assert game.to_dict() == before
    with pytest.raises(PersuasionError, match="tolerance"):
        supremum_adversarial(game, tolerance=0)
    with pytest.raises(PersuasionError, match="epsilon"):
        found.scheme(-1.0)
    with pytest.raises(UnsupportedError, match="too small"):
        found.scheme(1e-13)
    assert "not attained" in found.summary()
    assert found.to_dict()["value"] == found.value
