"""`solve(game, types=...)`: a Receiver who mixes, and a solution like any other."""

import json

import numpy as np
import pytest

from persuasion import PersuasionGame, ReceiverTypes, Solution, TypeMixture, sender_value, solve
from persuasion.candidates import candidates_among, type_games
from persuasion.errors import PersuasionError, UnsupportedError
from persuasion.receivers import Bayesian
from persuasion.type_program import TypeSolution, solve_types
from persuasion.types import IID, Alternating, Blocks, LargestGap, WorstType

STRICT, LENIENT = [[1, 0], [0, 1]], [[1, 0], [0, 3]]
JUDGE = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], STRICT)


def random_world(m, n, k, seed):
    rng = np.random.default_rng([47, m, n, k, seed])
    game = PersuasionGame(rng.dirichlet(np.full(m, 2.0)), rng.random((m, n)), rng.random((m, n)))
    return game, rng.random((k, m, n)), rng.dirichlet(np.ones(k))


def test_all_ways_to_ask_give_one_answer():
    for seed in range(6):
        game, utilities, weights = random_world(3, 3, 2, seed)
        mixture = TypeMixture(utilities, weights)
        answers = [
            solve_types(game, utilities, weights),
            solve(game, types=ReceiverTypes(utilities, IID(tuple(weights)))),
            solve(game, types=mixture),
            solve(game, receiver=mixture),
        ]
        for answer in answers:
            assert isinstance(answer, TypeSolution)
            assert isinstance(answer, Solution)
            assert answer.value == pytest.approx(answers[0].value, abs=1e-12)
            assert answer.status == "optimal"


def test_a_mixture_answers_as_its_types_do():
    rng = np.random.default_rng(0)
    for ties in ("sender", "adversarial", "first"):
        for seed in range(4):
            game, utilities, weights = random_world(3, 3, 3, seed)
            utilities = utilities.round(1)  # ties
            beliefs = np.concatenate([np.eye(3), rng.dirichlet(np.ones(3), 20)])
            found = TypeMixture(utilities, weights, ties).respond(game, beliefs)
            each = [Bayesian(ties).respond(one, beliefs) for one in type_games(game, utilities)]
            np.testing.assert_allclose(found, np.einsum("k,ksa->sa", weights, each), atol=1e-12)


def test_the_solution_is_like_any_other():
    """Hand-solved: the strict type acts at 1/2, the lenient one at 1/4; both prices are known."""
    found = solve(JUDGE, types=TypeMixture([LENIENT, STRICT], [0.8, 0.2]))
    assert found.value == pytest.approx(0.84)
    assert found.value_played == pytest.approx(0.84)
    assert found.value_adversarial < found.value
    assert sender_value(JUDGE, found.scheme, found.receiver) == pytest.approx(0.84)
    assert JUDGE.prior @ found.state_prices == pytest.approx(found.upper_bound)
    assert found.no_disclosure == pytest.approx(0.8)  # at 0.3 the lenient type acts already
    assert found.full_disclosure == pytest.approx(0.3)
    assert found.gain == pytest.approx(0.04)
    assert found.is_unique is None
    assert "TypeMixture" in found._repr_html_()
    again = TypeSolution.from_dict(json.loads(json.dumps(found.to_dict())))
    assert again.to_dict() == found.to_dict()
    assert again.value_played == pytest.approx(0.84)
    with pytest.raises(UnsupportedError, match="type_program"):
        _ = found.certificate
    with pytest.raises(PersuasionError, match="no obedience prices"):
        _ = found.obedience_prices


def test_one_type_is_the_ordinary_solution():
    for seed in range(6):
        game, utilities, _ = random_world(3, 3, 1, seed)
        (one,) = type_games(game, utilities)
        found = solve(game, types=TypeMixture(utilities, [1.0]))
        assert found.value == pytest.approx(solve(one).value, abs=1e-9)
        assert found.value_adversarial == pytest.approx(
            sender_value(one, found.scheme, Bayesian("adversarial")), abs=1e-9
        )


def test_types_with_posteriors_of_their_own_are_a_sample():
    game, utilities, weights = random_world(3, 3, 2, 1)
    types = ReceiverTypes(utilities, IID(tuple(weights)), posteriors=np.eye(3))
    poor = solve(game, types=types)
    sure = candidates_among(game, utilities, np.eye(3))
    expected = solve_types(game, utilities, weights, candidates=sure).value
    assert poor.value == pytest.approx(expected)
    assert poor.status == "within bound"
    assert poor.upper_bound > poor.value


@pytest.mark.parametrize(
    "sequence", [Blocks(3), Alternating(), LargestGap(), WorstType()], ids=repr
)
def test_types_in_an_order_have_no_law(sequence):
    types = ReceiverTypes([STRICT, LENIENT], sequence)
    with pytest.raises(PersuasionError, match="how often each comes"):
        solve(JUDGE, types=types)


@pytest.mark.parametrize(
    ("utilities", "weights", "ties", "words"),
    [
        ([STRICT, [[1, 0, 0], [0, 1, 0]]], [0.5, 0.5], "sender", r"\(2, 2\), \(2, 3\)"),
        ([], [], "sender", "none"),
        ([STRICT], [0.5, 0.5], "sender", "one probability per type"),
        ([STRICT, LENIENT], [2, 3], "sender", "counts"),
        ([STRICT, LENIENT], [0.5, 0.5], "best", "ties"),
    ],
)
def test_mixtures_that_are_none(utilities, weights, ties, words):
    with pytest.raises(PersuasionError, match=words):
        TypeMixture(utilities, weights, ties)


def test_what_solve_refuses():
    mixture = TypeMixture([STRICT, LENIENT], [0.5, 0.5])
    with pytest.raises(PersuasionError, match="must be ReceiverTypes"):
        solve(JUDGE, types=[STRICT, LENIENT])
    with pytest.raises(UnsupportedError, match="adversarial"):
        solve(JUDGE, types=mixture.with_ties("adversarial"))
    with pytest.raises(PersuasionError, match=r"receiver_prior"):
        solve(JUDGE.with_prior(JUDGE.prior, receiver_prior=[0.5, 0.5]), types=mixture)
    with pytest.raises(PersuasionError, match="type 0 has shape"):
        solve(PersuasionGame([1.0, 0.0], [[1, 2, 3]] * 2, [[1, 2, 3]] * 2), types=mixture)
