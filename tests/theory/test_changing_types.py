"""Theorems 3 and 4: their own programs against the package's, their bounds, what they cover."""

import math
from dataclasses import replace

import numpy as np
import pytest

from persuasion import PersuasionGame, learners, simulate, zoo
from persuasion.candidates import candidate_posteriors
from persuasion.kl_projection import KLProjection
from persuasion.type_program import solve_types
from persuasion.types import IID, Alternating, Blocks, LargestGap, ReceiverTypes
from persuasion.values import sender_value
from theory import Outcome, check, constants, statements
from theory.check import OptimumMismatchError
from theory.type_programs import entropy_bound, most_candidates, type_optimum, type_values
from theory.type_theorem import SplitSizes

THREE, FOUR = statements.load("theorem_3"), statements.load("theorem_4")
PROSECUTOR = zoo.load("prosecutor")
KINDS = ["adversary", "alternating", "independent", "blocks"]


def random_types(m, n, k, seed, *, integers=False):
    rng = np.random.default_rng([41, m, n, k, seed])
    draw = (lambda s: rng.integers(0, 3, s).astype(float)) if integers else rng.random
    game = PersuasionGame(rng.dirichlet(np.full(m, 2.0)), draw((m, n)), draw((m, n)))
    return game, draw((k, m, n))


def played(world, learner, horizon=200, n_runs=2, **settings):
    return simulate(
        world.game, learner, types=world.types, horizon=horizon, n_runs=n_runs, **settings
    )


@pytest.fixture(scope="module")
def hedged():
    """Independent draws: every run meets other types."""
    return played(THREE.worlds()[2], "hedge", n_runs=3)


# -- programs ----------------------------------------------------------------------------------


@pytest.mark.parametrize("integers", [False, True], ids=["generic", "ties"])
@pytest.mark.parametrize("size", [(2, 2, 1), (2, 3, 2), (3, 3, 3), (3, 2, 5), (5, 2, 2)], ids=str)
def test_optimum_without_candidates_is_that_over_candidates(size, integers):
    for seed in range(4):
        game, utilities = random_types(*size, seed, integers=integers)
        weights = np.random.default_rng(seed).dirichlet(np.ones(size[2]))
        theirs = game.sender_scale.to_unit(solve_types(game, utilities, weights).value)
        assert type_optimum(game, utilities, weights) == pytest.approx(theirs, abs=1e-9)


def test_optimum_against_one_type_is_that_of_the_game():
    for seed in range(10):
        game, _ = random_types(3, 3, 1, seed)
        own = type_optimum(game, game.receiver_utility[None], np.ones(1))
        assert own == pytest.approx(constants(game).optimum, abs=1e-9)


def test_a_forgotten_type_is_noticed():
    """Negative control: obedience of the last type left out."""
    noticed = 0
    for seed in range(10):
        game, utilities = random_types(3, 3, 2, seed)
        blind = np.stack([utilities[0], np.zeros((3, 3))])  # the second type does anything
        weights = np.array([0.5, 0.5])
        noticed += (
            type_optimum(game, blind, weights) > type_optimum(game, utilities, weights) + 1e-6
        )
    assert noticed > 5


def test_entropy_bound_is_the_largest_entropy():
    for seed in range(20):
        game, utilities = random_types(2 + seed % 3, 2 + seed % 2, 2, seed, integers=seed % 5 == 0)
        posteriors = candidate_posteriors(game, utilities).posteriors
        theirs = KLProjection(posteriors, game.prior).max_entropy
        own = entropy_bound(posteriors, game.prior)
        assert theirs - 1e-12 <= own <= min(theirs + 1e-9, math.log(len(posteriors)) + 1e-12)
        sizes = SplitSizes.at_most(game, 2)
        assert len(posteriors) <= sizes.n_candidates
        assert own <= sizes.entropy


def test_entropy_where_there_is_one_split():
    prior = np.array([0.2, 0.8])
    alone = -float(prior @ np.log(prior))
    assert entropy_bound(np.eye(2), prior) == pytest.approx(alone, abs=1e-9)


# -- bounds ------------------------------------------------------------------------------------


def test_bounds_are_those_written_down(hedged):
    sizes = SplitSizes.of(hedged)
    h, n = sizes.entropy, len(hedged.types.posteriors)
    t = np.array([1.0, 50.0, 200.0])
    assert THREE.bound_on(hedged, t) == pytest.approx(np.sqrt(t * h))
    horizon = {**hedged.parameters, "schedule": "horizon"}
    assert THREE.bound_from(sizes, t, horizon, 200)[-1] == pytest.approx(math.sqrt(200 * h / 2))
    constant = {**hedged.parameters, "eta": 0.1}
    assert THREE.bound_from(sizes, t, constant, 200) == pytest.approx(h / 0.1 + 0.1 * t / 8)
    assert FOUR.bound_from(sizes, t, {}, 200)[-1] == pytest.approx(math.sqrt(2 * n * 200 * h))
    assert FOUR.bound_from(sizes, t, {"eta": 0.1}, 200) == pytest.approx(h / 0.1 + 0.05 * t * n)
    for theorem in (THREE, FOUR):
        assert np.isposinf(theorem.bound_from(sizes, t, {"eta": 0.0}, 200)).all()
        assert (theorem.bound_from(SplitSizes(2, 0.0), t, {}, 200) == 0).all()


def test_bound_from_sizes_alone_is_never_below(hedged):
    t = np.array([10.0, 200.0])
    n_types = {"n_types": len(hedged.types.utilities)}
    loose = THREE.bound(hedged.game, t, n_types)
    assert (loose >= THREE.bound_on(hedged, t)).all()
    n = most_candidates(hedged.game.n_states, hedged.game.n_actions, 3)
    assert loose == pytest.approx(np.sqrt(t * math.log(n)))


# -- verdicts ----------------------------------------------------------------------------------


@pytest.mark.parametrize("number", range(4), ids=KINDS)
@pytest.mark.parametrize("schedule", ["anytime", "horizon"])
def test_theorem_3_on_every_kind_of_sequence(number, schedule):
    learner = learners.load("hedge", schedule=schedule)
    trajectory = played(THREE.worlds()[number], learner, horizon=1000, n_runs=1)
    assert check(THREE, trajectory).outcome == Outcome.NOT_REFUTED
    assert check(THREE, trajectory, bound_factor=0.02).outcome == Outcome.REFUTED
    backwards = played(THREE.worlds()[number], learners.load("hedge", sign=-1), 1000, 1)
    assert check(THREE, backwards, as_control=True).outcome == Outcome.REFUTED


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_theorem_4_on_its_worlds(number):
    trajectory = played(FOUR.worlds()[number], "exp3", horizon=300, n_runs=96)
    assert check(FOUR, trajectory).outcome == Outcome.NOT_REFUTED


def test_regret_of_theorem_4_lies_in_its_range():
    trajectory = played(FOUR.worlds()[1], "exp3", n_runs=4)
    rounds = trajectory.checkpoints.astype(float)
    least, most = FOUR.range_on(trajectory, rounds)
    regret = trajectory.regret / trajectory.game.sender_scale.width
    assert (least - 1e-9 <= regret).all()
    assert (regret <= most + 1e-9).all()
    assert least.min() < -0.1  # types disagree, so that changing schemes could earn more


def test_a_wrong_optimum_is_noticed(hedged):
    wrong = hedged.optimum.copy()
    wrong[1, -1] += 1e-3  # one run of three
    with pytest.raises(OptimumMismatchError):
        check(THREE, replace(hedged, optimum=wrong))


def test_missing_candidates_are_noticed():
    """A set that claims to be complete and is not: the optimum is too small."""
    world = THREE.worlds()[0]
    types = ReceiverTypes(world.types.utilities, LargestGap(), posteriors=np.eye(3))
    poor = simulate(world.game, "hedge", types=types, horizon=50)
    assert "all of W*" in check(THREE, poor).words
    claimed = replace(poor, types=replace(poor.types, complete=True))
    with pytest.raises(OptimumMismatchError):
        check(THREE, claimed)


def test_more_candidates_than_there_can_be_are_noticed(hedged):
    many = np.repeat(hedged.types.posteriors, 5, axis=0)
    padded = replace(hedged, types=replace(hedged.types, posteriors=many))
    verdict = check(THREE, padded)
    assert verdict.outcome == Outcome.NOT_APPLICABLE
    assert "at most" in verdict.words


def silent(theorem, trajectory, words, **options):
    verdict = check(theorem, trajectory, **options)
    assert verdict.outcome == Outcome.NOT_APPLICABLE
    assert words in verdict.words


def test_what_the_theorems_do_not_cover(hedged):
    world = FOUR.worlds()[0]
    utilities = world.types.utilities
    silent(THREE, simulate(PROSECUTOR, "fixed", horizon=10), "several types")
    silent("theorem_1_slater", hedged, "one Receiver")
    silent(THREE, played(world, "exp3"), "'hedge', not 'exp3'")
    silent(FOUR, played(world, "hedge"), "'exp3', not 'hedge'")
    silent(THREE, played(world, learners.load("hedge", sign=-1)), "sign")
    silent(FOUR, played(world, learners.load("exp3", importance_weights=False)), "importance")
    for sequence, words in ((LargestGap(), "depended on"), (IID((0.5, 0.5)), "other types")):
        types = ReceiverTypes(utilities, sequence)
        silent(FOUR, simulate(world.game, "exp3", types=types, horizon=50, n_runs=3), words)
    for sequence in (Blocks(7), Alternating()):
        types = ReceiverTypes(utilities, sequence)
        assert FOUR.covers(simulate(world.game, "exp3", types=types, horizon=50)) is None


def test_full_support_is_assumed():
    edge = PROSECUTOR.with_prior([1, 0])
    failing = [a.name for a in THREE.assumptions(edge) if not a.holds]
    assert failing == ["full support"]
    types = ReceiverTypes([PROSECUTOR.receiver_utility], Alternating())
    silent(THREE, simulate(edge, "fixed", types=types, horizon=10), "full support", as_control=True)


# -- Theorem 4 against an adversary ------------------------------------------------------------


ADAPTIVE = statements.load("theorem_4_adaptive")


@pytest.fixture(scope="module")
def chased():
    """Exp3 against an adversary, twenty runs and more."""
    return played(ADAPTIVE.worlds()[0], "exp3", horizon=ADAPTIVE.horizon, n_runs=40)


def test_regret_is_against_one_scheme_chosen_on_the_earlier_runs(chased):
    """Written out again with schemes from the package's own program."""
    game, record = chased.game, chased.types
    regret = ADAPTIVE.regret_on(chased)
    assert regret.shape == (20, len(chased.checkpoints))
    for i in (3, -1):
        share = record.counts[:20, i].sum(axis=0) / (20 * chased.checkpoints[i])
        best = solve_types(game, record.utilities, share)
        values = [
            sender_value(PersuasionGame(game.prior, game.sender_utility, table), best.scheme)
            for table in record.utilities
        ]
        earned = chased.optimum[20:, i] - chased.regret[20:, i]
        expected = record.counts[20:, i] @ np.array(values) - earned
        assert regret[:, i] == pytest.approx(expected, abs=1e-6)
    # the best scheme in hindsight of each run does better on that run than one fixed scheme
    assert (chased.regret[20:] >= regret - 1e-7).all()
    assert (chased.regret[20:] > regret + 1e-3).any()


def test_the_scheme_does_not_depend_on_the_runs_that_are_judged(chased):
    own = ADAPTIVE._comparators(chased)
    for half, changes in ((slice(20, 40), False), (slice(0, 20), True)):
        counts = chased.types.counts.copy()
        counts[half] = 0
        counts[half, :, 0] = chased.checkpoints  # as if only type 0 had come
        other = replace(chased, types=replace(chased.types, counts=counts))
        assert np.array_equal(ADAPTIVE._comparators(other), own) != changes


def test_regret_against_one_scheme_lies_in_its_range(chased):
    rounds = chased.checkpoints.astype(float)
    least, most = ADAPTIVE.range_on(chased, rounds)
    regret = ADAPTIVE.regret_on(chased) / chased.game.sender_scale.width
    assert (least - 1e-9 <= regret).all()
    assert (regret <= most + 1e-9).all()


def test_theorem_4_against_an_adversary(chased):
    assert check(ADAPTIVE, chased, alpha=0.05).outcome == Outcome.NOT_REFUTED
    silent(FOUR, chased, "depended on")


@pytest.mark.slow
@pytest.mark.parametrize("number", range(4))
def test_theorem_4_against_every_adversary_of_its_worlds(number):
    trajectory = played(ADAPTIVE.worlds()[number], "exp3", horizon=150, n_runs=96)
    assert check(ADAPTIVE, trajectory).outcome == Outcome.NOT_REFUTED


def test_what_the_adaptive_version_covers_and_what_not():
    world = FOUR.worlds()[0]
    for sequence in (IID((0.5, 0.5)), Blocks(7), LargestGap()):
        types = ReceiverTypes(world.types.utilities, sequence)
        assert ADAPTIVE.silent_about(types) is None
        runs = simulate(world.game, "exp3", types=types, horizon=20, n_runs=4)
        assert ADAPTIVE.covers(runs) is None
        reason = FOUR.silent_about(types)
        assert (reason is None) == isinstance(sequence, Blocks)
        assert reason is None or "theorem_4_adaptive" in reason
    silent(ADAPTIVE, played(world, "exp3", 20, 3), "one half of the runs")
    silent(ADAPTIVE, played(world, "hedge", 20, 4), "'exp3', not 'hedge'")
    broken = learners.load("exp3", importance_weights=False)
    silent(ADAPTIVE, played(world, broken, 20, 4), "importance")


def test_values_of_the_best_scheme_add_up_to_the_optimum():
    for seed in range(6):
        game, utilities = random_types(3, 2, 3, seed, integers=seed % 2)
        weights = np.random.default_rng(seed).dirichlet(np.ones(3))
        values = type_values(game, utilities, weights)
        assert weights @ values == pytest.approx(type_optimum(game, utilities, weights), abs=1e-9)
