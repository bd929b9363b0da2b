"""Gradient methods against `solve`, finite differences and the theory's own programs."""

import numpy as np
import pytest

from persuasion import (
    Bayesian,
    InfeasibleError,
    PersuasionError,
    PersuasionGame,
    Quantal,
    UnsupportedError,
    sender_value,
    solve,
    zoo,
)
from persuasion.policy_gradient import exponentiated_gradient, policy_gradient
from persuasion.slater import slater_scheme
from persuasion.values import obedience_gap
from theory.programs import strict_scheme

PROSECUTOR = zoo.load("prosecutor")
GAMES = {
    "prosecutor": PROSECUTOR,
    "f1": zoo.load("f1", m=4, beta=2),
    "grading": zoo.load("grading"),
    "uniform": zoo.random_game("uniform", 3, 3, seed=0),
}


@pytest.mark.parametrize("name", GAMES)
def test_exponentiated_gradient_comes_near_the_optimum_from_below(name: str) -> None:
    game = GAMES[name]
    optimum, width = float(solve(game).value), game.sender_scale.width
    shares = []
    for n_steps in (300, 10_000):
        result = exponentiated_gradient(game, n_steps)
        scheme = result.obedient
        order = [game.actions.index(label) for label in scheme.signals]
        assert obedience_gap(game, scheme, order) <= 1e-12 * game.receiver_scale.width
        value = float((game.prior[:, None] * scheme.kernel * game.sender_utility[:, order]).sum())
        assert value <= optimum + 1e-9 * width
        assert result.objective <= optimum + 1e-9 * width  # the penalty is exact
        shares.append((optimum - value) / width)
    assert shares[1] <= max(shares[0], 0.12)
    assert shares[1] < 0.12


def test_average_penalty_and_trace_mean_what_they_say() -> None:
    game = GAMES["grading"]
    result = exponentiated_gradient(game, 777)
    value = float((game.prior[:, None] * result.kernel * game.sender_utility).sum())
    assert result.penalty is not None
    assert result.objective == pytest.approx(value - result.penalty * result.violation)
    assert result.trace[-1] == result.objective
    assert result.steps[0] == 1
    assert result.n_steps == 777
    assert result.slater is not None
    exact = 2 * game.sender_scale.width / result.slater.margin
    assert result.penalty == pytest.approx(exact)
    again = exponentiated_gradient(game, 777, penalty=exact)
    np.testing.assert_allclose(again.kernel, result.kernel, atol=1e-9)


def test_units_change_nothing() -> None:
    game = GAMES["uniform"]
    other = PersuasionGame(game.prior, 7 * game.sender_utility - 3, 0.1 * game.receiver_utility)
    for method in (exponentiated_gradient, policy_gradient):
        first, second = method(game, n_steps=200), method(other, n_steps=200)  # type: ignore[operator]
        np.testing.assert_allclose(first.kernel, second.kernel, atol=1e-9)
        assert second.objective == pytest.approx(7 * first.objective - 3)
    noisy = policy_gradient(game, Quantal(4.0), n_steps=200)
    same = policy_gradient(other, Quantal(40.0), n_steps=200)
    np.testing.assert_allclose(noisy.kernel, same.kernel, atol=1e-9)


@pytest.mark.parametrize("receiver", [Quantal(3.0), Bayesian()])
def test_a_small_step_follows_the_slope(receiver: Bayesian | Quantal) -> None:
    """One step of policy gradient raises J by step times the squared gradient in the logits."""
    game = GAMES["uniform"].rescaled()
    start = np.random.default_rng(3).dirichlet(np.ones(4), size=3)

    def value(logits: np.ndarray) -> float:
        weights = np.exp(logits)
        from persuasion import SignalingScheme

        scheme = SignalingScheme(weights / weights.sum(axis=1, keepdims=True))
        return sender_value(game, scheme, receiver)

    logits, slope, h = np.log(start), np.zeros(start.shape), 1e-6
    for cell in np.ndindex(start.shape):
        up, down = logits.copy(), logits.copy()
        up[cell] += h
        down[cell] -= h
        slope[cell] = (value(up) - value(down)) / (2 * h)
    step = 1e-3
    result = policy_gradient(game, receiver, n_steps=1, step_size=step, start=start)
    weights = np.exp(logits + step * slope)
    np.testing.assert_allclose(
        result.kernel, weights / weights.sum(axis=1, keepdims=True), atol=1e-9
    )
    assert result.objective >= value(logits)


def test_plateau_and_how_to_leave_it() -> None:
    stuck = policy_gradient(PROSECUTOR, n_steps=500)
    np.testing.assert_allclose(stuck.kernel, stuck.start, atol=1e-12)
    assert stuck.objective == 0.0
    moved = policy_gradient(PROSECUTOR, Quantal(10.0), n_steps=1000)
    assert 0.3 < sender_value(PROSECUTOR, moved.scheme) < 0.6
    told = policy_gradient(PROSECUTOR, start=[[0.5, 0.5], [0.05, 0.95]], n_steps=2000)
    assert told.objective > told.trace[0] - 1e-12  # ascent inside a cell


def test_slater_scheme_is_that_of_the_theory() -> None:
    for game in GAMES.values():
        slater = slater_scheme(game)
        allowed = np.isin(np.arange(game.n_actions), slater.actions)
        own = strict_scheme(game.rescaled(), allowed)
        assert slater.margin == pytest.approx(own.margin * game.receiver_scale.width, abs=1e-9)
        joint = game.prior[:, None] * slater.kernel
        for a in slater.actions:
            for b in set(range(game.n_actions)) - {a}:
                lead = game.receiver_utility[:, a] - game.receiver_utility[:, b]
                assert joint[:, a] @ lead >= slater.margin - 1e-12
    impossible = PersuasionGame([0.5, 0.5, 0], [[0, 1]] * 3, [[1, 0], [0, 1], [9, 0]])
    assert slater_scheme(impossible).kernel.sum(axis=1).tolist() == [1.0, 1.0, 1.0]


def test_what_cannot_be_trained_is_refused() -> None:
    twins = PersuasionGame([0.5, 0.5], [[0, 1]] * 2, [[1, 1], [0, 0]])
    with pytest.raises(InfeasibleError, match="duplicate"):
        exponentiated_gradient(twins)
    subjective = PersuasionGame(
        [0.5, 0.5], [[0, 1]] * 2, [[1, 0], [0, 1]], receiver_prior=[0.4, 0.6]
    )
    for method in (exponentiated_gradient, policy_gradient):
        with pytest.raises(UnsupportedError, match="common prior"):
            method(subjective)  # type: ignore[operator]
        with pytest.raises(PersuasionError, match="integer >= 1"):
            method(PROSECUTOR, n_steps=0)  # type: ignore[operator]
    with pytest.raises(UnsupportedError, match="two or more"):
        slater_scheme(PersuasionGame([1], [[1]], [[1]]))
    with pytest.raises(PersuasionError, match="positions 0 to 1"):
        slater_scheme(PROSECUTOR, [2])
    with pytest.raises(PersuasionError, match="positive entries"):
        policy_gradient(PROSECUTOR, start=[[1, 0], [0, 1]])
    with pytest.raises(PersuasionError, match="sum to 1"):
        policy_gradient(PROSECUTOR, start=[[1, 1], [1, 1]])
    with pytest.raises(PersuasionError, match="n_signals"):
        policy_gradient(PROSECUTOR, start=[[0.5, 0.5]] * 2, n_signals=3)
    with pytest.raises(PersuasionError, match="step_size"):
        exponentiated_gradient(PROSECUTOR, step_size=0)
    with pytest.raises(PersuasionError, match="penalty"):
        exponentiated_gradient(PROSECUTOR, penalty=float("inf"))
    with pytest.raises(UnsupportedError, match="recommend nothing"):
        _ = policy_gradient(PROSECUTOR, n_steps=1).obedient
