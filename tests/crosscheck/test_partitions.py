"""The best partition against all partitions listed, and against every other scheme where convex."""

from collections.abc import Iterator

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persuasion import (
    Bayesian,
    Biased,
    PersuasionError,
    PersuasionGame,
    Quantal,
    SignalingScheme,
    UnsupportedError,
    sender_value,
    solve,
)
from persuasion.partitions import MOST_STATES, best_partition, has_convex_value
from persuasion.receivers import PosteriorSampling

RULES = (PosteriorSampling(), Bayesian(), Bayesian("adversarial"), Quantal(3.0), Biased(0.3))


def partitions(states: list[int]) -> Iterator[list[list[int]]]:
    """All set partitions, the textbook way: the first state joins a block or makes its own."""
    if not states:
        yield []
        return
    first, *others = states
    for partition in partitions(others):
        yield [[first], *partition]
        for i in range(len(partition)):
            yield [*partition[:i], [first, *partition[i]], *partition[i + 1 :]]


def scheme_of(partition: list[list[int]], n: int) -> SignalingScheme:
    kernel = np.zeros((n, len(partition)))
    for signal, block in enumerate(partition):
        kernel[block, signal] = 1
    return SignalingScheme(kernel)


def random_game(rng: np.random.Generator, n: int, *, subjective: bool = False) -> PersuasionGame:
    prior = rng.dirichlet(np.ones(n))
    own = rng.dirichlet(np.ones(n)) if subjective else None
    return PersuasionGame(
        prior, rng.normal(size=(n, n)), rng.normal(size=(n, n)), receiver_prior=own
    )


def convex_table(rng: np.random.Generator, n: int) -> np.ndarray:
    """Positive semidefinite on differences of beliefs, made indefinite elsewhere."""
    root = rng.normal(size=(n, n - 1))
    shift, skew = rng.normal(size=n) * 3, rng.normal(size=(n, n))
    return root @ root.T + shift[:, None] + (skew - skew.T) + rng.normal(size=n)[None, :]


@pytest.mark.parametrize("rule", RULES, ids=repr)
@pytest.mark.parametrize("subjective", [False, True])
def test_no_listed_partition_is_better(rule, subjective):
    rng = np.random.default_rng(3)
    for n in (1, 2, 3, 5):
        game = random_game(rng, n, subjective=subjective)
        for k in range(1, n + 2):
            every = [p for p in partitions(list(range(n))) if len(p) <= k]
            best = max(sender_value(game, scheme_of(p, n), rule) for p in every)
            found = best_partition(game, k, rule)
            assert found.value == pytest.approx(best, abs=1e-12)
            assert len(found.blocks) <= k
            assert sorted(w for block in found.blocks for w in block) == list(range(n))
            kernel = scheme_of([list(block) for block in found.blocks], n).kernel
            assert found.scheme.kernel.tolist() == kernel.tolist()


def test_the_listing_is_complete():
    assert [sum(1 for _ in partitions(list(range(n)))) for n in range(1, 7)] == [
        1,
        2,
        5,
        15,
        52,
        203,
    ]


def random_kernels(rng: np.random.Generator, n: int, k: int) -> Iterator[SignalingScheme]:
    for concentration in (0.1, 0.5, 2.0):
        for _ in range(60):
            yield SignalingScheme(rng.dirichlet(np.full(k, concentration), size=n))


def test_where_convex_no_kernel_beats_it():
    rng = np.random.default_rng(8)
    for n, k in ((2, 2), (3, 2), (4, 3), (5, 2)):
        for subjective in (False, True):
            own = rng.dirichlet(np.ones(n)) if subjective else None
            prior = rng.dirichlet(np.ones(n))
            table = convex_table(rng, n)
            if own is not None:
                table = table * (own / prior)[:, None]  # the weights are prior / own
            game = PersuasionGame(prior, table, np.zeros((n, n)), receiver_prior=own)
            found = best_partition(game, k, PosteriorSampling())
            assert found.convex is True
            for scheme in random_kernels(rng, n, k):
                assert sender_value(game, scheme, PosteriorSampling()) <= found.value + 1e-10


def test_where_not_convex_mixing_beats_it():
    """q' v q with v the identity negated is concave: the prior is the best belief of all."""
    v = [[0.0, 1.0], [1.0, 0.0]]
    game = PersuasionGame([0.5, 0.5], v, v)
    silent = best_partition(game, 2, PosteriorSampling())
    assert (silent.convex, silent.blocks, silent.value) == (False, ((0, 1),), 0.5)
    # two states that must be told apart, and a third that does each of them good: 2 x_i x_2 / x(I)
    v = [[0, -10, 1], [-10, 0, 1], [1, 1, 0]]
    game = PersuasionGame(["1/3", "1/3", "1/3"], v, v)
    found = best_partition(game, 2, PosteriorSampling())
    assert (found.convex, found.value) == (False, pytest.approx(1 / 3, abs=1e-15))
    mixed = SignalingScheme([[1, 0], [0, 1], [0.5, 0.5]])
    assert sender_value(game, mixed, PosteriorSampling()) == pytest.approx(4 / 9, abs=1e-15)


@given(st.integers(0, 10_000), st.integers(2, 4))
def test_convexity_is_that_of_the_indirect_utility(seed, n):
    """A chord never lies below where it says convex, and some chord does where it says not."""
    rng = np.random.default_rng(seed)
    game = random_game(rng, n, subjective=bool(seed % 2))
    if seed % 3 == 0:
        table = convex_table(rng, n) * (game.receiver_prior / game.prior)[:, None]
        game = PersuasionGame(game.prior, table, table, receiver_prior=game.receiver_prior)
    weight = (game.prior / game.receiver_prior)[:, None] * game.sender_utility
    middle = np.full(n, 1 / n)
    steps = rng.normal(size=(200, n))
    steps -= steps.mean(axis=1, keepdims=True)
    symmetric = weight + weight.T
    basis = np.linalg.svd(np.ones((1, n)))[2][1:]  # rows span what sums to zero
    _, vectors = np.linalg.eigh(basis @ symmetric @ basis.T)
    steps = np.vstack([steps, vectors.T @ basis])
    steps /= 2 * n * np.abs(steps).max(axis=1, keepdims=True)  # stay inside the simplex

    def value(q):
        return np.einsum("...w,wa,...a->...", q, weight, q)

    bend = value(middle + steps) + value(middle - steps) - 2 * value(middle)
    assert has_convex_value(game, PosteriorSampling()) is bool(bend.min() >= -1e-10)


def test_impossible_states_do_not_count():
    v = np.array([[1.0, 0, 0], [0, 1.0, 0], [0, 0, -9.0]])
    game = PersuasionGame([0.5, 0.5, 0], v, v)
    assert has_convex_value(game, PosteriorSampling()) is True
    assert has_convex_value(game.with_prior([0.4, 0.4, 0.2]), PosteriorSampling()) is False
    found = best_partition(game, 2, PosteriorSampling())
    assert found.value == pytest.approx(1.0)


def test_aligned_best_responder_is_recognised_and_nobody_beats_the_partition():
    rng = np.random.default_rng(5)
    u = rng.normal(size=(4, 4))
    game = PersuasionGame(rng.dirichlet(np.ones(4)), 2 * u + rng.normal(size=(4, 1)), u)
    for k in (1, 2, 3, 4):
        found = best_partition(game, k)
        assert found.convex is True
        assert found.value == pytest.approx(float(solve(game, max_signals=k).value), abs=1e-9)
    assert has_convex_value(random_game(rng, 4)) is None
    assert has_convex_value(PersuasionGame(game.prior, -u, u)) is None
    assert has_convex_value(game, Quantal(2.0)) is None


def test_misaligned_best_responder_is_persuaded_better_by_mixing():
    prosecutor = PersuasionGame(["7/10", "3/10"], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    found = best_partition(prosecutor, 2)
    assert (found.convex, found.value) == (None, pytest.approx(0.3))
    assert solve(prosecutor).value == pytest.approx(0.6)


def test_many_states():
    n = MOST_STATES
    rng = np.random.default_rng(2)
    u = rng.random((n, n))
    game = PersuasionGame(np.full(n, 1 / n), u, u)
    found = best_partition(game, 3)
    assert len(found.blocks) <= 3
    with pytest.raises(UnsupportedError, match="at most"):
        best_partition(PersuasionGame(np.full(n + 1, 1 / (n + 1)), *[np.eye(n + 1)] * 2), 2)


def test_errors():
    game = PersuasionGame([0.5, 0.5], [[0, 1, 2]] * 2, [[0, 1, 2]] * 2)
    with pytest.raises(PersuasionError, match="`n_signals`"):
        best_partition(game, 0)
    with pytest.raises(UnsupportedError, match="one action for each state"):
        best_partition(game, 2, PosteriorSampling())
    with pytest.raises(UnsupportedError, match="one action for each state"):
        has_convex_value(game, PosteriorSampling())


def test_shown():
    game = PersuasionGame([0.5, 0.5], np.eye(2), np.eye(2), states=["wet", "dry"])
    found = best_partition(game, 2, PosteriorSampling())
    assert "wet | dry" in found.summary()
    assert "no scheme" in found.summary()
    assert repr(found) == "BestPartition(value=1, blocks=((0,), (1,)), convex=True)"
