"""Cutting planes against full robust programs, closed forms, Lemma 1, and sampled priors."""

import json
from typing import Any

import numpy as np
import pytest
from numpy.typing import NDArray
from scipy.optimize import linprog

from persuasion import PersuasionGame, robust, solve
from persuasion.ambiguity import AmbiguitySet, box, clopper_pearson, intersection, l1_ball
from persuasion.beliefs import best_responses
from persuasion.errors import NotSolvedError, PersuasionError, UnsupportedError
from persuasion.kernel_program import HighsProgram, ScipyProgram
from persuasion.robust import RobustSolution, solve_robust, worst_case_slack
from persuasion.values import full_disclosure_value
from persuasion.zoo.f1 import ENTRY as F1

Floats = NDArray[np.float64]
VALUE = 1e-7  # against the full programs: SciPy's tolerance of 1e-9 times multipliers up to 100
CERTIFIED = 1e-9
RADII = (0.0, 0.003, 0.03, 0.2, 0.7, 1.5, 2.0)


# -- the full programs: the worst case of every pair (action, deviation) dualised ------------


class FullProgram:
    """``max sum c v kernel`` with rows ``>= 0`` on the kernel and on more columns per pair."""

    def __init__(self, game: PersuasionGame, n_more: int) -> None:
        self.game, self.n_more = game, n_more
        self.n_kernel = game.n_states * game.n_actions
        self.pairs = [
            (a, b) for a in range(game.n_actions) for b in range(game.n_actions) if a != b
        ]
        self.rows: list[Floats] = []

    def row(self, pair: int, z: Any, **more: float) -> None:
        """``sum_w z[w] kernel[w, a] (u(w, a) - u(w, b)) + sum more`` with columns ``_<number>``."""
        a, b = self.pairs[pair]
        u, n = self.game.receiver_utility, self.game.n_actions
        row = np.zeros(self.n_kernel + self.n_more * len(self.pairs))
        row[np.arange(self.game.n_states) * n + a] = np.asarray(z) * (u[:, a] - u[:, b])
        for column, value in more.items():
            row[self.n_kernel + pair * self.n_more + int(column[1:])] += value
        self.rows.append(row)

    def solve(self, objective: Floats, free: tuple[int, ...]) -> float | None:
        """Return the value, None when infeasible; columns `free` of each pair have no sign."""
        m, n = self.game.n_states, self.game.n_actions
        more = np.zeros((len(self.pairs), self.n_more))
        more[:, list(free)] = -np.inf
        gains = (objective[:, None] * self.game.sender_utility).ravel()
        result = linprog(
            -np.concatenate([gains, np.zeros(more.size)]),
            A_ub=-np.array(self.rows),
            b_ub=np.zeros(len(self.rows)),
            A_eq=np.hstack([np.kron(np.eye(m), np.ones(n)), np.zeros((m, more.size))]),
            b_eq=np.ones(m),
            bounds=[(low, None) for low in [*np.zeros(m * n), *more.ravel()]],
            method="highs-ds",
            options={"primal_feasibility_tolerance": 1e-9, "dual_feasibility_tolerance": 1e-9},
        )
        assert result.status in (0, 2), result.message
        return -float(result.fun) if result.status == 0 else None


def robust_lp_reference(
    game: PersuasionGame, members: AmbiguitySet, objective: Any = None
) -> float | None:
    """Any set. nu free, tau, al, be, phi >= 0 for each pair:

    ``nu + sum(lower al - upper be) + sum center phi - radius / 2 tau >= 0``,
    ``nu + al(w) - be(w) + phi(w) <= z(w)``, ``phi(w) <= tau``.
    """
    m = game.n_states
    lp, unit = FullProgram(game, 2 + 3 * m), np.eye(m)
    for pair in range(len(lp.pairs)):
        total = {"_0": 1.0, "_1": -members.radius / 2}
        for w in range(m):
            total |= {f"_{2 + w}": members.lower[w], f"_{2 + m + w}": -members.upper[w]}
            total[f"_{2 + 2 * m + w}"] = members.center[w]
            al, be, phi = (f"_{2 + i * m + w}" for i in range(3))
            lp.row(pair, unit[w], _0=-1.0, **{al: -1.0, be: 1.0, phi: -1.0})
            lp.row(pair, 0 * unit[w], _1=1.0, **{phi: -1.0})
        lp.row(pair, np.zeros(m), **total)
    return lp.solve(members.center if objective is None else np.asarray(objective), free=(0,))


def ball_lp_reference(
    game: PersuasionGame, members: AmbiguitySet, *, share: float = 0.5, simplex: bool = True
) -> float | None:
    """Ball without bounds. zeta free, tau, pi >= 0 for each pair:

    ``sum center z - radius / 2 tau - sum center pi >= 0``, ``tau + pi(w) + zeta >= z(w)``,
    ``zeta <= z(w)``. Wrong on purpose: another `share` of the radius, or a ball that is not
    intersected with the `simplex`, where every state can give any mass (pi = 0).
    """
    m = game.n_states
    lp, unit = FullProgram(game, 2 + m), np.eye(m)
    for pair in range(len(lp.pairs)):
        price = {f"_{2 + w}": -members.center[w] for w in range(m)} if simplex else {}
        lp.row(pair, members.center, _1=-share * members.radius, **price)
        for w in range(m):
            lp.row(pair, -unit[w], _0=1.0, _1=1.0, **({f"_{2 + w}": 1.0} if simplex else {}))
            lp.row(pair, unit[w], _0=-1.0)
    return lp.solve(members.center, free=(0,))


# -- robust obedience by sampling, independent of the closed form --------------------------


def extreme_priors(members: AmbiguitySet, rng: np.random.Generator, count: int) -> Floats:
    """Move mass between random states, as much as the set allows, until the radius is spent."""
    out = []
    for _ in range(count):
        mu, left = members.center.copy(), members.radius / 2
        roles = rng.permutation(members.n_states)
        cut = rng.integers(1, members.n_states) if members.n_states > 1 else 0
        for to in roles[:cut]:
            for of in roles[cut:]:
                step = min(mu[of] - members.lower[of], members.upper[to] - mu[to], left)
                mu[of], mu[to], left = mu[of] - step, mu[to] + step, left - step
        assert members.contains(mu, tolerance=1e-9)
        out.append(mu)
    return np.array(out)


def obedience_faults(
    game: PersuasionGame, members: AmbiguitySet, kernel: Floats, tolerance: float = 1e-8
) -> list[str]:
    """What some sampled prior of the set makes the Receiver disobey, in units of her payoffs."""
    priors = extreme_priors(members, np.random.default_rng(0), 300)
    faults = []
    spread = float(np.ptp(game.receiver_utility)) or 1.0
    for a in range(game.n_actions):
        masses = priors * kernel[:, a]
        loss = masses @ (game.receiver_utility - game.receiver_utility[:, [a]])
        if loss.max() > tolerance * spread:
            worst = np.unravel_index(loss.argmax(), loss.shape)
            faults.append(f"action {a} loses {loss[worst]:.2e} at {priors[worst[0]].round(4)}")
    return faults


def solution_faults(solution: RobustSolution, value: float | None) -> list[str]:
    """What is wrong with an answer, the certificate recomputed in plain loops."""
    game, members, c = solution.game, solution.ambiguity, solution.objective_prior
    u, v, kernel = game.receiver_utility, game.sender_utility, solution.kernel
    faults = obedience_faults(game, members, kernel)
    if value is None or abs(solution.value - value) > VALUE:
        faults.append(f"value {solution.value}, not {value}")
    if solution.status != "optimal":
        faults.append(f"status {solution.status}")
    if kernel.min() < 0 or np.abs(kernel.sum(axis=1) - 1).max() > 1e-15:
        faults.append("the kernel is not row-stochastic")
    if abs(solution.value - sum(c @ (kernel * v))) > 1e-12 * (1 + np.abs(v).max()):
        faults.append("the value is not that of the kernel")
    if solution.worst_slack < -CERTIFIED * np.abs(u).max():
        faults.append(f"worst slack {solution.worst_slack}")
    if solution.method == "closed form":
        return faults
    reduced = c[:, None] * v
    cuts = solution.cuts
    for a, b, mu, y in zip(cuts.actions, cuts.deviations, cuts.priors, cuts.prices, strict=True):
        if y < 0 or not members.contains(mu):
            faults.append(f"a cut at {mu} with price {y}")
        reduced[:, a] += y * mu * (u[:, a] - u[:, b])
    bound = reduced.max(axis=1).sum()
    spread = float(c @ np.ptp(v, axis=1)) or 1.0
    if abs(bound - solution.upper_bound) > 1e-9 * spread:
        faults.append(f"the cuts give the bound {bound}, not {solution.upper_bound}")
    if abs(bound - solution.value) > 2 * CERTIFIED * spread:
        faults.append(f"bound {bound} is not the value {solution.value}")
    return faults


# -- games and sets ------------------------------------------------------------------------


def random_game(rng: np.random.Generator, m: int, n: int, kind: str = "generic") -> PersuasionGame:
    prior = rng.dirichlet(np.ones(m))
    if kind == "generic":
        return PersuasionGame(prior, rng.random((m, n)), rng.random((m, n)))
    if kind == "integer":  # ties everywhere
        return PersuasionGame(prior, rng.integers(0, 3, (m, n)), rng.integers(0, 3, (m, n)))
    if kind == "twin actions":
        u = rng.random((m, n))
        u[:, -1] = u[:, 0]
        return PersuasionGame(prior, rng.random((m, n)), u)
    raise AssertionError(kind)


def set_around(rng: np.random.Generator, center: Floats, kind: str, radius: float) -> AmbiguitySet:
    ball = l1_ball(center, radius)
    bounds = box(
        center * (1 - radius / 2 * rng.random(len(center))),
        np.minimum(center + radius * rng.random(len(center)), 1),
        center,
    )
    return {"l1": ball, "box": bounds, "both": intersection(ball, bounds)}[kind]


GAMES = [(3, 2, "generic"), (5, 3, "generic"), (6, 4, "integer"), (4, 3, "twin actions")]


@pytest.mark.parametrize("kind", ["l1", "box", "both"])
@pytest.mark.parametrize("shape", GAMES, ids=str)
def test_against_the_full_program(shape: tuple[int, int, str], kind: str) -> None:
    rng = np.random.default_rng([5, *shape[:2]])
    for radius in RADII:
        for unseen in (False, True):
            game = random_game(rng, *shape)
            center = game.prior.copy()
            if unseen:
                center[rng.integers(len(center))] = 0.0
                center /= center.sum()
            members = set_around(rng, center, kind, radius)
            solution = solve_robust(game, members)
            reference = robust_lp_reference(game, members)
            assert solution_faults(solution, reference) == []
            if kind == "l1":
                assert reference == pytest.approx(ball_lp_reference(game, members), abs=VALUE)


def test_objective_at_another_prior() -> None:
    rng = np.random.default_rng(6)
    for _ in range(5):
        game, target = random_game(rng, 5, 3), rng.dirichlet(np.ones(5))
        members = l1_ball(game.prior, 0.3)
        solution = solve_robust(game, members, objective_prior=target)
        assert solution_faults(solution, robust_lp_reference(game, members, target)) == []


def test_counts_as_an_online_learner_has_them() -> None:
    """Confidence sets from few and many samples; some lower bounds are 1e-8, some upper ones 1."""
    rng = np.random.default_rng(7)
    for n_samples in (3, 30, 1000, 10**6):
        game = random_game(rng, 6, 3)
        members = clopper_pearson(rng.multinomial(n_samples, game.prior), 1e-6)
        assert (
            solution_faults(solve_robust(game, members), robust_lp_reference(game, members)) == []
        )


# -- closed forms and laws -----------------------------------------------------------------


@pytest.mark.parametrize("m", [3, 5, 12])
@pytest.mark.parametrize("beta", [1, 2])
def test_f1_closed_form(m: int, beta: int) -> None:
    game = F1.build(m=m, beta=beta)
    loss, p0 = beta / (m - 1), 1 / m
    for e in np.array([0.0, 0.01, 0.5, 1.0]) * 2 * p0:
        expected = float(F1.value(m, beta)) - (e / 2) / (loss * (1 - p0 + e / 2))
        solution = solve_robust(game, l1_ball(game.prior, e))
        assert solution.value == pytest.approx(expected, abs=1e-12)
        assert obedience_faults(game, solution.ambiguity, solution.kernel) == []


def test_radius_zero_is_the_ordinary_problem() -> None:
    rng = np.random.default_rng(8)
    for shape in GAMES:
        for _ in range(5):
            game = random_game(rng, *shape)
            solution = solve_robust(game, l1_ball(game.prior, 0))
            assert solution.value == pytest.approx(float(solve(game).value), abs=CERTIFIED)


def test_the_whole_simplex_tells_the_state() -> None:
    rng = np.random.default_rng(9)
    for shape in GAMES:
        game = random_game(rng, *shape)
        solution = solve_robust(game, l1_ball(game.prior, 2))
        assert solution.method == "closed form"
        assert solution.value == pytest.approx(full_disclosure_value(game), abs=1e-15)
        assert solution.upper_bound == solution.value
        assert solution_faults(solution, robust_lp_reference(game, solution.ambiguity)) == []
        # the same set as a ball that just reaches every vertex
        least = 2 * (1 - game.prior.min())
        assert solve_robust(game, l1_ball(game.prior, least)).method == "closed form"


def test_value_falls_with_the_radius() -> None:
    rng = np.random.default_rng(10)
    for shape in GAMES:
        game = random_game(rng, *shape)
        values = [solve_robust(game, l1_ball(game.prior, e)).value for e in RADII]
        assert (np.diff(values) <= CERTIFIED).all()


def lemma_constants(game: PersuasionGame) -> tuple[float, float, float, float]:
    """OPT, Slater margin d*, V_S and r of one optimal extreme scheme, as in the theorem sheet.

    Persuaded actions are those sent in a state where they are not ex-post optimal; d* is the
    largest margin of a complete scheme over them, all others staying where they are optimal.
    """
    m, n = game.n_states, game.n_actions
    u, v, mu = game.receiver_utility, game.sender_utility, game.prior
    solution = solve(game, method="lp")
    sent = np.zeros((m, n), dtype=bool)
    sent[:, list(solution.recommendations or ())] = solution.scheme.kernel > 1e-9
    optimal = best_responses(game, np.eye(m))
    persuaded = np.flatnonzero((sent & ~optimal).any(axis=0))
    value = float(solution.value)
    if len(persuaded) == 0:
        return value, np.inf, value, 0.0
    rows, r = [], 0.0
    for a in persuaded:
        for b in set(range(n)) - {int(a)}:
            row = np.zeros((m, n))
            row[:, a] = u[:, a] - u[:, b]
            rows.append(np.append(row, -1.0))
            r = max(r, 0.5 * float(max(row.max(), 0) - min(row.min(), 0)))
    allowed = optimal.copy()
    allowed[:, persuaded] = True
    common: dict[str, Any] = {
        "A_ub": -np.array(rows),
        "b_ub": np.zeros(len(rows)),
        "A_eq": np.hstack([np.kron(np.eye(m), np.ones(n)), np.zeros((m, 1))]),
        "b_eq": mu,
        "method": "highs-ds",
    }
    bounds = [(0, None if ok else 0) for ok in allowed.ravel()]
    margin = linprog(-np.eye(m * n + 1)[-1], bounds=[*bounds, (0, None)], **common)
    assert margin.status == 0
    # a hair below d*, so that the second program is feasible
    d = max(-float(margin.fun) - 1e-9, 0.0)
    best = linprog(-np.append(v.ravel(), 0.0), bounds=[*bounds, (d, d)], **common)
    assert best.status == 0
    return value, d, -float(best.fun), r


def lemma_faults(share: float) -> tuple[list[str], int, float]:
    """Violations of Lemma 1 with the loss multiplied by `share`; checks made; tightest ratio."""
    rng = np.random.default_rng(11)
    faults, informative, tightest = [], 0, 0.0
    for i in range(200):
        game = random_game(rng, int(rng.integers(2, 6)), int(rng.integers(2, 5)))
        optimum, d, slater, r = lemma_constants(game)
        told, last = full_disclosure_value(game), None
        for e in (0.003, 0.01, 0.03, 0.1, 0.3):
            last = solve_robust(game, l1_ball(game.prior, e), start=last)
            bound = told
            if d > 0 and r * e <= d:
                loss = 0.0 if r == 0 else r * e / d * (optimum - slater)
                bound = max(bound, optimum - share * loss)
                if loss > 1e-6:
                    informative += 1
                    tightest = max(tightest, (optimum - last.value) / loss)
            if last.value < bound - 1e-7:
                faults.append(f"game {i}, radius {e}: {last.value} < {bound}")
    return faults, informative, tightest


def test_lemma_1() -> None:
    faults, informative, tightest = lemma_faults(share=1.0)
    assert faults == []
    assert informative > 200
    assert tightest > 0.9  # some instances nearly attain the bound


def test_lemma_1_with_half_the_loss_is_refuted() -> None:
    assert lemma_faults(share=0.5)[0] != []


def test_units_do_not_matter() -> None:
    rng = np.random.default_rng(12)
    for shape in GAMES:
        game = random_game(rng, *shape)
        members = l1_ball(game.prior, 0.1)
        base = solve_robust(game, members)
        for k in (1e-9, 1e7):
            shift = rng.normal(size=(game.n_states, 1))
            other = PersuasionGame(
                game.prior,
                1e6 * game.sender_utility + shift,
                k * (game.receiver_utility + shift),
            )
            found = solve_robust(other, members)
            assert found.value == pytest.approx(
                1e6 * base.value + float(game.prior @ shift[:, 0]), abs=1e6 * CERTIFIED
            )
            assert obedience_faults(other, members, found.kernel) == []


# -- unseen states, and what must be caught ------------------------------------------------


def game_with_an_unseen_state() -> tuple[PersuasionGame, AmbiguitySet]:
    """Two states seen; in the third, never seen, the Sender's favourite harms the Receiver."""
    game = PersuasionGame([0.5, 0.4, 0.1], [[0, 1]] * 3, [[1, 0], [0, 1], [3, 0]])
    return game, l1_ball([0.6, 0.4, 0.0], 0.1)


def test_unseen_states_are_protected() -> None:
    game, members = game_with_an_unseen_state()
    solution = solve_robust(game, members)
    assert solution_faults(solution, robust_lp_reference(game, members)) == []
    assert solution.kernel.shape == (3, 2)
    assert solution.scheme.n_states == 3


def test_joint_masses_are_caught() -> None:
    """Masses ``center * kernel`` say nothing of unseen states; any kernel there passes."""
    game, members = game_with_an_unseen_state()
    seen = game.restrict(states=[0, 1])
    part = solve_robust(seen, l1_ball(members.center[:2], members.radius))
    kernel = np.vstack([part.kernel, [0.0, 1.0]])
    assert obedience_faults(seen, part.ambiguity, part.kernel) == []
    assert obedience_faults(game, members, kernel) != []


def test_impossible_states_get_what_the_receiver_likes() -> None:
    members = box([0.5, 0.3, 0], [0.7, 0.5, 0], [0.6, 0.4, 0])
    for row in ([3, 0], [0, 3]):
        game = PersuasionGame([0.6, 0.4, 0], [[0, 1]] * 3, [[1, 0], [0, 1], row])
        assert solve_robust(game, members).kernel[2].tolist() == [row[0] / 3, row[1] / 3]


def test_a_wrong_share_of_the_radius_is_caught() -> None:
    """Half the radius moves: with a quarter the Receiver disobeys, with all of it value is lost."""
    game = F1.build(m=4, beta=2)
    right = l1_ball(game.prior, 0.2)
    timid = solve_robust(game, l1_ball(game.prior, 0.1)).kernel
    assert obedience_faults(game, right, timid) != []
    for share in (0.25, 1.0):
        assert solution_faults(
            solve_robust(game, right), ball_lp_reference(game, right, share=share)
        )


def test_a_ball_beyond_the_simplex_is_caught() -> None:
    """States of small probability cannot give away more than they have."""
    game = PersuasionGame([0.1, 0.45, 0.45], [[0, 1]] * 3, [[0, 1], [0.1, 0], [0.1, 0]])
    members = l1_ball(game.prior, 0.6)
    solution = solve_robust(game, members)
    assert solution_faults(solution, ball_lp_reference(game, members)) == []
    assert solution_faults(solution, ball_lp_reference(game, members, simplex=False)) != []


def test_sampling_catches_forgotten_deviations() -> None:
    rng = np.random.default_rng(13)
    game = random_game(rng, 5, 3)
    members = l1_ball(game.prior, 0.2)
    assert obedience_faults(game, members, solve_robust(game, members).kernel) == []
    blind = PersuasionGame(game.prior, game.sender_utility, 0 * game.receiver_utility)
    kernel = solve_robust(blind, members).kernel  # no deviation tempts this Receiver
    assert obedience_faults(game, members, kernel) != []


# -- how it is found -----------------------------------------------------------------------


@pytest.mark.parametrize("shape", GAMES, ids=str)
def test_start_saves_rounds_and_keeps_the_value(shape: tuple[int, int, str]) -> None:
    rng = np.random.default_rng([14, *shape[:2]])
    game = random_game(rng, *shape)
    last = solve_robust(random_game(rng, *shape), l1_ball(game.prior, 0.5))  # of another game
    cold, warm, again = 0, 0, 0
    for e in (0.1, 0.09, 0.08, 0.07):
        members = clopper_pearson(rng.multinomial(int(e**-4), game.prior), 0.1)
        plain = solve_robust(game, members)
        started = solve_robust(game, members, start=last)
        assert started.value == pytest.approx(plain.value, abs=CERTIFIED)
        assert solution_faults(started, plain.value) == []
        cold, warm, last = cold + plain.n_rounds, warm + started.n_rounds, started
        again += solve_robust(game, members, start=plain).n_rounds
    assert warm < cold
    assert again <= 5  # four questions whose own rows are given


def only(kind: type[HighsProgram] | type[ScipyProgram]) -> Any:
    """Build a program of one kind, as `programs` does."""
    return lambda gains, weights: kind(gains)


def test_without_compiled_code_and_highspy(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(15)
    game = random_game(rng, 5, 3)
    members = l1_ball(game.prior, 0.2)
    expected = solve_robust(game, members)
    monkeypatch.setattr(robust, "programs", lambda: [("scipy", only(ScipyProgram))])
    found = solve_robust(game, members)
    assert (expected.method, found.method) == ("structured", "scipy")
    assert solution_faults(found, expected.value) == []


def test_time_limit() -> None:
    game = random_game(np.random.default_rng(16), 8, 4)
    members = l1_ball(game.prior, 0.1)
    stopped = solve_robust(game, members, time_limit=1e-9)
    optimum = solve_robust(game, members).value
    assert stopped.status == "time limit"
    assert stopped.value == pytest.approx(full_disclosure_value(game))
    assert stopped.value <= optimum <= stopped.upper_bound
    assert obedience_faults(game, members, stopped.kernel) == []
    assert "at most" in stopped.summary()


def test_restart_after_a_numerical_failure(monkeypatch: pytest.MonkeyPatch) -> None:
    """From the third run on HiGHS fails until it is restarted; the answer is the same."""
    game = F1.build(m=6, beta=2)
    members = l1_ball(game.prior, 0.2)
    monkeypatch.setattr(robust, "programs", lambda: [("highs", only(HighsProgram))])
    expected, run, restart = solve_robust(game, members), HighsProgram._run, HighsProgram.restart
    events: list[str] = []

    def unreliable(self: HighsProgram, deadline: float | None) -> Any:
        outcome = run(self, deadline)
        events.append("run")
        works = len(events) < 3 or "restart" in events
        return outcome if works else self._highspy.HighsModelStatus.kUnknown

    def watched(self: HighsProgram) -> bool:
        events.append("restart")
        return restart(self)

    monkeypatch.setattr(HighsProgram, "_run", unreliable)
    monkeypatch.setattr(HighsProgram, "restart", watched)
    found = solve_robust(game, members)
    assert events.count("restart") == 1
    assert found.method == "highs"
    assert solution_faults(found, expected.value) == []


class Stubborn(ScipyProgram):
    """Proposes the same kernel whatever rows are added."""

    answer: Floats

    def run(self, deadline: float | None) -> bool:
        self.kernel = self.answer.copy()
        return True


def test_wrong_answers_do_not_pass(monkeypatch: pytest.MonkeyPatch) -> None:
    game, _ = game_with_an_unseen_state()
    members = l1_ball(game.prior, 0.1)
    monkeypatch.setattr(robust, "programs", lambda: [("stubborn", only(Stubborn))])
    Stubborn.answer = np.eye(2)[[0, 1, 0]]  # obeyed, but worse than possible
    solution = solve_robust(game, members)
    assert solution.status == "within bound"
    assert solution.value < solution.upper_bound - 0.1
    Stubborn.answer = np.eye(2)[[1, 1, 1]]  # disobeyed
    repaired = solve_robust(game, members)
    assert repaired.status == "within bound"
    assert repaired.residuals.obedience <= 1e-15
    assert obedience_faults(game, members, Stubborn.answer) != []
    assert obedience_faults(game, members, repaired.kernel) == []
    for answer in (np.full((3, 2), 0.4), np.full((3, 2), np.nan)):
        Stubborn.answer = answer  # not a kernel
        with pytest.raises(NotSolvedError):
            solve_robust(game, members)


def test_repair_makes_any_kernel_robust(monkeypatch: pytest.MonkeyPatch) -> None:
    """Much of the kernel is kept where some mass of an action lies where it is best anyway."""
    rng = np.random.default_rng(19)
    monkeypatch.setattr(robust, "programs", lambda: [("stubborn", only(Stubborn))])
    for shape in GAMES:
        game = random_game(rng, *shape)
        members = l1_ball(game.prior, 0.05)
        Stubborn.answer = rng.dirichlet(np.ones(game.n_actions), game.n_states)
        repaired = solve_robust(game, members)
        assert obedience_faults(game, members, repaired.kernel, tolerance=1e-14) == []
        told = solve_robust(game, l1_ball(game.prior, 2)).kernel
        assert np.abs(repaired.kernel - told).max() > 0.1


def near_simplex_statuses() -> list[str]:
    """Statuses after few samples and with tiny failure probabilities: lower bounds of 1e-12."""
    rng, out = np.random.default_rng(20), []
    for _ in range(40):
        game = random_game(rng, 12, 6)
        members = clopper_pearson(rng.multinomial(12, game.prior), 1e-9)
        solution = solve_robust(game, members)
        out.append(solution.status)
        assert obedience_faults(game, members, solution.kernel) == []
        assert solution.value <= solution.upper_bound + CERTIFIED
    return out


def test_sets_that_nearly_are_the_simplex() -> None:
    assert set(near_simplex_statuses()) == {"optimal"}


def test_bounded_prices_are_what_helps_there(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("persuasion.kernel_program._PENALTIES", ())
    assert "within bound" in near_simplex_statuses()


def test_slack_of_a_given_kernel() -> None:
    rng = np.random.default_rng(18)
    game = random_game(rng, 4, 3)
    kernel = rng.dirichlet(np.ones(3), 4)
    members = l1_ball(game.prior, 0.3)
    slack = worst_case_slack(game, members, kernel)
    priors = extreme_priors(members, rng, 300)
    for a in range(3):
        for b in range(3):
            gain = kernel[:, a] * (game.receiver_utility[:, a] - game.receiver_utility[:, b])
            assert slack[a, b] <= (priors @ gain).min() + 1e-12
            assert slack[a, b] == pytest.approx(members.worst_case(gain)[0])
    with pytest.raises(PersuasionError, match="one column per action"):
        worst_case_slack(game, members, kernel[:, :2])


def test_small_games() -> None:
    for game in (
        PersuasionGame([1.0], [[0, 1]], [[1, 0]]),
        PersuasionGame([0.5, 0.5], [[1], [2]], [[0], [0]]),
        PersuasionGame([0.5, 0.5], [[0, 1], [0, 1]], [[0, 0], [0, 0]]),
    ):
        for radius in (0.0, 0.3):
            solution = solve_robust(game, l1_ball(game.prior, radius))
            assert solution.status == "optimal"
            assert solution.value == pytest.approx(float(solve(game).value))


def test_dictionaries() -> None:
    game, members = game_with_an_unseen_state()
    for radius in (members.radius, 2.0):
        solution = solve_robust(game, l1_ball(members.center, radius))
        data = json.loads(json.dumps(solution.to_dict()))
        restored = RobustSolution.from_dict(data)
        assert restored.to_dict() == solution.to_dict()
        assert solution_faults(restored, solution.value) == []
        assert solve_robust(game, members, start=restored).n_rounds >= 1
        assert "Optimal robust scheme" in restored._repr_html_()


def test_inputs_are_unchanged_and_results_frozen() -> None:
    game, members = game_with_an_unseen_state()
    before = (game.to_dict(), members.to_dict())
    solution = solve_robust(game, members)
    assert (game.to_dict(), members.to_dict()) == before
    with pytest.raises(ValueError, match="read-only"):
        solution.kernel[0, 0] = 1


def test_refusals() -> None:
    game, members = game_with_an_unseen_state()
    other = PersuasionGame(
        game.prior, game.sender_utility, game.receiver_utility, receiver_prior=[0.2, 0.4, 0.4]
    )
    with pytest.raises(UnsupportedError, match="subjective priors"):
        solve_robust(other, members)
    with pytest.raises(PersuasionError, match="2 states but the game has 3"):
        solve_robust(game, l1_ball([0.5, 0.5], 0.1))
    with pytest.raises(PersuasionError, match="AmbiguitySet"):
        solve_robust(game, 0.1)  # type: ignore[arg-type]
    for wrong in ([0.5, 0.5], [0.5, 0.4, 0.2], [1.5, -0.5, 0]):
        with pytest.raises(PersuasionError, match="objective_prior"):
            solve_robust(game, members, objective_prior=wrong)
    with pytest.raises(PersuasionError, match="tolerance"):
        solve_robust(game, members, tolerance=0)
    with pytest.raises(PersuasionError, match="time_limit"):
        solve_robust(game, members, time_limit=0)
    small = PersuasionGame([0.5, 0.5], [[0, 1]] * 2, [[1, 0], [0, 1]])
    with pytest.raises(PersuasionError, match="`start`"):
        solve_robust(game, members, start=solve_robust(small, l1_ball(small.prior, 0.1)))
