"""The commonest mistakes of a newcomer: each is told what was given, what is legal, what to do."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

from persuasion import (
    Bayesian,
    GameError,
    InfeasibleError,
    PersuasionError,
    PersuasionGame,
    SchemeError,
    SignalingScheme,
    UnsupportedError,
    blackwell,
    concave_closure,
    cvxpy_problem,
    fewest_signals,
    first_best,
    full_disclosure_value,
    no_disclosure_value,
    receiver_value,
    sender_value,
    simulate,
    solve,
    solve_batch,
    solve_many,
    solve_menu,
    solve_robust,
    solve_types,
    supremum_adversarial,
    value_over_priors,
    zoo,
)
from persuasion.errors import CallError
from persuasion.learners.robust import Robust
from theory import check

SENDER, RECEIVER = [[0, 1], [0, 1]], [[1, 0], [0, 1]]
GAME = PersuasionGame([0.7, 0.3], SENDER, RECEIVER)
Mistake = Callable[[], Any]

MISTAKES: dict[str, tuple[Mistake, type[PersuasionError], str]] = {
    "a prior that does not sum to 1": (
        lambda: PersuasionGame([0.7, 0.2], SENDER, RECEIVER),
        GameError,
        r"`prior` must sum to 1 \(got 0\.9.*if these are weights",
    ),
    "counts for a prior": (
        lambda: PersuasionGame([70, 30], SENDER, RECEIVER),
        GameError,
        r"`prior` must sum to 1 exactly \(got 100.*divide each by 100",
    ),
    "utilities by action and state": (
        lambda: PersuasionGame([0.2, 0.3, 0.5], np.eye(2, 3), np.eye(2, 3)),
        GameError,
        r"`prior` has shape \(3,\).*\[state, action\].*pass their transpose",
    ),
    "utilities of two shapes": (
        lambda: PersuasionGame([0.7, 0.3], SENDER, np.ones((2, 3))),
        GameError,
        r"`receiver_utility` has shape \(2, 3\).*expected \(2, 2\), indexed \[state, action\]",
    ),
    "an infinite payoff": (
        lambda: PersuasionGame([0.7, 0.3], SENDER, [[0, -np.inf], [0, 1]]),
        GameError,
        r"`receiver_utility` must be finite; got -inf at \(0, 1\).*large finite number",
    ),
    "a kernel by signal and state": (
        lambda: SignalingScheme([[0.5, 1.0], [0.5, 0.0]]),
        SchemeError,
        r"row 0 sums to 1\.5\. Rows are states: kernel\[state, signal\]",
    ),
    "a solution where a scheme is asked for": (
        lambda: sender_value(GAME, solve(GAME)),  # type: ignore[arg-type]
        SchemeError,
        r"must be a SignalingScheme; got Solution; pass solution\.scheme",
    ),
    "a game's name": (
        lambda: solve("prosecutor"),  # type: ignore[arg-type]
        PersuasionError,
        r"must be a PersuasionGame; got str\..*zoo\.load\('prosecutor'\)",
    ),
    "an array for a game": (
        lambda: solve(np.array(SENDER)),  # type: ignore[arg-type]
        PersuasionError,
        r"got ndarray\. Build one with PersuasionGame\(prior,",
    ),
    "arrays for a game": (
        lambda: solve([0.7, 0.3], SENDER, RECEIVER),  # type: ignore[call-overload]
        CallError,
        r"takes 1 argument by position \(game\), options by name \(method, .*; got 3 by position "
        r"\(list, list, list\)\..*: solve\(PersuasionGame\(prior, v, u\)\)$",
    ),
    "an option by position": (
        lambda: solve(GAME, "knapsack"),  # type: ignore[call-overload]
        CallError,
        r"options by name \(method, .*got 2 by position \(PersuasionGame, str\)",
    ),
    "an option misspelt": (
        lambda: solve(GAME, metod="lp"),  # type: ignore[call-overload]
        CallError,
        r"solve has no option `metod`; did you mean `method`\?",
    ),
    "several games for one": (
        lambda: solve([GAME, GAME]),  # type: ignore[call-overload]
        PersuasionError,
        r"got list\. For several games there is solve_many\(games\)",
    ),
    "utilities for types": (
        lambda: solve(GAME, types=np.array([RECEIVER])),  # type: ignore[call-overload]
        PersuasionError,
        r"`types` must be ReceiverTypes\(utilities, IID\(weights\)\).*got ndarray",
    ),
    "arrays for a game that is played": (
        lambda: simulate([0.7, 0.3], SENDER, RECEIVER, "robust", horizon=10),  # type: ignore
        CallError,
        r"simulate\(PersuasionGame\(prior, v, u\), \"robust\", horizon=1000\)",
    ),
    "no horizon": (
        lambda: simulate(GAME, "robust"),  # type: ignore[call-arg]
        CallError,
        r"simulate needs `horizon`\. Call it like simulate\(game, ",
    ),
    "arrays for games": (
        lambda: solve_many([0.7, 0.3], SENDER, RECEIVER),  # type: ignore
        CallError,
        r"solve_many\(\[PersuasionGame\(prior, v, u\)\]\)",
    ),
    "a name for games": (
        lambda: solve_many("prosecutor"),  # type: ignore[arg-type]
        PersuasionError,
        r"must be several games, like \[zoo\.load\(name\)\]; got str",
    ),
    "games for arrays": (
        lambda: solve_batch([GAME, GAME]),  # type: ignore[call-arg]
        CallError,
        r"needs `sender_utilities` and `receiver_utilities`\..*solve_many\(games\)",
    ),
    "games for the first of three arrays": (
        lambda: solve_batch([GAME, GAME], SENDER, RECEIVER),
        GameError,
        r"`priors` must be an array; got games: solve_many\(games\)",
    ),
    "a radius for an ambiguity set": (
        lambda: solve_robust(GAME, 0.1),  # type: ignore[arg-type]
        PersuasionError,
        r"`ambiguity` must be an AmbiguitySet, say l1_ball\(game\.prior, 0\.1\); got float",
    ),
    "arrays for a game of which the prior moves": (
        lambda: value_over_priors(np.array(SENDER), [[0.7, 0.3]]),  # type: ignore[arg-type]
        PersuasionError,
        r"must be a PersuasionGame; got ndarray\. Build one with",
    ),
    "a kernel for a scheme": (
        lambda: sender_value(GAME, np.eye(2)),  # type: ignore[arg-type]
        SchemeError,
        r"got ndarray; pass SignalingScheme\(kernel\)",
    ),
    "games for schemes": (
        lambda: blackwell(GAME, GAME),  # type: ignore[arg-type]
        SchemeError,
        r"got PersuasionGame; pass solve\(game\)\.scheme",
    ),
    "a game for a function of beliefs": (
        lambda: concave_closure(GAME, [0.7, 0.3]),  # type: ignore[arg-type]
        PersuasionError,
        r"must be a function of beliefs .*got PersuasionGame\..*utility_against\(game, receiver\)",
    ),
    "a game for a solution": (
        lambda: fewest_signals(GAME),  # type: ignore[arg-type]
        PersuasionError,
        r"must be a Solution; got PersuasionGame\. Pass solve\(game\)",
    ),
    "data before the theorem": (
        lambda: check(GAME, "theorem_1_slater"),  # type: ignore[arg-type]
        PersuasionError,
        r"`theorem` comes first, .*got PersuasionGame",
    ),
    "one game for many": (
        lambda: solve_many(GAME),  # type: ignore[arg-type]
        PersuasionError,
        r"must be several games; got one: pass \[game\]",
    ),
    "a method that does not apply": (
        lambda: solve(zoo.load("lobbying"), method="knapsack"),
        UnsupportedError,
        r"needs two actions, the game has 5; use method='lp'",
    ),
    "a method misspelt": (
        lambda: solve(GAME, method="knapsak"),
        UnsupportedError,
        r"no method is called 'knapsak'; legal are auto,.*knapsack",
    ),
    "too large a margin": (
        lambda: solve(GAME, margin=2),
        InfeasibleError,
        r"margin 2\.0\. Ask for a smaller margin",
    ),
    "a Receiver's class": (
        lambda: solve(GAME, receiver=Bayesian),  # type: ignore[arg-type]
        PersuasionError,
        r"pass a Receiver, not its class: Bayesian\(",
    ),
    "a learner's class": (
        lambda: simulate(GAME, Robust, horizon=10),  # type: ignore[arg-type]
        PersuasionError,
        r"pass a learner, not its class: Robust\(\)",
    ),
    "a learner misspelt": (
        lambda: simulate(GAME, "robst", horizon=10),
        PersuasionError,
        r"no learner is called 'robst'; legal are .*robust",
    ),
    "a horizon as text": (
        lambda: simulate(GAME, "robust", horizon="1e4"),  # type: ignore[arg-type]
        PersuasionError,
        r"`horizon` must be an integer of at least 1; got '1e4'",
    ),
    "a theorem held against a solution": (
        lambda: check("theorem_1_slater", solve(GAME)),  # type: ignore[arg-type]
        PersuasionError,
        r"results of `simulate`; got Solution",
    ),
}


@pytest.mark.parametrize("name", MISTAKES)
def test_the_message_says_what_to_do(name: str) -> None:
    mistake, kind, message = MISTAKES[name]
    with pytest.raises(kind, match=message) as caught:
        mistake()
    text = str(caught.value)
    assert len(text.splitlines()) == 1
    assert not re.search(r"0x[0-9a-f]{6,}|<class|<function", text), "that tells nobody anything"


@pytest.mark.parametrize(
    "verb",
    [
        concave_closure,
        cvxpy_problem,
        fewest_signals,
        first_best,
        full_disclosure_value,
        no_disclosure_value,
        receiver_value,
        sender_value,
        simulate,
        solve,
        solve_many,
        solve_menu,
        solve_robust,
        solve_types,
        supremum_adversarial,
        value_over_priors,
    ],
)
def test_arrays_never_end_in_an_error_of_python(verb: Callable[..., Any]) -> None:
    arrays: tuple[Any, ...] = ([0.7, 0.3], SENDER, RECEIVER)
    for given in [arrays, (arrays,), ("prosecutor",), ("prosecutor", RECEIVER)]:
        with pytest.raises((PersuasionError, TypeError)) as caught:
            verb(*given)
        if verb not in (fewest_signals, receiver_value, sender_value):  # one may be missing
            assert isinstance(caught.value, PersuasionError), str(caught.value)


def test_errors_from_inside_a_verb_pass_unchanged() -> None:
    class Clumsy(Bayesian):
        def effective_game(self, game: PersuasionGame) -> PersuasionGame:
            return len(5)  # type: ignore[arg-type, return-value]

    with pytest.raises(TypeError, match=r"has no len") as caught:
        solve(GAME, receiver=Clumsy())
    assert not isinstance(caught.value, PersuasionError)


def test_a_wrong_call_is_still_a_type_error() -> None:
    with pytest.raises(TypeError) as caught:
        solve()  # type: ignore[call-overload]
    assert caught.value.__cause__ is None
    assert caught.value.__suppress_context__ or caught.value.__context__ is None


def test_a_game_cannot_be_changed_by_accident() -> None:
    with pytest.raises(AttributeError, match=r"frozen; cannot set 'prior'\. Use with_prior"):
        GAME.prior = np.array([0.5, 0.5])  # type: ignore[misc]
    with pytest.raises(ValueError, match="read-only"):
        GAME.prior[0] = 0.5


def test_what_is_right_is_not_refused() -> None:
    assert solve(GAME).value == pytest.approx(0.6)
    assert [s.value for s in solve_many([GAME])] == pytest.approx([0.6])
    assert solve(GAME, receiver=Bayesian()).value == pytest.approx(0.6)
