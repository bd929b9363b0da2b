"""Entropic projection against cvxpy, against its optimality conditions, and at extremes."""

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persuasion import PersuasionError, PersuasionGame
from persuasion.candidates import candidate_posteriors
from persuasion.kl_projection import KLProjection, entropy

PLAUSIBLE = 1e-12


def splits_of(m, n, k, seed, *, integers=False):
    """Candidate posteriors and prior of a random game."""
    rng = np.random.default_rng([31, m, n, k, seed])
    draw = (lambda s: rng.integers(0, 3, s).astype(float)) if integers else rng.random
    game = PersuasionGame(rng.dirichlet(np.full(m, 2.0)), draw((m, n)), draw((m, n)))
    return candidate_posteriors(game, draw((k, m, n))).posteriors, game.prior


def objective(weights, log_weights):
    return float(weights @ log_weights) + entropy(weights)


@pytest.mark.parametrize("scale", [0.0, 1.0, 10.0])
@pytest.mark.parametrize("size", [(2, 2, 2), (3, 3, 2), (4, 2, 3)], ids=str)
def test_against_cvxpy(size, scale):
    import cvxpy

    posteriors, prior = splits_of(*size, 0)
    log_weights = scale * np.random.default_rng(5).random(len(posteriors))
    mine = KLProjection(posteriors, prior)(log_weights).weights
    w = cvxpy.Variable(len(posteriors))
    program = cvxpy.Problem(
        cvxpy.Maximize(log_weights @ w + cvxpy.sum(cvxpy.entr(w))), [posteriors.T @ w == prior]
    )
    program.solve(solver=cvxpy.CLARABEL)
    # cvxpy stops at a gap of 1e-8, which by Pinsker's inequality leaves sqrt(2e-8) in L1
    assert np.abs(mine - w.value).sum() < 1.5e-4
    assert objective(mine, log_weights) == pytest.approx(program.value, abs=1e-7)


@pytest.mark.parametrize("integers", [False, True], ids=["generic", "ties"])
@pytest.mark.parametrize("scale", [0.0, 3.0, 300.0, 3e4])
def test_plausible_and_of_exponential_form_from_a_cold_start(scale, integers):
    """Optimality conditions: log w - g is affine in the posterior, where w is not tiny."""
    for seed in range(10):
        posteriors, prior = splits_of(3, 3, 2, seed, integers=integers)
        g = scale * np.random.default_rng(seed).random(len(posteriors))
        found = KLProjection(posteriors, prior)(g)
        assert (found.weights >= 0).all()
        assert abs(found.weights.sum() - 1) < PLAUSIBLE
        assert np.abs(found.weights @ posteriors - prior).max() < PLAUSIBLE
        assert found.repaired < 1e-6
        alive = found.weights > 1e-4  # the repair changes no more than its share of these
        residual = np.log(found.weights[alive]) - g[alive]
        fit, *_ = np.linalg.lstsq(posteriors[alive], residual, rcond=None)
        assert np.abs(posteriors[alive] @ fit - residual).max() < 1e-3 * (1 + 1e-6 * scale)


@given(st.integers(0, 10**6), st.floats(0.0, 200.0))
def test_no_other_split_is_better(seed, scale):
    posteriors, prior = splits_of(3, 2, 2, seed % 50)
    rng = np.random.default_rng(seed)
    g = scale * rng.random(len(posteriors))
    project = KLProjection(posteriors, prior)
    best = project(g).weights
    other, _ = project.repair(rng.dirichlet(np.ones(len(posteriors))))
    assert objective(best, g) >= objective(other, g) - 1e-7 * (1 + scale)


def test_without_the_projection_the_law_is_not_plausible():
    """Negative control of the plausibility check."""
    posteriors, prior = splits_of(3, 3, 2, 0)
    law = np.exp(np.random.default_rng(0).random(len(posteriors)))
    assert np.abs(law / law.sum() @ posteriors - prior).max() > 1e-3


@given(st.integers(0, 10**6))
def test_repair_makes_any_law_plausible_and_changes_a_split_by_nothing(seed):
    posteriors, prior = splits_of(4, 2, 2, seed % 20)
    project = KLProjection(posteriors, prior)
    law = np.random.default_rng(seed).dirichlet(np.full(len(posteriors), 0.3))
    repaired, share = project.repair(law)
    assert np.abs(repaired @ posteriors - prior).max() < PLAUSIBLE
    assert repaired.min() >= 0
    assert np.abs(repaired - law).sum() <= 2 * share + PLAUSIBLE
    again, nothing = project.repair(repaired)
    assert nothing < PLAUSIBLE
    np.testing.assert_allclose(again, repaired, atol=PLAUSIBLE)


def test_largest_entropy():
    posteriors, prior = splits_of(3, 3, 2, 1)
    project = KLProjection(posteriors, prior)
    assert 0 < project.max_entropy <= np.log(len(posteriors))
    middle = KLProjection(np.eye(3), np.array([0.2, 0.3, 0.5]))  # only one split: full disclosure
    assert middle.max_entropy == pytest.approx(entropy(np.array([0.2, 0.3, 0.5])))
    even = KLProjection(np.array([[1, 0], [0, 1], [0.5, 0.5]]), np.array([0.5, 0.5]))
    assert even.max_entropy == pytest.approx(np.log(3))


def test_a_warm_start_saves_steps():
    posteriors, prior = splits_of(4, 3, 3, 0)
    project = KLProjection(posteriors, prior)
    rng = np.random.default_rng(0)
    g = np.zeros(len(posteriors))
    found = project(g)
    warm, cold = [], []
    for _ in range(300):
        g += 0.05 * rng.random(len(posteriors))
        found = project(g, found.prices)
        warm.append(found.n_steps)
        cold.append(project(g).n_steps)
    assert np.mean(warm) <= 3
    assert np.mean(warm) < np.mean(cold)


def test_rare_states_and_priors_at_a_candidate():
    """A prior of 1e-6, and one on a candidate, at which the whole mass may sit."""
    posteriors, _ = splits_of(3, 3, 2, 2)
    inner = posteriors[3:]
    for prior in (np.array([1e-6, 0.3, 0.7 - 1e-6]), inner[np.argmax(inner.min(axis=1))]):
        project = KLProjection(posteriors, prior)
        for scale in (1.0, 1e3):
            found = project(scale * np.random.default_rng(1).random(len(posteriors)))
            assert np.abs(found.weights @ posteriors - prior).max() < PLAUSIBLE
            assert found.repaired < 1e-6


def test_bad_input_is_refused():
    with pytest.raises(PersuasionError, match=r"state 1 has 0.*restrict"):
        KLProjection(np.eye(2), np.array([1.0, 0.0]))
    with pytest.raises(PersuasionError, match="sure of state 1"):
        KLProjection(np.array([[1.0, 0.0], [0.5, 0.5]]), np.array([0.6, 0.4]))
