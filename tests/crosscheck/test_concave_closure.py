"""The concave closure against the obedience program, dense hulls and known values."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog
from scipy.spatial import ConvexHull

from persuasion import Biased, PersuasionGame, Quantal, UnsupportedError, solve
from persuasion.beliefs import indirect_utility
from persuasion.cell_vertices import cell_vertices
from persuasion.concave_closure import (
    ConcaveClosure,
    closure_on_points,
    concave_closure,
    utility_against,
)
from persuasion.errors import PersuasionError
from persuasion.simplex_mesh import SimplexMesh
from persuasion.solvers.concave_closure import ConcaveClosureSolver

Array = NDArray[np.float64]
Function = Callable[[Array], Array]

PROSECUTOR = (np.array([[0.0, 1.0], [0.0, 1.0]]), np.eye(2))


def obedience_value(
    prior: Array, sender: Array, receiver: Array, receiver_prior: Array | None = None
) -> float:
    """Value of a game by the obedience program, written out here."""
    m, n = sender.shape
    own = prior if receiver_prior is None else receiver_prior
    rows = np.zeros((n, n, m, n))
    for a in range(n):
        rows[a, :, :, a] = ((receiver - receiver[:, [a]]) * own[:, None]).T
    answer = linprog(
        -(prior[:, None] * sender).ravel(),
        A_ub=rows.reshape(n * n, -1),
        b_ub=np.zeros(n * n),
        A_eq=np.kron(np.eye(m), np.ones(n)),
        b_eq=np.ones(m),
        options={"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    )
    return float(-answer.fun)


def simplex_grid(n_states: int, n: int) -> Array:
    """All beliefs with denominators n."""
    if n_states == 2:
        first = np.arange(n + 1) / n
        return np.stack([1 - first, first], axis=1)
    i, j = np.meshgrid(np.arange(n + 1), np.arange(n + 1), indexing="ij")
    kept = i + j <= n
    i, j = i[kept], j[kept]
    return np.stack([i, j, n - i - j], axis=1) / n


def hull_value(function: Function, prior: Array, n: int) -> float:
    """Height of the upper hull of the graph over a dense grid, by Qhull's facets."""
    grid = simplex_grid(len(prior), n)
    values = function(grid)
    low = np.concatenate([np.eye(len(prior)) @ np.eye(len(prior), len(prior) - 1)])
    cloud = np.column_stack([grid[:, :-1], values])
    floor = np.column_stack([low, np.full(len(prior), values.min() - 1.0)])
    hull = ConvexHull(np.concatenate([cloud, floor]))
    normals, offsets = hull.equations[:, :-1], hull.equations[:, -1]
    up = normals[:, -1] > 1e-9
    heights = -(normals[up, :-1] @ prior[:-1] + offsets[up]) / normals[up, -1]
    return float(heights.min())


def sine(beliefs: Array) -> Array:
    return np.sin(9 * beliefs[:, 1]) + beliefs[:, 1] ** 2


def parabola(beliefs: Array) -> Array:
    return -((beliefs[:, 1] - 0.5) ** 2)


def waves(beliefs: Array) -> Array:
    return np.sin(7 * beliefs[:, 0]) * np.cos(5 * beliefs[:, 1]) + beliefs[:, 2] ** 2


# function, L1 Lipschitz constant, curvature constant; with sum|d| = 2|d_1| for two states, and
# |d_0|, |d_1|, |d_2| <= sum|d| / 2 for three
SMOOTH = {
    "parabola": (parabola, 0.5, 0.5),
    "sine": (sine, (9 + 2) / 2, 81 / 4),
    "waves": (waves, (7 + 5 + 2) / 2, (49 + 2 * 35 + 25) / 4),
}
PRIORS = {
    2: [np.array([0.37, 0.63]), np.array([0.81, 0.19])],
    3: [np.array([0.2, 0.3, 0.5]), np.array([0.55, 0.38, 0.07])],
}


def n_states_of(name: str) -> int:
    return 3 if name == "waves" else 2


def assert_consistent(closure: ConcaveClosure, function: Function, prior: Array) -> None:
    """The split is a split, is worth its value, and the prices are what they claim."""
    assert closure.weights.min() > 0
    assert closure.posteriors.min() >= 0
    np.testing.assert_allclose(closure.weights @ closure.posteriors, prior, atol=1e-12)
    assert closure.weights @ function(closure.posteriors) == pytest.approx(closure.value, abs=1e-12)
    assert len(closure.weights) <= len(prior)
    if math.isfinite(closure.upper_bound):
        assert closure.value <= closure.upper_bound
        assert closure.prices @ prior == pytest.approx(closure.upper_bound, abs=1e-9)
        grid = simplex_grid(len(prior), 400 if len(prior) == 3 else 20_000)
        assert (function(grid) - grid @ closure.prices).max() <= 1e-12


@pytest.mark.parametrize("bounds", ["lipschitz", "curvature", "both"])
@pytest.mark.parametrize("name", SMOOTH)
def test_smooth_functions_against_a_dense_hull(name: str, bounds: str) -> None:
    function, lipschitz, curvature = SMOOTH[name]
    m = n_states_of(name)
    for prior in PRIORS[m]:
        closure = concave_closure(
            function,
            prior,
            lipschitz=None if bounds == "curvature" else lipschitz,
            curvature=None if bounds == "lipschitz" else curvature,
            tolerance=2e-3 if (m, bounds) == (3, "lipschitz") else 1e-6,
            max_cells=100_000,
        )
        assert_consistent(closure, function, prior)
        n = 200 if m == 3 else 5000
        dense = hull_value(function, prior, n)
        step = curvature / 2 * (2 / n) ** 2  # what a grid of this width can miss
        assert dense - 1e-9 <= closure.upper_bound
        assert closure.value <= dense + step
        spread = np.ptp(function(simplex_grid(m, 50)))
        if not (m == 3 and bounds == "lipschitz"):
            assert closure.finished
            assert closure.error_bound <= 1.01e-6 * spread
        assert closure.error_bound <= 0.02 * spread


def between(mesh: SimplexMesh, function: Function, rng: np.random.Generator) -> Array:
    """Largest rise of the function over its corners' average seen in each cell."""
    m = mesh.corners.shape[1]
    weights = np.concatenate([rng.dirichlet(np.ones(m), 200), np.full((1, m), 1 / m)])
    weights = np.concatenate([weights, np.eye(m) / 2 + np.roll(np.eye(m), 1, axis=1) / 2])
    inside = np.einsum("lc,kcs->kls", weights, mesh.corners)
    values = function(inside.reshape(-1, m)).reshape(len(inside), -1)
    rise: Array = (values - mesh.values @ weights.T).max(axis=1)
    return rise


@pytest.mark.parametrize("m", [2, 3, 4])
@pytest.mark.parametrize("bounds", ["lipschitz", "curvature", "cells"])
def test_bounds_inside_cells_hold_and_are_attained(bounds: str, m: int) -> None:
    """Functions that peak at the centre: half the bound would be violated."""
    rng = np.random.default_rng([24, m])
    centre = np.full(m, 1 / m)

    def cone(beliefs: Array) -> Array:
        return -np.abs(beliefs - centre).sum(axis=1)

    def bowl(beliefs: Array) -> Array:  # d^2/dt^2 = -2 |d|_2^2, at least -sum|d|^2
        return -((beliefs - centre) ** 2).sum(axis=1)

    def bend(cells: Array) -> Array:
        first, second = np.triu_indices(m, 1)
        squares: Array = 2 * ((cells[:, first] - cells[:, second]) ** 2).sum(axis=2)
        return squares

    function = cone if bounds == "lipschitz" else bowl
    options = {"lipschitz": {"lipschitz": 1.0}, "curvature": {"curvature": 1.0}}
    given = options.get(bounds, {"curvature": bend})
    tightest = 0.0
    for n_points in (1, 4):
        mesh = SimplexMesh(function, m, n_points, **given)
        rise = between(mesh, function, rng)
        assert (rise <= mesh.between + 1e-12).all()
        tightest = max(tightest, float((rise / mesh.between).max()))
    # the L1 distances that the bound uses are attained by cones, by bowls with two states only
    assert tightest > (0.999 if bounds == "lipschitz" or m == 2 else 0.6)


@pytest.mark.parametrize("name", SMOOTH)
def test_without_constants_the_value_is_good_and_the_error_unknown(name: str) -> None:
    function, _, curvature = SMOOTH[name]
    m = n_states_of(name)
    for prior in PRIORS[m]:
        closure = concave_closure(function, prior)
        assert closure.upper_bound == math.inf
        assert "unknown" in closure.summary()
        assert_consistent(closure, function, prior)
        n = 200 if m == 3 else 5000
        dense = hull_value(function, prior, n)
        assert closure.value == pytest.approx(dense, abs=curvature / 2 * (2 / n) ** 2 + 1e-5)


def test_parabola_is_its_own_closure() -> None:
    closure = concave_closure(parabola, [0.3, 0.7], curvature=0.5)
    assert closure.value == pytest.approx(-0.04, abs=1e-7)
    assert closure.posteriors.tolist() == [[0.3, 0.7]]


@pytest.mark.parametrize("bounds", ["lipschitz", "curvature"])
def test_understated_constants_are_caught_by_a_dense_hull(bounds: str) -> None:
    """Negative control: constants that ignore a narrow peak give a "bound" below the truth."""
    prior, width = np.array([0.5, 0.5]), 2e-4

    def peaked(beliefs: Array) -> Array:
        return parabola(beliefs) + 1 / (1 + ((beliefs[:, 1] - 0.317) / width) ** 2)

    dense = hull_value(peaked, prior, 20_000)
    true = {"lipschitz": 0.5 + 0.65 / width / 2, "curvature": 0.5 + 2 / width**2 / 4}[bounds]
    right = concave_closure(peaked, prior, n_points=2, **{bounds: true})
    assert right.finished
    assert dense <= right.upper_bound <= dense + 1e-4
    wrong = concave_closure(peaked, prior, n_points=2, **{bounds: 0.5})
    assert wrong.upper_bound < dense - 0.1


def test_limits_leave_a_valid_bound() -> None:
    function, lipschitz, _ = SMOOTH["waves"]
    prior = PRIORS[3][0]
    dense = hull_value(function, prior, 200)
    previous = math.inf
    for max_cells in (400, 2_000, 10_000, 50_000):
        closure = concave_closure(function, prior, lipschitz=lipschitz, max_cells=max_cells)
        assert not closure.finished
        assert dense <= closure.upper_bound < previous
        previous = closure.upper_bound
    quick = concave_closure(function, prior, lipschitz=lipschitz, time_limit=1e-6)
    assert not quick.finished
    assert dense <= quick.upper_bound


def test_jumps_need_breakpoints() -> None:
    threshold = 1 / math.sqrt(5)

    def step(beliefs: Array) -> Array:
        return (beliefs[:, 1] >= threshold).astype(float)

    at = [[1 - threshold, threshold]]
    assert step(np.array(at)) == 1
    prior = [0.8, 0.2]
    plain = concave_closure(step, prior)
    given = concave_closure(step, prior, breakpoints=at)
    assert given.value == pytest.approx(0.2 / threshold, abs=1e-12)
    assert given.value - 1e-3 < plain.value < given.value


def test_impossible_states_and_a_sure_one() -> None:
    inside = concave_closure(sine, [0.37, 0.63], curvature=81 / 4)

    def wide(beliefs: Array) -> Array:
        assert beliefs.shape[1] == 3
        return sine(beliefs[:, [0, 2]])

    outside = concave_closure(wide, [0.37, 0.0, 0.63], curvature=81 / 4)
    assert outside.value == inside.value
    assert outside.posteriors[:, 1].tolist() == [0.0, 0.0]
    assert np.isnan(outside.prices).tolist() == [False, True, False]
    sure = concave_closure(wide, [0.0, 0.0, 1.0], curvature=81 / 4)
    assert sure.value == pytest.approx(float(sine(np.array([[0.0, 1.0]]))[0]), abs=1e-15)
    assert sure.error_bound < 1e-12


def test_tiny_and_huge_utils() -> None:
    for scale in (1e-9, 1e9):
        closure = concave_closure(
            lambda beliefs: scale * (sine(beliefs) + 3),  # noqa: B023
            [0.37, 0.63],
            curvature=scale * 81 / 4,
        )
        reference = concave_closure(sine, [0.37, 0.63], curvature=81 / 4)
        assert closure.value / scale - 3 == pytest.approx(reference.value, abs=3e-6)
        assert closure.finished


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: concave_closure(sine, [0.2] * 5), "at most 4 possible states"),
        (lambda: concave_closure(sine, [0.2, 0.7]), "sum to 1"),
        (lambda: concave_closure(lambda q: q, [0.2, 0.8]), "returned shape"),
        (
            lambda: concave_closure(lambda q: np.where(q[:, 0] > 0.5, np.nan, 0.0), [0.2, 0.8]),
            "not finite",
        ),
        (lambda: concave_closure(sine, [0.2, 0.8], lipschitz=-1), "finite number >= 0"),
        (lambda: concave_closure(sine, [0.2, 0.8], breakpoints=[0.5, 0.5]), "must have shape"),
        (lambda: concave_closure(sine, [0.2, 0.8], breakpoints=[[0.5, 0.6]]), "must be beliefs"),
        (lambda: closure_on_points([[0.5, 0.5]], [1], [0.2, 0.8]), "not an average"),
        (
            lambda: concave_closure(sine, [0.2, 0.8], curvature=lambda cells: cells),
            "one number per pair",
        ),
    ],
)
def test_messages(call: Callable[[], object], message: str) -> None:
    with pytest.raises(PersuasionError, match=message):
        call()


# -- best responders: exact, against the obedience program ---------------------------------


@pytest.mark.parametrize("share", [0.05, 0.2, 0.3, 0.4999, 0.5, 0.7])
def test_prosecutor(share: float) -> None:
    game = PersuasionGame([1 - share, share], *PROSECUTOR)
    solution = solve(game, method="concave_closure")
    assert solution.value == pytest.approx(min(1.0, 2 * share), abs=1e-12)
    assert solution.status == "optimal"


def random_game(seed: int, *, integers: bool) -> tuple[Array, Array, Array]:
    rng = np.random.default_rng([17, seed])
    m, n = int(rng.integers(2, 5)), int(rng.integers(1, 6))
    prior = rng.dirichlet(np.ones(m))
    if integers:  # many ties, duplicate and dominated actions
        return (
            prior,
            rng.integers(0, 3, (m, n)).astype(float),
            rng.integers(0, 3, (m, n)).astype(float),
        )
    return prior, rng.random((m, n)), rng.random((m, n))


@pytest.mark.parametrize("integers", [False, True], ids=["generic", "ties"])
def test_games_against_the_obedience_program(integers: bool) -> None:
    for seed in range(60):
        prior, sender, receiver = random_game(seed, integers=integers)
        game = PersuasionGame(prior, sender, receiver)
        solution = solve(game, method="concave_closure")
        truth = obedience_value(prior, sender, receiver)
        assert solution.value == pytest.approx(truth, abs=1e-8), seed
        assert solution.upper_bound == pytest.approx(truth, abs=1e-8), seed


def test_dropping_cells_is_caught() -> None:
    """Negative control: with the vertices of one action's cell only, games lose value."""
    lost = 0
    for seed in range(60):
        prior, sender, receiver = random_game(seed, integers=False)
        game = PersuasionGame(prior, sender, receiver)
        vertices, actions = cell_vertices(receiver)
        points = np.concatenate([np.eye(len(prior)), prior[None], vertices[actions == 0]])
        value = closure_on_points(points, indirect_utility(game, points), prior).value
        lost += value < obedience_value(prior, sender, receiver) - 1e-6
    assert lost > 0


@pytest.mark.parametrize("scale", [1e-9, 1.0, 1e9])
def test_scale_of_the_receivers_utils_does_not_matter(scale: float) -> None:
    prior, sender, receiver = random_game(3, integers=False)
    value = solve(PersuasionGame(prior, sender, scale * receiver), method="concave_closure").value
    assert value == pytest.approx(obedience_value(prior, sender, receiver), abs=1e-8)


def test_subjective_priors_against_the_obedience_program() -> None:
    for seed in range(30):
        prior, sender, receiver = random_game(seed, integers=seed % 2 == 0)
        own = np.random.default_rng([18, seed]).dirichlet(np.ones(len(prior)))
        if seed % 3 == 0:  # a state that only the Receiver deems possible
            prior = np.concatenate([[0.0], prior[1:] / prior[1:].sum()])
        game = PersuasionGame(prior, sender, receiver, receiver_prior=own)
        truth = obedience_value(prior, sender, receiver, own)
        solution = solve(game, method="concave_closure")
        assert solution.value == pytest.approx(truth, abs=1e-8), seed
        assert solution.upper_bound == pytest.approx(truth, abs=1e-8), seed
        mean = solution.scheme.signal_probabilities(own) @ solution.scheme.posteriors(own)
        np.testing.assert_allclose(mean, own, atol=1e-12)


def test_biased_receiver_against_the_obedience_program() -> None:
    for seed in range(20):
        prior, sender, receiver = random_game(seed, integers=False)
        seen = 0.6 * receiver + 0.4 * (prior @ receiver)
        solution = solve(
            PersuasionGame(prior, sender, receiver), receiver=Biased(0.4), method="concave_closure"
        )
        assert solution.value == pytest.approx(obedience_value(prior, sender, seen), abs=1e-8)


# -- quantal response ----------------------------------------------------------------------


def quantal_case(seed: int) -> tuple[PersuasionGame, Quantal]:
    rng = np.random.default_rng([19, seed])
    m, n = int(rng.integers(2, 5)), int(rng.integers(2, 6))
    sender = rng.random((m, n)) ** 3 if seed % 2 else np.tile(rng.random(n), (m, 1))
    game = PersuasionGame(rng.dirichlet(np.ones(m)), sender, rng.random((m, n)) ** 2)
    return game, Quantal(float(rng.choice([0.0, 0.5, 3.0, 10.0, 40.0])))


def slopes(game: PersuasionGame, receiver: Quantal, rng: np.random.Generator) -> float:
    """Largest |difference of v-hat| / |difference of beliefs| seen over random pairs."""
    utility = utility_against(game, receiver)
    pairs = rng.dirichlet(np.full(game.n_states, 0.5), (2, 4000))
    near = pairs[0] + 1e-3 * (pairs[1] - pairs[0])
    first, second = np.concatenate([pairs[0], pairs[0]]), np.concatenate([pairs[1], near])
    gap = np.abs(first - second).sum(axis=1)
    kept = gap > 1e-6
    return float((np.abs(utility(first) - utility(second))[kept] / gap[kept]).max())


def test_lipschitz_constant_is_never_violated_and_not_loose() -> None:
    rng = np.random.default_rng(20)
    ratios = []
    for seed in range(120):
        game, receiver = quantal_case(seed)
        constant = receiver.lipschitz(game)
        seen = slopes(game, receiver, rng)
        assert seen <= constant * (1 + 1e-9) + 1e-9  # differences of 1e-16 over gaps of 1e-6
        ratios.append(seen / constant if constant > 0 else 1.0)
    assert max(ratios) > 0.9
    assert np.median(ratios) > 0.2
    assert sum(ratio > 0.5 for ratio in ratios) >= 10  # half the constant would be violated


def test_curvature_is_never_violated_and_not_loose() -> None:
    rng = np.random.default_rng(21)
    ratios = []
    for seed in range(400):
        game, receiver = quantal_case(seed)
        m = game.n_states
        cell = rng.dirichlet(np.full(m, 0.5), (1, m))
        centre = cell.mean(axis=1, keepdims=True)
        cell = centre + (cell - centre) * rng.choice([1.0, 0.3, 0.05])
        bound = receiver.curvature(game, cell)
        assert bound.shape == (1, m * (m - 1) // 2)
        inside = rng.dirichlet(np.full(m, 0.5), (400, 2)) @ cell[0]
        utility = utility_against(game, receiver)
        first, second = inside[:, 0], inside[:, 1]
        # f(a) + f(b) - 2 f(middle) is a quarter of an average of second derivatives
        bend = 4 * (2 * utility((first + second) / 2) - utility(first) - utility(second)).max()
        assert bend <= bound.max() * (1 + 1e-9) + 1e-11
        if bound.max() > 1e-6:
            ratios.append(bend / bound.max())
    assert max(ratios) > 0.9
    assert sum(ratio > 0.5 for ratio in ratios) >= 10


@pytest.mark.parametrize("seed", range(12))
def test_quantal_optimum_against_a_dense_hull(seed: int) -> None:
    game, receiver = quantal_case(seed)
    if game.n_states == 4:
        game = game.restrict(states=[0, 1, 2])
    solution = solve(game, receiver=receiver)
    assert solution.method == "concave_closure"
    n = 250 if game.n_states == 3 else 4000
    utility = utility_against(game, receiver)
    dense = hull_value(utility, game.prior, n)
    assert dense <= solution.upper_bound + 1e-9
    assert solution.value >= dense - 2e-6
    assert solution.upper_bound - solution.value <= 1e-5 * np.ptp(game.sender_utility)
    assert solution.value <= dense + receiver.lipschitz(game) * 2 / n


@dataclass(frozen=True)
class LipschitzOnly:
    """A Quantal Receiver who states her Lipschitz constant, times a factor, and nothing else."""

    beta: float
    factor: float = 1.0

    def respond(self, game: PersuasionGame, posteriors: Array) -> Array:
        return Quantal(self.beta).respond(game, posteriors)

    def lipschitz(self, game: PersuasionGame) -> float:
        return self.factor * Quantal(self.beta).lipschitz(game)


def test_a_lipschitz_constant_is_enough() -> None:
    for seed in range(8):
        game, receiver = quantal_case(seed)
        game = game.restrict(states=[0, 1])
        fine = solve(game, receiver=receiver)
        plain = solve(game, receiver=LipschitzOnly(receiver.beta))
        assert plain.upper_bound >= fine.value - 1e-12
        assert plain.value == pytest.approx(fine.value, abs=5e-6)
        assert plain.upper_bound - plain.value <= 1e-4 * np.ptp(game.sender_utility)


def test_four_states_stay_within_their_bound() -> None:
    rng = np.random.default_rng(22)
    game = PersuasionGame(rng.dirichlet(np.ones(4)), rng.random((4, 3)), rng.random((4, 3)))
    solution = solve(game, receiver=Quantal(10.0), method=ConcaveClosureSolver(tolerance=1e-4))
    assert solution.upper_bound - solution.value <= 1e-4
    utility = utility_against(game, Quantal(10.0))
    beliefs = np.concatenate([rng.dirichlet(np.full(4, 0.3), 4000), np.eye(4), game.prior[None]])
    sampled = closure_on_points(beliefs, utility(beliefs), game.prior)
    assert sampled.value <= solution.upper_bound
    assert sampled.value <= solution.value + 1e-4


# -- what is refused -----------------------------------------------------------------------


class Stubborn:
    """A Receiver about whom nothing is known."""

    def respond(self, game: PersuasionGame, posteriors: Array) -> Array:
        return np.full((len(posteriors), game.n_actions), 1 / game.n_actions)


def test_refusals_say_what_to_do() -> None:
    rng = np.random.default_rng(23)
    small = PersuasionGame([0.3, 0.7], rng.random((2, 2)), rng.random((2, 2)))
    large = PersuasionGame(np.full(5, 0.2), rng.random((5, 2)), rng.random((5, 2)))
    wide = PersuasionGame(np.full(4, 0.25), rng.random((4, 60)), rng.random((4, 60)))
    own = PersuasionGame(
        [0.3, 0.7], rng.random((2, 2)), rng.random((2, 2)), receiver_prior=[0.5, 0.5]
    )
    cases = [
        (large, {}, "at most 4 possible states.*method='lp'"),
        (large, {"receiver": Quantal(1.0)}, "at most 4 possible states.*merge states"),
        (wide, {}, "too many best-response cells"),
        (small, {"margin": 0.1}, "margin; use method='lp'"),
        (small, {"max_signals": 1}, "cannot restrict recommendations"),
        (own, {"receiver": Quantal(1.0)}, "needs a common prior"),
        (small, {"receiver": Stubborn()}, "no method lipschitz"),
    ]
    for game, options, message in cases:
        with pytest.raises(UnsupportedError, match=message):
            solve(game, method="concave_closure", **options)
