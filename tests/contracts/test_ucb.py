"""The plain baseline: its arms, its choices against the formula, and what it cannot do."""

import math

import numpy as np
import pytest

from persuasion import PersuasionError, PersuasionGame, learners, simulate, zoo
from persuasion.learners.fixed import Fixed
from persuasion.learners.ucb import UCB, grid_of_schemes, n_grid_schemes
from persuasion.types import IID, Alternating, Blocks, LargestGap, ReceiverTypes
from theory.type_theorem import worlds

PROSECUTOR = zoo.load("prosecutor")
WORLD = worlds(("blocks", 2, 3, 2, 52))[0]


class Recording(UCB):
    """Remembers what it played and what it was told."""

    def reset(self, view, rng):
        Recording.last = self
        self.played, self.told = [], []
        super().reset(view, rng)

    def observe(self, feedback):
        self.played.append(self._arm)
        self.told.append(feedback)
        super().observe(feedback)


# -- arms --------------------------------------------------------------------------------------


@pytest.mark.parametrize(("m", "n", "r"), [(2, 2, 9), (3, 2, 3), (2, 3, 2), (1, 4, 3)])
def test_the_grid_is_every_direct_scheme_of_its_fineness(m, n, r):
    grid = grid_of_schemes(m, n, r)
    assert grid.shape == (n_grid_schemes(m, n, r), m, n)
    assert (grid >= 0).all()
    np.testing.assert_allclose(grid.sum(axis=2), 1, atol=1e-15)
    np.testing.assert_allclose(grid * r, np.round(grid * r), atol=1e-12)
    assert len(np.unique(grid.reshape(len(grid), -1).round(9), axis=0)) == len(grid)


def test_the_finest_grid_that_fits_is_taken():
    simulate(PROSECUTOR, Recording(max_arms=99), horizon=1)
    assert len(Recording.last.arms) == 81
    simulate(PROSECUTOR, Recording(max_arms=100), horizon=1)
    assert len(Recording.last.arms) == 100


def test_where_no_grid_fits_arms_are_drawn():
    game = zoo.random_game("uniform", 6, 5, 0)
    simulate(game, Recording(max_arms=30), horizon=50, n_runs=1)
    kernels = [arm.kernel for arm in Recording.last.arms]
    assert len(kernels) == 30
    again = simulate(game, Recording(max_arms=30), horizon=50)
    assert [arm.kernel.tolist() for arm in Recording.last.arms] == [k.tolist() for k in kernels]
    other = simulate(game, Recording(max_arms=30), horizon=50, seed=1)
    assert [arm.kernel.tolist() for arm in Recording.last.arms] != [k.tolist() for k in kernels]
    assert not again.same_results(other)


# -- choices -----------------------------------------------------------------------------------


@pytest.mark.parametrize("types", [None, ReceiverTypes([[[1, 0], [0, 3]]] * 2, IID((0.5, 0.5)))])
def test_it_plays_by_the_formula(types):
    """UCB1 written out again, in every round, on payoffs that the learner was told."""
    game = PersuasionGame(PROSECUTOR.prior, [[2, 5], [2, 7]], PROSECUTOR.receiver_utility)
    learner = Recording(max_arms=4, growth=1.0)
    simulate(game, learner, types=types, horizon=600)
    played, told = Recording.last.played, Recording.last.told
    assert len(played) == 600
    assert sorted(played[:4]) == [0, 1, 2, 3]
    payoffs = [feedback.payoff for feedback in told]
    assert set(payoffs) <= {2.0, 5.0, 7.0}
    for t in range(4, 600):
        index = []
        for arm in range(4):
            own = [(p - 2) / 5 for a, p in zip(played[:t], payoffs[:t], strict=True) if a == arm]
            index.append(sum(own) / len(own) + math.sqrt(2 * math.log(t + 1) / len(own)))
        assert index[played[t]] >= max(index) - 1e-9


def test_arms_are_kept_for_a_share_of_their_plays():
    simulate(PROSECUTOR, Recording(max_arms=4, growth=1.5), horizon=3000)
    plays = np.zeros(4, dtype=int)
    for arm, feedback in zip(Recording.last.played, Recording.last.told, strict=True):
        if feedback.start + feedback.n_rounds <= 3000:
            assert feedback.n_rounds == max(1, math.ceil(0.5 * plays[arm]))
        plays[arm] += feedback.n_rounds


@pytest.mark.parametrize("types", [None, ReceiverTypes([[[1, 0], [0, 3]]], Alternating())])
def test_payoffs_are_told_with_actions_and_with_nothing_else(types):
    class Told(Fixed):
        def observe(self, feedback):
            Told.last = feedback

    for kind in ("none", "state", "action"):
        learner = Told()
        learner.feedback = kind
        played = simulate(PROSECUTOR, learner, types=types, horizon=500, realised=True)
        if kind == "action":
            assert Told.last.payoff == pytest.approx(played.payoffs[0, -1])
            assert Told.last.payoff > 0
        else:
            assert Told.last.payoff is None


# -- regret ------------------------------------------------------------------------------------


def test_it_learns_where_the_law_stays_the_same():
    """Less regret per round in the second half than in the first, and than arms at random."""
    played = simulate(PROSECUTOR, "ucb", horizon=10**5, checkpoints=[50_000])
    half, whole = played.mean_regret
    assert whole - half < 0.8 * half
    blind = simulate(PROSECUTOR, UCB(exploration=1e6), horizon=10**4, checkpoints=[10**4])
    assert whole / 10**5 < 0.7 * blind.mean_regret[-1] / 10**4


def last_regret(learner, sequence, horizon, n_runs):
    types = ReceiverTypes(WORLD.types.utilities, sequence)
    played = simulate(
        WORLD.game, learner, types=types, horizon=horizon, n_runs=n_runs, checkpoints=[horizon]
    )
    return played.regret[:, -1]


@pytest.mark.parametrize("sequence", [Blocks(100), IID((0.5, 0.5)), LargestGap()], ids=repr)
def test_exp3_loses_less_over_twenty_seeds(sequence):
    """Difference of means over 20 runs above 4 standard errors, about 3e-5 by chance."""
    exp3 = last_regret("exp3", sequence, 250, 20)
    ucb = last_regret("ucb", sequence, 250, 20)
    error = math.sqrt(exp3.var(ddof=1) / 20 + ucb.var(ddof=1) / 20)
    assert ucb.mean() - exp3.mean() > 4 * error


def test_regret_is_linear_against_an_adversary():
    """The best arm of the past is what the adversary has an answer to."""
    short, long = (last_regret("ucb", LargestGap(), T, 2).mean() for T in (2000, 20_000))
    assert long > 7 * short


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "parameters",
    [{"max_arms": 1}, {"max_arms": 2.5}, {"exploration": -1.0}, {"growth": 0.9}],
)
def test_illegal_parameters_are_refused(parameters):
    with pytest.raises(PersuasionError, match=next(iter(parameters))):
        learners.load("ucb", **parameters)


def test_a_bandit_without_randomness_is_refused_before_any_round():
    view = type("View", (), {"n_states": 2, "n_actions": 2})()
    for nothing in (None, 7, np.random.RandomState(0)):
        with pytest.raises(PersuasionError, match=r"default_rng\(seed\)"):
            UCB().reset(view, nothing)
    types = ReceiverTypes(WORLD.types.utilities, Alternating())
    for name in ("exp3", "ucb"):
        with pytest.raises(PersuasionError, match="`seed` must be an integer"):
            simulate(WORLD.game, name, types=types, horizon=10, seed=None)
