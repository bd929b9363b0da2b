"""The exact method against published values, brute force in beliefs and a floating LP."""

from __future__ import annotations

import itertools
import json
import sys
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st
from scipy.optimize import linprog

from persuasion import solvers
from persuasion.certificate import certify
from persuasion.errors import InfeasibleError, NotSolvedError, PersuasionError
from persuasion.game import PersuasionGame
from persuasion.integer_basis import IntegerProgram, fastest_integer
from persuasion.problem import Candidate, Problem, Vertex
from persuasion.rational_simplex import RationalSimplex, certificate_of, check_certificate
from persuasion.receivers import Bayesian, Biased, Quantal
from persuasion.solve import solve
from persuasion.solvers import structured
from persuasion.solvers.exact import SOLVER, floating_start

REFERENCE = Path(__file__).parents[3] / "shared/reference/persuasion_games.json"
PROSECUTOR = PersuasionGame(["7/10", "3/10"], [[0, 1], [0, 1]], [[1, 0], [0, 1]])


def _number(name):
    return int if name == "int" else pytest.importorskip("flint").fmpz


@pytest.fixture(params=["int", "fmpz"])
def integer(request):
    return _number(request.param)


def _problem(game, **options):
    return Problem.of(game, options.pop("receiver", Bayesian()), **options)


def _optimum(problem, start=None, integer=None):
    """Solve, insist on an exact certificate from the problem alone, return both."""
    simplex = RationalSimplex(problem, start, integer=integer)
    found = simplex.maximise()
    certificate = check_certificate(
        problem.exact, found.masses, found.prices, actions=problem.actions
    )
    assert found.optimal
    assert certificate.optimal, certificate
    assert certificate.value == found.value
    return found, simplex


# -- games -----------------------------------------------------------------------------------


def _uniform(rng, m, n):
    return PersuasionGame(rng.dirichlet(np.ones(m)), rng.random((m, n)), rng.random((m, n)))


def _integers(high):
    def family(rng, m, n):
        u, v = rng.integers(0, high, (2, m, n))
        return PersuasionGame([Fraction(1, m)] * m, v, u)

    return family


def _state_independent(rng, m, n):
    v = np.tile(rng.random(n), (m, 1))
    return PersuasionGame(rng.dirichlet(np.ones(m)), v, rng.random((m, n)))


def _quadratic(rng, m, n):
    state, action = np.linspace(0, 1, m)[:, None], np.linspace(0, 1, n)[None, :]
    bias = rng.uniform(0, 0.4)
    prior = rng.dirichlet(np.ones(m))
    return PersuasionGame(prior, -((action - state - bias) ** 2), -((action - state) ** 2))


def _duplicates(rng, m, n):
    u, v = rng.integers(0, 3, (2, m, n))
    for table in (u, v):
        table[:, -1] = table[:, 0]
        table[-1] = table[0]
    return PersuasionGame([Fraction(1, m)] * m, v, u)


def _nothing_at_stake(rng, m, n):
    u, v = np.zeros((2, m, n), dtype=int)
    if rng.random() < 0.5:
        u = rng.integers(0, 2, (m, n))
    if rng.random() < 0.3:
        v = rng.integers(0, 2, (m, n))
    return PersuasionGame([Fraction(1, m)] * m, v, u)


def _badly_scaled(rng, m, n):
    """Receiver payoffs of size 1e-8 to 1e4, near ties of 1e-10, weights down to 1e-12."""
    scale = [Fraction(10) ** int(k) for k in rng.integers(-8, 5, m)]
    table = rng.integers(0, 1000, (m, n))
    u = [[Fraction(int(x), 1000) * s for x in row] for row, s in zip(table, scale, strict=True)]
    if n > 1:
        for w in range(0, m, 3):
            u[w][1] = u[w][0] + Fraction(1, 10**10)
    weights = [Fraction(1, 10 ** int(k)) for k in rng.integers(0, 13, m)]
    prior = [p / sum(weights) for p in weights]
    return PersuasionGame(prior, rng.random((m, n)), u)


def _rational(rng, m, n):
    def table():
        p, q = rng.integers(1, 1000, (2, m, n)).tolist()
        return [
            [Fraction(a, b) for a, b in zip(*rows, strict=True)] for rows in zip(p, q, strict=True)
        ]

    weights = [Fraction(int(k)) for k in rng.integers(1, 1000, m)]
    return PersuasionGame([p / sum(weights) for p in weights], table(), table())


FAMILIES = {
    "uniform": _uniform,
    "integers 0..3": _integers(4),
    "zero-one": _integers(2),
    "state-independent": _state_independent,
    "quadratic": _quadratic,
    "duplicates": _duplicates,
    "nothing at stake": _nothing_at_stake,
    "badly scaled": _badly_scaled,
    "rational": _rational,
}
SHAPES = [(1, 4), (4, 1), (2, 2), (3, 5), (7, 4), (10, 5)]
each_family = pytest.mark.parametrize("family", FAMILIES.values(), ids=FAMILIES.keys())


# -- independent routes ----------------------------------------------------------------------


def _solve_square(matrix, right):
    """Gauss-Jordan in fractions; None when singular."""
    rows = [[*line, r] for line, r in zip(matrix, right, strict=True)]
    size = len(rows)
    for i in range(size):
        pivot = next((k for k in range(i, size) if rows[k][i] != 0), None)
        if pivot is None:
            return None
        rows[i], rows[pivot] = rows[pivot], rows[i]
        rows[i] = [x / rows[i][i] for x in rows[i]]
        for k in range(size):
            if k != i:
                factor = rows[k][i]
                rows[k] = [x - factor * y for x, y in zip(rows[k], rows[i], strict=True)]
    return [row[-1] for row in rows]


def _value_in_beliefs(game):
    """Concave closure at the prior, by enumeration: corners of the best-response cells, then all
    splits of the prior into as many corners as there are states."""
    numbers = game.exact
    m, n = game.n_states, game.n_actions
    u, v = numbers.receiver_utility, numbers.sender_utility
    worth = {}
    for a in range(n):
        faces = [[Fraction(int(w == i)) for w in range(m)] for i in range(m)]
        faces += [[u[w][a] - u[w][b] for w in range(m)] for b in range(n) if b != a]
        for chosen in itertools.combinations(faces, m - 1):
            belief = _solve_square(
                [[Fraction(1)] * m, *chosen], [Fraction(1)] + [Fraction(0)] * (m - 1)
            )
            if belief is None:
                continue
            if all(sum(c * q for c, q in zip(face, belief, strict=True)) >= 0 for face in faces):
                value = sum(q * v[w][a] for w, q in enumerate(belief))
                worth[tuple(belief)] = max(worth.get(tuple(belief), value), value)
    best = None
    for corners in itertools.combinations(worth, m):
        weights = _solve_square(
            [list(line) for line in zip(*corners, strict=True)], list(numbers.prior)
        )
        if weights is not None and min(weights) >= 0:
            value = sum(x * worth[q] for x, q in zip(weights, corners, strict=True))
            best = value if best is None else max(best, value)
    return best


def _linear_program(problem):
    """Every row of the program in floats, rows scaled to size one."""
    m, n = problem.n_states, problem.n_actions
    slack = np.zeros(m) if problem.slack is None else problem.slack
    above = []
    for a in problem.recommendable():
        for b in range(n):
            if b != a:
                row = np.zeros((m, n))
                row[:, a] = problem.payoffs[:, a] - problem.payoffs[:, b] - slack
                above.append(-row.ravel() / (np.abs(row).max() or 1.0))
    bounds = np.zeros((m, n, 2))
    bounds[:, list(problem.recommendable()), 1] = np.inf
    return {
        "A_ub": np.array(above) if above else None,
        "b_ub": np.zeros(len(above)) if above else None,
        "A_eq": np.kron(np.eye(m), np.ones((1, n))),
        "b_eq": problem.weights,
        "bounds": bounds.reshape(-1, 2),
        "method": "highs-ds",
        "options": {"primal_feasibility_tolerance": 1e-10, "dual_feasibility_tolerance": 1e-10},
    }


def _floating_value(problem):
    result = linprog(-problem.gains.ravel(), **_linear_program(problem))
    return None if result.status == 2 else -result.fun


# -- values ----------------------------------------------------------------------------------


def _reference():
    if not REFERENCE.exists():
        return [pytest.param(None, marks=pytest.mark.skip(reason=f"no {REFERENCE.name} here"))]
    cases = json.loads(REFERENCE.read_text())["cases"]
    return [pytest.param(case, id=case["name"]) for case in cases]


@pytest.mark.parametrize("case", _reference())
def test_published_values(case, integer):
    game = PersuasionGame(case["prior"], case["sender_utility"], case["receiver_utility"])
    problem = _problem(game)
    value = Fraction(case["value_exact"])
    assert _optimum(problem, integer=integer)[0].value == value
    candidate = SOLVER.solve(problem)
    certificate = check_certificate(problem, candidate.exact_masses, candidate.exact_prices)
    assert certificate.optimal
    assert certificate.value == value
    # the published state prices bound the value from above at the same number
    published = [Fraction(t) for t in case["state_prices"]]
    assert sum(p * t for p, t in zip(game.exact.prior, published, strict=True)) == value


tables = st.integers(1, 3).flatmap(
    lambda m: st.integers(1, 3).flatmap(
        lambda n: st.tuples(
            *(
                st.lists(
                    st.lists(st.integers(0, 3), min_size=n, max_size=n), min_size=m, max_size=m
                )
                for _ in range(2)
            ),
            st.lists(st.integers(1, 4), min_size=m, max_size=m),
        )
    )
)


@given(tables)
def test_enumeration_of_beliefs_on_small_integer_games(drawn):
    sender, receiver, weights = drawn
    game = PersuasionGame([Fraction(p, sum(weights)) for p in weights], sender, receiver)
    value = _value_in_beliefs(game)
    for integer in (int, fastest_integer()):
        assert _optimum(_problem(game), integer=integer)[0].value == value


@pytest.mark.parametrize("family", [_rational, _badly_scaled])
@pytest.mark.parametrize("seed", range(6))
def test_enumeration_of_beliefs_on_larger_numbers(seed, family):
    game = family(np.random.default_rng(seed), 3, 3)
    assert _optimum(_problem(game))[0].value == _value_in_beliefs(game)


@each_family
@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_families(family, shape):
    for seed in range(3):
        problem = _problem(family(np.random.default_rng(seed), *shape))
        results = [_optimum(problem, integer=kind)[0] for kind in (int, fastest_integer())]
        assert results[0].masses == results[1].masses
        assert results[0].prices == results[1].prices
        assert results[0].pivots == results[1].pivots
        if family is not _badly_scaled:  # there HiGHS' tolerances are larger than the payoffs
            assert float(results[0].value) == pytest.approx(_floating_value(problem), abs=1e-9)


@each_family
def test_at_the_largest_promised_size(family):
    _, simplex = _optimum(_problem(family(np.random.default_rng(7), 20, 10)))
    simplex.second_optimum()


@pytest.mark.slow
@each_family
def test_a_thousand_games(family):
    rng = np.random.default_rng(20)
    for _ in range(1000):
        m, n = (int(x) for x in rng.integers(1, [21, 11]))
        problem = _problem(family(rng, m, n))
        found, simplex = _optimum(problem)
        other = simplex.second_optimum()
        if other is not None:
            assert other != found.masses
            assert check_certificate(problem, other, found.prices).optimal
        candidate = SOLVER.solve(problem)
        assert check_certificate(problem, candidate.exact_masses, found.prices).optimal


# -- starting bases --------------------------------------------------------------------------


def _vertex(cells, rows):
    return Vertex(
        np.array(cells, dtype=np.intp).reshape(-1, 2), np.array(rows, dtype=np.intp).reshape(-1, 2)
    )


@each_family
def test_any_start_leads_to_the_optimum(family, integer):
    rng = np.random.default_rng(3)
    for _ in range(4):
        m, n = (int(x) for x in rng.integers(1, [8, 6]))
        problem = _problem(family(rng, m, n))
        value = _optimum(problem)[0].value
        for extra in (0, 2, 6):
            every = [(w, int(rng.integers(n))) for w in range(m)]
            some = [(int(rng.integers(m)), int(rng.integers(n))) for _ in range(extra)]
            rows = rng.integers(0, n, (extra, 2)).tolist()  # with repetitions and (a, a)
            assert _optimum(problem, _vertex(every + some, rows), integer)[0].value == value


@pytest.mark.parametrize(
    "start",
    [
        _vertex([], []),
        _vertex([(0, 0)], []),  # state 1 is missing
        _vertex([(0, 1), (1, 1)], []),  # disobedient: convict everybody
        _vertex([(0, 1), (1, 0)], []),  # every recommendation wrong
        _vertex([(0, 0), (0, 1), (1, 0), (1, 1)], [(0, 1), (1, 0)]),  # singular
        _vertex([(0, 0), (0, 0), (1, 1)], [(1, 0)]),  # a cell twice
        _vertex([(5, 0), (0, 9), (-1, 0), (1, 1)], [(7, 0), (0, 0), (0, -1)]),  # not of this game
        _vertex([(0, 0), (1, 1)], [(1, 0), (0, 1)]),  # more rows than cells
    ],
)
def test_broken_starts(start, integer):
    assert _optimum(_problem(PROSECUTOR), start, integer)[0].value == Fraction(3, 5)


@each_family
def test_an_optimal_start_needs_no_pivot(family):
    problem = _problem(family(np.random.default_rng(5), 8, 5))
    first = _optimum(problem)[0]
    again = _optimum(problem, first.vertex)[0]
    assert again.pivots == 0
    assert again.masses == first.masses
    assert again.prices == first.prices
    assert len(first.vertex.cells) == problem.n_states + len(first.vertex.rows)


def test_floating_bases_are_mostly_final():
    rng = np.random.default_rng(11)
    pivots = []
    for _ in range(8):
        problem = _problem(_uniform(rng, 10, 9))
        pivots.append(_optimum(problem, floating_start(problem))[0].pivots)
    assert pivots.count(0) >= 7


class _AlwaysBland(RationalSimplex):
    def _entering(self, basis, gains, allowed, *, bland):
        return super()._entering(basis, gains, allowed, bland=True)

    def _leaving(self, point, changes, *, bland):
        return super()._leaving(point, changes, bland=True)


@each_family
def test_blands_rule_alone_arrives_too(family):
    rng = np.random.default_rng(9)
    problem = _problem(family(rng, 6, 4))
    value = _optimum(problem)[0].value
    for start in (None, _vertex([(w, 0) for w in range(6)], [])):
        assert _AlwaysBland(problem, start).maximise().value == value


class _Textbook(RationalSimplex):
    """Largest coefficient in, smallest number out: the rule that is known to cycle."""

    def __init__(self, problem, start, patience):
        super().__init__(problem, start, integer=int)
        self._patience = patience
        # one unit of a slack counts like one unit of mass of the first state
        exact, any_row = problem.exact, self._basis.slack(1, 2)
        reach = sum(
            p * max(u[1] - u[2], 0) for p, u in zip(exact.weights, exact.payoffs, strict=True)
        )
        unit = int(self._reach[any_row] / reach * exact.weights[0])
        self._reach = dict.fromkeys(self._reach, unit)

    def _leaving(self, point, changes, *, bland):
        assert self.pivots < 500, "it cycles"
        ratios = {v: Fraction(point.get(v, 0), -d) for v, d in changes.items() if d < 0}
        return min(ratios, key=lambda v: (ratios[v], v))


def test_the_safeguard_ends_a_cycle():
    """A linear program known to cycle, as a game: recommend "tempt" in the first four states.

    Source: Chvátal, *Linear Programming*, 1983, chapter 3, the example of cycling. Deviations 2
    and 3 make its two rows; the last state makes action 0 obeyed when it is recommended always.
    """
    gain = [10, -57, -9, -24]
    rows = [
        [Fraction(1, 2), Fraction(-11, 2), Fraction(-5, 2), 9],
        [Fraction(1, 2), Fraction(-3, 2), Fraction(-1, 2), 1],
    ]
    sender = [[0, g, -1000, -1000] for g in gain] + [[0, -1000, -1000, -1000]]
    receiver = [[-1, 0, first, second] for first, second in zip(*rows, strict=True)]
    game = PersuasionGame([Fraction(1, 5)] * 5, sender, [*receiver, [1000, 0, 0, 0]])
    always_0 = _vertex([(w, 0) for w in range(5)], [])
    with pytest.raises(AssertionError, match="cycles"):
        _Textbook(_problem(game), always_0, patience=10**9).maximise()
    guarded = _Textbook(_problem(game), always_0, patience=9)
    assert guarded.maximise().value == Fraction(1, 5)
    assert guarded.pivots > 9
    assert _optimum(_problem(game), always_0)[0].value == Fraction(1, 5)


def test_which_variable_enters():
    differ = 0
    for seed in range(10):
        problem = _problem(_uniform(np.random.default_rng(seed), 6, 4))
        simplex = RationalSimplex(problem, integer=int)
        _, reduced = simplex._basis.prices(simplex._program.gains)
        offers = {
            w * 4 + a: x * simplex._program.weights[w]
            for w, row in enumerate(reduced)
            for a, x in enumerate(row)
            if x > 0
        }

        def enters(bland, simplex=simplex):
            return simplex._entering(simplex._basis, simplex._program.gains, None, bland=bland)

        assert enters(bland=False) == max(offers, key=offers.get)
        assert enters(bland=True) == min(offers)
        differ += enters(bland=False) != enters(bland=True)
    assert differ > 0


def test_which_variable_blocks():
    simplex = RationalSimplex(_problem(PROSECUTOR), integer=int)
    first = simplex._basis.n_cells  # slacks weigh one each
    low, deep, high, tie = range(first, first + 4)

    def blocks(point, changes, bland=False):
        return simplex._leaving(point, changes, bland=bland)

    assert blocks({high: 4, tie: 6}, {high: -2, tie: -2}) == high
    # both at ratio 2: the larger pivot, or with Bland's rule the smaller number
    assert blocks({high: 2, tie: 4}, {high: -1, tie: -2}) == tie
    assert blocks({high: 2, tie: 4}, {high: -1, tie: -2}, bland=True) == high
    # shortages 1 and 3 shrink at speed 1 each: go on beyond the first zero
    both = {low: 1, deep: 1}
    assert blocks({low: -1, deep: -3}, both) == deep
    # ... unless something feasible blocks, or the rest would deepen faster than it shrinks
    assert blocks({low: -1, deep: -3, high: 2}, {**both, high: -1}) == high
    assert blocks({low: -1, deep: -3, tie: -5}, {**both, tie: -1}) == low


# -- options ---------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(12))
def test_margin_and_restriction_agree_with_a_floating_program(seed, integer):
    rng = np.random.default_rng(seed)
    m, n = (int(x) for x in rng.integers(2, [8, 6]))
    game = _uniform(rng, m, n)
    margin = Fraction(int(rng.integers(0, 30)), 100)
    chosen = tuple(int(a) for a in rng.choice(n, size=int(rng.integers(1, n + 1)), replace=False))
    for options in ({"margin": margin}, {"actions": chosen}, {"margin": margin, "actions": chosen}):
        problem = _problem(game, **options)
        expected = _floating_value(problem)
        if expected is None:
            with pytest.raises(InfeasibleError):
                RationalSimplex(problem, integer=integer).maximise()
        else:
            found, _ = _optimum(problem, integer=integer)
            assert float(found.value) == pytest.approx(expected, abs=1e-9)
            if "actions" in options:
                assert {a for _, a in found.masses} <= set(chosen)


def test_both_outcomes_of_the_options_occur():
    """The test above is empty on one side unless some options are feasible and some are not."""
    outcomes = set()
    for seed in range(12):
        rng = np.random.default_rng(seed)
        m, n = (int(x) for x in rng.integers(2, [8, 6]))
        game, margin = _uniform(rng, m, n), Fraction(int(rng.integers(0, 30)), 100)
        outcomes.add(_floating_value(_problem(game, margin=margin)) is None)
    assert outcomes == {True, False}


def test_the_largest_margin_is_met_exactly():
    value = _optimum(_problem(PROSECUTOR, margin=1))[0].value
    assert value == Fraction(3, 10)  # full disclosure is all that is left
    with pytest.raises(InfeasibleError, match=r"margin 1000000000001/1000000000000"):
        _optimum(_problem(PROSECUTOR, margin=1 + Fraction(1, 10**12)))


def test_margin_shrinks_the_prosecutors_value_continuously():
    # convict with mass x from the innocent: 3/10 - x >= d (3/10 + x); acquitting is always obeyed
    d = Fraction(1, 5)
    x = Fraction(3, 10) * (1 - d) / (1 + d)
    assert _optimum(_problem(PROSECUTOR, margin=d))[0].value == Fraction(3, 10) + x


def test_restrictions_by_name():
    assert _optimum(_problem(PROSECUTOR, actions=(0,)))[0].value == 0
    with pytest.raises(InfeasibleError, match="recommending only action 1"):
        _optimum(_problem(PROSECUTOR, actions=(1,)))


def test_subjective_priors_and_impossible_states():
    game = PersuasionGame(
        ["1/2", "1/2", 0, 0],
        [[0, 1]] * 4,
        [[1, 0], [0, 1], [1, 0], [0, 1]],
        receiver_prior=["3/5", "1/5", "1/5", 0],
    )
    # per unit of Sender's mass the Receiver weighs state 0 by 6/5 and state 1 by 2/5
    problem = _problem(game)
    assert _optimum(problem)[0].value == Fraction(1, 2) + Fraction(1, 2) * Fraction(1, 3)


def test_biased_receiver():
    game = PersuasionGame(["1/2", "1/2"], [[0, 1], [0, 1]], [[2, 0], [0, 1]])
    # she acts on (prior + posterior) / 2: convicts at mean 2/3, so at posterior 5/6
    problem = _problem(game, receiver=Biased(Fraction(1, 2)))
    assert _optimum(problem)[0].value == Fraction(3, 5)


# -- the optimal face ------------------------------------------------------------------------


def test_the_prosecutors_scheme_is_unique():
    _, simplex = _optimum(_problem(PROSECUTOR))
    assert simplex.second_optimum() is None


def test_a_duplicate_action_makes_a_second_optimum(integer):
    game = PersuasionGame(["7/10", "3/10"], [[0, 1, 1]] * 2, [[1, 0, 0], [0, 1, 1]])
    problem = _problem(game)
    found, simplex = _optimum(problem, integer=integer)
    other = simplex.second_optimum()
    assert other is not None
    assert other != found.masses
    assert check_certificate(problem, other, found.prices).optimal
    # asking does not move the basis
    assert simplex.maximise().masses == found.masses


def _spread_of_optima(problem, value, rng):
    """Largest distance between optimal masses seen by a floating LP in random directions."""
    program = _linear_program(problem)
    program["A_eq"] = np.vstack([program["A_eq"], problem.gains.ravel()])
    program["b_eq"] = np.append(program["b_eq"], float(value))
    widths = []
    for direction in rng.standard_normal((4, problem.gains.size)):
        ends = [linprog(sign * direction, **program) for sign in (1, -1)]
        assert all(end.status == 0 for end in ends)
        widths.append(np.abs(ends[0].x - ends[1].x).max())
    return max(widths)


def test_uniqueness_agrees_with_a_floating_program():
    seen = {True: 0, False: 0}
    for seed in range(30):
        rng = np.random.default_rng(seed)
        m, n = (int(x) for x in rng.integers(2, [6, 5]))
        problem = _problem((_integers(4), _duplicates, _rational)[seed % 3](rng, m, n))
        found, simplex = _optimum(problem)
        other = simplex.second_optimum()
        if other is not None:
            assert other != found.masses
            assert check_certificate(problem, other, found.prices).optimal
        assert (other is None) == (_spread_of_optima(problem, found.value, rng) < 1e-6)
        seen[other is None] += 1
    assert min(seen.values()) >= 5


def test_secondary_objectives_stay_on_the_face():
    gaps = []
    for seed in range(10):
        rng = np.random.default_rng(seed)
        game = _integers(3)(rng, 4, 4)
        problem = _problem(game)
        found, simplex = _optimum(problem)
        welfare = game.exact.receiver_utility
        total = {}
        for sign in (1, -1):
            face = simplex.optimal_face_maximum([[sign * x for x in row] for row in welfare])
            assert check_certificate(problem, face.masses, found.prices).optimal
            total[sign] = sum(x * welfare[w][a] for (w, a), x in face.masses.items())
            program = _linear_program(problem)
            program["A_eq"] = np.vstack([program["A_eq"], problem.gains.ravel()])
            program["b_eq"] = np.append(program["b_eq"], float(found.value))
            floating = linprog(-sign * problem.payoffs.ravel(), **program)
            assert float(sign * total[sign]) == pytest.approx(-floating.fun, abs=1e-8)
        gaps.append(total[1] - total[-1])
    assert min(gaps) >= 0
    assert max(gaps) > 0


def test_the_face_needs_an_optimal_basis():
    simplex = RationalSimplex(_problem(PROSECUTOR))
    with pytest.raises(PersuasionError, match="maximise"):
        simplex.second_optimum()
    simplex.maximise()
    with pytest.raises(PersuasionError, match=r"shape \(2, 2\)"):
        simplex.optimal_face_maximum([[1, 2]])


# -- the certificate must refuse -------------------------------------------------------------


def _solved(seed=0):
    problem = _problem(_uniform(np.random.default_rng(seed), 5, 4))
    found, _ = _optimum(problem)
    return problem, found.masses, found.prices


def test_perturbed_masses_are_refused():
    problem, masses, prices = _solved()
    eps = Fraction(1, 10**30)
    for cell in list(masses):
        more = {**masses, cell: masses[cell] + eps}
        assert not check_certificate(problem, more, prices).plausible
        w, a = cell
        for b in range(problem.n_actions):
            if b != a:
                moved = {**masses, cell: masses[cell] - eps}
                moved[w, b] = moved.get((w, b), Fraction(0)) + eps
                certificate = check_certificate(problem, moved, prices)
                assert certificate.plausible
                assert not certificate.optimal
                assert certificate.obeys == (certificate.violation == 0)
    w, a = cell
    b = (a + 1) % problem.n_actions
    rest = masses.get((w, b), Fraction(0)) + masses[cell] + eps
    negative = check_certificate(problem, {**masses, cell: -eps, (w, b): rest}, prices)
    assert not negative.plausible  # although every state's masses add up
    assert not check_certificate(problem, {**masses, (99, 0): eps}, prices).plausible


def test_perturbed_prices_are_refused():
    problem, masses, prices = _solved()
    assert prices
    for row, y in prices.items():
        wrong_sign = check_certificate(problem, masses, {**prices, row: -y})
        assert wrong_sign.upper_bound == float("inf")
        assert wrong_sign.state_prices is None
        assert not wrong_sign.optimal
        dropped = check_certificate(problem, masses, {r: p for r, p in prices.items() if r != row})
        assert dropped.upper_bound > dropped.value
        assert not dropped.optimal
    for nonsense in ((0, 0), (0, 99)):
        assert not check_certificate(problem, masses, {**prices, nonsense: Fraction(1)}).optimal


def test_disallowed_recommendations_are_refused():
    problem, masses, prices = _solved()
    used = {a for _, a in masses}
    rest = tuple(a for a in range(problem.n_actions) if a != min(used))
    assert not check_certificate(problem.exact, masses, prices, actions=rest).plausible
    assert not check_certificate(problem.allowing(rest), masses, prices).plausible


def test_a_solver_that_drops_a_row_is_caught(monkeypatch):
    read = IntegerProgram.__init__

    def forgetful(self, *arguments):
        read(self, *arguments)
        for row in self.rows:
            row[1][0] = 0  # convict is obeyed, whatever the evidence

    monkeypatch.setattr(IntegerProgram, "__init__", forgetful)
    problem = _problem(PROSECUTOR)
    found = RationalSimplex(problem, integer=int).maximise()
    certificate = check_certificate(problem, found.masses, found.prices)
    assert found.value == 1
    assert not certificate.obeys
    assert certificate.violation == Fraction(2, 5)
    assert not certificate.optimal


# -- the method ------------------------------------------------------------------------------


def test_candidate_says_the_same_in_floats_and_fractions():
    problem = _problem(_uniform(np.random.default_rng(2), 12, 8))
    candidate = SOLVER.solve(problem)
    assert candidate.finished
    for cell, x in candidate.exact_masses.items():
        assert candidate.masses[cell] == float(x)
    assert candidate.masses.astype(bool).sum() == len(candidate.exact_masses)
    rows = [tuple(row) for row in candidate.price_rows.tolist()]
    assert dict(zip(rows, candidate.prices, strict=True)) == {
        row: float(y) for row, y in candidate.exact_prices.items()
    }
    assert certify(problem, candidate).residuals.within(1e-12)


def test_floating_methods_may_fail(monkeypatch):
    class Broken:
        name = "broken"

        def supports(self, problem):
            return None

        def solve(self, problem):
            raise ZeroDivisionError

    problem = _problem(_uniform(np.random.default_rng(4), 12, 8))
    value = check_certificate(problem, SOLVER.solve(problem).exact_masses, {}).value
    monkeypatch.setattr(solvers, "load", lambda name: Broken())
    assert floating_start(problem) is None
    assert check_certificate(problem, SOLVER.solve(problem).exact_masses, {}).value == value


def test_without_flint_plain_integers_are_used(monkeypatch):
    monkeypatch.setitem(sys.modules, "flint", None)
    assert fastest_integer() is int
    assert RationalSimplex(_problem(PROSECUTOR)).maximise().value == Fraction(3, 5)


def test_other_receivers_are_refused():
    problem = _problem(PROSECUTOR, receiver=Quantal(2.0))
    assert "concave_closure" in SOLVER.supports(problem)
    assert SOLVER.supports(_problem(PROSECUTOR, receiver=Biased(0.5))) is None


def test_time_limit_gives_a_feasible_scheme_and_a_bound():
    problem = _problem(_uniform(np.random.default_rng(6), 10, 8))
    disobedient = _vertex([(w, 0) for w in range(10)], [])
    optimum = _optimum(problem)[0].value
    for start in (None, disobedient):
        stopped = RationalSimplex(problem, start).maximise(time_limit=0)
        certificate = check_certificate(problem, stopped.masses, stopped.prices)
        assert not stopped.optimal
        assert certificate.plausible
        assert certificate.obeys
        assert certificate.value < optimum < certificate.upper_bound
    # full disclosure keeps no margin in some state, so there is nothing to fall back on
    tight = _problem(problem.game, margin=Fraction(1, 10))
    _optimum(tight)
    with pytest.raises(NotSolvedError, match="time limit"):
        RationalSimplex(tight).maximise(time_limit=0)


def test_the_solver_passes_the_time_limit_on(monkeypatch):
    # its basis would be optimal, and be found before anybody looks at the clock
    monkeypatch.setattr(structured, "switched_off", lambda: "not in this test")
    problem = _problem(_uniform(np.random.default_rng(6), 10, 8), time_limit=1e-9)
    candidate = SOLVER.solve(problem)
    assert not candidate.finished
    certificate = check_certificate(problem, candidate.exact_masses, candidate.exact_prices)
    assert certificate.obeys
    assert certificate.plausible


def test_through_solve():
    solution = solve(PROSECUTOR, exact=True)
    assert solution.value == Fraction(3, 5)
    assert solution.certificate.optimal
    assert solution.certificate.state_prices == (0, 2)
    floating = solve(_uniform(np.random.default_rng(1), 6, 4), method="lp")
    certificate = certificate_of(floating)
    assert isinstance(floating.candidate, Candidate)
    assert certificate.plausible
    assert certificate.violation < Fraction(1, 10**12)
    assert float(certificate.upper_bound - certificate.value) == pytest.approx(0, abs=1e-12)
