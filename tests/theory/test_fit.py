"""Exponents: exact on power laws, as predicted on F1, and absent on a plateau."""

import json
import math
from functools import cache

import numpy as np
import pytest

from persuasion import PersuasionError, learners, simulate, zoo
from persuasion.trajectory import Epochs, Trajectory
from theory import fit_growth
from theory.constants import constants

SIZES = (4, 8, 16, 32)


def made_up(curve, *, m=4, horizon=10**6, n_runs=5, noise=0.0, radius=None):
    """A trajectory whose mean regret is a given function of the round."""
    game = zoo.load("f1", m=m, beta=2)
    rounds = np.unique(np.geomspace(1, horizon, 30).astype(np.int64))
    rng = np.random.default_rng(0)
    factors = 1 + noise * rng.standard_normal((n_runs, 1))
    start = np.ones(n_runs, dtype=np.int64)
    value = np.full(n_runs, np.nan if radius is None else radius)
    epochs = Epochs(
        run=np.arange(n_runs), start=start, length=start * horizon, loss=value,
        obedience_gap=value, radius=value, distance=value, samples=start - 1,
    )  # fmt: skip
    return Trajectory(
        game=game, learner="made up", parameters={}, receiver="Bayesian(ties='sender')",
        horizon=horizon, n_runs=n_runs, seed=0, checkpoints=rounds,
        regret=factors * curve(rounds.astype(float)), optimum=rounds * constants(game).optimum,
        epochs=epochs,
    )  # fmt: skip


@pytest.mark.parametrize("data", [[1], "runs"])
def test_only_trajectories_are_fitted(data):
    with pytest.raises(PersuasionError, match="results of `simulate`"):
        fit_growth(data)


@pytest.mark.parametrize("power", [0.3, 0.5, 0.7, 1.0])
def test_power_laws_are_found_exactly(power):
    fit = fit_growth(made_up(lambda t: 3 * t**power))
    assert fit.exponent == pytest.approx(power, abs=1e-12)
    assert fit.limits == (pytest.approx(power), pytest.approx(power))
    assert [p.round for p in fit.excluded] == []


def test_sqrt_t_log_t_is_flat_and_has_exponent_one_against_itself():
    trajectory = made_up(lambda t: 2 * np.sqrt(t * np.log(t)))
    fit = fit_growth(trajectory, "sqrt(T log T)")
    assert fit.exponent == pytest.approx(1)
    assert fit.flatness == pytest.approx(0, abs=1e-12)
    by_rounds = fit_growth(trajectory)
    assert by_rounds.exponent > 0.5
    assert fit_growth(made_up(lambda t: t)).flatness > 10


def test_horizons_and_states_as_points():
    many = [made_up(lambda t: 5 * t**0.6, horizon=h) for h in (10**3, 10**4, 10**5)]
    assert fit_growth(many).exponent == pytest.approx(0.6)
    sizes = [made_up(lambda t, m=m: m**1.5 * np.sqrt(t), m=m) for m in SIZES]
    assert fit_growth(sizes, "m").exponent == pytest.approx(1.5)
    radii = [
        made_up(lambda t, m=m: m**1.5 * np.sqrt(t), m=m, radius=1e-5 * math.sqrt(m)) for m in SIZES
    ]
    assert fit_growth(radii, "m", normalise="radius").exponent == pytest.approx(1.0)


def test_bootstrap_limits_hold_the_exponent_and_say_nothing_for_one_run():
    noisy = [made_up(lambda t: t**0.5, horizon=h, noise=0.3, n_runs=k) for h, k in
             ((10**3, 20), (10**4, 21), (10**5, 22))]  # fmt: skip
    fit = fit_growth(noisy)
    assert fit.limits[0] < fit.exponent < fit.limits[1]
    assert fit.limits == fit_growth(noisy).limits
    assert math.isnan(fit_growth(made_up(lambda t: t, n_runs=1)).limits[0])


def test_saturated_points_are_left_out_and_named():
    trajectory = simulate(zoo.load("f1", m=8, beta=2), "robust", horizon=10**7)
    fit = fit_growth(trajectory)
    reasons = {p.reason for p in fit.excluded}
    assert reasons == {"saturated: robustness costs more than 20% of the optimum"}
    game = zoo.load("f1", m=8, beta=2)
    for p in fit.points:  # the rule of the family, up to the factor 1 - 1/m + e/2 in its loss
        rule = (7 * p.radius / 4) <= 0.2 * constants(game).optimum
        clearly = (7 * p.radius / 4) <= 0.2 * constants(game).optimum * (7 / 8)
        assert clearly <= p.used <= rule
    assert max(p.round for p in fit.excluded) < min(p.round for p in fit.used)
    assert fit_growth(trajectory, saturation=1.0).exponent > fit.exponent + 0.02
    assert "left out" in fit.summary()
    assert json.loads(json.dumps(fit.to_dict(), allow_nan=False))["exponent"] == fit.exponent


@pytest.mark.parametrize(
    ("build", "message"),
    [
        (lambda: fit_growth(made_up(lambda t: 0 * t)), "no logarithm"),
        (lambda: fit_growth([made_up(lambda t: t)]), "two points"),
        (lambda: fit_growth([made_up(lambda t: t)] * 2), "differ"),
        (lambda: fit_growth(made_up(lambda t: t), "m"), "differ"),
        (lambda: fit_growth(made_up(lambda t: t), "T", normalise="radius"), "states no radius"),
        (lambda: fit_growth(made_up(lambda t: t), "n"), "against"),
        (lambda: fit_growth(made_up(lambda t: t), normalise="m"), "normalise"),
    ],
)
def test_what_cannot_be_fitted(build, message):
    with pytest.raises(PersuasionError, match=message):
        build()


# -- family F1: the exponents the theory predicts ----------------------------------------------


@cache
def play(m, *, beta=2, horizon=10**8, n_runs=2, **parameters):
    learner = learners.load("robust", growth=1.3, **parameters)
    return simulate(zoo.load("f1", m=m, beta=beta), learner, horizon=horizon, n_runs=n_runs)


def test_exponents_in_the_horizon():
    for m in (4, 16):
        fit = fit_growth(play(m))
        assert 0.48 <= fit.exponent <= 0.60
        assert fit.flatness <= 0.2
        assert 0.85 <= fit_growth(play(m), "sqrt(T log T)").exponent <= 1.15


def test_exponents_in_the_number_of_states():
    by_sum = [play(m) for m in SIZES]
    assert 0.9 <= fit_growth(by_sum, "m", normalise="radius").exponent <= 1.1
    by_product = [play(m, form="product") for m in SIZES]
    assert 1.35 <= fit_growth(by_product, "m").exponent <= 1.6
    boxes = [play(m, confidence="box") for m in SIZES[:3]]
    assert 0.45 <= fit_growth(boxes, "m").exponent <= 0.65


def test_a_plateau_has_no_such_exponent():
    """beta < 1: nothing need be said, so that regret stops; and linear regret is seen too."""
    plateau = fit_growth(play(4, beta="1/2"))
    assert plateau.exponent < 0.2
    assert plateau.flatness > 1
    linear = simulate(zoo.load("f1", m=4, beta=2), "plug_in", horizon=10**8, n_runs=8)
    assert fit_growth(linear).exponent > 0.8
