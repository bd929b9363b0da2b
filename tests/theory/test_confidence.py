"""Confidence limits: literal formulas, coverage by simulation, and a method that must fail."""

import math

import numpy as np
import pytest
from scipy.stats import binom

from persuasion import PersuasionError
from theory.confidence import (
    betting_limits,
    binomial_tail,
    clopper_pearson,
    empirical_bernstein,
    mean_limits,
)

LAWS = {
    "rare": lambda rng, shape: (rng.random(shape) < 0.03).astype(float),
    "beta": lambda rng, shape: rng.beta(2, 30, shape),
    "coin": lambda rng, shape: (rng.random(shape) < 0.5).astype(float),
    "constant": lambda rng, shape: np.full(shape, 0.3),
}
MEANS = {"rare": 0.03, "beta": 2 / 32, "coin": 0.5, "constant": 0.3}


def normal_limits(x, width, alpha):
    """What one must not do: a normal approximation."""
    reach = 2.0 * x.std(axis=0, ddof=1) / math.sqrt(len(x))
    return x.mean(axis=0) - reach, x.mean(axis=0) + reach


def misses(limits, mean):
    lower, upper = limits
    return int(((lower > mean + 1e-12) | (upper < mean - 1e-12)).sum())


@pytest.mark.parametrize("law", LAWS)
@pytest.mark.parametrize("n", [2, 10, 60])
@pytest.mark.parametrize("method", [empirical_bernstein, betting_limits, mean_limits])
def test_limits_miss_the_mean_no_more_often_than_stated(law, n, method):
    """4000 samples at alpha = 0.1: more misses than `allowed` has probability 1e-6 at most."""
    x = LAWS[law](np.random.default_rng(n), (n, 4000))
    found = method(3 * x, 3.0, 0.1)
    allowed = binom.ppf(1 - 1e-6, 4000, 0.1)
    assert misses((found.lower, found.upper), 3 * MEANS[law]) <= allowed
    assert (found.lower >= 0).all()
    assert (found.upper <= 3).all()
    assert (found.lower <= found.mean + 1e-12).all()
    assert (found.mean <= found.upper + 1e-12).all()


def test_a_normal_approximation_would_be_caught():
    x = LAWS["rare"](np.random.default_rng(0), (10, 4000))
    assert misses(normal_limits(x, 1.0, 0.1), MEANS["rare"]) > binom.ppf(1 - 1e-6, 4000, 0.1)


def test_empirical_bernstein_is_the_published_formula():
    x = np.random.default_rng(1).random(30)
    alpha, width = 0.05, 2.0
    found = empirical_bernstein(x, width, alpha)
    log = math.log(2 / (alpha / 2))
    reach = math.sqrt(2 * x.var(ddof=1) * log / 30) + 7 * width * log / (3 * 29)
    assert float(found.upper) == pytest.approx(min(x.mean() + reach, width))
    assert float(found.lower) == pytest.approx(max(x.mean() - reach, 0))


def test_bets_lose_at_the_lower_limit_no_more():
    """The capital of the mixture at the limit is exactly 2 / alpha."""
    x = np.random.default_rng(2).beta(2, 5, 25)
    m = float(betting_limits(x, 1.0, 0.02).lower)
    shares = np.array([1 / 64, 1 / 16, 1 / 8, 1 / 4, 1 / 2, 3 / 4, 7 / 8, 1.0])
    capital = np.mean([np.prod(1 + c * (x / m - 1)) for c in shares])
    assert capital == pytest.approx(100, rel=1e-6)


def test_limits_shrink_with_the_sample_and_are_short_for_close_samples():
    rng = np.random.default_rng(3)
    lengths = [
        float(found.upper - found.lower)
        for n in (5, 50, 500, 5000)
        for found in [mean_limits(rng.beta(2, 30, n), 1.0, 0.01)]
    ]
    assert lengths == sorted(lengths, reverse=True)
    close = mean_limits(np.full(40, 0.02) + 1e-3 * rng.random(40), 1.0, 0.01)
    assert close.lower > 0.5 * close.mean
    assert mean_limits(np.zeros(10), 1.0, 0.01).lower == 0
    assert mean_limits(np.ones(10), 1.0, 0.01).upper == 1


def test_one_sample_and_no_range():
    alone = mean_limits(np.array([[0.4, 0.0]]), np.array([1.0, 0.0]), 0.05)
    assert alone.lower[0] < 0.4 < alone.upper[0]
    assert alone.lower[1] == alone.upper[1] == 0


@pytest.mark.parametrize(("count", "n"), [(0, 5), (3, 7), (7, 7), (40, 2000)])
def test_clopper_pearson_inverts_the_binomial(count, n):
    lower, upper = clopper_pearson(count, n, 0.02)
    assert lower == 0 if count == 0 else binomial_tail(count, n, lower) == pytest.approx(0.01)
    assert upper == 1 if count == n else binom.cdf(count, n, upper) == pytest.approx(0.01)


def test_binomial_tail():
    assert binomial_tail(0, 9, 0.1) == 1
    assert binomial_tail(4, 9, 0.1) == pytest.approx(binom.sf(3, 9, 0.1))
    assert binomial_tail(2, 4, 1e-8) == pytest.approx(6e-16, rel=1e-6)


@pytest.mark.parametrize("alpha", [0, 1, -0.1, math.nan])
def test_bad_levels_are_refused(alpha):
    with pytest.raises(PersuasionError, match="alpha"):
        mean_limits(np.ones(3), 1.0, alpha)
    with pytest.raises(PersuasionError, match="alpha"):
        clopper_pearson(1, 3, alpha)


def test_impossible_counts_are_refused():
    with pytest.raises(PersuasionError, match="count"):
        clopper_pearson(4, 3, 0.1)
