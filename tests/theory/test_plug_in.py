"""Theorems 6, 7a and 7c: plug-in schemes from measured games, and gradient methods."""

import json
from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

from persuasion import PersuasionGame, estimate, sender_value, zoo
from persuasion.policy_gradient import exponentiated_gradient
from theory import Outcome, PlugInScheme, PolicyRun, Verdict, check, constants, statements
from theory.cli import PackageLaboratory
from theory.experiment import Case, carry_out
from theory.family import default_games
from theory.programs import plug_in_margin, regularity, strict_scheme
from theory.statements.theorem_6 import half_width

PROSECUTOR = zoo.load("prosecutor")
F1 = zoo.load("f1", m=4, beta=2)
LABORATORY = PackageLaboratory(Path("nothing is played"))
SIX, PLATEAU, PENALTY = map(statements.load, ("theorem_6", "theorem_7a", "theorem_7c"))


def random_games(number):
    """Games of both players with all constants positive, as far as Theorem 6 speaks of them."""
    found = []
    for seed in range(200):
        game = zoo.random_game("uniform", 2 + seed % 3, 2 + seed % 2, seed=seed)
        if all(a.holds for a in SIX.assumptions(game)) and SIX.informative(game):
            found.append(game)
        if len(found) == number:
            return found
    raise AssertionError("too few games")


# -- Theorem 6 ---------------------------------------------------------------------------------


def test_plug_in_with_slack_is_obeyed_and_loses_no_more_than_stated():
    worst = 0.0
    for game in (PROSECUTOR, F1, *random_games(6)):
        schemes = LABORATORY.plug_in(game, 100_000, 2)
        assert check(SIX, [s for s in schemes for _ in range(2)], alpha=0.5).outcome in (
            Outcome.NOT_REFUTED,
            Outcome.INCONCLUSIVE,
        )
        for scheme in schemes:
            assert not SIX.failed(scheme, SIX.bound_at(scheme))
            worst = max(worst, SIX.measured(scheme) / SIX.bound_at(scheme))
    assert 0.05 < worst < 0.5  # the union bound and the mixture are both generous


def test_the_slack_free_plug_in_collapses():
    schemes = LABORATORY.plug_in(PROSECUTOR, 10_000, 60, slack=0.0)
    lost = np.array([SIX.measured(s) for s in schemes])
    optimum = constants(PROSECUTOR).optimum
    assert 0.3 < (lost > 0.95 * optimum).mean() < 0.7
    assert (lost < 0.05 * optimum).mean() > 0.25  # or it is nearly optimal: a coin is flipped
    assert check(SIX, schemes, as_control=True).outcome == Outcome.REFUTED
    verdict = check(SIX, schemes)
    assert verdict.outcome == Outcome.NOT_APPLICABLE
    assert "slack of 0" in verdict.words


def test_a_twentieth_of_the_slack_is_refuted():
    schemes = LABORATORY.plug_in(PROSECUTOR, 30_000, 40, slack=0.05)
    assert check(SIX, schemes, as_control=True).outcome == Outcome.REFUTED


def test_disobedience_counts_however_little_it_costs():
    """In state 1 both actions are worth the same to the Sender, so that nothing is lost."""
    game = PersuasionGame([0.5, 0.5], [[1, 0.5], [0, 0.5]], [[1, 0], [0, 1]])
    kernel = np.array([[0.0, 1.0], [1.0, 0.0]])  # the wrong way round
    margin = 2 * 2.0 * float(half_width(game, 10**6, 0.05))
    scheme = PlugInScheme(game, 10**6, kernel, margin, 0.05, 2.0)
    assert SIX.measured(scheme) <= 1e-9
    assert SIX.failed(scheme, SIX.bound_at(scheme))
    assert not SIX.failed(replace(scheme, kernel=np.eye(2)), SIX.bound_at(scheme))


def test_theory_and_package_state_the_same_numbers():
    rng = np.random.default_rng(0)
    hits = rng.random((3000, 2, 2)) < 0.5
    measured = estimate(hits, hits, PROSECUTOR.prior)
    for failure in (0.2, 0.01):
        own = float(half_width(PROSECUTOR, 3000, failure))
        assert measured.half_width(failure) == pytest.approx(own, rel=1e-14)
        d, optimum = plug_in_margin(PROSECUTOR.rescaled(), (0, 1)), 0.6
        eps = measured.epsilon(failure, slater_margin=d, optimum=optimum)
        bound = SIX.bound(PROSECUTOR, [3000], {"failure": failure, "range_width": 1.0})
        assert eps == pytest.approx(float(bound[0]), rel=1e-12)
    with_bound = SIX.bound(PROSECUTOR, [1, 100, 10**9])
    assert with_bound[0] == pytest.approx(constants(PROSECUTOR).optimum)  # too few: all of it
    assert with_bound[2] < 0.01


def test_margin_of_the_plug_in():
    """At least p0 D / |A+|, and at least the margin over all actions; prosecutor: min(p, 1-p)."""
    assert plug_in_margin(PROSECUTOR.rescaled(), (0, 1)) == pytest.approx(0.3, abs=1e-5)
    for game in random_games(4):
        unit, used = game.rescaled(), constants(game).recommended
        d = plug_in_margin(unit, used)
        everything = strict_scheme(unit, np.ones(game.n_actions, dtype=bool)).margin
        assert d >= everything - 1e-5
        best = np.sort(unit.receiver_utility, axis=1)
        gap = float((best[:, -1] - best[:, -2]).min())
        least = min(gap, *(regularity(unit, a) for a in used))
        assert d >= float(unit.prior.min()) * least / len(used) - 1e-5


def test_numbers_do_not_depend_on_units():
    """A game in other utils: the same scheme, margin and verdict."""
    other = PersuasionGame(
        PROSECUTOR.prior, 5 * PROSECUTOR.sender_utility - 2, 3 * PROSECUTOR.receiver_utility + 1
    )
    plain, scaled = (LABORATORY.plug_in(g, 30_000, 5) for g in (PROSECUTOR, other))
    for a, b in zip(plain, scaled, strict=True):
        assert b.margin == pytest.approx(3 * a.margin)
        assert SIX.measured(b) == pytest.approx(SIX.measured(a), abs=1e-9)
    assert check(SIX, scaled).outcome == check(SIX, plain).outcome == Outcome.NOT_REFUTED


# -- Theorem 7a --------------------------------------------------------------------------------


def test_policy_gradient_stays_on_its_plateau():
    runs = [LABORATORY.policy_gradient(g, n) for g in (PROSECUTOR, F1) for n in (10, 1000)]
    verdict = check(PLATEAU, runs)
    assert verdict.outcome == Outcome.NOT_REFUTED
    assert verdict.measured <= 1e-12
    assert verdict.where is not None
    assert "steps" in str(verdict.where)
    text = json.dumps(verdict.to_dict(), allow_nan=False)
    assert Verdict.from_dict(json.loads(text)) == verdict


def test_a_quantal_receiver_leads_off_the_plateau():
    runs = [LABORATORY.policy_gradient(PROSECUTOR, 1000, beta) for beta in (5.0, 10.0)]
    assert all(PLATEAU.measured(run) > 0.3 for run in runs)
    assert check(PLATEAU, runs, as_control=True).outcome == Outcome.REFUTED
    assert check(PLATEAU, runs).outcome == Outcome.NOT_APPLICABLE


def test_a_start_beyond_the_plateau_is_no_case_of_it():
    run = LABORATORY.policy_gradient(PROSECUTOR, 10)
    told = replace(run, start=np.array([[0.9, 0.1], [0.1, 0.9]]))
    verdict = check(PLATEAU, told)
    assert verdict.outcome == Outcome.NOT_APPLICABLE
    assert "not answered as the prior is" in verdict.words
    tie = PROSECUTOR.with_prior(["1/2", "1/2"])
    assert not all(a.holds for a in PLATEAU.assumptions(tie))
    finding = carry_out(Case(PLATEAU, (tie,)), LABORATORY, 0.01)
    assert finding.verdict is not None
    assert finding.verdict.outcome == Outcome.NOT_APPLICABLE


# -- Theorem 7c --------------------------------------------------------------------------------


def test_penalised_gradient_keeps_its_rate():
    games = (PROSECUTOR, F1, zoo.load("grading"), *default_games(PENALTY)[2:])
    for game in games:
        runs = [LABORATORY.exponentiated_gradient(game, n) for n in (500, 5000)]
        verdict = check(PENALTY, runs)
        assert verdict.outcome in (Outcome.NOT_REFUTED, Outcome.INCONCLUSIVE), verdict.summary()
        for run in runs:
            assert PENALTY.measured(run) <= PENALTY.bound_at(run)
    runs = [LABORATORY.exponentiated_gradient(PROSECUTOR, n) for n in (100, 10_000)]
    assert PENALTY.measured(runs[1]) < PENALTY.measured(runs[0]) / 3


@pytest.mark.parametrize("factor", [0.0, -1.0, 0.1])
def test_another_penalty_is_refuted(factor):
    """lambda = 2 / d = 20 / 3 on the prosecutor; from 1 on the penalty is in fact exact there."""
    penalty = factor * 2 / 0.3
    runs = [LABORATORY.exponentiated_gradient(PROSECUTOR, n, penalty) for n in (1000, 10_000)]
    assert check(PENALTY, runs, as_control=True).outcome == Outcome.REFUTED
    verdict = check(PENALTY, runs)
    assert verdict.outcome == Outcome.NOT_APPLICABLE
    assert "penalty" in verdict.words


def test_steps_the_wrong_way_are_refuted():
    """Descending V - lambda violation is ascending on -V, penalised with the wrong sign."""
    worst = PersuasionGame(
        PROSECUTOR.prior, 1 - PROSECUTOR.sender_utility, PROSECUTOR.receiver_utility
    )
    wrong = LABORATORY.exponentiated_gradient(worst, 10_000, -2 / 0.3)
    run = PolicyRun(PROSECUTOR, 10_000, wrong.start, wrong.kernel, "none", 2 / 0.3, averaged=True)
    assert check(PENALTY, run).outcome == Outcome.REFUTED


def test_the_last_policy_is_no_case_of_it():
    run = LABORATORY.exponentiated_gradient(PROSECUTOR, 1000)
    assert check(PENALTY, replace(run, averaged=False)).outcome == Outcome.NOT_APPLICABLE


def test_dominated_actions_are_left_out():
    """A third action worse than the first everywhere has no margin and is never recommended."""
    game = PersuasionGame(
        PROSECUTOR.prior, [[0, 1, 1], [0, 1, 1]], [[1, 0, 0.9], [0, 1, -0.1]], name="dominated"
    )
    assert all(a.holds for a in PENALTY.assumptions(game))
    run = LABORATORY.exponentiated_gradient(game, 10_000)
    assert run.kernel[:, 2].max() == 0.0
    verdict = check(PENALTY, run)
    assert verdict.outcome == Outcome.NOT_REFUTED, verdict.summary()
    twins = PersuasionGame(PROSECUTOR.prior, [[0, 1]] * 2, [[1, 1], [0, 0]])
    finding = carry_out(Case(PENALTY, (twins,)), LABORATORY, 0.01)
    assert finding.verdict is not None
    assert finding.verdict.outcome == Outcome.NOT_APPLICABLE


def test_theory_and_package_make_it_obedient_alike():
    result = exponentiated_gradient(PROSECUTOR, 2000)
    run = LABORATORY.exponentiated_gradient(PROSECUTOR, 2000)
    np.testing.assert_array_equal(result.kernel, run.kernel)
    optimum = constants(PROSECUTOR).optimum
    missing = max(
        optimum - result.objective,
        (optimum - sender_value(PROSECUTOR, result.obedient)) / 2,
    )
    assert PENALTY.measured(run) == pytest.approx(missing, abs=1e-9)
