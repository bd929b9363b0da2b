"""Uniqueness against random objectives on the optimal face; fewer signals at the same value."""

from __future__ import annotations

from dataclasses import replace
from fractions import Fraction

import numpy as np
import pytest
from scipy.optimize import linprog

from persuasion import (
    Bayesian,
    Biased,
    NotSolvedError,
    PersuasionGame,
    Quantal,
    SignalingScheme,
    Solution,
    solve,
    uniqueness,
    zoo,
)
from persuasion.problem import Candidate, Problem, Vertex
from persuasion.rational_simplex import RationalSimplex
from persuasion.uniqueness import fewest_signals, is_unique
from persuasion.values import obedience_gap, sender_value

# -- uniqueness ----------------------------------------------------------------------------


def small_game(
    rng: np.random.Generator, n_states: int, n_actions: int, *, top: int = 2
) -> PersuasionGame:
    weights = rng.integers(1, 4, size=n_states)
    return PersuasionGame(
        [Fraction(int(w), int(weights.sum())) for w in weights],
        rng.integers(-top, top + 1, size=(n_states, n_actions)),
        rng.integers(-2, 3, size=(n_states, n_actions)),
    )


def unique_by_random_objectives(game: PersuasionGame, rng: np.random.Generator) -> bool:
    """Whether no random direction or its opposite moves along the face of optimal masses."""
    m, n = game.n_states, game.n_actions
    u, v, p = game.receiver_utility, game.sender_utility, game.prior
    rows = []
    for a in range(n):
        for b in range(n):
            row = np.zeros((m, n))
            row[:, a] = u[:, b] - u[:, a]
            rows.append(row.ravel())
    equations, right = np.kron(np.eye(m), np.ones(n)), p

    def best(cost: np.ndarray, above: float | None = None) -> np.ndarray:
        extra = [] if above is None else [-v.ravel()]
        bound = [] if above is None else [-above]
        answer = linprog(
            -cost,
            A_ub=np.array(rows + extra),
            b_ub=np.array([0.0] * len(rows) + bound),
            A_eq=equations,
            b_eq=right,
        )
        return answer.x

    top = float(best(v.ravel()) @ v.ravel())
    goals = rng.normal(size=(4, m * n))
    points = [best(goal, top - 1e-9) for goal in (*goals, *-goals)]
    return float(np.ptp(points, axis=0).max()) < 1e-5


def test_against_random_objectives() -> None:
    rng = np.random.default_rng(4)
    seen = []
    for _ in range(80):
        game = small_game(rng, int(rng.integers(2, 5)), int(rng.integers(2, 5)))
        expected = unique_by_random_objectives(game, rng)
        assert solve(game).is_unique is expected, game.to_dict()
        assert solve(game, exact=True).is_unique is expected
        seen.append(expected)
    assert 10 < sum(seen) < 70


@pytest.mark.parametrize(
    "family", ["binary", "duplicates", "quadratic", "uniform", "bad_scaling", "near_ties"]
)
def test_floats_answer_only_where_they_are_right(family: str) -> None:
    for seed in range(25):
        n_states, n_actions = [(2, 3), (3, 3), (5, 2), (6, 5), (12, 4)][seed % 5]
        solution = solve(zoo.random_game(family, n_states, n_actions, seed=seed))
        simplex = RationalSimplex(solution.problem, solution.candidate.vertex)
        simplex.maximise()
        expected = simplex.second_optimum() is None
        assert is_unique(solution) is expected
        if uniqueness._clearly_unique(solution.problem, solution.candidate):
            assert expected


@pytest.mark.parametrize(
    ("prior", "cells", "rows", "right"),
    [
        ("3/10", [(0, 0), (0, 1), (1, 1)], [(1, 0)], True),
        ("7/10", [(0, 0), (0, 1), (1, 1)], [(1, 0)], False),  # acquits a negative mass
        ("3/10", [(0, 1), (1, 1)], [], False),  # is disobeyed
        ("3/10", [(0, 0), (1, 1)], [], False),  # could gain
    ],
)
def test_floats_see_through_a_wrong_basis(
    prior: str, cells: list[tuple[int, int]], rows: list[tuple[int, int]], right: bool
) -> None:
    p = Fraction(prior)
    problem = Problem.of(PersuasionGame([1 - p, p], [[0, 1], [0, 1]], [[1, 0], [0, 1]]), Bayesian())
    pairs = np.array(rows, dtype=np.intp).reshape(-1, 2)
    candidate = Candidate(
        masses=np.full((2, 2), 0.25),
        price_rows=pairs,
        prices=np.ones(len(pairs)),
        vertex=Vertex(np.array(cells, dtype=np.intp), pairs),
    )
    assert uniqueness._clearly_unique(problem, candidate) is right


def test_floats_answer_most_games_in_general_position() -> None:
    clear = 0
    for seed in range(30):
        solution = solve(zoo.random_game("uniform", 6, 4, seed=seed))
        clear += uniqueness._clearly_unique(solution.problem, solution.candidate)
    assert clear >= 20


@pytest.mark.parametrize("tilt", [0, 1e-12, 1e-9, 1e-3])
def test_a_tilt_of_any_size_decides(tilt: float) -> None:
    # both actions are optimal for the Receiver in state 1; the Sender gains `tilt` from the second
    v = [[1, 0], [Fraction(1), 1 + Fraction(tilt)]]
    game = PersuasionGame(["1/2", "1/2"], v, [[1, 0], [1, 1]])
    assert solve(game).is_unique is (tilt != 0)


def test_duplicates_are_unique_only_by_what_they_pay() -> None:
    u = [[1, 1, 0], [0, 0, 1]]
    prior = ["1/2", "1/2"]
    assert solve(PersuasionGame(prior, [[2, 2, 0]] * 2, u)).is_unique is False
    assert solve(PersuasionGame(prior, [[2, 1, 0]] * 2, u)).is_unique is True


def test_states_nobody_deems_possible_do_not_count() -> None:
    game = PersuasionGame(["7/10", "3/10", 0], [[0, 1]] * 3, [[1, 0], [0, 1], [5, 5]])
    assert solve(game).is_unique is True


def test_undecided_is_none(monkeypatch: pytest.MonkeyPatch) -> None:
    game = zoo.random_game("uniform", 4, 3, seed=2)
    assert solve(game, receiver=Quantal(2.0)).is_unique is None
    assert solve(game, max_signals=1).is_unique is None
    assert solve(game, receiver=Biased(Fraction(1, 4))).is_unique is not None
    monkeypatch.setattr(uniqueness, "CELL_LIMIT", 0)
    constant = PersuasionGame(["1/2", "1/2"], [[1, 1]] * 2, [[1, 0], [0, 1]])
    assert is_unique(solve(constant)) is None
    assert is_unique(solve(zoo.random_game("uniform", 4, 3, seed=2))) is True


# -- fewer signals -------------------------------------------------------------------------


def independent(game: PersuasionGame, scheme: SignalingScheme) -> bool:
    return np.linalg.matrix_rank(scheme.posteriors(game), tol=1e-9) == scheme.n_signals


def interior(game: PersuasionGame, *, exact: bool) -> Solution:
    """An average of optimal vertices, as a solution."""
    solution = solve(game, exact=exact)
    simplex = RationalSimplex(solution.problem)
    simplex.maximise()
    n = game.n_actions
    each = [  # as much of action a as an optimum can have
        simplex.optimal_face_maximum([[int(b == a) for b in range(n)]] * game.n_states).masses
        for a in range(n)
    ]
    mean = {cell: sum(x.get(cell, Fraction(0)) for x in each) / n for x in each for cell in x}
    used = sorted({a for _, a in mean})
    weights = solution.problem.exact.weights
    kernel = [[mean.get((w, a), Fraction(0)) / p for a in used] for w, p in enumerate(weights)]
    table = np.array(kernel, dtype=object)
    scheme = SignalingScheme(table if exact else table.astype(float))
    return replace(solution, given_scheme=scheme, recommendations=tuple(used))


@pytest.mark.parametrize("exact", [False, True])
def test_between_vertices(exact: bool) -> None:
    rng = np.random.default_rng(9)
    shrunk = 0
    for _ in range(60):
        game = small_game(rng, int(rng.integers(2, 5)), int(rng.integers(3, 6)), top=0)
        solution = interior(game, exact=exact)
        before = solution.scheme.kernel.copy()
        scheme = fewest_signals(solution)
        assert scheme.n_signals <= min(game.n_states, game.n_actions)
        assert independent(game, scheme)
        assert sender_value(game, scheme) == pytest.approx(float(solution.value), abs=1e-9)
        at = [game.actions.index(label) for label in scheme.signals]
        assert obedience_gap(game, scheme, at) <= 1e-12
        assert np.array_equal(solution.scheme.kernel, before)
        shrunk += scheme.n_signals < solution.scheme.n_signals
    assert shrunk > 10  # else nothing was tested


def five_intervals(kernel: object) -> Solution:
    """A Sender who does not care, a Receiver with five actions for five intervals of belief."""
    targets = np.arange(5) / 4
    u = -((np.arange(2)[:, None] - targets) ** 2)
    game = PersuasionGame([0.5, 0.5], np.ones((2, 5)), u)
    return replace(
        solve(game), given_scheme=SignalingScheme(kernel), recommendations=(0, 1, 2, 3, 4)
    )


def test_five_signals_for_two_states_become_two() -> None:
    beliefs = np.array([0.0, 0.25, 0.5, 0.75, 1.0])
    scheme = SignalingScheme.from_posteriors(
        [0.5, 0.5], np.full(5, 0.2), np.stack([1 - beliefs, beliefs], axis=1)
    )
    solution = five_intervals(scheme.kernel)
    fewer = fewest_signals(solution)
    assert fewer.n_signals <= 2
    assert set(fewer.signals) <= set(solution.game.actions)
    # posteriors are kept: each is one of the five
    for belief in fewer.posteriors(solution.game)[:, 1]:
        assert np.abs(beliefs - belief).min() < 1e-12


def test_exact_schemes_stay_exact() -> None:
    third = Fraction(1, 3)
    game = PersuasionGame(
        [third, third, third, 0],
        [[1] * 5] * 4,
        [[3, 0, 0, 2, "3/2"], [0, 3, 0, 2, "3/2"], [0, 0, 3, 0, "3/2"], [0] * 5],
    )
    solution = replace(
        solve(game, exact=True),
        given_scheme=SignalingScheme(
            [
                ["1/2", 0, 0, "1/4", "1/4"],
                [0, "1/2", 0, "1/4", "1/4"],
                [0, 0, "3/4", 0, "1/4"],
                [0, 0, 0, 0, 1],
            ]
        ),
        recommendations=(0, 1, 2, 3, 4),
    )
    fewer = fewest_signals(solution)
    assert fewer.n_signals <= 3
    assert all(sum(row) == 1 for row in fewer.exact_kernel)
    assert {x.denominator for row in fewer.exact_kernel for x in row} <= {1, 2, 3, 4, 5, 6, 8}
    assert independent(game, fewer)


def test_signals_of_one_action_are_merged_for_best_responders_only() -> None:
    game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    solution = solve(game)
    twice = solution.scheme.garble([[0.5, 0.5, 0.0], [0.0, 0.0, 1.0]])
    doubled = replace(solution, given_scheme=twice, recommendations=(0, 0, 1))
    assert fewest_signals(doubled).n_signals == 2
    noisy = solve(game, receiver=Quantal(3.0))
    halves = np.kron(np.eye(noisy.scheme.n_signals), [[0.5, 0.5]])
    split = replace(noisy, given_scheme=noisy.scheme.garble(halves))
    fewer = fewest_signals(split)
    assert fewer.n_signals == noisy.scheme.n_signals < split.scheme.n_signals
    assert sender_value(game, fewer, Quantal(3.0)) == pytest.approx(noisy.value, abs=1e-12)


def test_a_scheme_that_is_not_optimal_gets_no_worse() -> None:
    beliefs = np.array([[1, 0], [0.5, 0.5], [0, 1]])
    gains = []
    for seed in range(12):
        game = zoo.random_game("uniform", 2, 3, seed=seed).with_prior([0.5, 0.5])
        scheme = SignalingScheme.from_posteriors([0.5, 0.5], [0.3, 0.4, 0.3], beliefs)
        worth = sender_value(game, scheme, Quantal(4.0))
        solution = replace(solve(game, receiver=Quantal(4.0)), given_scheme=scheme, value=worth)
        fewer = fewest_signals(solution)
        assert fewer.n_signals <= 2
        gains.append(sender_value(game, fewer, Quantal(4.0)) - worth)
    assert min(gains) >= -1e-12
    assert max(gains) > 1e-3


def test_margins_and_biased_receivers_keep_their_obedience() -> None:
    for seed in range(10):
        game = zoo.random_game("integer", 4, 4, seed=seed)
        for options in ({"receiver": Biased(Fraction(1, 3))}, {"margin": Fraction(1, 1000)}):
            solution = solve(game, **options)
            fewer = fewest_signals(solution)
            assert fewer.n_signals <= 4
            worth = sender_value(game, fewer, options.get("receiver"))
            assert worth >= float(solution.value) - 1e-9


def test_a_worse_or_disobedient_scheme_is_refused() -> None:
    game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    for exact in (False, True):
        solution = solve(game, exact=exact)
        disobeyed = replace(
            solution, given_scheme=SignalingScheme([[0, 1], [0, 1]]), recommendations=(0, 1)
        )
        with pytest.raises(NotSolvedError, match="fails its check"):
            fewest_signals(disobeyed)
        wasteful = replace(
            solution, given_scheme=SignalingScheme([[1, 0], [0, 1]]), recommendations=(0, 1)
        )
        with pytest.raises(NotSolvedError, match="fails its check"):
            fewest_signals(wasteful)
