"""Promises of `solve`, of `Solution`, and of every method in the folder."""

import json
from fractions import Fraction

import numpy as np
import pytest

from persuasion import (
    Bayesian,
    Biased,
    GameError,
    InfeasibleError,
    NotSolvedError,
    PersuasionError,
    PersuasionGame,
    Quantal,
    SchemeError,
    SignalingScheme,
    Solution,
    UnsupportedError,
    solve,
    solvers,
    zoo,
)
from persuasion.certificate import certify
from persuasion.polish import polish
from persuasion.problem import Candidate, Problem
from persuasion.solvers import structured
from persuasion.values import obedience_gap, receiver_value, sender_value

PROSECUTOR = PersuasionGame(["7/10", "3/10"], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
GRADING = zoo.load("grading")


def games():
    rng = np.random.default_rng(11)
    for m, n in [(2, 2), (3, 2), (2, 4), (4, 3), (6, 5)]:
        yield PersuasionGame(rng.dirichlet(np.ones(m)), rng.random((m, n)), rng.random((m, n)))
        yield PersuasionGame(
            rng.dirichlet(np.ones(m)), rng.random((m, n)), rng.random((m, n)),
            receiver_prior=rng.dirichlet(np.ones(m)),
        )  # fmt: skip


GAMES = list(games())


@pytest.mark.parametrize("method", solvers.names())
@pytest.mark.parametrize("game", GAMES, ids=repr)
def test_every_method_is_certified_or_refuses_with_a_reason(method, game):
    solver = solvers.load(method)
    assert solver.name == method
    reason = solver.supports(Problem.of(game, Bayesian()))
    if reason is not None:
        with pytest.raises(UnsupportedError, match="does not apply"):
            solve(game, method=method)
        return
    solution = solve(game, method=method)
    assert solution.status == "optimal"
    assert solution.value == pytest.approx(float(solve(game, exact=True).value), abs=1e-9)
    assert sender_value(game, solution.scheme) == pytest.approx(solution.value, abs=1e-8)


@pytest.mark.parametrize("game", GAMES, ids=repr)
def test_inputs_are_left_alone(game):
    before = json.dumps(game.to_dict())
    arrays = [game.prior.copy(), game.sender_utility.copy(), game.receiver_utility.copy()]
    for method in ("auto", "lp"):
        solution = solve(game, method=method)
        assert not solution.scheme.kernel.flags.writeable
        assert not solution.state_prices.flags.writeable
    assert json.dumps(game.to_dict()) == before
    for array, now in zip(arrays, (game.prior, game.sender_utility, game.receiver_utility)):  # noqa: B905
        assert (array == now).all()


@pytest.mark.parametrize(
    "solution",
    [
        solve(PROSECUTOR),
        solve(PROSECUTOR, exact=True),
        solve(GRADING, margin=Fraction(1, 100), max_signals=2),
        solve(PROSECUTOR, receiver=Biased(Fraction(1, 4))),
        solve(PROSECUTOR, receiver=Quantal(5.0)),
        solve(GAMES[3]),
    ],
    ids=repr,
)
def test_json_round_trip(solution):
    back = Solution.from_dict(json.loads(json.dumps(solution.to_dict())))
    assert back.to_dict() == solution.to_dict()
    assert back.summary() == solution.summary()
    assert back.receiver == solution.receiver
    assert type(back.value) is type(solution.value)


def test_prices_dominate_and_touch():
    solution = solve(GRADING)
    assert GRADING.prior @ solution.state_prices == pytest.approx(solution.value, abs=1e-12)
    assert (solution.obedience_prices >= 0).all()
    assert solution.gain == pytest.approx(solution.value - 1)


def test_prices_in_an_impossible_state_still_dominate():
    game = PersuasionGame(["7/10", "3/10", 0], [[0, 1], [0, 1], [5, 1]], [[1, 0], [0, 1], [0, 10]])
    solution = solve(game)
    y = solution.obedience_prices
    u, v = game.receiver_utility, game.sender_utility
    for a in range(2):
        bound = v[2, a] + sum(y[a, b] * (u[2, a] - u[2, b]) for b in range(2))
        assert solution.state_prices[2] >= bound - 1e-12
    assert solution.scheme.kernel[2].sum() == 1


# -- options -------------------------------------------------------------------------------


def test_margin_is_kept_and_costs():
    solution = solve(GRADING, margin=0.05)
    scheme, chosen = solution.scheme, solution.recommendations
    joint = GRADING.prior[:, None] * scheme.kernel
    against = joint.T @ GRADING.receiver_utility
    for i, a in enumerate(chosen):
        for b in range(3):
            if a != b:
                assert against[i, a] - against[i, b] >= 0.05 * joint[:, i].sum() - 1e-9
    assert solution.value < solve(GRADING).value


def test_margin_as_a_string_is_exact():
    assert solve(GRADING, margin="1/20", exact=True).options == {"margin": Fraction(1, 20)}


def test_a_solution_is_not_a_scheme():
    with pytest.raises(PersuasionError, match=r"pass solution\.scheme"):
        sender_value(PROSECUTOR, solve(PROSECUTOR))


def test_margin_agrees_between_floats_and_fractions():
    exact = solve(GRADING, margin=Fraction(1, 20), exact=True)
    assert solve(GRADING, margin=0.05).value == pytest.approx(float(exact.value), abs=1e-9)


@pytest.mark.parametrize("exact", [False, True])
def test_margin_beyond_what_the_game_allows(exact):
    with pytest.raises(InfeasibleError, match="margin"):
        solve(PROSECUTOR, margin=2, exact=exact)


@pytest.mark.parametrize("k", [1, 2, 3])
def test_few_signals_against_all_sets_of_recommendations(k):
    from itertools import combinations

    rng = np.random.default_rng(k)
    for _ in range(8):
        game = PersuasionGame(np.full(5, 0.2), rng.random((5, 5)), rng.random((5, 5)))
        best = -np.inf
        for chosen in combinations(range(5), k):
            problem = Problem.of(game, Bayesian(), actions=chosen)
            try:
                found = certify(problem, solvers.load("lp").solve(problem))
            except InfeasibleError:
                continue
            best = max(best, found.value)
        solution = solve(game, max_signals=k)
        assert solution.scheme.n_signals <= k
        assert solution.value == pytest.approx(best, abs=1e-9)


def test_one_signal_is_no_disclosure():
    assert solve(GRADING, max_signals=1).value == pytest.approx(solve(GRADING).no_disclosure)
    assert solve(GRADING, max_signals=1, exact=True).value == 1


def test_biased_receiver_at_the_ends():
    assert solve(PROSECUTOR, receiver=Biased(0)).value == pytest.approx(0.6)
    assert solve(PROSECUTOR, receiver=Biased(1)).value == pytest.approx(0.0)


def test_biased_receiver_is_played_against():
    solution = solve(PROSECUTOR, receiver=Biased(0.25))
    assert sender_value(PROSECUTOR, solution.scheme, Biased(0.25)) == pytest.approx(solution.value)


def test_quantal_receiver_comes_with_an_interval():
    solution = solve(PROSECUTOR, receiver=Quantal(10.0))
    assert solution.value <= solution.upper_bound
    assert sender_value(PROSECUTOR, solution.scheme, Quantal(10.0)) == pytest.approx(solution.value)


def test_quantal_receiver_on_many_states_is_refused_with_the_reason():
    game = PersuasionGame(np.full(5, 0.2), np.zeros((5, 2)), np.ones((5, 2)))
    with pytest.raises(UnsupportedError, match="states"):
        solve(game, receiver=Quantal(1.0))


@pytest.mark.parametrize("method", ["lp", "structured", "auto"])
def test_a_time_limit_leaves_a_scheme_and_a_bound(method):
    rng = np.random.default_rng(0)
    game = PersuasionGame(np.full(150, 1 / 150), rng.random((150, 40)), rng.random((150, 40)))
    solution = solve(game, method=method, time_limit=1e-6)
    assert solution.status == "time limit"
    full = solve(game)
    assert solution.value <= full.value <= solution.upper_bound + 1e-9
    assert obedience_gap(game, solution.scheme, solution.recommendations) <= 1e-9


@pytest.mark.parametrize(
    ("options", "error", "message"),
    [
        ({"method": "simplicity"}, UnsupportedError, "legal are"),
        ({"method": 7}, UnsupportedError, "supports"),
        ({"method": "lp", "exact": True}, UnsupportedError, "exact"),
        ({"margin": -1}, PersuasionError, "margin"),
        ({"margin": float("nan")}, PersuasionError, "margin"),
        ({"margin": "a tenth"}, PersuasionError, "1/10"),
        ({"margin": None}, PersuasionError, "margin"),
        ({"margin": 0.1, "receiver": Quantal(1.0)}, UnsupportedError, "recommendations"),
        ({"max_signals": 2, "receiver": Quantal(1.0)}, UnsupportedError, "recommendations"),
        ({"max_signals": 0}, PersuasionError, "max_signals"),
        ({"max_signals": 1.5}, PersuasionError, "max_signals"),
        ({"time_limit": 0}, PersuasionError, "time_limit"),
        ({"tolerance": 0}, PersuasionError, "tolerance"),
        ({"receiver": "Bob"}, PersuasionError, "respond"),
        ({"receiver": Bayesian(ties="adversarial")}, UnsupportedError, "supremum_adversarial"),
    ],
)
def test_bad_options_are_refused(options, error, message):
    with pytest.raises(error, match=message):
        solve(PROSECUTOR, **options)


def test_a_game_is_needed():
    with pytest.raises(PersuasionError, match="PersuasionGame"):
        solve([[0.7, 0.3]])


# -- nothing is believed -------------------------------------------------------------------


class Liar:
    """Proposes what it is told to."""

    name = "liar"

    def __init__(self, change):
        self.change = change

    def supports(self, problem):
        return None

    def solve(self, problem):
        honest = solvers.load("lp").solve(problem)
        honest.vertex = None
        return self.change(honest)


def _scaled(candidate):
    candidate.masses = candidate.masses * 1.01
    return candidate


def _always_convict(candidate):
    candidate.masses = np.array([[0.0, 0.7], [0.0, 0.3]])
    return candidate


def _disclosing(candidate):
    candidate.masses = np.diag([0.7, 0.3])
    return candidate


def _slightly_greedy(candidate):
    candidate.masses = np.array([[0.4 - 1e-7, 0.3 + 1e-7], [0.0, 0.3]])
    return candidate


def _without_prices(candidate):
    candidate.prices = np.zeros_like(candidate.prices)
    return candidate


def _wrong_sign(candidate):
    candidate.prices = -candidate.prices
    return candidate


def _not_numbers(candidate):
    candidate.masses = candidate.masses * np.nan
    return candidate


def _other_shape(candidate):
    candidate.masses = candidate.masses[:1]
    return candidate


@pytest.mark.parametrize(
    "change",
    [
        _scaled, _always_convict, _disclosing, _slightly_greedy, _without_prices, _wrong_sign,
        _not_numbers, _other_shape,
    ],
)  # fmt: skip
@pytest.mark.parametrize("scale", [1.0, 1e-9, 1e9])
def test_wrong_answers_do_not_pass(change, scale):
    game = PersuasionGame(
        PROSECUTOR.prior, PROSECUTOR.sender_utility, PROSECUTOR.receiver_utility * scale
    )
    with pytest.raises(NotSolvedError, match="residuals too large") as caught:
        solve(game, method=Liar(change))
    assert caught.value.attempts[0][0] == "liar"


def test_the_honest_answer_passes():
    assert solve(PROSECUTOR, method=Liar(lambda c: c)).value == pytest.approx(0.6)


def test_differences_below_the_resolution_of_sums_are_judged():
    """The two actions differ by 1e-9 beside utilities of 1; a scheme off by a third is caught."""
    u = np.array([[1 + 1e-9, 1.0], [1.0, 1 + 1e-9]])
    game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], u)
    honest = Candidate(np.array([[0.4, 0.3], [0.0, 0.3]]), np.array([[1, 0]]), np.array([1e9]))
    greedy = Candidate(np.array([[0.2, 0.5], [0.0, 0.3]]), np.array([[1, 0]]), np.array([1e9]))
    problem = Problem.of(game, Bayesian())
    assert certify(problem, honest).residuals.obedience < 1e-6
    assert certify(problem, greedy).residuals.obedience > 0.1


def test_polishing_repairs_rounding_in_a_vertex():
    problem = Problem.of(GRADING, Bayesian())
    candidate = solvers.load("lp").solve(problem)
    exact = candidate.masses.copy()
    candidate.masses = exact + 1e-8 * np.random.default_rng(0).random(exact.shape)
    assert not certify(problem, candidate).residuals.within(1e-9)
    polished = polish(problem, candidate)
    assert certify(problem, polished).residuals.within(1e-9)
    assert polished.masses == pytest.approx(exact, abs=1e-14)


def test_rounding_does_not_invent_signals(monkeypatch):
    """A degenerate vertex with priors down to 2e-9: masses of zero come out as 1e-13."""
    game = PersuasionGame(
        [1.5258556206988164e-05, 0.9999847395811763, 1.8626167244858598e-09],
        [
            [0.375, -0.0078125, -0.001953125, 0.09375],
            [24.0, -0.0001220703125, 0.0008544921875, 4.76837158203125e-07],
            [2.086162567138672e-07, 0.3125, 16.0, -3.0],
        ],
        [
            [-0.00048828125, 1024.0, 0.0048828125, -3.814697265625e-06],
            [-14336.0, 0.0, -0.078125, 28.0],
            [-2.5, -640.0, -0.0546875, 40.0],
        ],
    )
    assert solve(game, method="lp").scheme.n_signals > 3  # what `auto` has to see through
    assert solve(game).scheme.n_signals == solve(game, exact=True).scheme.n_signals == 2
    monkeypatch.setattr(structured, "switched_off", lambda: "not in this test")
    solution = solve(game)
    assert solution.scheme.n_signals == 2
    assert "more signals than a vertex" in dict(solution.attempts)["lp"]


def test_near_ties_are_decided_exactly():
    """Games whose payoffs differ by 1e-8 and 1e-10: floats fall through to fractions."""
    for game in zoo.random_games("near_ties", 6, 4, 25, 2):
        assert solve(game).value == pytest.approx(float(solve(game, exact=True).value), abs=1e-9)


# -- schemes and games ---------------------------------------------------------------------


def test_merging_by_action_keeps_both_values():
    rng = np.random.default_rng(12)
    for game in GAMES:
        scheme = SignalingScheme(rng.dirichlet(np.ones(9), game.n_states))
        merged = scheme.merge_by_action(game)
        assert set(merged.signals) <= set(game.actions)
        assert merged.n_signals <= game.n_actions
        assert sender_value(game, merged) == pytest.approx(sender_value(game, scheme), abs=1e-12)
        assert receiver_value(game, merged) == pytest.approx(
            receiver_value(game, scheme), abs=1e-12
        )
    with pytest.raises(SchemeError, match="mixes"):
        SignalingScheme.full_disclosure(2).merge_by_action(PROSECUTOR, Quantal(1.0))


def test_scheme_constructors_and_garbling():
    full = SignalingScheme.full_disclosure(3)
    assert full.garble(np.full((3, 1), 1)).kernel.tolist() == [[1.0]] * 3
    split = SignalingScheme.from_posteriors([0.7, 0.3], [0.4, 0.6], [[1, 0], [0.5, 0.5]])
    assert split.plausibility_gap([0.7, 0.3]) < 1e-15
    assert full.combine(full).n_signals == 9
    unsent = SignalingScheme([[1, 0], [1, 0]]).posteriors([0.7, 0.3])
    assert unsent[1].tolist() == [0.7, 0.3]


@pytest.mark.parametrize(
    ("kernel", "message"),
    [
        ([[0.5, 0.4], [1, 0]], "sum to 1"),
        ([[1.5, -0.5], [1, 0]], "negative"),
        ([["1/3", "1/3"], [1, 0]], "sum to 1 exactly"),
        ([[1, 0], [1]], "ragged"),
        ([], "kernel"),
        ("abc", "kernel"),
    ],
)
def test_bad_kernels(kernel, message):
    with pytest.raises(PersuasionError, match=message):
        SignalingScheme(kernel)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"prior": [0.5, 0.6]}, "sum to 1"),
        ({"prior": ["1/2", "1/3"]}, "divide each by 5/6"),
        ({"prior": [1.5, -0.5]}, "negative"),
        ({"prior": [0.5, 0.25, 0.25]}, "shape"),
        ({"prior": [float("nan"), 1]}, "finite"),
        ({"prior": "abc"}, "prior"),
        ({"sender_utility": [[0, 1]]}, "shape"),
        ({"sender_utility": [[], []]}, "at least one"),
        ({"sender_utility": [[0, 1], [0]]}, "ragged"),
        ({"receiver_utility": [[1, "x"], [0, 1]]}, "not a number"),
        ({"receiver_utility": [[1, 1j], [0, 1]]}, "real"),
        ({"states": ["a"]}, "2 labels"),
        ({"states": ["a", "a"]}, "twice"),
        ({"actions": "go"}, "sequence"),
        ({"receiver_prior": [0, 1]}, "positive wherever"),
    ],
)
def test_bad_games(change, message):
    parts = {
        "prior": [0.7, 0.3],
        "sender_utility": [[0, 1], [0, 1]],
        "receiver_utility": [[1, 0], [0, 1]],
        **change,
    }
    with pytest.raises(GameError, match=message):
        PersuasionGame(**parts)


def test_games_are_values():
    floats = PersuasionGame([0.5, 0.5], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    exact = PersuasionGame(["1/2", "1/2"], [[0, 1], [0, 1]], [[1, 0], [0, 1]], name="other name")
    assert floats == exact
    assert hash(floats) == hash(exact)
    assert PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]]) != PROSECUTOR
    with pytest.raises(AttributeError, match="frozen"):
        floats.prior = None
    assert PersuasionGame.from_dict(json.loads(json.dumps(exact.to_dict()))) == exact
    assert exact.rescaled() == exact.rescaled().rescaled()


def test_a_start_changes_nothing_but_the_way():
    rng = np.random.default_rng(3)
    prior, v, u = rng.dirichlet(np.ones(30)), rng.random((30, 8)), rng.random((30, 8))
    start = solve(PersuasionGame(prior, v, u))
    for amount in (0.0, 0.01, 1.0):
        near = prior * np.exp(amount * rng.standard_normal(30))
        for game in (
            PersuasionGame(near / near.sum(), v, u),
            PersuasionGame(prior, v + amount * rng.random((30, 8)), u),
            PersuasionGame(prior, v, u + amount * rng.random((30, 8))),
            PersuasionGame(np.r_[1.0, np.zeros(29)], v, u),
        ):
            warm = solve(game, start=start)
            assert warm.value == pytest.approx(solve(game, method="lp").value, abs=1e-9)
    again = solve(start.game, start=start)
    np.testing.assert_array_equal(again.scheme.kernel, start.scheme.kernel)


@pytest.mark.parametrize(
    ("start", "message"), [("yes", "must be a Solution"), ("other", "as many states and actions")]
)
def test_a_start_of_another_shape_is_refused(start, message):
    other = solve(GRADING) if start == "other" else start
    with pytest.raises(PersuasionError, match=message):
        solve(PROSECUTOR, start=other)


def test_the_structured_method_without_numba_leaves_the_others(monkeypatch):
    monkeypatch.setattr(structured, "switched_off", lambda: "numba is not installed")
    with pytest.raises(UnsupportedError, match="numba"):
        solve(GRADING, method="structured")
    solution = solve(GRADING)
    assert solution.method == "lp"
    assert dict(solution.attempts)["structured"] == "numba is not installed"


@pytest.mark.parametrize(
    ("n_states", "n_actions", "method"),
    [
        (2, 2, "structured"),
        (2000, 2, "structured"),
        (2001, 2, "knapsack"),
        (2, 50, "structured"),
        (2, 51, "hull"),
    ],
)
def test_auto_takes_what_is_fastest_at_a_size(n_states: int, n_actions: int, method: str) -> None:
    game = zoo.random_game("uniform", n_states, n_actions, seed=1)
    assert solve(game).method == method
    other = {"structured": "lp"}.get(method, "structured")
    assert solve(game, method=other).value == pytest.approx(solve(game).value, abs=1e-9)
