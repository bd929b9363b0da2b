"""Playing against Receivers of changing type: timeline, regret, Theorems 3 and 4, refusals."""

import json

import numpy as np
import pytest
from numpy.random import SeedSequence

from persuasion import (
    PersuasionError,
    PersuasionGame,
    SignalingScheme,
    Trajectory,
    UnsupportedError,
    simulate,
    solve,
)
from persuasion.environments import Stationary
from persuasion.errors import GameError
from persuasion.kl_projection import KLProjection
from persuasion.learners.exp3 import Exp3
from persuasion.learners.fixed import Fixed
from persuasion.learners.hedge import Hedge
from persuasion.plot import plot_regret
from persuasion.receivers import Bayesian
from persuasion.regret import cumulative
from persuasion.type_program import solve_types
from persuasion.types import IID, Alternating, Blocks, LargestGap, ReceiverTypes, WorstType
from persuasion.values import sender_value


def random_world(m, n, k, seed):
    """A game and type utilities in general position; the Sender's utility spans [0, 1]."""
    rng = np.random.default_rng([37, m, n, k, seed])
    prior, sender = rng.dirichlet(np.full(m, 2.0)), rng.random((m, n))
    sender = (sender - sender.min()) / np.ptp(sender)
    return PersuasionGame(prior, sender, rng.random((m, n))), rng.random((k, m, n))


def sequences(k):
    return [IID((1 / k,) * k), Blocks(100), Alternating(), WorstType(), LargestGap()]


def entropy_bound(game, types):
    """H* and N of the splits."""
    posteriors = types.for_game(game).candidates.posteriors
    return KLProjection(posteriors, game.prior).max_entropy, len(posteriors)


# persuasion gains against the mixture, and no scheme is best against every type
SEEDS = {(2, 3, 2): 10, (3, 3, 3): 11, (3, 2, 5): 36, (4, 2, 3): 26}
WORLDS = {size: random_world(*size, seed) for size, seed in SEEDS.items()}
GAME, UTILITIES = WORLDS[3, 3, 3]
TYPES = ReceiverTypes(UTILITIES, IID((0.5, 0.3, 0.2)))


# -- Theorem 3 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("size", list(WORLDS), ids=str)
@pytest.mark.parametrize("position", range(5), ids=lambda i: type(sequences(2)[i]).__name__)
def test_regret_of_hedge_is_below_its_bound_on_every_sequence(size, position):
    """A deterministic inequality; also with rounds far beyond those for which eta was meant."""
    game, utilities = WORLDS[size]
    types = ReceiverTypes(utilities, sequences(size[2])[position])
    h, n = entropy_bound(game, types)
    assert h <= np.log(n)
    trajectory = simulate(game, Hedge(), types=types, horizon=2000)
    assert (trajectory.regret[0] <= np.sqrt(trajectory.checkpoints * h)).all()


@pytest.mark.parametrize("sequence", [IID((0.5, 0.3, 0.2)), LargestGap()], ids=repr)
def test_step_for_a_known_horizon(sequence):
    types = ReceiverTypes(UTILITIES, sequence)
    h, _ = entropy_bound(GAME, types)
    trajectory = simulate(GAME, Hedge(schedule="horizon"), types=types, horizon=2000)
    eta = np.sqrt(8 * h / 2000)
    assert (trajectory.regret[0] <= h / eta + eta * trajectory.checkpoints / 8).all()
    assert trajectory.regret[0, -1] <= np.sqrt(2000 * h / 2)


@pytest.mark.parametrize("sequence", [IID((0.5, 0.3, 0.2)), LargestGap()], ids=repr)
def test_hedge_with_the_wrong_sign_breaks_the_bound(sequence):
    """Negative control."""
    types = ReceiverTypes(UTILITIES, sequence)
    h, _ = entropy_bound(GAME, types)
    trajectory = simulate(GAME, Hedge(sign=-1), types=types, horizon=2000)
    assert trajectory.regret[0, -1] > 2 * np.sqrt(2000 * h)


def test_bounds_scale_with_the_senders_utils():
    """Scaled by 1000 and shifted, the game is played as before; regret is 1000 times as large."""
    scaled = PersuasionGame(GAME.prior, 1000 * GAME.sender_utility - 7, GAME.receiver_utility)
    for learner in (Hedge(), Exp3()):
        one = simulate(GAME, learner, types=TYPES, horizon=300)
        other = simulate(scaled, learner, types=TYPES, horizon=300)
        np.testing.assert_allclose(other.regret, 1000 * one.regret, atol=1e-5)


# -- Theorem 4 ---------------------------------------------------------------------------------


@pytest.mark.parametrize("sequence", [IID((0.5, 0.5)), Blocks(50), Alternating()], ids=repr)
def test_mean_regret_of_exp3_is_below_its_bound(sequence):
    """Mean of 20 runs, and 3 standard errors."""
    assert excess_of_exp3(Exp3(), WORLDS[2, 3, 2], sequence, horizon=250, n_runs=20, errors=3) < 0


@pytest.mark.slow  # about 20 seconds each
@pytest.mark.parametrize("size", list(WORLDS), ids=str)
def test_mean_regret_of_exp3_over_more_rounds(size):
    sequence = IID((1 / size[2],) * size[2])
    assert excess_of_exp3(Exp3(), WORLDS[size], sequence, horizon=4000, n_runs=20, errors=3) < 0


def test_exp3_without_importance_weights_breaks_the_bound():
    """Negative control: the mean less 3 standard errors is above. With the weights it is below."""
    world, sequence = random_world(2, 2, 2, 3), IID((0.5, 0.5))
    for weighted in (False, True):
        excess = excess_of_exp3(
            Exp3(importance_weights=weighted), world, sequence,
            horizon=4000, n_runs=3, errors=3 if weighted else -3,
        )  # fmt: skip
        assert (excess < 0) == weighted


def excess_of_exp3(learner, world, sequence, *, horizon, n_runs, errors):
    """Mean regret, so many standard errors added, less the bound."""
    game, utilities = world
    types = ReceiverTypes(utilities, sequence)
    h, n = entropy_bound(game, types)
    run = simulate(
        game, learner, types=types, horizon=horizon, n_runs=n_runs, checkpoints=[horizon]
    )
    last = run.regret[:, -1]
    mean = last.mean() + errors * last.std(ddof=1) / np.sqrt(n_runs)
    return mean - np.sqrt(2 * n * horizon * h)


# -- schemes and feedback ----------------------------------------------------------------------


class Watch:
    """Remembers what it was shown, what it played and what it was told."""

    def reset(self, view, rng):
        Watch.last = self
        self.view, self.played, self.told = view, [], []
        super().reset(view, rng)

    def scheme(self):
        self.played.append(self.weights)
        return super().scheme()

    def observe(self, feedback):
        self.told.append(feedback)
        super().observe(feedback)


class WatchedHedge(Watch, Hedge):
    pass


class WatchedExp3(Watch, Exp3):
    pass


@pytest.mark.parametrize("learner", [WatchedHedge(), WatchedExp3()], ids=["hedge", "exp3"])
@pytest.mark.parametrize("size", list(WORLDS), ids=str)
def test_every_scheme_played_is_plausible(learner, size):
    game, utilities = WORLDS[size]
    simulate(game, learner, types=ReceiverTypes(utilities, Alternating()), horizon=500)
    posteriors = Watch.last.view.type_set.candidates.posteriors
    played = np.array(Watch.last.played)
    assert len(played) == 500
    assert (played > 0).all()
    assert np.abs(played.sum(axis=1) - 1).max() < 1e-12
    assert np.abs(played @ posteriors - game.prior).max() < 1e-12
    assert np.abs(np.diff(played, axis=0)).max() > 1e-3  # it does learn


def test_regret_is_the_naive_sum():
    """Optimum by the program for known frequencies, earnings round by round from what was told."""
    points = [1, 10, 100, 400]
    trajectory = simulate(GAME, WatchedHedge(), types=TYPES, horizon=400, checkpoints=points)
    turned_up = np.concatenate([f.types for f in Watch.last.told])
    assert turned_up.tolist() == types_of_run(0)(1, 401).tolist()
    values = Watch.last.view.type_set.candidates.values
    earned = np.cumsum([w @ values[k] for w, k in zip(Watch.last.played, turned_up, strict=True)])
    for i, t in enumerate(points):
        counts = np.bincount(turned_up[:t], minlength=3)
        best = t * solve_types(GAME, UTILITIES, counts / t).value
        assert trajectory.types.counts[0, i].tolist() == counts.tolist()
        assert trajectory.optimum[0, i] == pytest.approx(best, abs=1e-7)
        assert trajectory.regret[0, i] == pytest.approx(best - earned[t - 1], abs=1e-7)


def test_one_type_is_the_ordinary_game():
    types = ReceiverTypes([GAME.receiver_utility], Alternating())
    scheme = solve(GAME).scheme
    best = simulate(GAME, Fixed(scheme), types=types, horizon=1000, checkpoints=[10, 1000])
    assert abs(best.regret).max() < 1e-6
    assert best.optimum[0] == pytest.approx(solve(GAME).value * best.checkpoints)
    full = SignalingScheme.full_disclosure(3)
    loss = solve(GAME).value - sender_value(GAME, full)
    poor = simulate(GAME, Fixed(full), types=types, horizon=1000)
    assert poor.regret[0] == pytest.approx(loss * poor.checkpoints, abs=1e-6)


def test_feedback_holds_what_its_kind_says_and_no_more():
    simulate(GAME, WatchedHedge(), types=TYPES, horizon=50)
    for told in Watch.last.told:
        assert told.types.shape == (1,)
        assert told.state_counts.sum() == 1
        assert told.action_counts is None
    simulate(GAME, WatchedExp3(), types=TYPES, horizon=50)
    for told in Watch.last.told:
        assert told.types is None
        assert told.state_counts is None
        assert told.action_counts.sum() == 1
    assert [told.start for told in Watch.last.told] == list(range(1, 51))


def test_what_is_sent_follows_the_scheme_and_is_answered_by_the_type():
    """One split for ever; frequencies within 5 standard errors (probability 1e-6 each)."""

    class Constant(Watch, Exp3):
        def gains(self, feedback):
            return np.zeros(len(self.weights))

    horizon = 5000
    simulate(GAME, Constant(), types=TYPES, horizon=horizon)
    candidates = Watch.last.view.type_set.candidates
    answers = sum(told.action_counts for told in Watch.last.told)
    law = Watch.last.played[0]
    expected = np.zeros_like(answers, dtype=float)
    for weight, actions in zip(TYPES.sequence.weights, candidates.actions, strict=True):
        expected[np.arange(len(law)), actions] += weight * law
    error = np.sqrt(expected * (1 - expected) * horizon)
    assert (np.abs(answers - horizon * expected) <= 5 * error).all()


def test_the_view_knows_the_types_but_not_who_comes():
    simulate(GAME, WatchedHedge(), types=TYPES, horizon=10)
    view = Watch.last.view
    assert view.prior.tolist() == GAME.prior.tolist()
    assert set(vars(view.type_set)) == {"utilities", "candidates"}
    assert "IID" not in repr(vars(view))


def test_the_learners_generator_does_not_tell_the_seed_of_the_types():
    class Spying(Fixed):
        def reset(self, view, rng):
            own = rng.bit_generator.seed_seq
            assert own.spawn_key == ()
            guessed = [SeedSequence(own.entropy, spawn_key=(0, k)) for k in range(4)]
            Spying.guesses = [TYPES.sequence.draw(3, seed)(1, 101).tolist() for seed in guessed]
            super().reset(view, rng)

    simulate(GAME, Spying(), types=TYPES, horizon=100)
    assert types_of_run(0)(1, 101).tolist() not in Spying.guesses


def test_what_is_no_scheme_is_refused():
    class Raw(Fixed):
        def scheme(self):
            return np.eye(3)

    with pytest.raises(PersuasionError, match="wrap the kernel"):
        simulate(GAME, Raw(), types=TYPES, horizon=10)


def test_types_are_a_secret_to_learners_that_do_not_ask():
    class Curious(Fixed):
        def reset(self, view, rng):
            assert not hasattr(view, "type_set")
            assert "type_set" not in vars(view)
            super().reset(view, rng)

    with pytest.raises(PersuasionError, match="type_set"):
        simulate(GAME, _Asking(), types=TYPES, horizon=10)
    simulate(GAME, Curious(), types=TYPES, horizon=10)


class _Asking(Fixed):
    def reset(self, view, rng):
        super().reset(view, rng)
        _ = view.type_set


# -- sequences ---------------------------------------------------------------------------------


def test_fixed_sequences():
    seed = SeedSequence(1)
    assert Blocks(3).draw(2, seed)(1, 11).tolist() == [0, 0, 0, 1, 1, 1, 0, 0, 0, 1]
    assert Alternating().draw(3, seed)(2, 7).tolist() == [1, 2, 0, 1, 2]
    draw = IID((0.2, 0.8)).draw(2, seed)
    assert draw(1, 5001).mean() == pytest.approx(0.8, abs=5 * 0.4 / np.sqrt(5000))
    assert draw(7, 20).tolist() == IID((0.2, 0.8)).draw(2, seed)(1, 20)[6:].tolist()


def test_adversaries_take_the_worst_type():
    values, best = np.array([0.3, 0.2, 0.6]), np.array([0.4, 0.25, 0.9])
    assert WorstType().choose(values, best) == 1
    assert LargestGap().choose(values, best) == 2


def test_types_are_the_same_whatever_the_learner_unless_they_are_adaptive():
    for sequence, same in ((IID((0.5, 0.3, 0.2)), True), (LargestGap(), False)):
        types = ReceiverTypes(UTILITIES, sequence)
        runs = [
            simulate(GAME, learner, types=types, horizon=500, n_runs=2, seed=4)
            for learner in (Hedge(), Hedge(sign=-1), Exp3(), "fixed")
        ]
        counts = [run.types.counts.tolist() for run in runs]
        assert all(c == counts[0] for c in counts) == same
        assert runs[0].types.adaptive != same


def test_runs_differ_and_a_longer_horizon_goes_on_with_the_same_types():
    short = simulate(GAME, "hedge", types=TYPES, horizon=100, n_runs=2, checkpoints=[100])
    long = simulate(GAME, "hedge", types=TYPES, horizon=300, n_runs=2, checkpoints=[100])
    assert short.types.counts[:, 0].tolist() == long.types.counts[:, 0].tolist()
    assert short.regret[:, 0].tolist() == long.regret[:, 0].tolist()  # "anytime"
    assert short.types.counts[0].tolist() != short.types.counts[1].tolist()


def types_of_run(run):
    """The types that `simulate` meets with seed 0."""
    return TYPES.sequence.draw(3, SeedSequence(0, spawn_key=(run,)).spawn(4)[3])


def test_long_stretches_of_one_scheme_are_the_same_game():
    """`Fixed` plays one stretch, cut into windows; the counts are those of single rounds."""
    fixed = simulate(GAME, "fixed", types=TYPES, horizon=10_000, checkpoints=[5000])
    turned_up = types_of_run(0)(1, 10_001)
    assert fixed.types.counts[0, 0].tolist() == np.bincount(turned_up[:5000]).tolist()
    assert fixed.types.counts[0, 1].tolist() == np.bincount(turned_up).tolist()
    assert fixed.types.n_schemes.tolist() == [1]


# -- the trajectory ----------------------------------------------------------------------------


def test_the_epoch_log_does_not_grow_with_the_horizon():
    for horizon in (100, 1000):
        trajectory = simulate(
            GAME, "hedge", types=TYPES, horizon=horizon, n_runs=2, checkpoints=[10, 50]
        )
        assert len(trajectory.epochs) == 2 * 3
        assert trajectory.epochs.length.sum() == 2 * horizon
        assert trajectory.solves_per_run == horizon
        for run in range(2):
            mine = trajectory.epochs.run == run
            again = cumulative(
                trajectory.epochs.start[mine],
                trajectory.epochs.loss[mine],
                trajectory.checkpoints,
            )
            np.testing.assert_allclose(again, trajectory.regret[run], atol=1e-9)


def test_an_optimum_per_run_reaches_every_consumer():
    trajectory = simulate(GAME, "hedge", types=TYPES, horizon=500, n_runs=3, realised=True)
    points = len(trajectory.checkpoints)
    assert trajectory.optimum.shape == trajectory.realised_regret.shape == (3, points)
    assert trajectory.mean_optimum.shape == (points,)
    assert trajectory.optimal_value == pytest.approx(trajectory.optimum[:, -1].mean() / 500)
    share = trajectory.mean_regret[-1] / trajectory.optimum[:, -1].mean()
    assert f"{share:.3%} of the optimum" in trajectory.summary()
    assert trajectory.receiver == repr(TYPES)
    assert plot_regret(trajectory) is not None
    again = Trajectory.from_dict(json.loads(json.dumps(trajectory.to_dict())))
    assert again.same_results(trajectory)
    assert again.types.counts.dtype == np.int64
    assert again.types.complete


def test_a_trajectory_without_types_has_none():
    plain = simulate(GAME, "fixed", horizon=10)
    assert plain.types is None
    assert plain.optimum.ndim == 1
    assert plain.mean_optimum is plain.optimum
    assert "types" not in plain.to_dict()


def test_realised_payoffs_agree_with_expected_ones():
    """Azuma-Hoeffding at failure probability 1e-6 for each of 10 runs; utils in [0, 1]."""
    for learner in ("hedge", "exp3"):
        played = simulate(GAME, learner, types=TYPES, horizon=400, n_runs=10, realised=True)
        limit = np.sqrt(played.checkpoints / 2 * np.log(2 / 1e-6))
        assert (np.abs(played.realised_regret - played.regret) <= limit).all()
        assert np.abs(played.realised_regret - played.regret).max() > 0


def test_a_store_tells_sequences_apart(tmp_path):
    settings = {"horizon": 60, "n_runs": 2, "store": tmp_path / "s"}
    fresh = simulate(GAME, "hedge", types=TYPES, **settings)
    finished = []
    again = simulate(
        GAME, "hedge", types=TYPES, progress=lambda done, of: finished.append(done), **settings
    )
    assert finished == [2]
    assert again.same_results(fresh)
    other = simulate(GAME, "hedge", types=ReceiverTypes(UTILITIES, Alternating()), **settings)
    assert other.types.counts.tolist() != fresh.types.counts.tolist()
    assert not simulate(GAME, "fixed", **settings).same_results(fresh)


def test_posteriors_of_ones_own_are_used_and_said_to_be_incomplete():
    """Schemes among too few beliefs: optimum and regret are those of full disclosure."""
    types = ReceiverTypes(UTILITIES, Alternating(), posteriors=np.eye(3))
    trajectory = simulate(GAME, "hedge", types=types, horizon=30)
    assert not trajectory.types.complete
    assert trajectory.types.posteriors.tolist() == np.eye(3).tolist()
    assert abs(trajectory.regret).max() < 1e-9
    everything = simulate(GAME, "hedge", types=ReceiverTypes(UTILITIES, Alternating()), horizon=30)
    assert everything.types.complete
    assert everything.optimum[0, -1] > trajectory.optimum[0, -1]


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("utilities", "sequence", "message"),
    [
        ([np.zeros((2, 2)), np.zeros((2, 3))], Alternating(), r"type 1 has shape \(2, 3\)"),
        ([], Alternating(), "got none"),
        ([[1, 0]], Alternating(), "one table"),
        ([np.zeros((2, 2))], IID((0.5, 0.5)), "one probability per type, 1"),
        ([np.zeros((2, 2))], "alternating", "must be one of IID"),
    ],
)
def test_types_that_do_not_fit_together_are_refused(utilities, sequence, message):
    with pytest.raises(PersuasionError, match=message):
        ReceiverTypes(utilities, sequence)


@pytest.mark.parametrize("weights", [(0.5, 0.6), (1.5, -0.5), ((0.5, 0.5),), (float("nan"), 1.0)])
def test_weights_that_are_no_probabilities_are_refused(weights):
    with pytest.raises(PersuasionError, match="sum to 1"):
        IID(weights)


@pytest.mark.parametrize("length", [0, 1.5, True])
def test_blocks_need_a_length(length):
    with pytest.raises(PersuasionError, match="length"):
        Blocks(length)


@pytest.mark.parametrize(
    ("change", "error", "message"),
    [
        ({"types": ReceiverTypes(np.zeros((2, 3, 2)), Alternating())}, GameError, "type 0 has"),
        ({"types": UTILITIES}, PersuasionError, "must be ReceiverTypes"),
        ({"receiver": Bayesian()}, PersuasionError, "drop `receiver`"),
        ({"environment": Stationary((0.2, 0.3, 0.5))}, PersuasionError, "drop `environment`"),
        ({"types": None}, PersuasionError, "pass `types`"),
        ({"horizon": 0}, PersuasionError, "horizon"),
    ],
)
def test_games_that_cannot_be_played_are_refused(change, error, message):
    settings = {"types": TYPES, "horizon": 10, **change}
    with pytest.raises(error, match=message):
        simulate(GAME, "hedge", **settings)


def test_priors_without_full_support_are_refused_by_those_who_need_it():
    game = GAME.with_prior([0.0, 0.4, 0.6])
    for learner in ("hedge", "exp3"):
        with pytest.raises(PersuasionError, match="positive prior probability"):
            simulate(game, learner, types=TYPES, horizon=10)
    assert simulate(game, "fixed", types=TYPES, horizon=10).regret[0, -1] >= -1e-9


def test_type_sets_too_large_to_list_are_refused():
    game, utilities = random_world(9, 5, 4, 0)
    types = ReceiverTypes(utilities, Alternating())
    with pytest.raises(UnsupportedError, match="linear systems"):
        simulate(game, "hedge", types=types, horizon=10)


@pytest.mark.parametrize(
    ("learner", "parameters"),
    [
        (Hedge, {"sign": 0}),
        (Hedge, {"schedule": "daily"}),
        (Hedge, {"eta": -1.0}),
        (Exp3, {"eta": float("inf")}),
        (Exp3, {"importance_weights": "no"}),
    ],
)
def test_illegal_parameters_are_refused(learner, parameters):
    with pytest.raises(PersuasionError, match=next(iter(parameters))):
        learner(**parameters)


def test_a_learner_that_never_moves_on_is_stopped():
    class Stuck(Fixed):
        def next_change(self):
            return 1

    with pytest.raises(PersuasionError, match="later round"):
        simulate(GAME, Stuck(), types=TYPES, horizon=10)
