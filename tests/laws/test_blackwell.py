"""Blackwell's order: garblings are found, decision problems separate, and both agree."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from numpy.typing import NDArray

from persuasion import PersuasionGame, SchemeError, SignalingScheme
from persuasion.compare import BlackwellComparison, DecisionProblem, blackwell
from persuasion.values import receiver_value

Array = NDArray[np.float64]
SEEDS = st.integers(0, 2**32 - 1)
RELATIONS = {
    "equivalent": "equivalent",
    "a_more_informative": "b_more_informative",
    "b_more_informative": "a_more_informative",
    "incomparable": "incomparable",
}


def random_scheme(rng: np.random.Generator, n_states: int) -> SignalingScheme:
    n_signals = int(rng.integers(1, 6))
    return SignalingScheme(rng.dirichlet(np.full(n_signals, rng.choice([0.3, 1, 4])), n_states))


def channel(rng: np.random.Generator, n_signals: int) -> Array:
    n_new = int(rng.integers(1, 6))
    matrix: Array = rng.dirichlet(np.full(n_new, rng.choice([0.3, 1, 4])), n_signals)
    return matrix


def worth(problem: DecisionProblem, scheme: SignalingScheme) -> float:
    """Best decisions after every signal, written out here."""
    joint = problem.prior[:, None] * scheme.kernel
    return float((joint.T @ problem.utility).max(axis=1).sum())


def assert_witnessed(
    comparison: BlackwellComparison, scheme_a: SignalingScheme, scheme_b: SignalingScheme
) -> None:
    """Every claim comes with a witness, and the witness does what it says."""
    for garbling, problem, source, target, sign in (
        (comparison.garbling_to_b, comparison.favours_b, scheme_a, scheme_b, -1),
        (comparison.garbling_to_a, comparison.favours_a, scheme_b, scheme_a, 1),
    ):
        assert (garbling is None) != (problem is None)
        if garbling is not None:
            assert garbling.min() >= 0
            np.testing.assert_allclose(garbling.sum(axis=1), 1, atol=1e-12)
            np.testing.assert_allclose(source.kernel @ garbling, target.kernel, atol=2e-9)
        if problem is not None:
            assert problem.utility.min() >= 0
            assert problem.utility.max() <= 1
            advantage = worth(problem, scheme_a) - worth(problem, scheme_b)
            assert sign * advantage > 0
            assert advantage == pytest.approx(problem.advantage_of_a, abs=1e-12)


@given(SEEDS, st.integers(1, 5))
def test_a_garbling_is_always_detected(seed: int, n_states: int) -> None:
    rng = np.random.default_rng(seed)
    scheme = random_scheme(rng, n_states)
    blurred = scheme.garble(channel(rng, scheme.n_signals))
    comparison = blackwell(scheme, blurred)
    assert comparison.a_garbles_to_b
    assert_witnessed(comparison, scheme, blurred)


@given(SEEDS, st.integers(1, 5))
def test_witnesses_of_any_pair(seed: int, n_states: int) -> None:
    rng = np.random.default_rng(seed)
    scheme_a, scheme_b = random_scheme(rng, n_states), random_scheme(rng, n_states)
    comparison = blackwell(scheme_a, scheme_b, prior=rng.dirichlet(np.ones(n_states)))
    assert_witnessed(comparison, scheme_a, scheme_b)
    back = blackwell(scheme_b, scheme_a)
    assert back.relation == RELATIONS[comparison.relation]


@given(SEEDS, st.integers(2, 5))
def test_near_misses_are_separated(seed: int, n_states: int) -> None:
    """Almost a garbling: hardly any decision problem separates, so the right one must be found."""
    rng = np.random.default_rng(seed)
    scheme = SignalingScheme(rng.dirichlet(np.full(4, 4.0), n_states))
    blurred = scheme.garble(rng.dirichlet(np.ones(3), 4)).kernel
    stray = rng.dirichlet(np.ones(3), n_states)
    step = 1.0
    while step > 1e-3:  # the last mixture on the way to a garbling that is not one
        mixed = SignalingScheme((1 - step) * blurred + step * stray)
        comparison = blackwell(scheme, mixed)
        if not comparison.a_garbles_to_b:
            last = mixed, comparison
        elif step < 1.0:
            break
        step /= 4
    if step < 1 / 4:
        assert_witnessed(last[1], scheme, last[0])


def test_all_four_relations_occur() -> None:
    """The pairs drawn above would be no test if they were all of one kind."""
    found = set()
    for seed in range(40):
        rng = np.random.default_rng([41, seed])
        scheme_a, scheme_b = random_scheme(rng, 3), random_scheme(rng, 3)
        found.add(blackwell(scheme_a, scheme_b).relation)
    assert found == set(RELATIONS)


@given(SEEDS, st.integers(2, 4))
def test_more_informative_means_more_useful(seed: int, n_states: int) -> None:
    rng = np.random.default_rng(seed)
    scheme = random_scheme(rng, n_states)
    blurred = scheme.garble(channel(rng, scheme.n_signals))
    assert blackwell(scheme, blurred).a_garbles_to_b
    for _ in range(10):
        utility = rng.normal(size=(n_states, int(rng.integers(1, 6))))
        game = PersuasionGame(rng.dirichlet(np.ones(n_states)), np.zeros_like(utility), utility)
        # the Receiver's choice among near-ties may cost 1e-9 of the differences at stake
        assert receiver_value(game, scheme) >= receiver_value(game, blurred) - 1e-8


def test_less_informative_loses_somewhere() -> None:
    """Negative control: the inequality above fails when the roles are exchanged."""
    rng = np.random.default_rng(42)
    scheme = SignalingScheme(rng.dirichlet(np.ones(3), 3))
    blurred = scheme.garble(rng.dirichlet(np.ones(3), 3))
    lost = 0
    for _ in range(50):
        utility = rng.normal(size=(3, 4))
        game = PersuasionGame(np.full(3, 1 / 3), np.zeros_like(utility), utility)
        lost += receiver_value(game, blurred) < receiver_value(game, scheme) - 1e-3
    assert lost > 10


def zonotope_contains(outer: Array, inner: Array) -> bool:
    """Blackwell's criterion for two states: the curve of powers lies above, at every kink."""

    def power(kernel: Array, size: Array) -> Array:
        order = np.argsort(-kernel[:, 1] / np.maximum(kernel[:, 0], 1e-300))
        x = np.concatenate([[0.0], np.cumsum(kernel[order, 0])])
        y = np.concatenate([[0.0], np.cumsum(kernel[order, 1])])
        return np.interp(size, x, y)

    first, second = outer.T, inner.T
    sizes = np.concatenate([np.cumsum(first[:, 0]), np.cumsum(second[:, 0])])
    order = np.argsort(-second[:, 1] / np.maximum(second[:, 0], 1e-300))
    sizes = np.concatenate([sizes, np.cumsum(second[order, 0])])
    return bool((power(first, sizes) >= power(second, sizes) - 1e-9).all())


@given(SEEDS)
def test_two_states_against_most_powerful_tests(seed: int) -> None:
    """With two states the order is that of the Neyman-Pearson curves."""
    rng = np.random.default_rng(seed)
    kernels = rng.dirichlet(np.full(int(rng.integers(2, 5)), 1.5), (2, 2))
    scheme_a, scheme_b = SignalingScheme(kernels[0]), SignalingScheme(kernels[1])
    comparison = blackwell(scheme_a, scheme_b)
    assert comparison.a_garbles_to_b == zonotope_contains(kernels[0], kernels[1])
    assert comparison.b_garbles_to_a == zonotope_contains(kernels[1], kernels[0])


@given(SEEDS)
def test_binary_experiments_against_their_posteriors(seed: int) -> None:
    """Two states, two signals: more informative exactly when the posteriors lie further out."""
    rng = np.random.default_rng(seed)
    schemes = [SignalingScheme(rng.dirichlet([1.0, 1.0], 2)) for _ in range(2)]
    low, high = zip(
        *((q[:, 1].min(), q[:, 1].max()) for q in (s.posteriors([0.5, 0.5]) for s in schemes)),
        strict=True,
    )
    comparison = blackwell(*schemes)
    assert comparison.a_garbles_to_b == (low[0] <= low[1] and high[0] >= high[1])
    assert comparison.b_garbles_to_a == (low[1] <= low[0] and high[1] >= high[0])


def test_ends_of_the_order() -> None:
    rng = np.random.default_rng(43)
    scheme = SignalingScheme(rng.dirichlet(np.ones(4), 3))
    full, none = SignalingScheme.full_disclosure(3), SignalingScheme.no_disclosure(3)
    assert blackwell(full, scheme).relation == "a_more_informative"
    assert blackwell(none, scheme).relation == "b_more_informative"
    shuffled = SignalingScheme(scheme.kernel[:, [2, 0, 3, 1]])
    assert blackwell(scheme, shuffled).relation == "equivalent"
    split = SignalingScheme(np.repeat(scheme.kernel / 2, 2, axis=1))
    assert blackwell(scheme, split).relation == "equivalent"


def test_a_hair_is_seen() -> None:
    sharp = SignalingScheme([[0.9, 0.1], [0.2, 0.8]])
    hair = SignalingScheme([[0.9, 0.1], [0.2 + 1e-6, 0.8 - 1e-6]])
    comparison = blackwell(sharp, hair)
    assert comparison.relation == "a_more_informative"
    assert_witnessed(comparison, sharp, hair)
    assert blackwell(sharp, hair, tolerance=1e-5).relation == "equivalent"


def test_impossible_states_are_ignored() -> None:
    scheme_a = SignalingScheme([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    scheme_b = SignalingScheme([[0.8, 0.2], [0.3, 0.7], [1.0, 0.0]])
    assert blackwell(scheme_a, scheme_b).relation == "incomparable"
    comparison = blackwell(scheme_a, scheme_b, prior=[0.4, 0.6, 0.0])
    assert comparison.relation == "a_more_informative"
    assert comparison.favours_a is not None
    assert comparison.favours_a.utility[2].tolist() == [0.0, 0.0]
    assert comparison.favours_a.prior.tolist() == [0.4, 0.6, 0.0]


def test_improbable_states_count() -> None:
    scheme = SignalingScheme([[0.9, 0.1], [0.2, 0.8], [0.5, 0.5]])
    hidden = SignalingScheme([[0.9, 0.1], [0.2, 0.8], [0.8, 0.2]])
    comparison = blackwell(scheme, hidden, prior=[0.5, 0.5 - 1e-7, 1e-7])
    assert comparison.relation == "incomparable"
    assert_witnessed(comparison, scheme, hidden)


def test_what_it_says() -> None:
    sharp = SignalingScheme([[0.9, 0.1], [0.2, 0.8]])
    comparison = blackwell(sharp, sharp.garble([[0.75, 0.25], [0.25, 0.75]]))
    assert repr(comparison) == "BlackwellComparison('a_more_informative')"
    lines = comparison.summary().splitlines()
    assert lines[0] == "a more informative"
    assert lines[1] == "b is a garbling of a (matrix 2 x 2)"
    assert lines[2].startswith("a is no garbling of b: worth ")
    data: dict[str, Any] = comparison.to_dict()
    assert data["relation"] == "a_more_informative"
    assert data["favours_b"] is None
    with pytest.raises(SchemeError, match="2 and 3 states"):
        blackwell(sharp, SignalingScheme.full_disclosure(3))
    with pytest.raises(SchemeError, match="sum to 1"):
        blackwell(sharp, sharp, prior=[0.5, 0.6])
    with pytest.raises(SchemeError, match="shape"):
        blackwell(sharp, sharp, prior=[1.0])
