"""The laws on random games of every shape, with `solve`."""

from __future__ import annotations

from collections import Counter

import numpy as np
import pytest
from hypothesis import HealthCheck, example, given, settings
from hypothesis import strategies as st

from persuasion import PersuasionGame, solve
from persuasion.beliefs import best_responses, receiver_indirect_utility
from persuasion.testing import (
    SHAPES,
    Check,
    all_checks,
    beliefs,
    check_inputs_unchanged,
    check_plausibility,
    check_scheme,
    check_solution,
    conditioning,
    games,
    priors,
    schemes,
)
from persuasion.values import receiver_value, sender_value

CHECKS = all_checks()
CHEAP = tuple(
    check
    for check in CHECKS
    if not check.solves
    and check.name
    not in {"multiplier_bound", "reference", "robust_cost", "robust_value", "margin_price"}
)
"""Checks that neither solve another game nor call a linear program."""


@given(game=games())
def test_cheap_laws(game: PersuasionGame) -> None:
    solution = solve(game)
    for check in CHEAP:
        check(game, solution, solve=solve)


@pytest.mark.parametrize("check", CHECKS, ids=lambda check: check.name)
@given(game=games())
def test_law(check: Check, game: PersuasionGame) -> None:
    check(game, solve(game), solve=solve)


@given(game=games(exact=True))
def test_laws_on_games_in_fractions(game: PersuasionGame) -> None:
    solution = solve(game)
    for check in CHEAP:
        check(game, solution, solve=solve)


@given(game=games(exact=True, n_states=(1, 3), n_actions=(1, 3)))
def test_laws_on_exact_solutions(game: PersuasionGame) -> None:
    def exactly(game: PersuasionGame) -> object:
        return solve(game, exact=True)

    for check in CHECKS:
        check(game, exactly(game), solve=exactly)


@given(game=games(subjective_priors=True))
def test_laws_with_subjective_priors(game: PersuasionGame) -> None:
    solution = solve(game)
    said = {check.name for check in CHECKS if check(game, solution, solve=solve)}
    assert {"obedience", "value", "bounds", "duality", "relabelling", "split_state"} <= said


@given(game=games(n_states=(5, 8), n_actions=(2, 6)))
def test_laws_on_larger_games(game: PersuasionGame) -> None:
    check_solution(game, solve(game))


@given(game=games(), data=st.data())
def test_laws_of_beliefs(game: PersuasionGame, data: st.DataObject) -> None:
    """F13: the Receiver's indirect utility is convex, her cells are convex."""
    p, q = (data.draw(beliefs(game.n_states)) for _ in range(2))
    middle = (p + q) / 2
    ends = (receiver_indirect_utility(game, p) + receiver_indirect_utility(game, q)) / 2
    size = float(np.abs(game.receiver_utility).max())
    assert receiver_indirect_utility(game, middle) <= ends + 1e-12 * size
    both = best_responses(game, p, tolerance=0) & best_responses(game, q, tolerance=0)
    assert best_responses(game, middle)[both].all()


@given(data=st.data(), n_states=st.integers(1, 4))
def test_laws_of_schemes(data: st.DataObject, n_states: int) -> None:
    game = data.draw(games(n_states=n_states))
    scheme, prior = data.draw(schemes(n_states)), data.draw(priors(n_states))
    assert check_scheme(game, scheme)
    assert check_scheme(game.with_prior(prior), scheme)


@pytest.mark.parametrize("shape", SHAPES)
def test_inputs_unchanged(shape: str) -> None:
    @given(game=games(shapes=[shape]))
    def unchanged(game: PersuasionGame) -> None:
        solution = solve(game)
        check_inputs_unchanged(game, solve)
        check_inputs_unchanged(game, lambda game: solve(game, exact=True))
        for call in (sender_value, receiver_value, check_scheme):
            check_inputs_unchanged(game, lambda game, call=call: call(game, solution.scheme))
        check_inputs_unchanged(game, lambda game: check_plausibility(game, solution))

    unchanged()


DISTINCT = 10_000
EVERY = 10


@pytest.mark.slow
def test_ten_thousand_games() -> None:
    """No invariant broken on at least 10,000 different games.

    The checks of `CHEAP` run on all of them, among these the exact concave closure; every check
    runs on each tenth game. About three minutes on one core.
    """
    seen: set[PersuasionGame] = set()
    spoke: Counter[str] = Counter()

    @settings(
        max_examples=DISTINCT * 5 // 4,
        derandomize=True,
        database=None,
        deadline=None,
        suppress_health_check=list(HealthCheck),
    )
    @given(game=games())
    def laws(game: PersuasionGame) -> None:
        if game in seen:
            return
        seen.add(game)
        solution = solve(game)
        for check in CHECKS if len(seen) % EVERY == 0 else CHEAP:
            spoke[check.name] += check(game, solution, solve=solve)

    laws()
    assert len(seen) >= DISTINCT
    silent = [check.name for check in CHECKS if spoke[check.name] < DISTINCT // EVERY // 4]
    assert not silent, "these checks hardly ever met their proviso"


@example(game=PersuasionGame([0.5, 0.5], [[0, 1], [0, 1]], [[1, 0], [0, 1]]))
@given(game=games())
def test_conditioning_is_a_ratio(game: PersuasionGame) -> None:
    assert 0 < conditioning(game) <= 1
