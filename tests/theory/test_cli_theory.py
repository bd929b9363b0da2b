"""`persuasion verify`, `persuasion theorems`, the report, the demo section, PAPERS.md."""

import json
import os
import re
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from persuasion import PersuasionGame, simulate, zoo
from persuasion.demo import producers
from persuasion.errors import NotSolvedError
from persuasion.io import write_game
from persuasion.testing import all_checks
from tests.command_line import done, refused, run
from theory import Outcome, demo, papers, statements
from theory.cli import PackageLaboratory
from theory.experiment import Case, Finding, carry_out, control_of, plan
from theory.family import default_games, informative_horizon
from theory.pictures import picture_of
from theory.plot import Line, Play, plot_bounds
from theory.report import command_of, report_on
from theory.verification import Verification, investigate

ROOT = Path(__file__).parents[2]
SMALL = "--game prosecutor --horizon 1e4 --n-runs 3"
BANNED = re.compile(r"\b(proved|proves|confirm\w*|verif(?:ies|ied) the)\b", re.IGNORECASE)


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def row(text: str, theorem: str) -> str:
    (line,) = [line for line in text.splitlines() if line.startswith(f"{theorem} ")]
    return line


# -- verify: verdicts and exit codes -----------------------------------------------------------


def test_table_has_verdict_and_control() -> None:
    text = done(f"verify theorem_1_slater lemma_1 theorem_1_obedience {SMALL}")
    for theorem in ("theorem_1_slater", "lemma_1", "theorem_1_obedience"):
        assert re.match(rf"{theorem} +prosecutor +not refuted +REFUTED", row(text, theorem))
    assert "never establish it" in text


def test_numbers_are_those_of_the_verdict() -> None:
    data = json.loads(done(f"verify theorem_1_slater {SMALL} --json"))
    (finding,) = data["findings"]
    regret = np.array(finding["played"][0]["regret_at_horizon"])
    game = PersuasionGame.from_dict(data["games"][finding["games"][0]])
    again = simulate(game, "robust", horizon=10**4, n_runs=3)
    assert np.array_equal(regret, again.regret[:, -1])
    verdict = finding["verdict"]
    at = again.checkpoints.tolist().index(verdict["where"]["round"])
    assert verdict["measured"] == again.regret[verdict["where"]["run"], at]
    bound = statements.load("theorem_1_slater").bound(
        game, [verdict["where"]["round"]], again.parameters, horizon=10**4
    )
    assert verdict["bound"] == pytest.approx(float(bound[0]), rel=1e-12)


def scale_bound(monkeypatch: pytest.MonkeyPatch, theorem_id: str, factor: float) -> None:
    kind = type(statements.load(theorem_id))
    bound = kind.bound
    monkeypatch.setattr(
        kind, "bound", lambda self, *given, **options: factor * bound(self, *given, **options)
    )


def test_a_refuted_theorem_exits_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    scale_bound(monkeypatch, "theorem_1_slater", 0.1)
    result = run(f"verify theorem_1_slater {SMALL}")
    assert result.exit_code == 1
    assert re.match(
        r"theorem_1_slater +prosecutor +REFUTED", row(result.stdout, "theorem_1_slater")
    )
    assert "fault: theorem_1_slater is REFUTED on prosecutor" in result.stderr


def test_a_control_that_passes_exits_with_1(monkeypatch: pytest.MonkeyPatch) -> None:
    kind = type(statements.load("theorem_1_slater"))
    harmless = replace(kind.negative_control, learner="robust", horizon=10**4)
    monkeypatch.setattr(kind, "negative_control", harmless)
    result = run(f"verify theorem_1_slater {SMALL}")
    assert result.exit_code == 1
    assert "not refuted (!)" in row(result.stdout, "theorem_1_slater")
    assert "cannot be relied on" in result.stderr


def test_what_is_not_solved_is_named_and_the_rest_goes_on(monkeypatch: pytest.MonkeyPatch) -> None:
    play = PackageLaboratory.play

    def fail(self: PackageLaboratory, setup: Any) -> Any:
        if setup.learner == "robust" and setup.game.name == "f1":
            raise NotSolvedError("no answer passed")
        return play(self, setup)

    monkeypatch.setattr(PackageLaboratory, "play", fail)
    result = run(f"verify theorem_1_slater {SMALL} --game f1")
    assert result.exit_code == 3
    assert "theorem_1_slater on f1 failed: no answer passed" in result.stderr
    assert re.search(r"prosecutor +not refuted", result.stdout)
    assert re.search(r"f1 +FAILED", result.stdout)


def test_inconclusive_and_not_applicable_are_explained() -> None:
    text = done("verify corollary_1 theorem_1_every_round --game f1 --horizon 1000 --n-runs 2")
    assert re.search(r"corollary_1 +f1 +inconclusive", text)
    assert "corollary_1 on f1: vacuous here" in text
    assert re.search(r"theorem_1_every_round +f1 +not applicable", text)
    assert "theorem_1_every_round on f1: the learner's" in text


def test_alpha_is_divided_among_what_can_err() -> None:
    line = f"verify theorem_1_slater lemma_2 lemma_1 {SMALL} --game f1 --alpha 0.02 --json"
    data = json.loads(done(line))
    assert data["alpha_each"] == pytest.approx(0.02 / 4)
    statistical = [f for f in data["findings"] if f["verdict"]["alpha"] > 0]
    assert {f["verdict"]["alpha"] for f in statistical} == {0.02 / 4}
    assert {f["theorem"]["id"] for f in statistical} == {"theorem_1_slater", "lemma_2"}


def test_any_game_can_be_tried() -> None:
    write_game(zoo.load("medicine"), "game.json")
    line = "--game game.json --game price_discrimination --horizon 1e4 --n-runs 2"
    text = done(f"verify theorem_1_slater lemma_1 {line}")
    assert text.count("not refuted") == 4
    text = done("verify lemma_1 --game random:uniform --param n_states=4 --game-seed 7")
    assert "uniform 4x3" in text


def test_lower_bound_brings_its_own_games() -> None:
    (case,) = plan([statements.load("theorem_2")], horizon=10**5, n_runs=6)
    assert re.fullmatch(r"pair, P\(good\) = 0.25 and 0.25\d+", case.title)
    finding = carry_out(case, PackageLaboratory("kept"), 0.01)
    assert finding.outcome == "NOT_REFUTED"
    assert [t.game for t in finding.trajectories] == list(case.games)


@pytest.mark.slow
def test_lower_bound_on_the_command_line() -> None:
    text = done("verify theorem_2 --horizon 1e5 --n-runs 6")
    assert re.search(r"theorem_2 +pair, P\(good\) = 0.25 and 0.25\d+ +not refuted +REFUTED", text)


@pytest.mark.slow
def test_lower_bounds_are_left_out_where_a_game_is_named() -> None:
    result = run(f"verify {SMALL} --quick")
    assert result.exit_code == 0, result.output
    assert "theorem_2_relaxed" in result.stderr
    assert "theorem_2" not in result.stdout


# -- verify: what it plays ---------------------------------------------------------------------


@pytest.mark.parametrize("theorem", statements.theorems(), ids=lambda theorem: theorem.id)
def test_default_cases_are_covered_and_say_something(theorem: Any) -> None:
    cases = plan([theorem], quick=True)
    assert cases
    for case in cases:
        if case.types is not None:
            assert case.horizon == theorem.horizon
        elif len(case.games) == 1 and case.horizon:
            assert case.horizon == informative_horizon(theorem, case.games[0])
    full = plan([theorem])
    assert len({game for case in full for game in case.games}) == len(full) * theorem.n_games
    if theorem.n_games == 1:
        assert len(full) == 4
        assert all(a.holds for case in full for a in theorem.assumptions(case.games))
    if not theorem.brings_games:
        assert [case.games for case in full] == [(game,) for game in default_games(theorem)]


@pytest.mark.slow
def test_everything_by_default_is_as_it_should_be() -> None:
    data = json.loads(done("verify --json --out out"))
    outcomes = {(f["theorem"]["id"], tuple(f["games"])): f["outcome"] for f in data["findings"]}
    assert set(outcomes.values()) == {"NOT_REFUTED"}
    assert len(outcomes) == 4 * sum(t.n_games == 1 for t in statements.theorems()) + 3
    assert {c["outcome"] for c in data["controls"]} == {"REFUTED"}
    assert data["faults"] == []
    assert page_faults(Path("out/report.html").read_text()) == []


def test_theorems_about_types_are_left_out_where_a_game_is_named() -> None:
    assert plan([statements.load("theorem_3")], [zoo.load("prosecutor")]) == ()
    refused("verify theorem_3 --game prosecutor", "theorem_3", "games of its own")


def test_types_reach_the_table_the_page_and_the_record() -> None:
    done("verify theorem_3 --quick --n-runs 2 --out out")
    record = json.loads(Path("out/verify.json").read_text())
    first, second = record["findings"]
    assert (first["outcome"], second["outcome"]) == ("NOT_REFUTED", "NOT_REFUTED")
    assert first["types"]["sequence"] == "LargestGap()"
    assert np.shape(first["types"]["utilities"]) == (3, 3, 3)
    assert record["controls"][0]["outcome"] == "REFUTED"
    page = Path("out/report.html").read_text()
    assert "uniform 3x3, seed 91, 3 types, LargestGap()" in page
    assert page_faults(page) == []


def test_box_theorem_is_tried_on_the_learner_with_boxes() -> None:
    (case,) = plan([statements.load("theorem_1_box")], [zoo.load("prosecutor")], horizon=10**5)
    finding = carry_out(replace(case, n_runs=2), PackageLaboratory("kept"), 0.01)
    assert finding.trajectories[0].parameters["confidence"] == "box"
    assert finding.outcome == "NOT_REFUTED"


@pytest.mark.parametrize("theorem", statements.theorems(), ids=lambda theorem: theorem.id)
def test_control_is_another_experiment_than_the_cases(theorem: Any) -> None:
    control = control_of(theorem)
    assert control.control is theorem.negative_control
    assert len(control.games) == theorem.n_games
    assert not any(
        case.games == control.games and case.parameters == control.parameters and case.learner
        for case in plan([theorem], quick=True)
    )


# -- verify: files, store, interruption --------------------------------------------------------


def test_store_keeps_runs_and_gives_the_same(monkeypatch: pytest.MonkeyPatch) -> None:
    line = f"verify theorem_1_slater {SMALL} --store kept --json"
    first = json.loads(done(line))
    before = sorted(path.name for path in Path("kept").iterdir())
    assert len(before) == 1 + 3 + first["controls"][0]["played"][0]["n_runs"]
    again = json.loads(done(line))
    assert sorted(path.name for path in Path("kept").iterdir()) == before
    assert {**again, "seconds": 0} == {**first, "seconds": 0}


def test_record_holds_what_is_needed_to_do_it_again() -> None:
    done(f"verify theorem_1_slater {SMALL} --param p=1/4 --seed 3 --out first")
    record = json.loads(Path("first/verify.json").read_text())
    assert {"python", "persuasion", "numpy"} <= set(record["versions"])
    command = command_of(record["arguments"])
    assert command in Path("first/report.html").read_text()
    done(f"{command.removeprefix('persuasion ')} --out second")
    again = json.loads(Path("second/verify.json").read_text())
    assert {**again, "seconds": 0} == {**record, "seconds": 0}
    assert record["findings"][0]["played"][0]["seed"] == 3


def test_interrupted_program_says_what_is_kept_and_resumes() -> None:
    line = (
        "verify",
        "theorem_1_slater",
        "--game",
        "f1",
        "-T",
        "1e6",
        "-n",
        "80",
        "--store",
        "kept",
    )
    command = (sys.executable, "-W", "error", "-m", "persuasion", *line)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    with subprocess.Popen(
        command, env=environment, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    ) as process:
        deadline = time.monotonic() + 60
        while len(list(Path().glob("kept/*.npz"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert (process.returncode, stdout) == (130, ""), stderr
    assert "interrupted after 0 of 2 checks; finished runs are kept in kept" in stderr
    assert 2 <= len(list(Path("kept").glob("*.npz"))) < 80
    kept = len(list(Path("kept").glob("*.npz")))
    resumed = (*command[:-3], str(kept), *command[-2:])
    result = subprocess.run(resumed, env=environment, capture_output=True, text=True, check=False)
    assert result.returncode == 0, result.stderr
    assert "not refuted" in result.stdout


# -- the report --------------------------------------------------------------------------------


def page_faults(text: str) -> list[str]:
    """What a page must not contain: anything loaded, and words that claim too much."""
    found = re.findall(r"<script|<link|<iframe|@import|https?://(?!www\.w3\.org)[^\s<\"']+", text)
    return found + BANNED.findall(re.sub(r"<[^>]*>", " ", text))


@pytest.fixture(scope="module")
def result(tmp_path_factory: pytest.TempPathFactory) -> Verification:
    games = [zoo.load("f1"), zoo.load("prosecutor")]
    ids = ("theorem_1_growth", "theorem_1_every_round", "theorem_1_box", "lemma_1")
    theorems = [statements.load(name) for name in ids]
    lower = statements.load("theorem_2")
    cases = (
        *plan(theorems, games, horizon=10**5, n_runs=3),
        *plan([lower], horizon=10**5, n_runs=3),
    )
    controls = [control_of(theorem) for theorem in (theorems[1], theorems[3])]
    return investigate(cases, controls, PackageLaboratory(tmp_path_factory.mktemp("store")))


def test_report_shows_every_game_theorem_and_control(result: Verification) -> None:
    text = report_on(result).to_html()
    assert page_faults(text) == []
    titles = re.findall(r"<h2>(.*?)</h2>", text)
    assert titles[0] == "Verdicts"
    assert titles[1:3] == ["f1", "prosecutor"]
    assert re.fullmatch(r"pair, P\(good\) = 0.25 and 0.252\d+", titles[3])
    assert titles[4:] == ["Negative controls", "What the theorems say", "How to repeat this"]
    for finding in result.findings:
        assert finding.case.theorem.statement.split(" ")[0] in text
    assert text.count("<figure>") == 3 + 1


def test_wrong_page_is_caught() -> None:
    assert page_faults("<p>This confirms the theorem</p><script>") == ["<script", "confirms"]


def test_picture_names_plays_and_bounds(result: Verification) -> None:
    on_f1 = [f for f in result.findings if f.case.title == "f1"]
    picture = picture_of(on_f1)
    assert picture is not None
    for name in ("confidence=l1", "confidence=box", "theorem 1 growth", "theorem 1 box"):
        assert name in picture.alt
    assert "lemma" not in picture.alt
    pair = picture_of([f for f in result.findings if f.case.theorem.n_games == 2])
    assert pair is not None
    assert "theorem 2" in pair.alt
    assert picture_of([f for f in on_f1 if f.case.theorem.kind == "static"]) is None


def some_play(**changes: Any) -> Play:
    rounds = np.geomspace(1, 10**6, 60)
    regret = np.sqrt(rounds) * np.array([[1.0], [2.0], [3.0]])
    return replace(Play("robust", rounds, regret), **changes)


def test_curves_are_the_numbers() -> None:
    play = some_play(band=(np.sqrt(np.geomspace(1, 10**6, 60)), np.geomspace(1, 10**6, 60)))
    upper = Line("upper", play.rounds, 9 * np.sqrt(play.rounds))
    lower = Line("lower", play.rounds, 0.1 * np.sqrt(play.rounds), "lower")
    ax = plot_bounds([play], [lower, upper], optimum=0.5)
    curves = {line.get_label(): line for line in ax.lines}
    assert np.allclose(curves["robust, mean of 3 runs"].get_ydata(), 2 * np.sqrt(play.rounds))
    assert np.allclose(curves["upper"].get_ydata(), upper.values)
    assert np.allclose(curves["lower"].get_ydata(), lower.values)
    single = [path.vertices[:, 1] for path in ax.collections[0].get_paths()]
    assert np.allclose(single, play.regret)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_slope_triangles_have_their_slopes() -> None:
    ax = plot_bounds([some_play()], [])
    slopes = []
    for polygon in ax.patches:
        corners = np.log10(polygon.get_xy())[:3]
        slopes.append((corners[2, 1] - corners[1, 1]) / (corners[1, 0] - corners[0, 0]))
    assert slopes == pytest.approx([0.5, 1.0])
    low, high = ax.get_ylim()
    assert all(low < y < high for polygon in ax.patches for y in polygon.get_xy()[:, 1])


def test_bounds_are_told_apart_without_colour() -> None:
    rounds = np.geomspace(1, 10**6, 20)
    lines = [Line(f"bound {k}", rounds, (k + 3) * np.sqrt(rounds)) for k in range(8)]
    control = some_play(label="plug_in", is_control=True)
    ax = plot_bounds([some_play(), control], [*lines, Line("low", rounds, rounds**0.4, "lower")])
    styles = {
        (line.get_linewidth(), line._unscaled_dash_pattern, line.get_marker()) for line in ax.lines
    }
    assert len(styles) == len(ax.lines)


def test_zero_regret_and_zero_bound_can_be_drawn() -> None:
    play = some_play(regret=np.zeros((2, 60)))
    ax = plot_bounds([play], [Line("zero", play.rounds, np.zeros(60))], optimum=0.5)
    ax.figure.draw_without_rendering()  # type: ignore[union-attr]


# -- theorems and PAPERS.md --------------------------------------------------------------------


def test_theorems_and_facts_are_listed() -> None:
    text = done("theorems")
    for theorem in statements.theorems():
        assert theorem.statement in row(text, theorem.id)
        assert theorem.source in row(text, theorem.id)
    for check in all_checks():
        assert re.search(rf"^{check.number} +{check.name} ", text, re.MULTILINE)
    assert done("theorems --quiet").split() == list(statements.names())
    data = json.loads(done("theorems --json"))
    assert [t["id"] for t in data["theorems"]] == list(statements.names())
    assert len(data["facts"]) == len(all_checks())
    assert all(t["negative_control"] for t in data["theorems"])


@pytest.mark.parametrize("theorem", statements.theorems(), ids=lambda theorem: theorem.id)
def test_one_theorem_is_shown(theorem: Any) -> None:
    text = done(f"theorems {theorem.id}")
    for part in (theorem.statement, theorem.latex, theorem.source, theorem.negative_control.why):
        assert part in text
    assert json.loads(done(f"theorems {theorem.id} --json"))["latex"] == theorem.latex


def test_papers_are_up_to_date() -> None:
    assert (ROOT / "PAPERS.md").read_text(encoding="utf-8") == papers.papers(), (
        "run `python -m theory.papers`"
    )


def test_papers_name_every_theorem_and_claim_nothing() -> None:
    text = papers.papers()
    assert re.findall(r"^## .*\(`(\w+)`\)$", text, re.MULTILINE) == list(statements.names())
    assert BANNED.findall(text) == []


# -- the demo ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_demo_section() -> None:
    (section,) = demo.sections(lambda text: None)
    (table,) = [block for block in section.blocks if hasattr(block, "echo")]
    assert table.echo
    assert [row[2:4] for row in table.rows] == [["not refuted", "REFUTED"]] * 3
    assert [row[0] for row in table.rows] == ["corollary 1", "theorem 1 growth", "theorem 1 slater"]
    text = section.to_html("s")
    assert "plug_in (negative control)" in text
    assert page_faults(text) == []
    assert "of the paper" in text


def test_demo_section_in_small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "_THEOREMS", ("theorem_1_slater",))
    monkeypatch.setattr(demo, "_N_RUNS", 4)
    monkeypatch.setattr(demo, "_N_CONTROL_RUNS", 12)
    told: list[str] = []
    (section,) = demo.sections(told.append)
    assert "not refuted" in section.to_html("s")
    assert any("16 runs" in text for text in told)


def test_demo_finds_the_section() -> None:
    assert "theory" in dict(producers())


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("verify corolary_1", ("did you mean 'corollary_1'?", "lemma_2")),
        ("theorems corolary_1", ("did you mean 'corollary_1'?",)),
        (f"verify lemma_2 {SMALL} --horizon 0", ("--horizon", "'0'")),
        (f"verify lemma_2 {SMALL} --n-runs 0", ("--n-runs", "'0'")),
        (f"verify lemma_2 {SMALL} --alpha 0", ("alpha", "0")),
        (f"verify lemma_2 {SMALL} --alpha 1", ("alpha", "1")),
        (f"verify lemma_2 {SMALL} --jobs 0", ("--jobs",)),
        (f"verify lemma_2 {SMALL} --game family", ("family", "alone")),
        ("verify lemma_2 --game prosecuter", ("did you mean 'prosecutor'?",)),
        ("verify lemma_2 --param p=1/4", ("--param", "--game")),
        (f"verify lemma_2 {SMALL} --game f1 --param p=1/4", ("exactly one",)),
        ("verify theorem_2 --game prosecutor", ("theorem_2", "--game")),
    ],
)
def test_bad_input(line: str, words: tuple[str, ...]) -> None:
    refused(line, *words)


@pytest.mark.parametrize(("n_states", "n_actions"), [(1, 2), (2, 1)])
def test_nothing_to_learn(n_states: int, n_actions: int) -> None:
    table = np.eye(2)[:n_states, :n_actions]
    write_game(PersuasionGame(np.full(n_states, 1 / n_states), table, table), "game.json")
    refused("verify lemma_1 --game game.json", "nothing to learn", f"{n_states} state")


def test_different_priors() -> None:
    game = zoo.load("prosecutor")
    write_game(game.with_prior([0.5, 0.5], receiver_prior=[0.7, 0.3]), "game.json")
    refused("verify theorem_1_slater --game game.json --horizon 100", "common prior")


def test_store_of_other_code() -> None:
    Path("kept").mkdir()
    Path("kept/store.json").write_text(json.dumps({"format": 1, "versions": {"numpy": "0"}}))
    refused(f"verify lemma_2 {SMALL} --store kept", "written by other code", "numpy 0")


# -- pieces ------------------------------------------------------------------------------------


def test_outcome_of_a_control_is_compared_with_what_it_must_be() -> None:
    theorem = statements.load("theorem_1_slater")
    control = control_of(theorem)
    verdict = carry_out(control, PackageLaboratory("kept"), 0.01).verdict
    assert verdict is not None
    assert verdict.outcome is Outcome.REFUTED
    assert Finding(control, verdict).caught
    assert not Finding(control, verdict).refutes
    assert not Finding(control, replace(verdict, outcome=Outcome.NOT_REFUTED)).caught
    own = Case(theorem, control.games, 1000, 2)
    assert Finding(own, verdict).refutes
    assert not Finding(own, verdict).caught


@pytest.fixture(autouse=True, scope="module")
def _no_plot_is_left_open() -> Iterator[None]:
    yield
    import matplotlib.pyplot as plt

    assert plt.get_fignums() == []
