"""Games measured from samples: limits, margins, and what a plug-in is worth."""

import json
import math

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.stats import binom

from persuasion import (
    Bayesian,
    EstimatedGame,
    PersuasionError,
    PersuasionGame,
    UnsupportedError,
    estimate,
    sender_value,
    solve,
    zoo,
)
from persuasion.cell_limits import cell_limits
from persuasion.margin_rules import solve_with_margin
from persuasion.values import obedience_gap

TRUTH = np.array([[0.9, 0.1], [0.2, 0.8]])
SENDER = [[0, 1], [0, 1]]
PRIOR = ["7/10", "3/10"]
AGAINST_HER = Bayesian(ties="adversarial")


def hits(rng: np.random.Generator, n: int, truth: NDArray[np.float64]) -> NDArray[np.float64]:
    return (rng.random((n, *truth.shape)) < truth).astype(float)


def trial(n: int = 400, seed: int = 0) -> EstimatedGame:
    rng = np.random.default_rng(seed)
    return estimate(hits(rng, n, np.full((2, 2), 0.4)), hits(rng, n, TRUTH), PRIOR, name="trial")


def test_means_counts_and_labels() -> None:
    asked = np.array([[[1.0, 0.0], [0.0, 1.0]], [[0.0, np.nan], [1.0, 1.0]]])
    measured = estimate(asked / 2, asked, PRIOR, states=["a", "b"], actions=["x", "y"])
    assert measured.game.receiver_utility.tolist() == [[0.5, 0.0], [0.5, 1.0]]
    assert measured.game.sender_utility.tolist() == [[0.25, 0.0], [0.25, 0.5]]
    assert measured.counts.tolist() == [[2, 1], [2, 2]]
    assert measured.smallest_count == 1
    assert measured.game.states == ("a", "b")
    assert measured.game.exact.prior == PersuasionGame(PRIOR, SENDER, SENDER).exact.prior
    for array in (measured.counts, measured.receiver_lower, measured.receiver_samples):
        assert array is not None
        assert not array.flags.writeable
    asked[0, 0, 0] = 0.5  # the caller's array stays hers
    assert measured.receiver_samples is not None
    assert measured.receiver_samples[0, 0, 0] == 1.0


def coverage(n: int, p: float, confidence: float, shorten: float) -> float:
    """Exact probability that the limits, pulled towards the mean by `shorten`, hold p."""
    covered = 0.0
    for k in range(n + 1):
        samples = np.zeros((n, 1, 1))
        samples[:k] = 1.0
        measured = estimate([[0.0]], samples, [1], confidence=confidence)
        mean = k / n
        low = mean + (measured.receiver_lower.item() - mean) * shorten
        high = mean + (measured.receiver_upper.item() - mean) * shorten
        covered += binom.pmf(k, n, p) * (low <= p <= high)
    return covered


@pytest.mark.parametrize("p", [0.03, 0.3, 0.77])
def test_hits_are_covered_exactly(p: float) -> None:
    assert coverage(25, p, 0.9, 1.0) >= 0.9
    assert coverage(25, p, 0.9, 0.5) < 0.9  # the control: limits half as wide do not


def test_cells_are_covered_in_simulation_whatever_their_law() -> None:
    # 2000 measurements of 4 cells; a share of misses above 10% by 6 standard errors, 4%, would be
    # chance once in 10^9 if every cell missed with probability 10% exactly
    rng = np.random.default_rng(7)
    truth, size = np.array([0.2, 0.5, 0.35, 0.9]), (30, 2000, 4)
    laws = {
        "hits": (rng.random(size) < truth).astype(float),
        "spread": rng.beta(5 * truth, 5 * (1 - truth), size=size),
        "hits and halves": np.where(
            rng.random(size) < 0.02, truth, rng.random(size) < truth
        ),  # now and then neither: the kind of limits depends on the draws
    }
    counts = np.full(size[1:], 30)
    for law, samples in laws.items():
        mean, low, high = cell_limits(samples, counts, 0.9)
        missed = ((truth < low) | (truth > high)).mean(axis=0)
        assert (missed <= 0.14).all(), law
        narrow = (np.abs(truth - mean) > (high - low) / 8).mean(axis=0)
        assert (narrow > 0.14).any(), law  # the control: a quarter of the width is too little


def test_limits_scale_with_the_declared_range() -> None:
    rng = np.random.default_rng(1)
    x = rng.random((50, 2, 2))
    x[:, 0, 0] = x[:, 0, 0] < 0.5  # a cell of hits and misses
    plain = estimate(SENDER, x, PRIOR)
    cost = estimate(SENDER, 3 * x - 1, PRIOR, receiver_range=(-1, 2))
    np.testing.assert_allclose(cost.receiver_lower, 3 * plain.receiver_lower - 1, atol=1e-12)
    np.testing.assert_allclose(cost.receiver_upper, 3 * plain.receiver_upper - 1, atol=1e-12)
    assert cost.half_width() == pytest.approx(3 * plain.half_width())
    for rule in ("theorem_6", "root", "bootstrap"):
        assert cost.margin(rule) == pytest.approx(3 * plain.margin(rule))
    assert cost.epsilon(slater_margin=3 * 9.0) == pytest.approx(plain.epsilon(slater_margin=9.0))


def test_half_width_is_that_of_theorem_6() -> None:
    measured = trial(400)
    expected = math.sqrt(math.log(4 * 2 * 2 / 0.05) / 800)
    assert measured.half_width(0.05) == pytest.approx(expected, rel=1e-14)
    assert measured.margin() == pytest.approx(2 * expected, rel=1e-14)
    assert measured.margin(receiver_error=0.1) == pytest.approx(2 * expected + 0.1)
    eps = measured.epsilon(0.05, slater_margin=2.0, optimum=0.5)
    assert eps == pytest.approx(2 * expected + 4 * expected * 0.5 / 2.0)
    assert measured.epsilon(slater_margin=0.01, optimum=0.5) == 0.5  # too few: all may be lost
    known = estimate(SENDER, measured.receiver_samples, PRIOR)
    assert known.half_width(utility="sender") == 0.0
    assert known.epsilon(slater_margin=2.0, optimum=0.5) == pytest.approx(4 * expected * 0.25)


def test_the_margin_is_in_the_unit_of_solve() -> None:
    """The row of Theorem 6: sum_w x_a (uh_a - uh_b) >= margin * sum_w x_a, for every a and b."""
    measured = trial(4000)
    solution = measured.solve()
    joint = measured.game.prior[:, None] * solution.scheme.kernel
    u = measured.game.receiver_utility
    for s, a in enumerate(solution.recommendations or ()):
        kept = joint[:, s] @ (u[:, [a]] - np.delete(u, a, axis=1))
        assert (kept >= measured.margin() * joint[:, s].sum() - 1e-9).all()


def test_the_prior_may_be_an_estimate() -> None:
    rng = np.random.default_rng(2)
    measured = estimate(SENDER, hits(rng, 5000, TRUTH), prior_counts=[1400, 600])
    assert measured.game.prior.tolist() == [0.7, 0.3]
    assert measured.prior_radius(0.05) == pytest.approx(math.sqrt(2 * math.log(2 / 0.05) / 2000))
    e, b = measured.prior_radius(0.01), measured.half_width(0.05)
    got = measured.epsilon(slater_margin=3.0, optimum=0.6, prior_failure=0.01, receiver_spread=0.7)
    assert got == pytest.approx(e + (4 * b + 2 * 0.7 * e) * 0.6 / 3.0)
    with pytest.raises(UnsupportedError, match="solve_robust"):
        measured.solve()
    assert trial().prior_radius() == 0.0


def test_a_margin_too_large_is_halved_and_that_is_said() -> None:
    measured = trial(20)
    solution = measured.solve()
    asked, met = solution.options["margin_asked"], solution.options["margin"]
    assert asked == measured.margin() == met * 2 ** round(math.log2(asked / met))
    assert solution.attempts[0] == (f"margin {asked:g}", solution.attempts[0][1])
    assert "halved" in solution.attempts[0][1]
    assert type(solution).from_dict(json.loads(json.dumps(solution.to_dict()))).options == dict(
        solution.options
    )
    tied = PersuasionGame(PRIOR, SENDER, [[1, 1], [1, 1]])  # no positive margin at all
    assert solve_with_margin(tied, 0.5).options["margin"] == 0


def test_collapse_without_slack_and_none_with_the_margin_of_theorem_6() -> None:
    """The optimum leaves the Receiver indifferent: half of all measurements err on the wrong side.

    With failure probability 0.05 per run, 40 runs without a disobeyed scheme are what is promised
    at least 13% of the time; in fact the union bound is far from tight, and the seeds are fixed.
    """
    game = zoo.load("prosecutor")
    optimum = solve(game).value
    u = 0.25 + game.receiver_utility / 2  # 3/4 and 1/4: every cell is measured with noise
    true_game = PersuasionGame(game.prior, game.sender_utility, u)
    rng = np.random.default_rng(11)
    bare, safe = [], []
    for _ in range(40):
        measured = estimate(game.sender_utility, hits(rng, 10_000, u), game.prior)
        bare.append(sender_value(true_game, solve(measured.game).scheme, AGAINST_HER))
        solution = measured.solve("theorem_6", failure=0.05)
        assert solution.recommendations is not None
        assert obedience_gap(true_game, solution.scheme, solution.recommendations) <= 0.0
        safe.append(sender_value(true_game, solution.scheme, AGAINST_HER))
        # every state by itself has margin 1/2 if its own action is told: d = 0.5 * min prior = .15
        assert optimum - safe[-1] <= measured.epsilon(slater_margin=0.15, optimum=optimum)
    collapsed = np.mean(np.array(bare) < 0.05)
    assert 0.3 <= collapsed <= 0.7
    assert min(safe) > 0.4


def test_bootstrap_finds_that_slack_pays() -> None:
    rng = np.random.default_rng(3)
    truth = np.array([[0.75, 0.25], [0.25, 0.75]])
    measured = estimate(SENDER, hits(rng, 2000, truth), PRIOR)
    found = measured.bootstrap(n_resamples=30, seed=5)
    assert found.values.shape == (30, 8)
    assert found.means[0] < 0.8 * found.means.max()  # without slack half of the resamples collapse
    assert 0 < found.best <= 0.08
    assert measured.margin("bootstrap", n_resamples=30, seed=5) == found.best
    again = measured.bootstrap(n_resamples=30, seed=5)
    np.testing.assert_array_equal(again.values, found.values)
    true_game = PersuasionGame(PRIOR, SENDER, truth)
    played = sender_value(true_game, measured.solve("bootstrap").scheme, AGAINST_HER)
    assert played > 0.5


def test_bootstrap_never_counts_on_ties() -> None:
    """Samples without noise: every resample is the truth, and its optimum hangs on a tie."""
    exact = np.repeat(np.eye(2)[None], 20, axis=0)
    found = estimate(SENDER, exact, PRIOR).bootstrap(n_resamples=2)
    assert found.means[0] == pytest.approx(0.0, abs=1e-9)
    assert found.means[1] == pytest.approx(0.6, abs=0.01)
    assert found.best == found.margins[1] == 0.0025


def test_rounds_stay_together_in_the_bootstrap() -> None:
    """One input hits or misses in every cell at once: no resample can tell the actions apart."""
    same = np.repeat((np.arange(40) % 2)[:, None, None].astype(float), 2, axis=1).repeat(2, axis=2)
    games = list(estimate(same, same, PRIOR)._resamples(20, 0))
    assert all(np.ptp(game.receiver_utility) == 0 for game in games)
    assert len({game.receiver_utility[0, 0] for game in games}) > 3


def test_root_rule() -> None:
    assert trial(16).margin("root") == pytest.approx(0.025)
    assert trial(10_000).margin("root") == 0.01
    assert trial(3).margin("root") == 0.05


def test_round_trip_and_words() -> None:
    rng = np.random.default_rng(4)
    x = hits(rng, 12, TRUTH)
    x[3, 0, 1] = np.nan
    for measured in (
        estimate(x, 1 - x, PRIOR, name="both", states=["a", "b"]),
        estimate(SENDER, x, prior_counts=[3, 9], confidence=0.8, receiver_range=(-1, 1)),
    ):
        back = EstimatedGame.from_dict(json.loads(json.dumps(measured.to_dict())))
        assert back.game == measured.game
        assert back.game.states == measured.game.states
        assert back.to_dict() == measured.to_dict()
        for name in ("sender_lower", "receiver_upper", "counts", "receiver_samples"):
            np.testing.assert_array_equal(getattr(back, name), getattr(measured, name))
        assert back.summary() == measured.summary()
        assert "Receiver" in measured.summary()
        assert measured._repr_html_().count("<table") == 2
        assert "smallest_count=11" in repr(measured)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"receiver_samples": np.full((3, 2, 2), 1.5)}, r"receiver_range=\(low, high\)"),
        ({"receiver_samples": np.full((3, 2, 2), np.nan)}, "no sample of action 0 in state 0"),
        ({"receiver_samples": [[0, 1], [1, 0]], "sender_samples": SENDER}, "nothing is measured"),
        ({"sender_samples": np.zeros((4, 2, 2))}, "round i of both"),
        ({"sender_samples": np.zeros((3, 2, 3))}, "states and actions"),
        ({"receiver_samples": np.zeros(3)}, "must have shape"),
        ({"receiver_samples": [[["x"]]]}, "array of numbers|must be an array"),
        ({"prior_counts": [1, 2]}, "either `prior` or `prior_counts`"),
        ({"prior": None, "prior_counts": [1, 0.5]}, "whole numbers"),
        ({"prior": None, "prior_counts": [0, 0]}, "not all 0"),
        ({"confidence": 1.0}, "strictly between 0 and 1"),
        ({"receiver_range": (1, 0)}, "low < high"),
        ({"receiver_range": 3}, "must be a pair"),
    ],
)
def test_what_cannot_be_measured_is_refused(change: dict[str, object], words: str) -> None:
    good = {"sender_samples": SENDER, "receiver_samples": np.zeros((3, 2, 2)), "prior": PRIOR}
    arguments = {**good, **change}
    with pytest.raises(PersuasionError, match=words):
        estimate(**arguments)  # type: ignore[arg-type]


def test_cells_sampled_for_one_side_only_are_refused() -> None:
    x, y = np.zeros((3, 2, 2)), np.zeros((3, 2, 2))
    y[1, 0, 1] = np.nan
    with pytest.raises(PersuasionError, match=r"\[1, 0, 1\]"):
        estimate(x, y, PRIOR)


def test_bad_questions_are_refused() -> None:
    measured = trial()
    for call, words in (
        (lambda: measured.margin("guess"), "must be one of"),  # type: ignore[arg-type]
        (lambda: measured.margin(failure=0.0), "strictly between"),
        (lambda: measured.margin(receiver_error=-1), ">= 0"),
        (lambda: measured.epsilon(slater_margin=0), "positive"),
        (lambda: measured.epsilon(slater_margin=1, optimum=2), "range"),
        (lambda: measured.half_width(utility="nobody"), "must be one of"),  # type: ignore[arg-type]
        (lambda: measured.bootstrap(n_resamples=0), ">= 1"),
        (lambda: measured.bootstrap(grid=[-1.0]), ">= 0"),
    ):
        with pytest.raises(PersuasionError, match=words):
            call()
