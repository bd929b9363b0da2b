"""Worst priors in closed form against linear programs, radii and boxes against definitions."""

from typing import Any

import numpy as np
import pytest
from scipy.optimize import linprog
from scipy.stats import binom

from persuasion.ambiguity import (
    AmbiguitySet,
    box,
    clopper_pearson,
    intersection,
    l1_ball,
    l1_radius,
)
from persuasion.errors import PersuasionError

TOLERANCE = 1e-9  # of linprog; the closed form itself is exact up to rounding


def random_set(rng: np.random.Generator, kind: str, n_states: int) -> AmbiguitySet:
    """A set whose center often has zeros and whose box often touches 0, 1 or the center."""
    center = rng.dirichlet(np.full(n_states, 0.5))
    center[rng.random(n_states) < 0.2] = 0.0
    center = center / center.sum() if center.sum() > 0 else np.eye(n_states)[0]
    ball = l1_ball(center, float(rng.choice([0.0, 0.01, 0.3, 1.0, 1.9, 2.0])))
    below = center * rng.choice([0.0, 0.5, 1.0], n_states)
    above = np.minimum(center + rng.choice([0.0, 0.1, 1.0], n_states), 1.0)
    bounds = box(below, above, center)
    return {"l1": ball, "box": bounds, "both": intersection(ball, bounds)}[kind]


def random_z(rng: np.random.Generator, n_states: int) -> Any:
    """Few different values, so that states tie, or many."""
    return rng.integers(-2, 3, n_states) / 2 if rng.random() < 0.5 else rng.normal(size=n_states)


def least_mean(members: AmbiguitySet, z: Any, *, simplex: bool = True) -> float:
    """Minimise the mean of z over the set with variables (mu, deviation from the center)."""
    m, center, lower, upper = members.n_states, members.center, members.lower, members.upper
    identity = np.eye(m)
    result = linprog(
        np.concatenate([z, np.zeros(m)]),
        A_ub=np.block([[identity, -identity], [-identity, -identity], [np.zeros(m), np.ones(m)]]),
        b_ub=np.concatenate([center, -center, [members.radius]]),
        A_eq=np.concatenate([np.ones(m), np.zeros(m)])[None],
        b_eq=[1.0],
        bounds=[
            *((low if simplex else None, high) for low, high in np.stack([lower, upper], axis=1)),
            *[(0, None)] * m,
        ],
    )
    assert result.status == 0, result.message
    return float(result.fun)


@pytest.mark.parametrize("kind", ["l1", "box", "both"])
@pytest.mark.parametrize("n_states", [1, 2, 3, 7])
def test_worst_case_is_the_minimum(kind: str, n_states: int) -> None:
    rng = np.random.default_rng([1, n_states])
    for _ in range(25):
        members, z = random_set(rng, kind, n_states), random_z(rng, n_states)
        value, prior = members.worst_case(z)
        assert members.contains(prior)
        assert value == pytest.approx(prior @ z, abs=1e-15)
        assert value == pytest.approx(least_mean(members, z), abs=TOLERANCE)


def test_many_functions_at_once() -> None:
    rng = np.random.default_rng(2)
    members = random_set(rng, "both", 6)
    z = np.array([random_z(rng, 6) for _ in range(40)])
    values, priors = members.worst_case(z)
    for row, value, prior in zip(z, values, priors, strict=True):
        alone = members.worst_case(row)
        assert value == alone[0]
        assert np.array_equal(prior, alone[1])
    assert members.worst_case(z[:0])[0].shape == (0,)


def test_ties_choose_among_minimisers() -> None:
    members = l1_ball([0.25] * 4, 0.2)
    z, ties = np.array([1.0, 0, 0, 1.0]), np.array([0.0, 1, 0, 1])
    value, prior = members.worst_case(z, ties=ties)
    assert value == members.worst_case(z)[0]
    assert prior.round(12).tolist() == [0.25, 0.25, 0.35, 0.15]


def test_a_ball_beyond_the_simplex_is_caught() -> None:
    """Moving half the radius whatever the states have to give is not the worst case."""
    members, z = l1_ball([0.9, 0.1, 0.0], 0.6), np.array([0.0, 1.0, -1.0])
    naive = members.center @ z - members.radius / 2 * np.ptp(z)
    assert naive < least_mean(members, z) - 0.1
    assert least_mean(members, z, simplex=False) == pytest.approx(naive)


def test_a_wrong_factor_is_caught() -> None:
    """The radius is an L1 distance: half of it moves."""
    members, z = l1_ball([0.5, 0.3, 0.2], 0.2), np.array([1.0, 0.0, -1.0])
    for factor in (0.5, 2.0):
        wrong = l1_ball(members.center, factor * members.radius).worst_case(z)[0]
        assert abs(wrong - least_mean(members, z)) > 0.05


def test_highest_probabilities() -> None:
    rng = np.random.default_rng(3)
    for kind in ("l1", "box", "both"):
        members = random_set(rng, kind, 5)
        for state, unit in enumerate(np.eye(5)):
            assert members.highest[state] == pytest.approx(-members.worst_case(-unit)[0])


def test_simplex_is_recognised() -> None:
    assert l1_ball([0.5, 0.5], 2).is_simplex
    assert l1_ball([0.25, 0.75], 1.5).is_simplex
    assert not l1_ball([0.25, 0.75], 1.49).is_simplex
    assert not box([0.1, 0], [1, 1], [0.5, 0.5]).is_simplex
    assert clopper_pearson([0, 0, 0], 0.1).is_simplex


def test_intersection() -> None:
    rng = np.random.default_rng(4)
    for _ in range(20):
        ball = random_set(rng, "l1", 4)
        bounds = box(ball.center * 0.5, np.minimum(ball.center * 1.5, 1), ball.center)
        both = intersection(ball, bounds)
        priors = [s.worst_case(rng.normal(size=4))[1] for s in (ball, bounds, both) for _ in "ab"]
        for prior in priors:
            assert both.contains(prior) == (ball.contains(prior) and bounds.contains(prior))
    with pytest.raises(PersuasionError, match="same center"):
        intersection(l1_ball([0.5, 0.5], 0.1), l1_ball([0.4, 0.6], 0.1))


def test_dictionaries() -> None:
    members = clopper_pearson([3, 4, 0], 0.05)
    assert AmbiguitySet.from_dict(members.to_dict()) == members
    assert members != l1_ball(members.center, 2)
    with pytest.raises(PersuasionError, match="unknown key 'radios'"):
        AmbiguitySet.from_dict({"center": [1.0], "radios": 1})


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (([0.5, 0.4], 0.1), "distribution"),
        (([0.5, 0.5], -0.1), "`radius`"),
        (([0.5, 0.5], float("nan")), "`radius`"),
        (([0.5, 0.5], 2, [0.6, 0]), "state 0 it is 0.5, outside"),
        (([0.5, 0.5], 2, None, [1, 0.4]), "state 1 it is 0.5, outside"),
        (([0.5, 0.5], 2, [0.1]), "shape"),
    ],
)
def test_refusals(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(PersuasionError, match=message):
        AmbiguitySet(*arguments)
    with pytest.raises(PersuasionError, match="`z` must have shape"):
        l1_ball([0.5, 0.5], 0.1).worst_case([1, 2, 3])


# -- concentration -------------------------------------------------------------------------


@pytest.mark.parametrize(("n", "m", "delta"), [(1, 2, 0.5), (50, 3, 0.1), (10**6, 30, 1e-9)])
def test_l1_radius(n: int, m: int, delta: float) -> None:
    subsets = np.log(2.0**m - 2)
    by_sum = np.sqrt(2 * (subsets + np.log(1 / delta)) / n)
    by_mcdiarmid = np.sqrt((m - 1) / n) + np.sqrt(2 * np.log(1 / delta) / n)
    product = np.sqrt(m / n) * (1 + np.sqrt(np.log(1 / delta)))
    assert l1_radius(n, m, delta) == pytest.approx(min(2, by_sum), rel=1e-12)
    assert l1_radius(n, m, delta, form="mcdiarmid") == pytest.approx(min(2, by_mcdiarmid))
    assert l1_radius(n, m, delta, form="product") == pytest.approx(min(2, product))
    least = min(by_sum, by_mcdiarmid)
    assert l1_radius(n, m, delta, form="min") == pytest.approx(min(2, least))


def test_l1_radius_at_the_ends() -> None:
    assert l1_radius(0, 5, 0.1) == 2
    assert l1_radius(0, 1, 0.1) == 0  # one state: the prior is known
    many = l1_radius(10**7, 5000, 0.1)  # 2^5000 would overflow
    assert many == pytest.approx(np.sqrt(2 * (5000 * np.log(2) + np.log(10)) / 10**7))
    for wrong in ({"form": "other"}, {"delta": 0}, {"delta": 1}, {"n_samples": -1}):
        with pytest.raises(PersuasionError):
            l1_radius(**{"n_samples": 1, "n_states": 2, "delta": 0.1, **wrong})


@pytest.mark.parametrize("delta", [0.2, 1e-6])
def test_clopper_pearson_inverts_binomial_tails(delta: float) -> None:
    counts = np.array([0, 1, 17, 5000, 24982])
    n, tail = counts.sum(), delta / (2 * len(counts))
    members = clopper_pearson(counts, delta)
    assert members.radius == 2
    assert np.array_equal(members.center, counts / n)
    assert members.lower[0] == 0
    for k, low, high in zip(counts, members.lower, members.upper, strict=True):
        if k > 0:
            assert binom.sf(k - 1, n, low) == pytest.approx(tail, rel=1e-6)
        assert binom.cdf(k, n, high) == pytest.approx(tail, rel=1e-6)
    assert clopper_pearson([0, 9], delta).upper[1] == 1


def miss_probability(n: int, p: float, delta: float, scale: float = 1.0) -> float:
    """Exact chance that the box of two states misses the prior; `scale` shrinks it."""
    missed = 0.0
    for k in range(n + 1):
        members = clopper_pearson([k, n - k], delta)
        low = members.center + scale * (members.lower - members.center)
        high = members.center + scale * (members.upper - members.center)
        if not (low[0] <= p <= high[0] and low[1] <= 1 - p <= high[1]):
            missed += binom.pmf(k, n, p)
    return missed


def test_clopper_pearson_covers() -> None:
    grid = np.linspace(0.01, 0.99, 25)
    assert max(miss_probability(20, p, 0.1) for p in grid) <= 0.1
    assert max(miss_probability(20, p, 0.1, scale=0.5) for p in grid) > 0.1  # must fail


def test_counts_are_checked() -> None:
    for wrong in ([1.5, 2], [-1, 2], []):
        with pytest.raises(PersuasionError):
            clopper_pearson(wrong, 0.1)
