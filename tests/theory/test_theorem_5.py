"""Learners who see the Receiver act: what they find, what it costs, and Theorems 5a and 5b."""

import math
from itertools import islice

import numpy as np
import pytest

from persuasion import Bayesian, PersuasionGame, learners, simulate, zoo
from persuasion.errors import PersuasionError, UnsupportedError
from persuasion.learners.edge_search import spanning_tree
from persuasion.values import sender_value
from persuasion.view import Feedback, LearnerView
from theory import Outcome, check, constants, statements
from theory.statements._questions import reach

SIZES = (2, 3, 5, 8, 12)
F1 = zoo.load("f1", m=4, beta=2)
TEMPTING = zoo.load("investment", x=0)
"""Whatever is added to the good state is refused: the best threshold is 0."""


def two_actions(m, seed, target=1):
    """A random game of which the Sender prefers `target` everywhere, state 0 is good, 1 is bad."""
    rng = np.random.default_rng([m, seed])
    receiver = rng.random((m, 2))
    receiver[0, target], receiver[1, target] = receiver[0].max() + 0.1, receiver[1].min() - 0.1
    sender = rng.random((m, 2))
    sender[:, target] = sender.max(axis=1) + 0.01
    return PersuasionGame(rng.dirichlet(np.full(m, 3.0)), sender, receiver)


def generic(n_states=3, n_actions=3):
    """Random games in which the Receiver's best action varies and persuasion needs a margin."""
    for seed in range(1000):
        game = zoo.random_game("uniform", n_states, n_actions, seed)
        c = constants(game)
        varies = len(set(game.receiver_utility.argmax(axis=1).tolist())) > 1
        if varies and c.persuaded and min(c.min_prior, c.slater_margin) > 0.05:
            yield game


def best_threshold(game, target=1):
    """th*: largest threshold obeyed, from the prior, state by state."""
    wish = game.receiver_utility[:, target] - game.receiver_utility[:, 1 - target]
    gain = game.sender_utility[:, target] - game.sender_utility[:, 1 - target]
    bad = [w for w in range(game.n_states) if wish[w] < 0]
    room = float(sum(game.prior[w] * wish[w] for w in range(game.n_states) if wish[w] >= 0))
    threshold = 0.0
    for w in sorted(bad, key=lambda w: gain[w] / wish[w]):
        share = min(1.0, room / (game.prior[w] * -wish[w]))
        threshold, room = threshold + share, room - share * game.prior[w] * -wish[w]
    return threshold


def interview(game, learner, horizon):
    """Answer a learner's questions without the waiting; return their number."""
    learner.reset(LearnerView(game, horizon, learner.knows), np.random.default_rng(0))
    n_questions = 0
    while not learner.settled:
        assert learner.next_change() == n_questions + 2
        posteriors = learner.scheme().posteriors(game.prior)
        answers = Bayesian().respond(game, posteriors).astype(np.int64)
        learner.observe(Feedback(start=n_questions + 1, n_rounds=1, action_counts=answers))
        n_questions += 1
        assert n_questions < 30_000
    assert learner.next_change() == horizon + 1
    return n_questions


def scaled_value(game, scheme):
    """What a scheme is worth when she best-responds, where the Sender's utility spans [0, 1]."""
    return game.sender_scale.to_unit(sender_value(game, scheme))


def literal_loglog(T, b, PG):
    phases = np.ceil(np.log2(np.log2(max(T, 2))))
    return (np.ceil(np.log2(max(b, 1))) + 1) / PG + (1 + 1 / PG) * phases + 1


def literal_log(T, m, p0, pbar, d, r, OPT):
    return (m - 1) * np.ceil(np.log2(8 * T * np.log(1 / pbar))) / p0 + 1 + 2 * r * OPT / d


# -- the threshold -----------------------------------------------------------------------------


@pytest.mark.parametrize("horizon", [1, 2, 10, 10**3, 10**6])
@pytest.mark.parametrize("m", SIZES)
def test_the_threshold_is_found_to_one_over_the_horizon(m, horizon):
    for seed, target in ((0, 1), (1, 0)):
        game = two_actions(m, seed, target)
        learner = learners.load("threshold_search")
        n_questions = interview(game, learner, horizon)
        low, high = learner.interval
        best = best_threshold(game, target)
        assert high - low <= (1 + 1e-9) / horizon
        assert low - 1e-9 <= best <= high + 1e-9
        loss = constants(game).optimum - scaled_value(game, learner.scheme())
        assert -1e-9 <= loss <= 1 / horizon
        lengths = [0.5 ** (2**i) for i in range(6)]
        longest = m + sum(math.ceil(1 / length) for length in lengths if length > 1 / horizon)
        assert n_questions <= longest


def test_squared_steps_are_refused_seldom_and_halved_ones_often():
    refused = {}
    for steps in ("squared", "halved"):
        refused[steps] = [
            interview(TEMPTING, learners.load("threshold_search", steps=steps), 2**k)
            for k in (4, 16, 40)
        ]
    assert refused == {"squared": [3, 5, 7], "halved": [4, 16, 40]}


@pytest.mark.parametrize("horizon", [10**6, 10**10, 10**12])
def test_no_step_is_lost_in_rounding(horizon):
    """th* = 3/2, up to the share of 1e-9 that the Receiver forgives."""
    learner = learners.load("threshold_search")
    interview(F1, learner, horizon)
    assert learner.interval[0] == pytest.approx(1.5, abs=3e-9 + 1 / horizon)


def test_a_target_that_is_never_refused_is_climbed_to_the_end():
    learner = learners.load("threshold_search")
    interview(zoo.load("f1", m=4, beta="1/2"), learner, 10**6)
    assert learner.interval[1] == 3
    assert learner.interval[0] >= 3 - 1e-6


@pytest.mark.slow
def test_long_horizons():
    game = two_actions(5, 0)
    learner = learners.load("threshold_search")
    interview(game, learner, 10**9)
    assert best_threshold(game) - learner.interval[0] == pytest.approx(0, abs=3e-9)


def test_targets_that_need_no_search():
    nobody_good = PersuasionGame([0.4, 0.6], [[0, 1]] * 2, [[1, 0], [2, 0]])
    nobody_bad = PersuasionGame([0.4, 0.6], [[0, 1]] * 2, [[0, 1], [0, 0]])
    indifferent_sender = PersuasionGame([0.4, 0.6], [[1, 1], [0, 0]], [[1, 0], [0, 2]])
    for game in (nobody_good, nobody_bad, indifferent_sender):
        trajectory = simulate(game, "threshold_search", horizon=1000)
        assert np.abs(trajectory.regret).max() < 1e-9
    for game in (nobody_good, nobody_bad):
        assert interview(game, learners.load("threshold_search"), 10**6) == 0


@pytest.mark.parametrize(
    ("game", "words"),
    [
        (zoo.load("grading"), ("two actions", "has 3", "edge_search")),
        (zoo.load("opposed_interests"), ("two actions",)),
        (
            PersuasionGame([0.5, 0.2, 0.3], [[0, 1], [1, 1], [2, 1]], [[1, 0], [0, 1], [0, 1]]),
            ("'action 1' in state 0", "'action 0' in state 2", "edge_search"),
        ),
    ],
)
def test_games_without_a_target_are_refused_with_the_state(game, words):
    with pytest.raises(UnsupportedError) as caught:
        simulate(game, "threshold_search", horizon=10)
    for word in words:
        assert word in str(caught.value)


def test_parameters_are_checked():
    with pytest.raises(PersuasionError, match="squared"):
        learners.load("threshold_search", steps="cubed")
    for scale in (-0.1, math.nan, math.inf):
        with pytest.raises(PersuasionError, match="radius_scale"):
            learners.load("edge_search", radius_scale=scale)


def test_only_action_feedback_is_used():
    for name, knows in (("threshold_search", set()), ("edge_search", {"prior_lower_bound"})):
        learner = learners.load(name)
        assert (learner.feedback, learner.knows) == ("action", knows)


# -- the edges ---------------------------------------------------------------------------------


def test_the_tree_spans_the_states_between_different_actions():
    rng = np.random.default_rng(0)
    for m in (2, 3, 6, 15):
        for n in (2, 3, 5):
            utility = rng.random((m, n))
            utility[0, 0], utility[-1, n - 1] = 2, 2
            best = utility.argmax(axis=1)
            tree = spanning_tree(utility)
            depth = {0: 0}
            for edge in tree:
                assert best[edge.start] == edge.action != best[edge.end]
                depth[edge.end] = depth[edge.start] + 1
            assert sorted(depth) == list(range(m))
            assert len(tree) == m - 1
            assert max(depth.values()) <= 2


def test_an_edge_knows_where_the_receiver_changes_her_mind():
    rng = np.random.default_rng(1)
    for _ in range(20):
        utility = rng.random((4, 4)) + np.eye(4)
        for edge in spanning_tree(utility):
            for side in (-1e-6, 1e-6):
                odds = math.exp(edge.log_odds + side)
                belief = np.zeros(4)
                belief[edge.start], belief[edge.end] = 1 / (1 + odds), odds / (1 + odds)
                assert ((belief @ utility).argmax() == edge.action) == (side < 0)


@pytest.mark.parametrize("horizon", [1, 10**3, 10**6])
def test_the_prior_is_found(horizon):
    for game in islice(generic(4, 3), 5):
        learner = learners.load("edge_search")
        n_questions = interview(game, learner, horizon)
        pbar = game.prior.min()
        assert n_questions == 3 * math.ceil(math.log2(8 * horizon * math.log(1 / pbar)))
        belief = learner.belief()
        assert np.abs(belief.center - game.prior).sum() <= 1 / horizon == belief.radius
        loss = constants(game).optimum - scaled_value(game, learner.scheme())
        assert -1e-9 <= loss <= constants(game).C_slater / horizon


def test_very_long_horizons_stop_at_what_can_be_computed():
    """The Receiver forgives a share of 1e-9, which bounds what her answers tell."""
    game = next(generic())
    learner = learners.load("edge_search")
    interview(game, learner, 10**12)
    assert learner.belief().radius == 1e-7
    assert np.abs(learner.belief().center - game.prior).sum() < 2e-8


def test_nothing_to_ask_where_nothing_that_is_said_matters():
    dominant = PersuasionGame([0.4, 0.6], [[0, 1], [1, 0]], [[1, 0], [2, 0]])
    assert interview(dominant, learners.load("edge_search"), 10**6) == 0
    assert np.abs(simulate(dominant, "edge_search", horizon=100).regret).max() < 1e-12


def test_ties_are_refused_with_the_state():
    game = PersuasionGame([0.5, 0.5], [[0, 1]] * 2, [[0, 1], [1, 1]], actions=["wait", "act"])
    with pytest.raises(UnsupportedError, match=r"state 1 .*'wait' and 'act'.*threshold_search"):
        simulate(game, "edge_search", horizon=10)


# -- regret ------------------------------------------------------------------------------------


@pytest.mark.parametrize("m", SIZES)
def test_searching_the_threshold_costs_the_same_for_every_horizon(m):
    theorem = statements.load("theorem_5a")
    game = two_actions(m, 0)
    means, bounds = [], []
    for horizon in (10**3, 10**6):
        runs = simulate(game, "threshold_search", horizon=horizon, n_runs=8)
        means.append(runs.mean_regret[-1] / game.sender_scale.width)
        bounds.append(theorem.bound(game, horizon)[0])
        assert means[-1] < bounds[-1] / 3
    assert means[1] < means[0] + 1.5


def test_learning_the_prior_costs_the_same_for_every_doubling_of_the_horizon():
    theorem = statements.load("theorem_5b")
    horizons = [10**3, 3 * 10**4, 10**6]
    doublings = np.log2(horizons)
    for game in islice(generic(), 2):
        means = []
        for horizon in horizons:
            runs = simulate(game, "edge_search", horizon=horizon, n_runs=10)
            assert runs.epochs.distance[-1] * horizon < 0.5
            means.append(runs.mean_regret[-1] / game.sender_scale.width)
            assert means[-1] < theorem.bound(game, horizon)[0] / 2
        slope, start = np.polyfit(doublings, means, 1)
        assert slope > 0
        assert np.abs(np.array(means) - slope * doublings - start).max() < 0.15 * max(means)


@pytest.mark.slow
@pytest.mark.parametrize("m", SIZES)
def test_theorem_5a_on_many_games(m):
    for seed in range(4):
        data = simulate(two_actions(m, seed), "threshold_search", horizon=10**6, n_runs=60)
        verdict = check("theorem_5a", data)
        assert verdict.outcome == Outcome.NOT_REFUTED, verdict.summary()


@pytest.mark.slow
def test_theorem_5b_on_many_games():
    for game in islice(generic(), 6):
        for horizon in (10**4, 10**6, 10**8):
            data = simulate(game, "edge_search", horizon=horizon, n_runs=60)
            verdict = check("theorem_5b", data)
            assert verdict.outcome == Outcome.NOT_REFUTED, verdict.summary()


# -- the statements ----------------------------------------------------------------------------


@pytest.mark.parametrize("T", [1, 2, 10**3, 10**6])
def test_bounds_are_those_typed_again(T):
    game = zoo.load("f1", m=12, beta=2)
    bound = statements.load("theorem_5a").bound(game, T)
    assert bound == pytest.approx([literal_loglog(T, 11, 1 / 12)])
    for game in (F1, zoo.load("grading"), *islice(generic(), 2)):
        c, p0 = constants(game), game.prior.min()
        wanted = literal_log(T, game.n_states, p0, p0, c.slater_margin, c.spread, c.optimum)
        assert statements.load("theorem_5b").bound(game, T) == pytest.approx([wanted])


def test_the_floor_of_the_radius_is_in_the_bound():
    theorem, c = statements.load("theorem_5b"), constants(F1)
    at = [10**8, 10**9]
    longer = theorem.bound(F1, at, horizon=10**9) - theorem.bound(F1, [0], horizon=10**9)
    assert longer == pytest.approx(np.array([10, 100]) * c.C_slater)


def test_assumptions_are_measured():
    found = {a.name: a for a in statements.load("theorem_5a").assumptions(F1)}
    assert found["good states P_G"].value == pytest.approx(0.25)
    assert found["bad states b"].value == 3
    found = {a.name: a for a in statements.load("theorem_5b").assumptions(F1)}
    assert found["smallest probability p0"].value == found["known bound pbar"].value == 0.25
    assert found["Slater margin d*"].value == pytest.approx(0.25)
    assert found["spread r"].value == pytest.approx((1 + 2 / 3) / 2)
    assert found["unique best actions"].value == pytest.approx(2 / 3)


@pytest.mark.parametrize(
    ("id_", "game", "failing"),
    [
        ("theorem_5a", zoo.load("grading"), "two actions"),
        (
            "theorem_5a",
            PersuasionGame([0.5, 0.5], [[0, 1], [1, 0]], [[1, 0], [0, 1]]),
            "one target",
        ),
        ("theorem_5a", zoo.load("prosecutor", p=0), "good states P_G"),
        ("theorem_5b", zoo.load("prosecutor", p=0), "smallest probability p0"),
        ("theorem_5b", TEMPTING, "unique best actions"),
        (
            "theorem_5b",
            PersuasionGame([0.5, 0.5], [[0, 1], [1, 0]], [[1, 0], [2, 0]]),
            "distinct best actions",
        ),
    ],
)
def test_what_fails_is_named(id_, game, failing):
    assert failing in [a.name for a in statements.load(id_).assumptions(game) if not a.holds]


def test_learners_they_do_not_speak_about():
    for id_, other in (
        ("theorem_5a", learners.load("robust")),
        ("theorem_5a", learners.load("threshold_search", steps="halved")),
        ("theorem_5b", learners.load("threshold_search")),
        ("theorem_5b", learners.load("edge_search", radius_scale=0.5)),
    ):
        data = simulate(F1, other, horizon=1000, n_runs=2)
        assert check(id_, data).outcome == Outcome.NOT_APPLICABLE


@pytest.mark.parametrize("id_", ["theorem_5a", "theorem_5b"])
def test_they_are_not_refuted_where_they_apply(id_):
    theorem = statements.load(id_)
    for game in (F1, zoo.load("prosecutor")):
        data = simulate(game, theorem.learner, horizon=10**4, n_runs=64)
        verdict = check(theorem, data)
        assert verdict.outcome == Outcome.NOT_REFUTED, verdict.summary()
        assert verdict.limits[1] < verdict.bound
        assert check(theorem, data, bound_factor=0.02).outcome == Outcome.REFUTED


def test_the_control_of_5a_would_pass_with_squared_steps():
    control = statements.load("theorem_5a").negative_control
    data = simulate(TEMPTING, "threshold_search", horizon=control.horizon, n_runs=64)
    assert check("theorem_5a", data).outcome == Outcome.NOT_REFUTED


def test_the_control_of_5b_would_pass_with_the_margin():
    control = statements.load("theorem_5b").negative_control
    game = zoo.load(control.game, **control.game_parameters)
    data = simulate(game, "edge_search", horizon=control.horizon, n_runs=64)
    assert check("theorem_5b", data).outcome == Outcome.NOT_REFUTED


def test_waiting_times_hardly_exceed_their_reach():
    """Sums of geometric variables with the weights that make them vary most."""
    rng = np.random.default_rng(5)
    for n, p in ((1, 0.5), (4, 0.1), (40, 0.3)):
        level, excess = reach(n / p, 1 / p)
        assert excess <= 0.01
        assert level < 3 * n / p + 12 / p
        cost = rng.geometric(p, size=(10**5, n)).sum(axis=1)
        assert np.maximum(cost - level, 0).mean() <= excess
        closer = 1.2 * n / p  # a level that is exceeded, so that the test could fail
        assert np.maximum(cost - closer, 0).mean() > 0.01
