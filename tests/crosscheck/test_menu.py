"""Types who report themselves: the menu program against hand-solved games and other routes."""

import json
from dataclasses import replace

import numpy as np
import pytest

from persuasion import (
    PersuasionGame,
    SignalingScheme,
    TypeMixture,
    menu_program,
    solve,
    solve_menu,
    solve_types,
)
from persuasion.beliefs import best_responses
from persuasion.candidates import type_games
from persuasion.errors import GameError, NotSolvedError, PersuasionError, UnsupportedError
from persuasion.menu_program import MenuSolution, n_menu_entries

EAGER, WARY = [[0, 1], [0, -1], [0, -1]], [[0, -1], [0, 0], [0, 0]]
SWAP = PersuasionGame(["1/3"] * 3, [[0, 0], [0, 0], [0, 1]], EAGER)


def random_world(m, n, k, seed, *, integers=False):
    rng = np.random.default_rng([43, m, n, k, seed])
    draw = (lambda s: rng.integers(0, 3, s).astype(float)) if integers else rng.random
    game = PersuasionGame(rng.dirichlet(np.full(m, 2.0)), draw((m, n)), draw((m, n)))
    return game, draw((k, m, n)), rng.dirichlet(np.ones(k))


SIZES = [(2, 2, 2), (3, 2, 3), (3, 3, 2), (4, 3, 2), (3, 4, 3)]


# -- values ------------------------------------------------------------------------------------


def test_a_menu_solved_by_hand():
    """The eager type acts where q0 >= q1 + q2, the wary one where q0 = 0: never the same signal.

    A common scheme wins each unit of state 2 for at most one type: 1/2 of 1/3. The menu pools
    states 0 and 2 for the eager type and tells the wary one whether it is state 2; each is then
    worth nothing to her, and so is the other's scheme. That wins all of state 2, and no more is
    there to be won.
    """
    menu = solve_menu(SWAP, [EAGER, WARY], [0.5, 0.5])
    assert menu.value == pytest.approx(1 / 3, abs=1e-9)
    assert menu.upper_bound == pytest.approx(1 / 3, abs=1e-9)
    assert menu.masses[:, 2, 1] == pytest.approx(np.full(2, 1 / 3))
    common = solve(SWAP, types=TypeMixture([EAGER, WARY], [0.5, 0.5]))
    assert common.value == pytest.approx(1 / 6, abs=1e-9)


@pytest.mark.parametrize("share", [0.2, 0.7])
def test_a_menu_is_worth_nothing_where_types_agree_on_the_order_of_beliefs(share):
    """Two actions, two states: the schemes of a menu can be sent to both types at once."""
    judge = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    types = [[[1, 0], [0, 3]], [[1, 0], [0, 1]]]
    menu = solve_menu(judge, types, [share, 1 - share])
    common = solve_types(judge, types, [share, 1 - share])
    assert menu.value == pytest.approx(common.value, abs=1e-9)


@pytest.mark.parametrize("integers", [False, True], ids=["generic", "ties"])
@pytest.mark.parametrize("size", SIZES, ids=str)
def test_between_the_common_scheme_and_known_types(size, integers):
    strict = 0
    for seed in range(8):
        game, utilities, weights = random_world(*size, seed, integers=integers)
        menu = solve_menu(game, utilities, weights)
        common = solve_types(game, utilities, weights).value
        known = weights @ [solve(one).value for one in type_games(game, utilities)]
        assert common - 1e-9 <= menu.value <= known + 1e-9
        strict += common + 1e-6 < menu.value
    assert strict > 0 or size == (2, 2, 2) or integers


def test_one_type_is_the_ordinary_game():
    for seed in range(15):
        game, utilities, _ = random_world(2 + seed % 3, 2 + seed % 2, 1, seed, integers=seed % 2)
        (one,) = type_games(game, utilities)
        assert solve_menu(game, utilities, [1.0]).value == pytest.approx(solve(one).value, abs=1e-9)


# -- invariances -------------------------------------------------------------------------------


def duplicated(utilities, weights):
    return np.concatenate([utilities, utilities[:1]]), [
        weights[0] / 3,
        *weights[1:],
        2 * weights[0] / 3,
    ]


def test_duplicating_a_type_changes_nothing():
    for seed in range(10):
        game, utilities, weights = random_world(3, 3, 2, seed, integers=seed % 2)
        once = solve_menu(game, utilities, weights).value
        assert solve_menu(game, *duplicated(utilities, weights)).value == pytest.approx(
            once, abs=1e-8
        )


def test_utils_of_a_type_and_what_no_action_changes_play_no_role():
    for seed in range(6):
        game, utilities, weights = random_world(3, 3, 2, seed)
        moved = utilities * np.array([1e-9, 1e6])[:, None, None]
        moved[1] += np.random.default_rng(seed).normal(size=(3, 1)) * 1e6
        theirs = solve_menu(game, moved, weights)
        assert theirs.value == pytest.approx(solve_menu(game, utilities, weights).value, abs=1e-7)
        assert theirs.incentive_gap < 1e-8


def test_types_that_never_come_may_still_misreport_but_cost_nothing():
    """A type of weight 0 gets a scheme of her own; the others keep theirs."""
    for seed in range(5):
        game, utilities, _ = random_world(3, 2, 2, seed)
        alone = solve(type_games(game, utilities)[0]).value
        assert solve_menu(game, utilities, [1.0, 0.0]).value == pytest.approx(alone, abs=1e-8)


# -- certificate -------------------------------------------------------------------------------


def best_after(game, table, scheme):
    """What a type with these utilities can get from a scheme, signal by signal."""
    one = PersuasionGame(game.prior, game.sender_utility, table)
    mass, posteriors = scheme.signal_probabilities(game.prior), scheme.posteriors(game.prior)
    optimal = best_responses(one, posteriors).argmax(axis=1)
    return float(mass @ (posteriors @ table)[np.arange(len(mass)), optimal])


@pytest.mark.parametrize("size", SIZES, ids=str)
def test_nobody_gains_by_another_report(size):
    """Recomputed from the schemes alone, by beliefs and best responses."""
    for seed in range(5):
        game, utilities, weights = random_world(*size, seed)
        menu = solve_menu(game, utilities, weights)
        value = 0.0
        for k, (table, weight) in enumerate(zip(utilities, weights, strict=True)):
            got = float((game.prior[:, None] * menu.schemes[k].kernel * table).sum())
            value += weight * float(
                (game.prior[:, None] * menu.schemes[k].kernel * game.sender_utility).sum()
            )
            for scheme in menu.schemes:
                assert best_after(game, table, scheme) <= got + 1e-8
        assert value == pytest.approx(menu.value, abs=1e-9)


def test_no_menu_of_common_schemes_beats_the_bound():
    rng = np.random.default_rng(5)
    for seed in range(5):
        game, utilities, weights = random_world(3, 3, 2, seed)
        menu = solve_menu(game, utilities, weights)
        for _ in range(30):
            scheme = SignalingScheme(rng.dirichlet(np.full(4, 0.4), 3))
            mass, posteriors = scheme.signal_probabilities(game.prior), scheme.posteriors(game)
            value = 0.0
            for one, weight in zip(type_games(game, utilities), weights, strict=True):
                optimal = best_responses(one, posteriors)
                sender = np.where(optimal, posteriors @ game.sender_utility, -np.inf).max(axis=1)
                value += weight * float(mass @ sender)
            assert value <= menu.upper_bound + 1e-9


def test_the_bound_holds_for_any_prices():
    """Weak duality does not need the right prices; wrong ones give a larger bound."""
    rng = np.random.default_rng(2)
    for seed in range(10):
        game, utilities, weights = random_world(3, 3, 2, seed)
        menu = solve_menu(game, utilities, weights)
        unit, spreads = menu_program._unit_utilities(utilities)
        own = menu.obedience_prices * spreads[:, None, None]
        reported = menu.report_prices * spreads[:, None, None, None]
        for share in (0.0, 0.1, 1.0):  # from the right prices to prices at random
            for _ in range(10):
                obedience = own * (1 - share) + share * rng.exponential(0.3, own.shape)
                noise = rng.exponential(0.3, reported.shape)
                noise[[0, 1], [0, 1]] = 0
                reports = reported * (1 - share) + share * noise
                bound = menu_program._upper_bound(game, unit, weights, obedience, reports)
                assert bound >= menu.value - 1e-12
                assert share > 0 or bound == pytest.approx(menu.value, abs=1e-9)
                assert share < 1 or bound > menu.value + 1e-3


def test_prices_that_differ_by_recommendation_still_bound():
    """One recommendation's deviation has no price: the truth must be credited with the largest."""
    rng = np.random.default_rng(3)
    for seed in range(40):
        game, utilities, weights = random_world(2 + seed % 2, 2, 2, seed)
        menu = solve_menu(game, utilities, weights)
        unit, spreads = menu_program._unit_utilities(utilities)
        own = menu.obedience_prices * spreads[:, None, None]
        reports = np.zeros((2, 2, 2, 2))
        reports[[0, 1], [1, 0], rng.integers(0, 2), rng.integers(0, 2)] = rng.exponential(1.0)
        assert menu_program._upper_bound(game, unit, weights, own, reports) >= menu.value - 1e-12


def without_reports(monkeypatch):
    """Plant a fault: types are not kept from misreporting."""
    honest = menu_program.permutations

    def faulty(items, size):
        pairs = list(honest(items, size))
        return [] if isinstance(items, range) and len(items) == 2 and size == 2 else pairs

    monkeypatch.setattr(menu_program, "permutations", faulty)


def test_a_program_that_forgets_misreports_is_caught(monkeypatch):
    """Planted fault: two types, three actions; known types would be worth more than a menu."""
    worlds = [random_world(3, 3, 2, seed) for seed in range(20)]
    honest = [solve_menu(*world).value for world in worlds]
    without_reports(monkeypatch)
    caught = 0
    for world, value in zip(worlds, honest, strict=True):
        try:
            found = solve_menu(*world).value
        except NotSolvedError:
            caught += 1
        else:
            assert found == pytest.approx(value, abs=1e-8)
    assert caught > 5


def test_masses_that_are_no_split_are_refused(monkeypatch):
    program = menu_program._program
    monkeypatch.setattr(
        menu_program, "_program", lambda *given: (program(*given)[0] * 1.01, *program(*given)[1:])
    )
    with pytest.raises(NotSolvedError, match="miss the prior"):
        solve_menu(SWAP, [EAGER, WARY], [0.5, 0.5])


def test_wrong_prices_are_refused(monkeypatch):
    program = menu_program._program
    monkeypatch.setattr(
        menu_program,
        "_program",
        lambda *given: (program(*given)[0], *(0.9 * prices for prices in program(*given)[1:])),
    )
    for seed in range(3):
        with pytest.raises(NotSolvedError, match="dual bound"):
            solve_menu(*random_world(3, 3, 2, seed))


# -- the answer, and refusals ------------------------------------------------------------------


def test_it_survives_json_and_says_what_it_is():
    menu = solve_menu(*random_world(3, 3, 3, 1))
    again = MenuSolution.from_dict(json.loads(json.dumps(menu.to_dict())))
    assert again.to_dict() == menu.to_dict()
    assert repr(again) == repr(menu)
    assert "3 types who report themselves" in menu.summary()
    with pytest.raises(ValueError, match="read-only"):
        menu.masses[0, 0, 0] = 1


def test_inputs_are_left_alone_and_null_states_are_fine():
    game, utilities, weights = random_world(3, 2, 2, 4)
    before = utilities.copy()
    edge = game.with_prior([0.0, 0.4, 0.6])
    inner = edge.restrict(states=[1, 2])
    expected = solve_menu(inner, utilities[:, 1:], weights).value
    assert solve_menu(edge, utilities, weights).value == pytest.approx(expected, abs=1e-9)
    assert np.array_equal(utilities, before)


@pytest.mark.parametrize(
    ("change", "error", "words"),
    [
        ({"weights": [0.5]}, PersuasionError, "shape"),
        ({"weights": [0.5, 0.6]}, PersuasionError, "sum to 1"),
        ({"weights": [3, 1]}, PersuasionError, "counts"),
        ({"utilities": [EAGER, [[0, 1]]]}, GameError, "type 1 has shape"),
        ({"utilities": []}, GameError, "at least one type"),
        (
            {"game": SWAP.with_prior(SWAP.prior, receiver_prior=[0.5, 0.3, 0.2])},
            PersuasionError,
            "receiver_prior",
        ),
    ],
)
def test_what_is_refused(change, error, words):
    given = {"game": SWAP, "utilities": [EAGER, WARY], "weights": [0.5, 0.5], **change}
    with pytest.raises(error, match=words):
        solve_menu(**given)


def test_a_program_too_large_is_refused_with_its_size_before_it_is_built(monkeypatch):
    monkeypatch.setattr(menu_program, "_program", lambda *_: pytest.fail("built"))
    many = np.random.default_rng(0).random((60, 20, 20))
    game = PersuasionGame(np.full(20, 0.05), many[0], many[0])
    with pytest.raises(UnsupportedError, match=str(n_menu_entries(60, 20, 20))):
        solve_menu(game, many, np.full(60, 1 / 60))


def test_solve_refuses_to_mix_types_with_one_receiver():
    types = TypeMixture([EAGER, WARY], [0.5, 0.5])
    with pytest.raises(PersuasionError, match="drop `receiver`"):
        solve(SWAP, types=types, receiver=types)
    for option in ({"exact": True}, {"margin": 0.1}, {"method": "lp"}, {"max_signals": 2}):
        with pytest.raises(UnsupportedError, match=f"`{next(iter(option))}`"):
            solve(SWAP, receiver=types, **option)
    assert replace(solve(SWAP, types=types), value=0.0).value == 0.0
