"""`check`: its four answers, what it refuses to judge, and what it does not depend on."""

import json
import math
import re
from dataclasses import replace

import numpy as np
import pytest

from persuasion import Bayesian, PersuasionError, PersuasionGame, learners, simulate, zoo
from persuasion.environments import Drifting, Stationary
from theory import Outcome, RobustValue, Verdict, check, constants, statements
from theory.check import OptimumMismatchError
from theory.theorem import StaticTheorem

PROSECUTOR = zoo.load("prosecutor")
F1 = zoo.load("f1", m=4, beta=2)
GRADING = zoo.load("grading")
FORBIDDEN = re.compile(r"prove|confirm|verif|holds for all", re.IGNORECASE)


def play(game, learner="robust", *, horizon=10**5, n_runs=3, seed=0, **parameters):
    return simulate(
        game, learners.load(learner, **parameters), horizon=horizon, n_runs=n_runs, seed=seed
    )


@pytest.fixture(scope="module")
def robust():
    return play(PROSECUTOR)


@pytest.fixture(scope="module")
def plug_in():
    return play(PROSECUTOR, "plug_in", horizon=10**8, n_runs=4)


@pytest.fixture(scope="module")
def verdicts(robust, plug_in):
    """One verdict of every kind and many an outcome."""
    pair = [
        play(g, n_runs=2, horizon=100, growth=2.0) for g in statements.load("theorem_2").games(100)
    ]
    return [
        *(
            check(t, robust)
            for t in statements.theorems()
            if t.kind != "lower" and not isinstance(t, StaticTheorem)
        ),
        *(check(t, pair) for t in statements.theorems() if t.kind == "lower"),
        check("lemma_1", [RobustValue(PROSECUTOR, 0.1, 0.5)]),
        check("theorem_1_growth", plug_in, as_control=True),
        check("theorem_1_growth", play(zoo.load("f1", m=12), horizon=100)),
    ]


def test_all_outcomes_occur(verdicts):
    assert {v.outcome for v in verdicts} == set(Outcome)


def test_verdicts_survive_json(verdicts):
    for verdict in verdicts:
        text = json.dumps(verdict.to_dict(), allow_nan=False)
        assert json.dumps(Verdict.from_dict(json.loads(text)).to_dict()) == text
        assert Verdict.from_dict(json.loads(text)).summary() == verdict.summary()


def test_no_verdict_claims_too_much(verdicts):
    for verdict in verdicts:
        assert not FORBIDDEN.search(verdict.summary() + repr(verdict))
        assert verdict.theorem in verdict.summary()
        assert verdict.outcome in verdict.summary()


def test_not_refuted_says_how_much_room_is_left(verdicts):
    for verdict in verdicts:
        if verdict.outcome == Outcome.NOT_REFUTED and verdict.bound > 0 < verdict.measured:
            assert "times" in verdict.words, verdict


def test_tightness_is_bound_over_measured(robust):
    verdict = check("theorem_1_slater", robust)
    assert verdict.outcome == Outcome.NOT_REFUTED
    assert verdict.tightness == verdict.bound / verdict.measured > 1
    assert verdict.where.round in robust.checkpoints
    column = int(np.flatnonzero(robust.checkpoints == verdict.where.round)[0])
    assert verdict.measured == robust.regret[verdict.where.run, column]
    bound = statements.load("theorem_1_slater").bound(
        PROSECUTOR, verdict.where.round, robust.parameters, horizon=robust.horizon
    )
    assert verdict.bound == pytest.approx(bound[0])


# -- units -------------------------------------------------------------------------------------


@pytest.mark.parametrize("id_", ["theorem_1_slater", "theorem_1_every_round", "theorem_1_pathwise"])
def test_units_change_nothing_but_the_utils(id_):
    other = PersuasionGame(F1.prior, 1000 * F1.sender_utility - 50, 0.01 * F1.receiver_utility)
    one, two = check(id_, play(F1)), check(id_, play(other))
    assert (one.outcome, one.where.round) == (two.outcome, two.where.round)
    assert two.measured == pytest.approx(one.measured, rel=1e-6)
    assert two.bound == pytest.approx(one.bound, rel=1e-6)
    assert two.scale == pytest.approx(1000 * one.scale)
    assert two.measured_in_utils == pytest.approx(1000 * one.measured_in_utils, rel=1e-6)
    assert "in utils" in two.summary()


# -- what is not judged ------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "reason"),
    [
        ({"learner": "plug_in"}, "'robust', not 'plug_in'"),
        ({"radius_scale": 0.5}, "multiplied its radius"),
        ({"confidence": "box"}, "'box'"),
        ({"form": "product"}, "'product'"),
    ],
)
def test_learners_the_theorem_does_not_know(options, reason):
    trajectory = play(PROSECUTOR, horizon=100, n_runs=1, **options)
    verdict = check("theorem_1_growth", trajectory)
    assert verdict.outcome == Outcome.NOT_APPLICABLE
    assert reason in verdict.words
    assert check("theorem_1_growth", trajectory, as_control=True).outcome != "NOT_APPLICABLE"


def test_a_radius_other_than_stated_by_the_parameters_is_noticed(robust):
    epochs = replace(robust.epochs, radius=robust.epochs.radius * 0.9)
    verdict = check("theorem_1_slater", replace(robust, epochs=epochs))
    assert verdict.outcome == Outcome.NOT_APPLICABLE
    assert "where the theorem's is" in verdict.words


def test_horizons_too_short_for_the_bound_in_expectation():
    verdict = check("theorem_1_every_round", play(PROSECUTOR, horizon=1000, growth=1.01))
    assert verdict.outcome == Outcome.NOT_APPLICABLE
    assert "J (J + 1)" in verdict.words
    wrong_delta = check("theorem_1_every_round", play(PROSECUTOR, horizon=1000, delta=0.1))
    assert "delta" in wrong_delta.words
    assert "delta = 1/T" in check("corollary_1", play(PROSECUTOR, horizon=1000, delta=0.1)).words


@pytest.mark.parametrize("as_control", [False, True])
def test_other_models_are_not_judged_even_as_controls(as_control):
    honest = simulate(PROSECUTOR, "robust", horizon=100)
    adversarial = replace(honest, receiver=repr(Bayesian(ties="adversarial")))
    drift = Drifting(((0.7, 0.3), (0.2, 0.8)), (1, 51))
    drifting = simulate(PROSECUTOR, "robust", horizon=100, environment=drift, checkpoints=[50])
    for trajectory, reason in ((adversarial, "indifferent"), (drifting, "game's prior")):
        verdict = check("theorem_1_growth", trajectory, as_control=as_control)
        assert verdict.outcome == Outcome.NOT_APPLICABLE
        assert reason in verdict.words


@pytest.mark.parametrize(
    "environment", [Stationary((0.7, 0.3)), Drifting(((0.3, 0.7), (0.7, 0.3)), (1, 51))]
)
def test_a_prior_other_than_the_game_s_is_noticed_where_the_optimum_is_the_same(environment):
    game = PersuasionGame([0.3, 0.7], [[0, 0, 1]] * 2, [[1, 0, 0.6], [0, 1, 0.6]])
    trajectory = simulate(game, "robust", horizon=100, environment=environment)
    assert np.ptp(trajectory.optimum / trajectory.checkpoints) < 1e-9
    verdict = check("theorem_1_growth", trajectory, as_control=True)
    assert verdict.outcome == Outcome.NOT_APPLICABLE
    assert "game's prior" in verdict.words


def test_a_learner_that_states_no_radius_is_not_the_robust_one(robust):
    epochs = replace(robust.epochs, radius=np.full(len(robust.epochs), np.nan))
    verdict = check("theorem_1_growth", replace(robust, epochs=epochs))
    assert verdict.outcome == Outcome.NOT_APPLICABLE
    assert "did not state the radius" in verdict.words


def test_regret_below_zero_is_an_error_and_not_good_news(robust):
    with pytest.raises(PersuasionError, match="below what is possible"):
        check("theorem_1_growth", replace(robust, regret=robust.regret - 2 * robust.regret.max()))


def test_a_failing_assumption_is_named():
    game = PersuasionGame([0.7, 0.3], [[0, 1, 0.5]] * 2, [[1, 0, 0], [0, 1, 1]])
    trajectory = play(game, horizon=1000)
    for id_, name in (("theorem_1_growth", "regularity D"), ("theorem_1_slater", "d*")):
        verdict = check(id_, trajectory)
        assert verdict.outcome == Outcome.NOT_APPLICABLE
        assert name in verdict.words
        assert not all(a.holds for a in verdict.assumptions)
    # obedience and the pathwise bound need no such thing
    assert check("theorem_1_obedience", trajectory).outcome == Outcome.NOT_REFUTED


def test_bounds_that_say_nothing_are_inconclusive():
    trajectory = play(zoo.load("f1", m=12), horizon=30_000, growth=2.0)
    for id_ in ("theorem_1_growth", "theorem_1_every_round", "corollary_1"):
        verdict = check(id_, trajectory)
        assert verdict.outcome == Outcome.INCONCLUSIVE, id_
        assert "vacuous here" in verdict.words


@pytest.mark.parametrize("factor", [1 + 1e-6, 1 - 1e-6])
def test_a_wrong_optimum_raises(robust, factor):
    with pytest.raises(OptimumMismatchError, match="own linear program"):
        check("theorem_1_growth", replace(robust, optimum=robust.optimum * factor))
    check("theorem_1_growth", replace(robust, optimum=robust.optimum * (1 + 1e-10)))


def test_a_robust_value_above_the_optimum_raises():
    with pytest.raises(OptimumMismatchError, match="above the optimum"):
        check("lemma_1", RobustValue(PROSECUTOR, 0.1, 0.61))


@pytest.mark.parametrize(
    ("theorem", "data", "message"),
    [
        ("theorem_9", [], "legal are"),
        ("lemma_1", "robust", "RobustValue"),
        ("theorem_1_growth", [], "one or more"),
        ("theorem_1_growth", [RobustValue(PROSECUTOR, 0.1, 0.5)], "trajectories"),
        ("theorem_2", "robust", "two trajectories"),
    ],
)
def test_data_of_the_wrong_kind(theorem, data, message, robust):
    with pytest.raises(PersuasionError, match=message):
        check(theorem, robust if data == "robust" else data)


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"alpha": 0}, "alpha"),
        ({"bound_factor": 0}, "bound_factor"),
        ({"rounds": [77_777]}, "rounds"),
    ],
)
def test_bad_options(options, message, robust):
    with pytest.raises(PersuasionError, match=message):
        check("theorem_1_growth", robust, **options)


def test_a_pair_must_be_one_experiment():
    low, high = statements.load("theorem_2").games(100)
    first = play(low, "plug_in", horizon=100)
    for other, message in (
        (play(high, "robust", horizon=100), "same learner"),
        (play(high, "plug_in", horizon=90), "same horizon"),
        (play(high, "plug_in", horizon=100, n_runs=2), "same n_runs"),
        (play(high, "plug_in", horizon=100, growth=2), "same parameters"),
    ):
        with pytest.raises(PersuasionError, match=message):
            check("theorem_2", [first, other])
    with pytest.raises(PersuasionError, match="pair"):
        check("theorem_2", [first, play(GRADING, "plug_in", horizon=100)])


def test_the_order_of_a_pair_does_not_matter():
    games = statements.load("theorem_2_relaxed").games(1000)
    data = [play(game, horizon=1000, n_runs=20, growth=2) for game in games]
    one, two = check("theorem_2_relaxed", data), check("theorem_2_relaxed", data[::-1])
    assert one.to_dict() == two.to_dict()
    assert "measured beta <=" in one.words


def test_overlong_gaps_make_the_lower_bound_inapplicable():
    games = (PROSECUTOR.with_prior([0.75, 0.25]), PROSECUTOR.with_prior([0.4, 0.6]))
    verdict = check("theorem_2", [play(game, horizon=100) for game in games])
    assert verdict.outcome == Outcome.NOT_APPLICABLE
    assert "B p+" in verdict.words


# -- sharpness ---------------------------------------------------------------------------------


def test_a_bound_too_small_by_a_factor_is_refuted(robust):
    """Divide by twice the tightness: whatever was not refuted must be."""
    for id_ in ("theorem_1_growth", "theorem_1_slater", "theorem_1_pathwise"):
        verdict = check(id_, robust)
        factor = 1 / (2 * verdict.tightness)
        sharp = check(id_, robust, bound_factor=factor)
        assert sharp.outcome == Outcome.REFUTED, id_
        assert "multiplication" in sharp.summary()
    values = [RobustValue(zoo.load("f1", m=12), e, _f1_value(12, 2, e)) for e in (0.001, 0.01)]
    verdict = check("lemma_1", values)
    assert verdict.outcome == Outcome.NOT_REFUTED
    assert verdict.tightness < 1.1
    again = check("lemma_1", values, bound_factor=1 / (2 * verdict.tightness))
    assert again.outcome == Outcome.REFUTED


def _f1_value(m, beta, e):
    b = beta / (m - 1)
    loss = (e / 2) / (b * (1 - 1 / m + e / 2))
    return constants(zoo.load("f1", m=m, beta=beta)).optimum - loss


def test_expectations_need_runs_and_are_refuted_by_enough():
    data = play(PROSECUTOR, horizon=3 * 10**5, n_runs=60, growth=2.0)
    verdict = check("theorem_1_every_round", data)
    assert verdict.outcome == Outcome.NOT_REFUTED
    assert verdict.limits[0] <= verdict.measured <= verdict.limits[1] <= verdict.bound
    few = replace(data, regret=data.regret[:3], n_runs=3)
    assert check("theorem_1_every_round", few).outcome == Outcome.INCONCLUSIVE
    sharp = check("theorem_1_every_round", data, bound_factor=1 / (2 * verdict.tightness))
    assert sharp.outcome == Outcome.REFUTED
    chance = check("theorem_1_every_round", few, bound_factor=0.9 / verdict.tightness)
    assert chance.outcome == Outcome.INCONCLUSIVE  # above the bound, but so few runs
    assert "reach below" in chance.words
    at_the_end = check("theorem_1_every_round", data, rounds=[3 * 10**5])
    assert at_the_end.n_comparisons == 1 < verdict.n_comparisons
    assert at_the_end.limits[1] < check("theorem_1_every_round", data).curves[0].upper[-1]


def test_lower_bounds_are_refuted_when_doubled_beyond_the_measured():
    theorem = statements.load("theorem_2_neyman_pearson")
    data = [play(g, horizon=1000, n_runs=60, growth=2.0) for g in theorem.games(1000)]
    verdict = check(theorem, data, rounds=[1000])
    assert verdict.outcome == Outcome.NOT_REFUTED
    assert verdict.tightness < 1
    sharp = check(theorem, data, rounds=[1000], bound_factor=3 / verdict.tightness)
    assert sharp.outcome == Outcome.REFUTED


def test_a_few_runs_say_nothing_about_a_lower_bound():
    theorem = statements.load("theorem_2_neyman_pearson")
    games = theorem.games(1000)
    above = check(theorem, [play(g, horizon=1000, n_runs=2, growth=2.0) for g in games])
    assert above.measured > above.bound > above.limits[0]
    assert above.outcome == Outcome.INCONCLUSIVE
    oracle = [play(g, "oracle", horizon=1000, n_runs=2) for g in games]
    below = check(theorem, oracle, as_control=True)
    assert below.measured < below.bound < below.limits[1]
    assert below.outcome == Outcome.INCONCLUSIVE


def test_coverage_is_counted_over_runs():
    data = play(PROSECUTOR, horizon=200, n_runs=100, delta=0.2, growth=2.0)
    verdict = check("lemma_2", data)
    assert verdict.outcome == Outcome.NOT_REFUTED
    assert verdict.failures.count == 0
    assert verdict.failures.upper < 0.2
    missed = data.epochs.distance.copy()
    missed[data.epochs.run < 40] = 3.0
    broken = replace(data, epochs=replace(data.epochs, distance=missed))
    assert check("lemma_2", broken).failures.count == 40
    assert check("lemma_2", broken).outcome == Outcome.REFUTED
    some = np.where(data.epochs.run < 24, 3.0, data.epochs.distance)
    unlucky = replace(data, epochs=replace(data.epochs, distance=some))
    assert check("lemma_2", unlucky).outcome == Outcome.INCONCLUSIVE


def test_one_bad_run_refutes_a_bound_that_fails_once_in_a_million(robust):
    regret = robust.regret.copy()
    regret[1] = robust.optimum
    assert check("theorem_1_slater", replace(robust, regret=regret)).outcome == Outcome.REFUTED
    tolerant = play(PROSECUTOR, delta=0.5)
    regret = tolerant.regret.copy()
    regret[1] = tolerant.optimum
    verdict = check("theorem_1_slater", replace(tolerant, regret=regret))
    assert verdict.outcome == Outcome.INCONCLUSIVE
    assert verdict.failures.count == 1


def test_epochs_outside_their_ball_are_left_alone(robust):
    """Where the ball misses the prior the pathwise theorems are silent."""
    loss = np.full_like(robust.epochs.loss, 0.6)
    gap = np.full_like(robust.epochs.obedience_gap, 0.3)
    away = np.full_like(robust.epochs.distance, 2.5)
    epochs = replace(robust.epochs, loss=loss, obedience_gap=gap)
    for id_ in ("theorem_1_obedience", "theorem_1_pathwise"):
        assert check(id_, replace(robust, epochs=epochs)).outcome == Outcome.REFUTED
        silent = check(id_, replace(robust, epochs=replace(epochs, distance=away)))
        assert silent.outcome == Outcome.INCONCLUSIVE
        assert "no epoch" in silent.words


def test_gaps_are_recorded_for_games_with_labelled_actions(robust):
    assert PROSECUTOR.actions == ("acquit", "convict")
    assert not np.isnan(robust.epochs.obedience_gap).any()


def test_summary_of_a_verdict(robust):
    lines = check("theorem_1_slater", robust).summary().splitlines()
    assert lines[0] == "theorem_1_slater: NOT_REFUTED"
    assert lines[-1] == "  assumes   Slater margin d* = 0.3: holds"
    assert math.isnan(check("theorem_1_box", robust).measured)
