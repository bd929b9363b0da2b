"""Strategies draw what they promise, and shrink to games a person can read."""

from __future__ import annotations

import subprocess
import sys
from fractions import Fraction

import numpy as np
import pytest
from hypothesis import Phase, find, given, settings
from hypothesis import strategies as st

from persuasion import PersuasionGame, solve
from persuasion.testing import SHAPES, beliefs, conditioning, games, priors, schemes
from persuasion.values import no_disclosure_value

SIMPLEST = settings(max_examples=500, derandomize=True, database=None)
ANY = settings(SIMPLEST, phases=[Phase.generate])


def has_equal(rows: np.ndarray) -> bool:
    return len(np.unique(rows, axis=0)) < len(rows)


FEATURES = {
    "ties": lambda game: np.abs(game.receiver_utility).max() <= 3,
    "ordinary": lambda game: np.abs(game.receiver_utility).max() <= 2,
    "duplicate_actions": lambda game: has_equal(game.receiver_utility.T),
    "duplicate_states": lambda game: has_equal(
        np.hstack([game.receiver_utility, game.sender_utility])
    ),
    "null_states": lambda game: 0 in game.prior,
    "near_ties": lambda game: np.abs(game.receiver_utility).max() < 4,
    "badly_scaled": lambda game: np.abs(game.receiver_utility).max() <= 7 * 2**11,
    "trivial": lambda game: 1 in (game.n_states, game.n_actions),
}


@pytest.mark.parametrize("shape", SHAPES)
@given(data=st.data())
def test_shape(shape: str, data: st.DataObject) -> None:
    game = data.draw(games(shapes=[shape]))
    assert game.n_states <= 4
    assert game.n_actions <= 4
    assert FEATURES[shape](game)
    if shape != "trivial":
        assert game.n_states >= 2
        assert game.n_actions >= 2


@pytest.mark.parametrize(
    ("shape", "extreme"),
    [
        ("badly_scaled", lambda game: game.prior.min() < 1e-11),
        ("badly_scaled", lambda game: conditioning(game) < 1e-11),
        ("badly_scaled", lambda game: np.abs(game.sender_utility).max() > 1e4),
        ("near_ties", lambda game: 0 < conditioning(game) < 1e-7),
        ("null_states", lambda game: (game.prior == 0).sum() >= 2),
        (
            "duplicate_actions",
            lambda game: (
                has_equal(game.receiver_utility.T) and not has_equal(game.sender_utility.T)
            ),
        ),
    ],
)
def test_extremes_are_reached(shape: str, extreme: object) -> None:
    find(games(shapes=[shape]), extreme, settings=ANY)


def test_game_worth_persuading_in_shrinks_to_the_textbook() -> None:
    def gains(game: PersuasionGame) -> bool:
        return solve(game).value > no_disclosure_value(game) + 1e-6

    game = find(games(), gains, settings=SIMPLEST)
    assert (game.n_states, game.n_actions) == (2, 2)
    payoffs = np.concatenate([game.sender_utility, game.receiver_utility])
    assert np.abs(payoffs).sum() <= 4
    assert set(np.unique(payoffs)) <= {-1.0, 0.0, 1.0}


@given(game=games(n_states=3, n_actions=(2, 5)))
def test_sizes(game: PersuasionGame) -> None:
    assert game.n_states == 3
    assert 2 <= game.n_actions <= 5


@given(game=games(exact=True, shapes=["ties", "ordinary", "null_states"]))
def test_exact(game: PersuasionGame) -> None:
    assert sum(game.exact.prior) == 1
    assert all(x.denominator <= 6 for row in game.exact.receiver_utility for x in row)


def test_exact_games_hold_more_than_floats() -> None:
    thirds = find(games(exact=True), lambda game: 3 in denominators(game), settings=ANY)
    assert 3 in denominators(PersuasionGame.from_dict(thirds.to_dict()))


def denominators(game: PersuasionGame) -> set[int]:
    return {x.denominator for row in game.exact.sender_utility for x in row}


@given(game=games())
def test_floats_are_dyadic_with_few_digits(game: PersuasionGame) -> None:
    """Adding any two payoffs of a game is exact: the laws shift them."""
    for table in (game.sender_utility, game.receiver_utility):
        for x in table.ravel():
            for y in table.ravel():
                assert Fraction(float(x + y)) == Fraction(float(x)) + Fraction(float(y))


@given(game=games(subjective_priors=True, n_states=(2, 4)))
def test_subjective_priors(game: PersuasionGame) -> None:
    assert (game.receiver_prior > 0).all()


def test_subjective_priors_differ() -> None:
    find(games(subjective_priors=True), lambda game: not game.has_common_prior, settings=ANY)


@given(belief=beliefs(4), prior=priors(3), scheme=schemes(3, (2, 5)))
def test_distributions(belief: np.ndarray, prior: np.ndarray, scheme: object) -> None:
    assert belief.shape == (4,)
    assert belief.min() >= 0
    assert belief.sum() == pytest.approx(1)
    assert prior.min() > 0
    assert scheme.n_states == 3
    assert 2 <= scheme.n_signals <= 5


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"shapes": ["round"]}, "`shapes` must be among"),
        ({"shapes": []}, "`shapes` must be among"),
        ({"n_states": 0}, "`n_states` must be a positive integer"),
        ({"n_actions": (3, 2)}, "`n_actions` must be a positive integer"),
        ({"n_states": 1, "shapes": ["null_states"]}, "no game of shape"),
        ({"n_states": 2, "n_actions": 2, "shapes": ["trivial"]}, "no game of shape"),
    ],
)
def test_impossible_wishes(options: dict[str, object], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        games(**options)


def test_checks_do_not_need_hypothesis() -> None:
    code = (
        "import sys, persuasion.testing as t; t.all_checks(); "
        "assert 'hypothesis' not in sys.modules; "
        "t.games; assert 'hypothesis' in sys.modules"
    )
    subprocess.run([sys.executable, "-c", code], check=True)
