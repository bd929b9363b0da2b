"""Many games in one call, and sweeps over priors against separate solves."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from persuasion import (
    Biased,
    GameError,
    InfeasibleError,
    NotSolvedError,
    PersuasionError,
    PersuasionGame,
    Quantal,
    UnsupportedError,
    many,
    solve,
    zoo,
)
from persuasion import prior_sweep as module
from persuasion.many import solve_many
from persuasion.prior_sweep import PriorSweep, value_over_priors
from persuasion.testing.reference_lp import reference_value

PROSECUTOR = PersuasionGame(["7/10", "3/10"], [[0, 1], [0, 1]], [[1, 0], [0, 1]])


def games(count: int) -> list[PersuasionGame]:
    sizes = [(2, 2), (2, 4), (5, 2), (4, 3), (6, 4)]
    return [zoo.random_game("integer", *sizes[i % 5], seed=i) for i in range(count)]


# -- many games ----------------------------------------------------------------------------


def test_one_or_two_processes_give_what_solve_gives() -> None:
    several = games(37)
    before = [game.to_dict() for game in several]
    alone = [solve(game) for game in several]
    for n_jobs in (1, 2):
        together = solve_many(iter(several), n_jobs=n_jobs)
        assert [s.value for s in together] == [s.value for s in alone]
        for solution, separate, game in zip(together, alone, several, strict=True):
            assert solution.game is game
            assert solution.problem.game is game
            assert solution.recommendations == separate.recommendations
            assert np.array_equal(solution.scheme.kernel, separate.scheme.kernel)
            assert np.array_equal(solution.state_prices, separate.state_prices)
            assert solution.is_unique is separate.is_unique
            assert solution.certificate.value == separate.certificate.value
    assert [game.to_dict() for game in several] == before


def test_options_reach_every_process() -> None:
    several = games(6)
    for n_jobs in (1, 2):
        exact = solve_many(several, n_jobs=n_jobs, exact=True)
        assert all(isinstance(s.value, Fraction) for s in exact)
        biased = solve_many(several, n_jobs=n_jobs, receiver=Biased(Fraction(1, 3)))
        assert [s.value for s in biased] == [
            solve(game, receiver=Biased(Fraction(1, 3))).value for game in several
        ]
        # prices of impossible states need the game that a biased Receiver plays
        face = PersuasionGame([0.7, 0.3, 0.0], [[0, 1]] * 3, [[1, 0], [0, 1], [0, 2]])
        options = {"receiver": Biased(Fraction(1, 3)), "n_jobs": n_jobs}
        found = solve_many([face] * 2, **options)  # type: ignore[arg-type]
        expected = solve(face, receiver=Biased(Fraction(1, 3)))
        assert all(np.array_equal(s.state_prices, expected.state_prices) for s in found)


@pytest.mark.parametrize("n_jobs", [1, 2])
def test_errors_name_the_first_game_that_fails(n_jobs: int) -> None:
    several = games(30)
    several[11] = several[23] = PersuasionGame([0.5, 0.5], [[0, 1]] * 2, [[1, 1]] * 2)
    with pytest.raises(InfeasibleError, match=r"^game 11: "):
        solve_many(several, n_jobs=n_jobs, margin=Fraction(1, 10**6))
    several[5] = "no game"  # type: ignore[call-overload]
    with pytest.raises(PersuasionError, match=r"^game 5: `game` must be a PersuasionGame"):
        solve_many(several, n_jobs=n_jobs)


def test_an_error_keeps_its_attempts(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(game: PersuasionGame) -> None:
        raise NotSolvedError("nothing worked", (("lp", "why not"),))

    monkeypatch.setattr("persuasion.many.solve", fail)
    with pytest.raises(NotSolvedError, match=r"^game 0: nothing worked") as caught:
        solve_many([PROSECUTOR])
    assert caught.value.attempts == (("lp", "why not"),)


def test_no_games_no_jobs_no_bar(
    capsys: pytest.CaptureFixture[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert solve_many([]) == []
    assert solve_many([], n_jobs=2) == []
    for n_jobs in (0, 1.5, True):
        with pytest.raises(PersuasionError, match="n_jobs"):
            solve_many([PROSECUTOR], n_jobs=n_jobs)  # type: ignore[arg-type]
    solve_many(games(3))
    assert capsys.readouterr() == ("", "")
    solve_many(games(3), progress=False)
    assert capsys.readouterr() == ("", "")
    monkeypatch.setenv("FORCE_COLOR", "1")  # makes rich believe in a terminal
    solve_many(games(3), progress=True)
    assert "solving" in capsys.readouterr().err
    monkeypatch.setattr("sys.stderr.isatty", lambda: True)
    solve_many(games(3))
    assert capsys.readouterr() == ("", "")  # done before a bar is worth it
    monkeypatch.setattr("persuasion.many._PATIENCE", 0.0)
    solve_many(games(3))
    assert "solving" in capsys.readouterr().err


def test_progress_is_told() -> None:
    heard: list[tuple[int, int]] = []
    solve_many(games(7), progress=lambda done, total: heard.append((done, total)))
    assert heard == [(i, 7) for i in range(1, 8)]
    heard.clear()
    solve_many(games(40), n_jobs=2, progress=lambda done, total: heard.append((done, total)))
    assert heard[-1] == (40, 40)
    assert [done for done, _ in heard] == sorted(done for done, _ in heard)


@pytest.mark.slow
@pytest.mark.parametrize("n_jobs", [1, 2])
def test_an_interrupt_ends_it_at_once(tmp_path: Path, n_jobs: int) -> None:
    script = tmp_path / "long.py"
    script.write_text(
        "from persuasion import zoo\n"
        "from persuasion.many import solve_many\n"
        "if __name__ == '__main__':\n"
        "    games = [zoo.random_game('uniform', 60, 15, seed=i) for i in range(4)]\n"
        "    print('ready', flush=True)\n"
        f"    solve_many(games * 5000, n_jobs={n_jobs})\n"
    )
    root = Path(__file__).resolve().parents[2]
    process = subprocess.Popen(
        [sys.executable, str(script)],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        start_new_session=True,
        env={**os.environ, "PYTHONPATH": str(root)},
    )
    assert process.stdout is not None
    assert process.stdout.readline() == "ready\n"
    time.sleep(3)
    os.killpg(process.pid, signal.SIGINT)
    _, errors = process.communicate(timeout=30)
    assert process.returncode != 0
    assert errors.strip().endswith("KeyboardInterrupt")


# -- sweeps --------------------------------------------------------------------------------


def segment(start: np.ndarray, end: np.ndarray, count: int) -> np.ndarray:
    t = np.linspace(0, 1, count)[:, None]
    return (1 - t) * start + t * end


def separately(game: PersuasionGame, priors: np.ndarray) -> np.ndarray:
    return np.array([float(solve(game.with_prior(p)).value) for p in priors])


@pytest.mark.parametrize(
    ("family", "n_states", "n_actions"),
    [
        ("uniform", 2, 6),
        ("state_independent", 2, 8),
        ("integer", 3, 4),
        ("state_independent", 4, 4),
        ("quadratic", 6, 5),
        ("duplicates", 5, 3),
        ("uniform", 10, 2),
        ("uniform", 10, 6),
    ],
)
def test_sweeps_equal_separate_solves(family: str, n_states: int, n_actions: int) -> None:
    rng = np.random.default_rng(n_states * n_actions)
    for seed in range(3):
        game = zoo.random_game(family, n_states, n_actions, seed=seed)
        corner = np.eye(n_states)[seed % n_states]  # zero entries: another set of possible states
        priors = np.vstack(
            [segment(corner, rng.dirichlet(np.ones(n_states)), 41), np.eye(n_states)]
        )
        before = priors.copy()
        sweep = value_over_priors(game, priors)
        expected = separately(game, priors)
        stakes = float(np.ptp(game.sender_utility))
        assert np.abs(sweep.values - expected).max() <= 1e-9 * stakes
        assert np.abs(sweep.upper_bounds - expected).max() <= 2e-9 * stakes
        assert sweep.n_solved < len(priors)
        assert np.array_equal(priors, before)


def test_sweep_against_the_plain_program_on_a_triangle() -> None:
    game = zoo.random_game("state_independent", 3, 5, seed=4)
    grid = [[i / 8, j / 8, (8 - i - j) / 8] for i in range(9) for j in range(9 - i)]
    sweep = value_over_priors(game, grid)
    expected = [reference_value(game.with_prior(p)) for p in grid]
    assert np.abs(sweep.values - expected).max() < 1e-7


def test_few_priors_are_solved() -> None:
    guilty = np.linspace(0, 1, 1001)
    sweep = value_over_priors(PROSECUTOR, np.stack([1 - guilty, guilty], axis=1))
    assert sweep.n_solved <= 5
    assert np.abs(sweep.values - np.minimum(2 * guilty, 1)).max() < 1e-12
    assert np.abs(sweep.no_disclosure - (guilty >= 0.5 - 1e-12)).max() < 1e-12
    assert np.abs(sweep.full_disclosure - guilty).max() < 1e-12
    assert sweep.gain.argmax() == 499
    assert "1001, of which" in sweep.summary()
    assert sweep.to_dict()["n_solved"] == sweep.n_solved
    assert repr(sweep) == f"PriorSweep(n_priors=1001, n_solved={sweep.n_solved})"


def test_sweeps_begin_at_the_nearest_prior_solved(monkeypatch: pytest.MonkeyPatch) -> None:
    rng = np.random.default_rng(8)
    game = PersuasionGame(np.full(20, 0.05), rng.random((20, 10)), rng.random((20, 10)))
    far = rng.dirichlet(np.ones(20), 2)
    share = np.linspace(0, 1, 40)[:, None]
    priors = (1 - share) * far[0] + share * far[1]
    starts: list[bool] = []

    def watched(game: PersuasionGame, **options: Any) -> Any:
        starts.append("start" in options)
        return solve(game, **options)

    monkeypatch.setattr(many, "solve", watched)
    sweep = value_over_priors(game, priors)
    assert len(starts) == sweep.n_solved > 10
    assert sum(starts) > len(starts) / 2
    for i in range(0, 40, 9):
        value = solve(game.with_prior(priors[i]), method="lp").value
        assert sweep.values[i] == pytest.approx(value, abs=1e-9)


def test_a_basis_is_not_trusted_where_it_is_wrong(monkeypatch: pytest.MonkeyPatch) -> None:
    """The two bounds are what decides: without the lower one the sweep would be wrong."""
    guilty = np.linspace(0.05, 0.95, 31)
    priors = np.stack([1 - guilty, guilty], axis=1)
    expected = np.minimum(2 * guilty, 1)
    assert np.abs(value_over_priors(PROSECUTOR, priors).values - expected).max() < 1e-12

    def gullible(self: module._Basis, rows: np.ndarray) -> np.ndarray:
        return rows @ self.state_prices

    monkeypatch.setattr(module._Basis, "values", gullible)
    assert np.abs(value_over_priors(PROSECUTOR, priors).values - expected).max() > 0.1


def test_obedience_is_checked_away_from_the_prior() -> None:
    basis = module._Basis.of(solve(PROSECUTOR.with_prior([0.3, 0.7])))  # convicts always
    assert basis is not None
    found = basis.values(np.array([[0.3, 0.7], [0.5, 0.5], [0.51, 0.49], [1.0, 0.0]]))
    assert found[:2].tolist() == [1.0, 1.0]
    assert np.isnan(found[2:]).all()
    mixing = module._Basis.of(solve(PROSECUTOR))
    assert mixing is not None
    found = mixing.values(np.array([[0.9, 0.1], [0.4, 0.6]]))
    assert found[0] == pytest.approx(0.2)
    assert np.isnan(found[1])  # a negative mass


def test_a_basis_says_nothing_about_states_that_were_impossible() -> None:
    game = PersuasionGame(["7/10", "3/10", 0], [[0, 1], [0, 1], [0, 0]], [[1, 0], [0, 1], [1, 0]])
    basis = module._Basis.of(solve(game))
    assert basis is not None
    found = basis.values(np.array([[0.8, 0.2, 0.0], [0.7, 0.2, 0.1]]))
    assert found[0] == pytest.approx(0.4)
    assert np.isnan(found[1])


def test_rows_are_normalised_as_priors_are() -> None:
    off = np.array([[0.7, 0.3 + 8e-10], [0.7 - 8e-10, 0.3]])
    sweep = value_over_priors(PROSECUTOR, off)
    assert np.abs(sweep.values - separately(PROSECUTOR, off)).max() < 1e-13
    assert np.abs(sweep.priors.sum(axis=1) - 1).max() < 1e-15


@pytest.mark.parametrize(
    "options",
    [
        {"receiver": Quantal(3.0)},
        {"receiver": Biased(Fraction(1, 4))},
        {"margin": Fraction(1, 100)},
        {"max_signals": 1},
        {"exact": True},
    ],
)
def test_other_options_solve_every_prior(options: dict[str, object]) -> None:
    guilty = np.linspace(0.1, 0.9, 5)
    priors = np.stack([1 - guilty, guilty], axis=1)
    sweep = value_over_priors(PROSECUTOR, priors, **options)
    assert sweep.n_solved == 5
    for i, prior in enumerate(priors):
        separate = solve(PROSECUTOR.with_prior(prior), **options)  # type: ignore[arg-type]
        assert sweep.values[i] == pytest.approx(float(separate.value), abs=1e-12)
        assert sweep.no_disclosure[i] == pytest.approx(separate.no_disclosure, abs=1e-12)
        assert sweep.full_disclosure[i] == pytest.approx(separate.full_disclosure, abs=1e-12)


def test_default_options_do_not_cost_a_solve_each() -> None:
    priors = [[0.9, 0.1], [0.8, 0.2], [0.7, 0.3], [0.6, 0.4]]
    sweep = value_over_priors(PROSECUTOR, priors, margin=0, exact=False, receiver=None, method="lp")
    assert sweep.n_solved < 4


def test_two_processes_find_the_same_values() -> None:
    game = zoo.random_game("state_independent", 8, 5, seed=0)
    rng = np.random.default_rng(1)
    priors = segment(rng.dirichlet(np.ones(8)), rng.dirichlet(np.ones(8)), 25)
    alone, together = (value_over_priors(game, priors, n_jobs=n) for n in (1, 2))
    assert np.abs(alone.values - together.values).max() < 1e-12


def test_exact_rows_stay_exact() -> None:
    third = Fraction(1, 3)
    sweep = value_over_priors(PROSECUTOR, [[1 - third, third], ["4/5", "1/5"]], exact=True)
    assert sweep.values.tolist() == [2 / 3, 2 / 5]


@pytest.mark.parametrize(
    ("priors", "message"),
    [
        ([[0.5, 0.5], [0.5, 0.6]], r"^row 1 of `priors`: `prior` must sum to 1"),
        ([[0.5, 0.5], [0.1, 0.9], [-0.5, 1.5]], r"^row 2 of `priors`: `prior` must not be neg"),
        ([["1/2", "1/3"]], r"^row 0 of `priors`: `prior` must sum to 1 exactly"),
        ([0.5, 0.5], r"shape \(n_priors, 2\).*got shape \(2,\)"),
        ([[0.2, 0.3, 0.5]], r"shape \(n_priors, 2\).*got shape \(1, 3\)"),
        ([[0.5, np.nan]], "must be finite"),
    ],
)
def test_bad_priors(priors: object, message: str) -> None:
    with pytest.raises(GameError, match=message):
        value_over_priors(PROSECUTOR, priors)


def test_a_failing_solve_names_its_row_and_subjective_priors_are_refused() -> None:
    flat = PersuasionGame([0.5, 0.5], [[0, 1]] * 2, [[1, 1]] * 2)
    with pytest.raises(InfeasibleError, match=r"^row 0 of `priors`: "):
        value_over_priors(flat, [[0.5, 0.5]], margin=1)
    own = PROSECUTOR.with_prior([0.7, 0.3], receiver_prior=[0.6, 0.4])
    with pytest.raises(UnsupportedError, match="receiver_prior"):
        value_over_priors(own, [[0.5, 0.5]])


def test_the_result_is_frozen() -> None:
    sweep = value_over_priors(PROSECUTOR, [[0.5, 0.5]])
    assert isinstance(sweep, PriorSweep)
    for array in (sweep.priors, sweep.values, sweep.upper_bounds, sweep.no_disclosure):
        assert not array.flags.writeable
