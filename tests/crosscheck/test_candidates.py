"""W* and the best scheme against a mixture of types, by routes that share no enumeration.

For two of the routes the types are merged into one Receiver who acts for all of them: her actions
are profiles, one action per type, and her utility is the sum of theirs, so that she best-responds
exactly when every type does.
"""

import json
import math
from itertools import product

import numpy as np
import pytest

from persuasion import PersuasionError, PersuasionGame, SignalingScheme, UnsupportedError, solve
from persuasion.beliefs import indirect_utility
from persuasion.candidates import (
    DISTINCT,
    VERTEX_TIES,
    Candidates,
    candidate_posteriors,
    candidates_among,
    favourable_responses,
    n_candidate_systems,
    sampled_posteriors,
    type_games,
)
from persuasion.cell_vertices import cell_vertices
from persuasion.errors import GameError
from persuasion.testing.enumeration import cell_vertices as exact_vertices
from persuasion.type_program import TypeSolution, solve_types

SIZES = [(2, 2, 2), (2, 4, 3), (3, 2, 3), (3, 3, 2), (3, 3, 3), (4, 2, 3), (5, 2, 2)]
"""States, actions, types."""


def random_types(m, n, k, seed, *, integers=False):
    rng = np.random.default_rng([23, m, n, k, seed])
    prior = rng.dirichlet(np.full(m, 2.0))
    if integers:  # ties, duplicate and dominated actions, types that agree
        tables = rng.integers(0, 3, (k + 1, m, n)).astype(float)
    else:
        tables = rng.random((k + 1, m, n))
    return PersuasionGame(prior, tables[0], tables[1]), tables[1:]


def merged(game, utilities, weights):
    """The game against one Receiver who acts for all types."""
    profiles = list(product(range(game.n_actions), repeat=len(utilities)))
    sender = [
        sum(c * game.sender_utility[:, a] for c, a in zip(weights, p, strict=True))
        for p in profiles
    ]
    receiver = [sum(u[:, a] for u, a in zip(utilities, p, strict=True)) for p in profiles]
    return PersuasionGame(game.prior, np.transpose(sender), np.transpose(receiver))


def distance_to(points, others):
    """Of each point to the nearest of the others, in its largest coordinate."""
    return np.abs(points[:, None, :] - others[None, :, :]).max(axis=2).min(axis=1)


# -- the set -----------------------------------------------------------------------------------


@pytest.mark.parametrize("integers", [False, True], ids=["generic", "ties"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_candidates_are_the_vertices_of_the_merged_receivers_cells(size, integers):
    for seed in range(3):
        game, utilities = random_types(*size, seed, integers=integers)
        found = candidate_posteriors(game, utilities).posteriors
        vertices, _ = cell_vertices(merged(game, utilities, np.ones(size[2])).receiver_utility)
        assert distance_to(vertices, found).max() < 1e-8
        assert distance_to(found, vertices).max() < 1e-8


@pytest.mark.parametrize("integers", [False, True], ids=["generic", "ties"])
def test_one_type_against_exact_enumeration(integers):
    for seed in range(12):
        game, utilities = random_types(3, 3, 1, seed, integers=integers)
        found = candidate_posteriors(game, utilities)
        truth = {tuple(map(float, q)): float(v) for q, v in exact_vertices(game).items()}
        points = np.array(list(truth))
        assert len(found.posteriors) == len(points)
        nearest = np.abs(found.posteriors[:, None] - points[None]).max(axis=2)
        assert nearest.min(axis=1).max() < 1e-12
        values = np.array(list(truth.values()))[nearest.argmin(axis=1)]
        np.testing.assert_allclose(found.values[0], values, atol=1e-12)


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_number_of_candidates_is_within_its_bounds(size):
    m, n, k = size
    game, utilities = random_types(*size, 0)
    n_found = candidate_posteriors(game, utilities).n_posteriors
    assert n_found <= n_candidate_systems(utilities) <= math.comb(m + k * n * (n - 1) // 2, m - 1)
    if m == 2:
        assert n_found <= 2 + k * (n - 1)


def test_sure_beliefs_come_first_and_nothing_comes_twice():
    for seed in range(10):
        game, utilities = random_types(3, 3, 2, seed, integers=seed % 2 == 0)
        found = candidate_posteriors(game, utilities)
        assert found.posteriors[:3].tolist() == np.eye(3).tolist()
        apart = np.abs(found.posteriors[:, None] - found.posteriors[None]).max(axis=2)
        assert apart[~np.eye(len(apart), dtype=bool)].min() > DISTINCT
        assert not found.posteriors.flags.writeable


def test_types_that_almost_agree_share_their_candidates():
    game, utilities = random_types(3, 3, 1, 1)
    alone = candidate_posteriors(game, utilities).n_posteriors
    for nudge, count in ((1e-11, alone), (1e-6, None)):
        both = candidate_posteriors(game, [utilities[0], utilities[0] + nudge * np.eye(3)])
        assert (both.n_posteriors == count) if count else (both.n_posteriors > alone)


def test_values_are_the_indirect_utility_and_actions_attain_it():
    game, utilities = random_types(4, 3, 3, 5)
    found = candidate_posteriors(game, utilities)
    for k, one in enumerate(type_games(game, utilities)):
        expected = indirect_utility(one, found.posteriors, tolerance=VERTEX_TIES)
        np.testing.assert_array_equal(found.values[k], expected)
        sender = found.posteriors @ game.sender_utility
        np.testing.assert_array_equal(
            sender[np.arange(found.n_posteriors), found.actions[k]], expected
        )


def test_without_tie_tolerance_vertices_lose_value():
    """Negative control: rounding decides ties at vertices, and the optimum with them."""
    lost = 0
    for seed in range(20):
        game, utilities = random_types(3, 3, 2, seed)
        found = candidate_posteriors(game, utilities)
        strict = [
            indirect_utility(one, found.posteriors, tolerance=0.0)
            for one in type_games(game, utilities)
        ]
        lost += bool((np.array(strict) < found.values - 1e-6).any())
    assert lost > 10


# -- the program -------------------------------------------------------------------------------


@pytest.mark.parametrize("integers", [False, True], ids=["generic", "ties"])
def test_one_type_is_the_ordinary_optimum(integers):
    for seed in range(30):
        m, n = 2 + seed % 4, 2 + seed % 3
        game, utilities = random_types(m, n, 1, seed, integers=integers)
        one = solve_types(game, utilities, [1.0])
        assert one.value == pytest.approx(solve(game).value, abs=1e-9), seed
        assert one.upper_bound == pytest.approx(one.value, abs=1e-9)


@pytest.mark.parametrize("integers", [False, True], ids=["generic", "ties"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_mixtures_against_the_merged_game(size, integers):
    for seed in range(3):
        game, utilities = random_types(*size, seed, integers=integers)
        weights = np.random.default_rng([29, seed]).dirichlet(np.ones(size[2]))
        truth = solve(merged(game, utilities, weights), method="lp").value
        solution = solve_types(game, utilities, weights)
        assert solution.value == pytest.approx(truth, abs=1e-8)
        assert solution.upper_bound == pytest.approx(truth, abs=1e-8)


def test_without_the_inner_candidates_value_is_lost():
    """Negative control: sure beliefs alone are full disclosure."""
    lost = 0
    for seed in range(20):
        game, utilities = random_types(3, 3, 2, seed)
        sure = candidates_among(game, utilities, np.eye(3))
        poor = solve_types(game, utilities, [0.5, 0.5], candidates=sure)
        lost += poor.value < solve_types(game, utilities, [0.5, 0.5]).value - 1e-6
        assert not poor.complete
        assert poor.upper_bound > poor.value  # not certified by a sample
    assert lost > 10


def test_no_scheme_beats_the_optimum_and_the_prices_cover_every_belief():
    rng = np.random.default_rng(3)
    for seed in range(10):
        game, utilities = random_types(3, 3, 3, seed)
        weights = rng.dirichlet(np.ones(3))
        solution = solve_types(game, utilities, weights)
        games = type_games(game, utilities)
        beliefs = rng.dirichlet(np.full(3, 0.7), 300)
        at = weights @ favourable_responses(games, beliefs)[1]
        assert (beliefs @ solution.prices >= at - 1e-9).all()
        for _ in range(20):
            scheme = SignalingScheme(rng.dirichlet(np.full(4, 0.5), 3))
            values = favourable_responses(games, scheme.posteriors(game.prior))[1]
            mass = scheme.signal_probabilities(game.prior)
            assert weights @ values @ mass <= solution.value + 1e-9


def test_a_solution_is_plausible_and_survives_json():
    game, utilities = random_types(4, 3, 2, 7)
    solution = solve_types(game, utilities, [0.3, 0.7])
    assert solution.plausibility < 1e-15
    np.testing.assert_allclose(solution.weights @ solution.posteriors, game.prior, atol=1e-12)
    again = TypeSolution.from_dict(json.loads(json.dumps(solution.to_dict())))
    assert again.to_dict() == solution.to_dict()
    assert repr(again) == repr(solution)
    assert "against 2 types" in solution.summary()


def test_priors_without_full_support_are_fine_here():
    game, utilities = random_types(3, 2, 2, 0)
    edge = game.with_prior([0.0, 0.4, 0.6])
    inner = edge.restrict(states=[1, 2])
    expected = solve_types(inner, utilities[:, 1:], [0.5, 0.5]).value
    assert solve_types(edge, utilities, [0.5, 0.5]).value == pytest.approx(expected, abs=1e-9)


# -- samples -----------------------------------------------------------------------------------


def test_samples_are_candidates_and_say_that_they_are_a_sample():
    game, utilities = random_types(4, 3, 2, 2)
    everything = candidate_posteriors(game, utilities)
    sample = sampled_posteriors(game, utilities, 40, seed=1)
    assert everything.complete
    assert not sample.complete
    assert "complete=False" in repr(sample)
    assert 4 < sample.n_posteriors < everything.n_posteriors
    assert distance_to(sample.posteriors, everything.posteriors).max() < 1e-8
    again = sampled_posteriors(game, utilities, 40, seed=1)
    assert sample.posteriors.tolist() == again.posteriors.tolist()
    best = solve_types(game, utilities, [0.5, 0.5]).value
    assert solve_types(game, utilities, [0.5, 0.5], candidates=sample).value <= best + 1e-9


# -- refusals ----------------------------------------------------------------------------------


def test_enumeration_that_would_explode_is_refused_with_its_count():
    game, utilities = random_types(9, 5, 4, 0)
    count = n_candidate_systems(utilities)
    assert 10**8 < count <= math.comb(9 + 4 * 10, 8)
    with pytest.raises(UnsupportedError, match=rf"{count} linear systems.*sampled_posteriors"):
        candidate_posteriors(game, utilities)


def test_enumeration_that_would_not_fit_memory_is_refused():
    game, utilities = random_types(9, 5, 4, 0)
    with pytest.raises(UnsupportedError, match=r"GiB"):
        candidate_posteriors(game, utilities, max_systems=10**12)


def test_a_limit_of_the_callers_own_is_kept():
    game, utilities = random_types(3, 3, 3, 0)
    with pytest.raises(UnsupportedError, match="at most 10 "):
        candidate_posteriors(game, utilities, max_systems=10)


@pytest.mark.parametrize(
    ("utilities", "message"),
    [
        ([[[1, 0], [0, 1]], [[1, 0, 2], [0, 1, 2]]], "type 1 has shape"),
        ([], "at least one type"),
        ([[[1, 0], [0, float("nan")]]], "finite"),
        ([[1, 0]], "shape"),
    ],
)
def test_types_that_do_not_fit_the_game_are_refused(utilities, message):
    game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    with pytest.raises(GameError, match=message):
        candidate_posteriors(game, utilities)


@pytest.mark.parametrize(
    ("weights", "message"),
    [([0.5], "shape"), ([0.5, 0.6], "sum to 1"), ([1.5, -0.5], "per type"), ([3, 5], "counts")],
)
def test_weights_that_are_no_distribution_are_refused(weights, message):
    game, utilities = random_types(2, 2, 2, 0)
    with pytest.raises(PersuasionError, match=message):
        solve_types(game, utilities, weights)


def test_candidates_of_another_game_are_refused():
    game, utilities = random_types(2, 2, 2, 0)
    other = candidate_posteriors(*random_types(3, 2, 2, 0))
    assert isinstance(other, Candidates)
    with pytest.raises(PersuasionError, match="does not belong"):
        solve_types(game, utilities, [0.5, 0.5], candidates=other)


def test_beliefs_that_are_none_are_refused():
    game, utilities = random_types(2, 2, 2, 0)
    for beliefs, message in (([[0.5, 0.6]], "summing to 1"), ([[1, 0, 0]], "shape")):
        with pytest.raises(PersuasionError, match=message):
            candidates_among(game, utilities, beliefs)
    with pytest.raises(PersuasionError, match="n_samples"):
        sampled_posteriors(game, utilities, 0)


def test_subjective_priors_are_refused():
    game, utilities = random_types(2, 2, 2, 0)
    own = game.with_prior(game.prior, receiver_prior=[0.9, 0.1])
    with pytest.raises(PersuasionError, match="receiver_prior"):
        solve_types(own, utilities, [0.5, 0.5])
