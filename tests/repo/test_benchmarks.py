"""The benchmarks run, and their arithmetic is right; nothing here asserts a speed."""

import json
import math
from collections.abc import Callable, Iterator
from dataclasses import replace
from fractions import Fraction
from itertools import islice
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from benchmarks import exact, online, static, structured, types
from benchmarks.__main__ import main
from benchmarks.report import number, run_and_write, seconds
from benchmarks.rivals import Kernel, Linprog, Solve, too_large
from benchmarks.scaling import fit_power_law
from benchmarks.stopwatch import Stopwatch
from benchmarks.targets import TARGETS, judge
from benchmarks.threads import SETTINGS
from benchmarks.timing import Clocks, Pace, Sample, paired_ratio, race
from persuasion import SignalingScheme, simulate, solve, zoo
from persuasion.learners import load

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:  # `main` sets them; here they are taken back afterwards
        monkeypatch.setenv(name, "1")


# -- time ----------------------------------------------------------------------------------


class FakeTime:
    """Two clocks that move only when told to; the processor works half of the wall time."""

    def __init__(self) -> None:
        self.now = 0.0

    def clocks(self) -> Clocks:
        return Clocks(wall=lambda: self.now, cpu=lambda: self.now / 2)


class Player:
    """Takes `cost(game)` seconds and answers ten times the game."""

    def __init__(
        self, name: str, time: FakeTime, cost: Callable[[int], float], log: list[str]
    ) -> None:
        self.name, self.time, self.cost, self.log = name, time, cost, log

    def prepare(self, game: int) -> Callable[[], int]:
        self.time.now += 1000.0  # preparing is not timed

        def call() -> int:
            self.time.now += self.cost(game)
            return game

        self.log.append(self.name)
        return call

    def value(self, game: int, result: int) -> float:
        self.time.now += 1000.0  # nor is reading the value
        return 10.0 * result


def pace(**changes: Any) -> Pace:
    fields = {"rounds": 3, "block": 4, "turn_seconds": 1e9, "budget_seconds": 1e9, "least_runs": 1}
    return Pace(**{**fields, **changes})


def blocks(turn: int) -> Iterator[int]:
    return iter(range(1 + 4 * turn, 5 + 4 * turn))


def test_both_clocks_are_read_around_the_call_alone() -> None:
    time = FakeTime()
    found = race([Player("a", time, float, [])], blocks, pace(), time.clocks())["a"]
    assert [sample.game for sample in found] == list(range(12))
    assert [sample.wall for sample in found] == [float(k) for k in range(1, 13)]
    assert [sample.cpu for sample in found] == [k / 2 for k in range(1, 13)]
    assert [sample.value for sample in found] == [10.0 * k for k in range(1, 13)]


def test_turns_rotate_and_end_on_time() -> None:
    time, log = FakeTime(), []
    players = [
        Player("fast", time, lambda game: 1.0, log),
        Player("slow", time, lambda game: 50.0, log),
    ]
    found = race(players, blocks, pace(turn_seconds=3.0), time.clocks())
    assert [sample.game for sample in found["fast"]] == [0, 1, 2, 4, 5, 6, 8, 9, 10]
    assert [sample.game for sample in found["slow"]] == [0, 4, 8]
    first_of_each_round = [log[0], log[4], log[8]]
    assert first_of_each_round == ["fast", "slow", "fast"]


def test_budget_ends_a_contender_but_not_before_its_least_runs() -> None:
    time = FakeTime()
    slow = Player("slow", time, lambda game: 50.0, [])
    stopped = race([slow], blocks, pace(turn_seconds=1.0, budget_seconds=60.0), time.clocks())
    assert len(stopped["slow"]) == 2
    kept = race(
        [slow],
        blocks,
        pace(turn_seconds=1.0, budget_seconds=60.0, least_runs=3),
        time.clocks(),
    )
    assert len(kept["slow"]) == 3


def test_ratio_is_the_median_over_common_games() -> None:
    ours = [Sample(game, 1.0 + game, 2.0, 0.0) for game in range(5)]
    rival = [Sample(1, 20.0, 8.0, 0.0), Sample(3, 4.0, 6.0, 0.0), Sample(4, 15.0, 2.0, None)]
    assert paired_ratio(rival, ours, "wall") == 3.0  # of 10, 1, 3
    assert paired_ratio(rival, ours, "cpu") == 3.0  # of 4, 3, 1
    assert paired_ratio(rival[:2], ours, "wall") == 5.5
    with pytest.raises(ValueError, match="no game in common"):
        paired_ratio([Sample(9, 1.0, 1.0, 0.0)], ours, "wall")


def test_garbage_collection_is_put_back_when_a_call_fails() -> None:
    import gc

    def fail() -> None:
        assert not gc.isenabled()
        raise KeyError

    with pytest.raises(KeyError):
        Clocks().time(fail)
    assert gc.isenabled()


def test_quartiles() -> None:
    assert static._spread_of([4.0, 1.0, 3.0, 2.0, 5.0]) == {
        "median": 3.0,
        "lower_quartile": 2.0,
        "upper_quartile": 4.0,
    }
    assert static._spread_of([7.0])["upper_quartile"] == 7.0


def test_stopwatch_changes_nothing_and_counts_every_solve() -> None:
    game = zoo.load("f1", m=3, beta=2)
    plain = simulate(game, load("plug_in"), horizon=200)
    watch = Stopwatch(load("plug_in"))
    watched = simulate(game, watch, horizon=200)
    np.testing.assert_array_equal(watched.regret, plain.regret)
    assert len(watch.wall) == len(watch.cpu) >= plain.solves_per_run
    assert 0 < sum(watch.wall) < watched.seconds


def test_numbers_are_written_with_three_digits() -> None:
    assert [number(x) for x in (0, 0.01234, 0.1234, 12.34, 1234.5)] == [
        "0",
        "0.0123",
        "0.123",
        "12.3",
        "1234",
    ]
    assert [seconds(x) for x in (4.21e-5, 0.0123, 4, 90, 40_000)] == [
        "42.1 µs",
        "12.3 ms",
        "4.00 s",
        "90.0 s",
        "11.1 h",
    ]


# -- growth and targets --------------------------------------------------------------------


def test_power_law_is_recovered() -> None:
    m, n = [5, 10, 50, 100, 10], [3, 5, 10, 2, 40]
    law = fit_power_law({"m": m, "n": n}, [1e-6 * a**0.8 * b**2 for a, b in zip(m, n, strict=True)])
    assert law is not None
    assert law.exponents == pytest.approx({"m": 0.8, "n": 2.0})
    assert law.factor == pytest.approx(1e-6)
    assert law.r_squared == pytest.approx(1.0)


def test_no_fit_through_as_many_points_as_parameters() -> None:
    assert fit_power_law({"m": [1, 2], "n": [2, 2]}, [1.0, 2.0]) is None
    assert fit_power_law({"m": [3, 3, 3]}, [1.0, 2.0, 3.0]) is None


def size(m: int, n: int, ratios: dict[str, float], cpu: float = 1.0) -> dict[str, Any]:
    """What the static suite measured at one size; `solve` took `cpu` seconds."""

    def entry(name: str, ratio: float) -> dict[str, Any]:
        time = {"median": ratio * cpu}
        return {
            "cpu": time,
            "wall": time,
            "ratio": None if name == "solve" else {"cpu": ratio, "wall": 1.1 * ratio},
            "largest_difference": 0.0,
        }

    return {
        "n_states": m,
        "n_actions": n,
        "kind": static.kind_of(m, n),
        "contenders": {name: entry(name, r) for name, r in {"solve": 1.0, **ratios}.items()},
    }


GENERAL, SPECIAL, LARGE, KERNEL, PLAIN, VECTORISED = range(6)


def test_a_target_is_judged_by_its_worst_size_rival_and_clock() -> None:
    rivals = {"kernel": 0.5, "linprog highs": 9.0, "linprog highs-ipm": 3.0}
    (verdict,) = judge([size(5, 3, rivals)], [TARGETS[GENERAL]])[:1]
    assert (verdict["reached"], verdict["measured"]) == (True, "3.00x")
    slow = size(10, 5, {**rivals, "linprog highs-ipm": 2.4})
    (verdict,) = judge([size(5, 3, rivals), slow], [TARGETS[GENERAL]])[:1]
    assert (verdict["reached"], verdict["missed_at"]) == (False, ["10 x 5"])


def test_kernel_is_judged_by_its_own_time() -> None:
    rivals = {"kernel": 0.1, "linprog highs": 11.0, "linprog highs-ipm": 15.0}
    (verdict,) = judge([size(100, 2, rivals)], [TARGETS[KERNEL]])[:1]
    assert verdict["reached"] is True  # 11 / 0.1
    (verdict,) = judge([size(100, 2, rivals)], [TARGETS[SPECIAL]])[:1]
    assert verdict["reached"] is False


def test_where_no_rival_ran_a_smaller_size_is_a_bound() -> None:
    ran = size(2, 1000, {"kernel": 0.5, "linprog highs": 300.0, "linprog highs-ipm": 900.0})
    (verdict,) = judge([ran, size(2, 10_000, {"kernel": 0.5}, cpu=2.0)], [TARGETS[LARGE]])[:1]
    assert (verdict["reached"], verdict["where"]) == (True, "2 x 10000: at least 150x")
    (verdict,) = judge([ran, size(2, 10_000, {"kernel": 0.5}, cpu=4.0)], [TARGETS[LARGE]])[:1]
    assert verdict["reached"] is None  # 75 times or more: nobody knows


def test_differing_values_are_reported() -> None:
    wrong = size(5, 3, {"kernel": 0.5, "linprog highs": 3.0, "linprog highs-ipm": 3.0})
    assert [verdict["reached"] for verdict in judge([wrong], [])] == [True, None]
    wrong["contenders"]["linprog highs"]["largest_difference"] = 1e-8
    assert judge([wrong], [])[0]["missed_at"] == ["linprog highs at 5 x 3"]
    wrong["contenders"]["cvxpy plain"] = {"largest_difference": 1e-5}
    assert judge([wrong], [])[1]["missed_at"] == ["cvxpy plain at 5 x 3"]


# -- contenders ----------------------------------------------------------------------------


@pytest.mark.parametrize("shape", [(6, 4), (12, 2), (2, 9)])
def test_contenders_agree(shape: tuple[int, int]) -> None:
    game = static.draw(*shape, 0)
    method = solve(game).method
    field = [Solve(), Kernel(method), Linprog("highs", 10.0), Linprog("highs-ipm", 10.0)]
    values = [contender.value(game, contender.prepare(game)()) for contender in field]
    assert values == pytest.approx([values[0]] * 4, abs=1e-9)


def test_a_receiver_with_a_prior_of_her_own() -> None:
    entry = zoo.entry("real_estate")
    case = exact.Case("real_estate", entry.load(), entry.value_at())
    assert not case.game.has_common_prior
    assert exact.recheck(case, solve(case.game, exact=True)) is None
    for contender in (Kernel("lp"), Linprog("highs", 10.0)):
        value = contender.value(case.game, contender.prepare(case.game)())
        assert value == pytest.approx(float(case.value), abs=1e-9)
    shared = solve(case.game.with_prior(case.game.prior), exact=True)  # obeyed under that prior
    assert "not obeyed" in str(exact.recheck(case, shared))


def test_games_are_distinct() -> None:
    games = [static.draw(m, 3, position) for m in (3, 4) for position in range(3)]
    assert len({game.sender_utility.tobytes() for game in games}) == 6


def test_what_cannot_be_built_is_not_run() -> None:
    assert too_large("solve", 2, 10_000) is None
    assert "99,990,000 rows" in str(too_large("linprog highs", 2, 10_000))
    assert too_large("linprog highs", 2, 1000) is None
    assert "999,000 constraint objects" in str(too_large("cvxpy plain", 2, 1000))


def test_exact_answers_are_checked_again() -> None:
    entry = zoo.entry("prosecutor")
    case = exact.Case("prosecutor", entry.load(), entry.value_at())
    solution = solve(case.game, exact=True)
    assert exact.recheck(case, solution) is None
    assert "published" in str(
        exact.recheck(replace(case, value=Fraction(2, 3)), solution)  # of a prior of 1/3
    )
    assert "not obeyed" in str(
        exact.recheck(case, replace(solution, recommendations=solution.recommendations[::-1]))
    )
    lies = SignalingScheme([[0, 1], [0, 1]], signals=solution.scheme.signals)
    assert "not obeyed" in str(exact.recheck(case, replace(solution, given_scheme=lies)))
    told = SignalingScheme([[1, 0], [0, 1]], signals=solution.scheme.signals)
    assert "is worth 3/10" in str(exact.recheck(case, replace(solution, given_scheme=told)))
    assert "status" in str(exact.recheck(case, replace(solution, upper_bound=Fraction(1))))


# -- the command ---------------------------------------------------------------------------


def results(folder: Path, suite: str) -> tuple[dict[str, Any], str]:
    (numbers,) = folder.glob(f"*-{suite}.json")
    return (
        json.loads(numbers.read_text(encoding="utf-8")),
        numbers.with_suffix(".md").read_text(encoding="utf-8"),
    )


def check_conditions(result: dict[str, Any], table: str, suite: str) -> None:
    given = result["conditions"]
    assert given["command"] == f"python -m benchmarks {suite} --quick"
    assert given["machine"]["cpu"]
    assert given["machine"]["cores"] >= 1
    assert given["versions"]["source"]
    for text in (given["date"], given["python"], *given["versions"].values()):
        assert str(text) in table
    assert "smoke test" in table
    assert str(ROOT) not in table + json.dumps(result)


def test_static_suite_writes_its_table(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    few = static.Plan(((4, 3), (6, 2), (2, 4)), pace(rounds=1, block=2), time_limit=10.0)
    monkeypatch.setattr(static, "QUICK", few)
    assert main(["static", "--quick", "--out", str(tmp_path)]) == 0
    result, table = results(tmp_path, "static")
    check_conditions(result, table, "static")
    assert table in capsys.readouterr().out
    assert [(s["n_states"], s["n_actions"]) for s in result["sizes"]] == list(few.sizes)
    for measured in result["sizes"]:
        for name, entry in measured["contenders"].items():
            assert 0 < entry["cpu"]["lower_quartile"] <= entry["cpu"]["median"]
            assert math.isfinite(entry["wall"]["median"])
            assert entry["largest_difference"] <= (1e-6 if name.startswith("cvxpy") else 1e-9)
    for kind in static.KINDS.values():
        assert f"## {kind}, processor time" in table
        assert f"## {kind}, wall time" in table
    assert len(result["targets"]) == len(TARGETS) + 2
    for target in result["targets"]:
        assert target["claim"] in table


def test_structured_suite_writes_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = structured.Plan(
        ((3, 3), (5, 3)), pace(rounds=1, block=2), 10.0, ((4, 3),), 1, 20, (4, 3), 1
    )
    monkeypatch.setattr(structured, "QUICK", few)
    assert main(["structured", "--quick", "--out", str(tmp_path)]) == 0
    result, table = results(tmp_path, "structured")
    check_conditions(result, table, "structured")
    assert [(s["n_states"], s["n_actions"]) for s in result["sizes"]] == list(few.sizes)
    assert len(result["targets"]) == 6  # two rivals at each size, and the agreement of values
    for measured in result["sizes"]:
        assert measured["method"] == "structured"
        assert measured["work"]["bare kernel"] > 0
    assert all(row["least_ratio"] > 0 for row in result["degenerate"])
    for row in result["handed_on"]:
        assert row["games"] == sum(row["methods"].values()) == 24
    for row in [*result["batch"], result["robust"]]:
        assert row["largest_difference"] < 1e-9
        assert row["ratio"] > 0
    for title in ("Degenerate games", "What answered", "Batches", "Robust programs"):
        assert f"## {title}" in table


def test_nothing_is_overwritten(tmp_path: Path) -> None:
    suite = SimpleNamespace(
        NAME="static", TITLE="A", run=lambda scale, say: {}, tables=lambda result: ["none"]
    )
    written = [run_and_write(suite, "standard", tmp_path / "new", print) for _ in range(3)]
    names = [paths.numbers.stem.split("-", 3)[3] for paths in written]
    assert names == ["static", "static-2", "static-3"]
    assert all(paths.table.exists() for paths in written)
    table = written[0].table.read_text(encoding="utf-8")
    assert "`python -m benchmarks static`" in table
    assert "smoke test" not in table


def test_exact_suite_writes_its_table(tmp_path: Path) -> None:
    assert main(["exact", "--quick", "--out", str(tmp_path)]) == 0
    result, table = results(tmp_path, "exact")
    check_conditions(result, table, "exact")
    groups = {group["group"]: group for group in result["groups"]}
    assert set(groups) == {"zoo", "reference games", *zoo.families()}
    assert groups["zoo"]["games"] == len(zoo.names())
    assert all(group["solved"] == group["games"] for group in groups.values())
    assert groups["reference games"]["known_values_matched"] == groups["reference games"]["games"]


def test_online_suite_writes_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = online.Plan(horizon=1000, n_games=1, n_runs=2, n_jobs=1, naive_seconds=0.1, size=(3, 3))
    monkeypatch.setitem(online.PLANS, "quick", few)
    assert main(["online", "--quick", "--out", str(tmp_path)]) == 0
    result, table = results(tmp_path, "online")
    check_conditions(result, table, "online")
    assert result["solves"]["counts"] == sorted(result["solves"]["counts"])
    for name, loop in result["naive"].items():
        assert loop["failed"] == 0
        assert loop["largest_difference"] < 1e-6
        assert loop["extrapolated_seconds"] == pytest.approx(1000 * loop["mean_cpu"])
        assert loop["ratio"] > loop["ratio_per_solve"]
        assert result["runs"][name]["solving_wall"] <= result["runs"][name]["whole_wall"]
    assert "**not run to the end**" in table


def test_types_suite_writes_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = types.Plan(30, 1, 3, 1.0, ((2, 2, 2), (3, 2, 2)))
    monkeypatch.setitem(types.PLANS, "quick", few)
    assert main(["types", "--quick", "--out", str(tmp_path)]) == 0
    result, table = results(tmp_path, "types")
    check_conditions(result, table, "types")
    projections = result["projections"]
    assert {row["n"] for row in projections.values()} == {3}
    assert projections["warm"]["ratio_cpu"] == 1
    assert projections["cold"]["largest_difference"] < 1e-9
    assert projections["cvxpy"]["largest_difference"] < 1e-5
    for row in result["rounds"].values():
        assert 0 < row["learner_cpu"] < row["whole_cpu"]
    assert [row["size"] for row in result["listed"]] == [[2, 2, 2], [3, 2, 2]]
    for row in result["listed"]:
        assert row["posteriors_largest"] <= 2 + row["systems"]
    assert len(result["targets"]) == 2
    for target in result["targets"]:
        assert target["claim"] in table


def test_projections_are_distinct_and_those_of_play() -> None:
    worlds = list(islice(types._worlds(), 2))
    tasks = types._tasks(worlds)
    assert {task.splits.posteriors.shape for task in tasks} == {(24, 4)}
    assert tasks[0].log_weights.tolist() != tasks[1].log_weights.tolist()
    for task in tasks:
        warm, cold = types.Warm().prepare(task)(), types.Cold().prepare(task)()
        np.testing.assert_allclose(warm.weights, cold.weights, atol=1e-9)
        assert warm.n_steps <= cold.n_steps
