"""The cvxpy backends and the model they share, against the obedience program and each other."""

from __future__ import annotations

import cvxpy
import numpy as np
import pytest

from persuasion import (
    Biased,
    InfeasibleError,
    NotSolvedError,
    PersuasionGame,
    Quantal,
    SignalingScheme,
    UnsupportedError,
    solve,
)
from persuasion.certificate import certify
from persuasion.cvxpy_model import cvxpy_problem
from persuasion.problem import Problem
from persuasion.receivers import Bayesian
from persuasion.solvers.cvxpy import CvxpySolver
from persuasion.values import obedience_gap, sender_value

BACKENDS = [None, "HIGHS", "CLARABEL", "SCIPY"]
PROSECUTOR = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])


def random_game(seed: int) -> PersuasionGame:
    rng = np.random.default_rng([31, seed])
    m, n = int(rng.integers(1, 9)), int(rng.integers(1, 6))
    has_ties = seed % 3 == 0
    tables = rng.integers(0, 3, (2, m, n)).astype(float) if has_ties else rng.random((2, m, n))
    prior = rng.dirichlet(np.ones(m))
    if seed % 4 == 1 and m > 2:
        prior[0] = 0.0
        prior /= prior.sum()
    own = rng.dirichlet(np.ones(m)) if seed % 5 == 2 else None
    return PersuasionGame(prior, *tables, receiver_prior=own)


@pytest.mark.parametrize("backend", BACKENDS)
def test_backends_pass_the_certificate(backend: str | None) -> None:
    for seed in range(30):
        game = random_game(seed)
        solution = solve(game, method=CvxpySolver(backend))
        assert solution.method == ("cvxpy" if backend is None else f"cvxpy:{backend}")
        assert solution.value == pytest.approx(solve(game).value, abs=1e-9), seed


def test_interior_answers_need_the_polish(monkeypatch: pytest.MonkeyPatch) -> None:
    """Negative control: as they come, some interior point answers fail the certificate."""
    monkeypatch.setattr("persuasion.solvers.cvxpy._THRESHOLDS", ())
    failed = 0
    for seed in range(30):
        problem = Problem.of(random_game(seed), Bayesian())
        candidate = CvxpySolver("CLARABEL").solve(problem)
        failed += not certify(problem, candidate).residuals.within(1e-9)
    assert failed >= 1


def test_it_is_a_method_by_name() -> None:
    assert solve(PROSECUTOR, method="cvxpy").value == pytest.approx(0.6, abs=1e-9)


@pytest.mark.parametrize("backend", ["HIGHS", "CLARABEL"])
@pytest.mark.parametrize("scale", [1e-9, 1e9])
@pytest.mark.parametrize("side", ["sender", "receiver"])
def test_scale_does_not_matter(backend: str, scale: float, side: str) -> None:
    rng = np.random.default_rng(32)
    prior, sender, receiver = rng.dirichlet(np.ones(5)), rng.random((5, 4)), rng.random((5, 4))
    truth = solve(PersuasionGame(prior, sender, receiver)).value
    by_sender = scale if side == "sender" else 1.0
    by_receiver = scale if side == "receiver" else 1.0
    game = PersuasionGame(prior, by_sender * sender, by_receiver * receiver)
    value = solve(game, method=CvxpySolver(backend)).value
    assert value == pytest.approx(by_sender * truth, rel=1e-8)


def test_rows_as_given_fail_at_small_scale() -> None:
    """Negative control: the same program without scaled rows accepts disobedience."""
    receiver = 1e-9 * PROSECUTOR.receiver_utility
    masses = cvxpy.Variable((2, 2), nonneg=True)
    loss = receiver[:, 0] - receiver[:, 1]
    program = cvxpy.Problem(
        cvxpy.Maximize(cvxpy.sum(masses[:, 1])),
        [
            cvxpy.sum(masses, axis=1) == PROSECUTOR.prior,
            masses[:, 0] @ loss >= 0,
            masses[:, 1] @ -loss >= 0,
        ],
    )
    assert program.solve(solver="HIGHS") > 0.7
    model = cvxpy_problem(PersuasionGame(PROSECUTOR.prior, PROSECUTOR.sender_utility, receiver))
    assert model.problem.solve(solver="HIGHS") == pytest.approx(0.6, abs=1e-9)


def test_prices_bound_the_value() -> None:
    """Weak duality holds only with the sign, the scale and the places of the prices right."""
    positive = 0
    for seed in range(30):
        game = random_game(seed)
        problem = Problem.of(game, Bayesian())
        candidate = CvxpySolver().solve(problem)
        assert candidate.prices.min(initial=0.0) >= 0
        assert certify(problem, candidate).residuals.within(1e-9)
        if candidate.prices.max(initial=0.0) > 1e-6:
            positive += 1
            candidate.prices = candidate.prices * 0.9  # negative control
            assert not certify(problem, candidate).residuals.within(1e-9)
    assert positive >= 5


def test_model_prices_in_the_users_units() -> None:
    game = PersuasionGame(
        PROSECUTOR.prior, 5.0 * PROSECUTOR.sender_utility, 1e-3 * PROSECUTOR.receiver_utility
    )
    model = cvxpy_problem(game)
    assert model.problem.solve() == pytest.approx(3.0, abs=1e-7)
    prices = model.obedience_prices
    # theta(w) >= v + y du: y = 5 / 1e-3 makes the innocent indifferent between both verdicts
    np.testing.assert_allclose(prices, [[0, 0], [5000, 0]], atol=1e-3)
    assert solve(game).obedience_prices == pytest.approx(prices, abs=1e-3)


def test_scheme_of_the_model_is_obeyed() -> None:
    for seed in range(30):
        game = random_game(seed)
        model = cvxpy_problem(game)
        value = model.problem.solve(solver="HIGHS")
        scheme = model.scheme
        recommendations = [game.actions.index(label) for label in scheme.signals]
        assert obedience_gap(game, scheme, recommendations) <= 1e-9
        assert sender_value(game, scheme) == pytest.approx(value, abs=1e-8), seed


def test_own_constraints() -> None:
    for cap in (0.1, 0.35, 0.5, 0.59):
        model = cvxpy_problem(PROSECUTOR)
        capped = model.with_constraints(model.action_probabilities[1] <= cap)
        assert capped.problem.solve() == pytest.approx(cap, abs=1e-7)
        assert len(capped.problem.constraints) == len(model.problem.constraints) + 1
        recommended = capped.scheme.signal_probabilities(PROSECUTOR)
        assert recommended[capped.scheme.signals.index("action 1")] == pytest.approx(cap, abs=1e-7)
    with pytest.raises(NotSolvedError, match=r"call model\.problem\.solve"):
        _ = cvxpy_problem(PROSECUTOR).scheme
    with pytest.raises(NotSolvedError, match=r"call model\.problem\.solve"):
        _ = cvxpy_problem(PROSECUTOR).obedience_prices


def test_a_backend_by_name() -> None:
    assert solve(PROSECUTOR, method="cvxpy:CLARABEL").method == "cvxpy:CLARABEL"
    with pytest.raises(UnsupportedError, match="no backend 'NOSUCH'"):
        solve(PROSECUTOR, method="cvxpy:NOSUCH")
    with pytest.raises(UnsupportedError, match="'lp' has no variants"):
        solve(PROSECUTOR, method="lp:SCS")


def test_probabilities_are_the_senders() -> None:
    game = PersuasionGame(
        [0.5, 0.5, 0.0],
        np.eye(3),
        np.eye(3),
        receiver_prior=[0.2, 0.3, 0.5],
    )
    model = cvxpy_problem(game)
    model.problem.solve()
    np.testing.assert_allclose(model.action_probabilities.value, [0.5, 0.5, 0.0], atol=1e-7)


def test_margin_biased_and_max_signals() -> None:
    rng = np.random.default_rng(33)
    game = PersuasionGame(rng.dirichlet(np.ones(4)), rng.random((4, 3)), rng.random((4, 3)))
    for options in ({"margin": 0.05}, {"receiver": Biased(0.3)}, {"max_signals": 2}):
        value = solve(game, method="cvxpy", **options).value
        assert value == pytest.approx(solve(game, method="lp", **options).value, abs=1e-9)
    with pytest.raises(InfeasibleError, match="smaller margin"):
        solve(game, method="cvxpy", margin=10.0)


def test_refusals_say_what_to_do() -> None:
    with pytest.raises(UnsupportedError, match=r"no backend 'NOSUCH' here; installed are .*HIGHS"):
        solve(PROSECUTOR, method=CvxpySolver("nosuch"))
    with pytest.raises(UnsupportedError, match="concave_closure"):
        solve(PROSECUTOR, method="cvxpy", receiver=Quantal(1.0))
    with pytest.raises(UnsupportedError, match="no best responder"):
        cvxpy_problem(PROSECUTOR, receiver=Quantal(1.0))
    with pytest.raises(NotSolvedError, match="HIGHS"):
        solve(PROSECUTOR, method=CvxpySolver("HIGHS", no_such_option=1))


def test_full_disclosure_stays_a_scheme() -> None:
    game = PersuasionGame([0.5, 0.5, 0.0], np.eye(3), np.eye(3))
    model = cvxpy_problem(game)
    model.problem.solve()
    assert isinstance(model.scheme, SignalingScheme)
    np.testing.assert_allclose(model.scheme.kernel, [[1, 0], [0, 1], [0.5, 0.5]], atol=1e-6)
