"""Ties that hold by a hair: what floats say must be what fractions say, and what is then played."""

from __future__ import annotations

from fractions import Fraction

import numpy as np
import pytest

from persuasion import (
    Biased,
    NotSolvedError,
    PersuasionGame,
    fewest_signals,
    sender_value,
    solve,
    supremum_adversarial,
    zoo,
)
from persuasion.problem import Problem, SplitCandidate
from persuasion.solvers.cvxpy import CvxpySolver
from persuasion.values import full_disclosure_value, no_disclosure_value

NEAR = PersuasionGame(
    [0.8682909838836191, 0.13170901610638083],
    [[3, 0, 0, 3, 2, 3], [0, 1, 1, 2, 2, 1]],
    [
        [0.9999999999, 1.00000001, 0.9999999999, 2.0, 1.9999999999, 1.00000001],
        [-1e-8, 1.9999999999, 2.0, 1e-8, 0.9999999999, 0.9999999999],
    ],
    receiver_prior=[0.6321842333709098, 0.36781576662909027],
)
"""After one signal the Receiver prefers action 3 to action 4 by 1e-10, as long as she is that sure;
payoffs multiplied by the ratio of the priors would be off by 1e-16, a millionth of that."""


def test_a_receivers_prior_of_her_own_rounds_no_payoff() -> None:
    solution = solve(NEAR)
    assert solution.value == pytest.approx(float(solve(NEAR, exact=True).value), abs=1e-12)
    assert solution.value_played == pytest.approx(solution.value, abs=1e-9)


def test_state_prices_are_per_unit_of_the_receivers_prior() -> None:
    rng = np.random.default_rng(8)
    for prior in ([0.2, 0.3, 0.5], [0.4, 0.6, 0.0]):
        game = PersuasionGame(
            prior, rng.random((3, 3)), rng.random((3, 3)), receiver_prior=[0.5, 0.3, 0.2]
        )
        for solution in (solve(game), solve(game, exact=True)):
            bound = game.receiver_prior @ solution.state_prices
            assert bound == pytest.approx(float(solution.upper_bound), abs=1e-12)
        assert solution.certificate.optimal


@pytest.mark.parametrize("seed", [127, 137, 149, 263, 297, 303])
def test_a_biased_receiver_with_near_ties_is_solved_to_tolerance(seed: int) -> None:
    rng = np.random.default_rng([31, seed])
    table = rng.integers(0, 3, (4, 4)) + 1e-13 * rng.integers(-9, 10, (4, 4))
    game = PersuasionGame(rng.dirichlet(np.ones(4)), rng.random((4, 4)), table)
    receiver = Biased(float(rng.random()))
    solution = solve(game, receiver=receiver)
    truth = float(solve(game, receiver=receiver, exact=True).value)
    assert solution.value == pytest.approx(truth, abs=1e-9)


def test_a_biased_receiver_acts_on_the_mixed_belief() -> None:
    game = zoo.random_game("uniform", 3, 4, seed=5)
    receiver, posteriors = Biased(Fraction(2, 5)), np.eye(3)
    played = receiver.respond(game, posteriors)
    mixed = 0.4 * game.prior + 0.6 * posteriors
    assert played.argmax(axis=1).tolist() == (mixed @ game.receiver_utility).argmax(axis=1).tolist()
    assert (played == np.eye(4)[played.argmax(axis=1)]).all()


def test_one_signal_is_worth_no_less_than_silence() -> None:
    """Actions 2 and 3 tie at the prior; in floats each loses to the other by 1e-17."""
    game = zoo.random_game("quadratic", 2, 5, seed=1677)
    for exact in (False, True):
        solution = solve(game, max_signals=1, exact=exact)
        assert float(solution.value) == pytest.approx(no_disclosure_value(game), abs=1e-12)


def test_max_signals_holds_where_a_method_returns_more() -> None:
    """All actions are alike, and an interior point mixes them all."""
    game = PersuasionGame([0.5, 0.5], np.zeros((2, 4)), np.zeros((2, 4)))
    inside = CvxpySolver("CLARABEL")
    assert solve(game, method=inside).scheme.n_signals > 2  # else this tests nothing
    assert solve(game, method=inside, max_signals=2).scheme.n_signals <= 2


def test_an_exact_answer_in_floats_keeps_tiny_masses() -> None:
    """Action 2 is obeyed after its signal because of a mass of 4e-15 in state 2."""
    u = [
        [-0.00173611111111211, -0.04340277777777878, -0.21006944444444545, -0.5017361111111102],
        [-0.140625000000001, -0.015624999999999, -0.015625000000001, -0.140624999999999],
        [-0.5017361111111102, -0.21006944444444545, -0.04340277777777878, -0.00173611111111011],
    ]
    v = [
        [-0.11673611111111111, -0.00840277777777778, -0.02506944444444444, -0.1667361111111111],
        [-0.455625, -0.180625, -0.030625, -0.005625],
        [-1.016736111111111, -0.5750694444444444, -0.25840277777777776, -0.06673611111111111],
    ]
    game = PersuasionGame([4 / 17, 6 / 17, 7 / 17], v, u)
    solution = solve(game)
    assert solution.method == "exact"
    assert solution.value_played == pytest.approx(solution.value, abs=1e-9)


class Splits:
    """Proposes a given split."""

    name = "splits"

    def __init__(self, weights: list[float], posteriors: list[list[float]], bound: float) -> None:
        self.split = SplitCandidate(np.array(weights), np.array(posteriors), bound)

    def supports(self, problem: Problem) -> None:
        return None

    def solve(self, problem: Problem) -> SplitCandidate:
        return self.split


@pytest.mark.parametrize(
    ("weights", "posteriors", "bound", "complaint"),
    [
        ([0.4, 0.6], [[1.0, 0.0], [0.5, 0.5]], 0.6, None),
        ([1.0], [[0.5, 0.5]], 1.0, "not Bayes-plausible"),
        ([0.4, 0.6], [[1.0, 0.0], [0.5, 0.5]], 0.5, "duality gap -"),
        # a tie by the rule of 1e-9, but worth the Sender more than a certificate allows
        ([0.4 - 6e-11, 0.6 + 6e-11], [[1.0, 0.0], [0.5 + 5e-11, 0.5 - 5e-11]], 0.6, "obedience"),
    ],
)
def test_splits_are_certified_too(
    weights: list[float], posteriors: list[list[float]], bound: float, complaint: str | None
) -> None:
    game = zoo.load("prosecutor")
    method = Splits(weights, posteriors, bound)
    if complaint is None:
        assert solve(game, method=method).status == "optimal"
        return
    with pytest.raises(NotSolvedError, match=complaint):
        solve(game, method=method)


@pytest.mark.parametrize(("size", "seed"), [((6, 6), 208), ((4, 4), 232), ((3, 6), 336)])
def test_fewest_signals_where_states_are_unlikely(size: tuple[int, int], seed: int) -> None:
    weights = 10.0 ** -np.random.default_rng(seed).uniform(0, 12, size[0])
    game = zoo.random_game("bad_scaling", *size, seed).with_prior(weights / weights.sum())
    solution = solve(game)
    scheme = fewest_signals(solution)
    unit = float(game.prior @ np.ptp(game.sender_utility, axis=1))
    assert scheme.n_signals <= min(size)
    assert sender_value(game, scheme) >= solution.value - 1e-8 * unit


@pytest.mark.parametrize("seed", range(60))
def test_the_supremum_is_no_less_than_what_is_got(seed: int) -> None:
    rng = np.random.default_rng([5, seed])
    m, n = (int(x) for x in rng.integers(2, 5, 2))
    table = rng.integers(0, 2, (m, n)) + 1e-12 * rng.integers(-1, 2, (m, n))
    game = PersuasionGame(rng.dirichlet(np.ones(m)), rng.integers(0, 4, (m, n)), table)
    supremum = supremum_adversarial(game).value
    assert supremum >= solve(game).value_adversarial - 1e-9
    assert supremum >= no_disclosure_value(game, "adversarial") - 1e-9
    assert supremum >= full_disclosure_value(game, "adversarial") - 1e-9


def test_an_action_best_in_one_state_by_a_hair_counts() -> None:
    table = np.array([[1.0, 0.0, 0.999999999999], [0.0, 1.0, 0.0]])
    table[0, 2] = 1.000000000001
    found = supremum_adversarial(PersuasionGame([0.5, 0.5], [[0, 0, 1], [0, 0, 1]], table))
    assert found.actions == (1, 2)
