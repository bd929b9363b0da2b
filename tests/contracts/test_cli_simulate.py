"""`persuasion simulate` and `persuasion learners`: what they print, write, keep and refuse."""

import csv
import json
import os
import pty
import re
import select
import signal
import subprocess
import sys
import time
from pathlib import Path

import numpy as np
import pytest

import persuasion
from persuasion import PersuasionGame, Trajectory, learners, zoo
from persuasion.commands import progress
from persuasion.commands.learners import find_learner
from persuasion.errors import PersuasionError
from persuasion.io import write_game, write_scheme
from persuasion.plot import plot_regret
from persuasion.simulate import _Play
from tests.command_line import done, refused, run

ROOT = Path(__file__).parents[2]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


PLAY = "simulate prosecutor --learner robust --horizon 2000 --n-runs 3 --seed 5"


def played() -> Trajectory:
    return persuasion.simulate(zoo.load("prosecutor"), "robust", horizon=2000, n_runs=3, seed=5)


# -- what it prints and writes -----------------------------------------------------------------


def test_table_shows_mean_least_most_and_share() -> None:
    rows = [line.split() for line in done(PLAY).splitlines() if re.match(r" *\d", line)]
    assert [row[0] for row in rows] == ["10", "100", "1000", "2000"]
    last = played().regret[:, -1]
    shown = [float(x) for x in rows[-1][1:4]]
    assert shown == pytest.approx([last.mean(), last.min(), last.max()], rel=1e-5)
    assert rows[-1][4] == f"{last.mean() / (0.6 * 2000):.2%}"


def test_quiet_is_the_mean_at_the_horizon() -> None:
    expected = float(played().mean_regret[-1])
    assert float(done(f"{PLAY} --quiet")) == pytest.approx(expected, rel=1e-11)


def test_json_is_the_trajectory_in_strict_json() -> None:
    text = done(f"{PLAY} --json")
    data = json.loads(text, parse_constant=lambda word: pytest.fail(f"{word} is no JSON"))
    assert Trajectory.from_dict(data).same_results(played())
    assert data["versions"]["persuasion"] == persuasion.__version__


def test_learner_without_a_radius_survives_the_round_trip() -> None:
    data = json.loads(done(PLAY.replace("robust", "plug_in") + " --json"))
    restored = Trajectory.from_dict(data)
    assert np.isposinf(restored.epochs.radius).all()
    assert restored.epochs.covered.all()


def test_horizon_may_be_written_with_an_exponent() -> None:
    assert done(f"{PLAY} --quiet".replace("2000", "2e3")) == done(f"{PLAY} --quiet")


def test_out_holds_everything() -> None:
    result = run(f"{PLAY} --out a/b")
    assert "wrote a/b/trajectory.json" in result.stderr.replace(os.sep, "/")
    data = json.loads(Path("a/b/trajectory.json").read_text())
    assert Trajectory.from_dict(data).same_results(played())
    with Path("a/b/regret.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    table = np.array([float(row["regret"]) for row in rows]).reshape(3, -1)
    assert np.array_equal(table, played().regret)
    assert [int(row["round"]) for row in rows][: table.shape[1]] == played().checkpoints.tolist()


def test_realised_payoffs_get_a_column() -> None:
    realised = persuasion.simulate(
        zoo.load("prosecutor"), "robust", horizon=2000, n_runs=3, seed=5, realised=True
    )
    (last,) = [line.split() for line in done(f"{PLAY} --realised").splitlines() if "2000 " in line][
        -1:
    ]
    mean = float(realised.realised_regret[:, -1].mean())
    assert float(last[-1]) == pytest.approx(mean, rel=1e-5)


def test_options_reach_the_simulation() -> None:
    lines = [
        PLAY,
        f"{PLAY} --seed 6",
        f"{PLAY} --learner-param growth=2",
        f"{PLAY} --receiver biased:1/4",
        f"{PLAY} --param p=1/5",
        f"{PLAY} --learner fixed",
    ]
    assert len({done(f"{line} --quiet") for line in lines}) == len(lines)
    assert done(f"{PLAY} --quiet --jobs 2") == done(f"{PLAY} --quiet")


def test_game_seed_is_that_of_the_zoo() -> None:
    line = "simulate random:uniform --param n_states=3 --learner fixed --game-seed 4 --quiet"
    game = zoo.random_game("uniform", 3, 3, 4)
    mean = persuasion.simulate(game, "fixed", horizon=10_000).mean_regret[-1]
    assert float(done(line)) == pytest.approx(float(mean), rel=1e-9)


# -- pictures ----------------------------------------------------------------------------------


@pytest.mark.parametrize("learner", ["robust", "oracle", "plug_in"])
def test_plot_is_an_image(learner: str) -> None:
    done(f"simulate prosecutor --learner {learner} --n-runs 2 --plot regret.png")
    assert Path("regret.png").read_bytes().startswith(b"\x89PNG")


def test_picture_shows_every_run_and_the_mean() -> None:
    result = played()
    ax = plot_regret(result)
    (mean,) = ax.lines
    assert np.allclose(mean.get_ydata(), result.mean_regret)
    (runs,) = ax.collections
    paths = [path.vertices for path in runs.get_paths()]
    assert np.allclose([path[:, 1] for path in paths], result.regret)
    assert (ax.get_xscale(), ax.get_yscale()) == ("log", "log")


def test_no_regret_is_drawn_on_a_linear_axis() -> None:
    ax = plot_regret(persuasion.simulate(zoo.load("prosecutor"), "oracle", horizon=1000))
    assert ax.get_yscale() == "linear"
    assert np.array_equal(ax.lines[0].get_ydata(), np.zeros_like(ax.lines[0].get_xdata()))


# -- store and Ctrl-C --------------------------------------------------------------------------


def test_store_plays_only_what_is_missing(monkeypatch: pytest.MonkeyPatch) -> None:
    first = done(f"{PLAY} --store kept --quiet")
    assert len(list(Path("kept").glob("*.npz"))) == 3
    monkeypatch.setattr(_Play, "__call__", lambda *_: pytest.fail("played again"))
    assert done(f"{PLAY} --store kept --quiet") == first


def interrupt_after(n_runs: int, monkeypatch: pytest.MonkeyPatch) -> None:
    play = _Play.__call__

    def stop(self: _Play, run: int) -> dict[str, object]:
        if run == n_runs:
            raise KeyboardInterrupt
        return play(self, run)

    monkeypatch.setattr(_Play, "__call__", stop)


def test_interrupted_runs_are_kept_shown_and_said(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after(2, monkeypatch)
    result = run(f"{PLAY} --store kept --out out")
    assert result.exit_code == 130
    assert "2 runs (of 3 asked for)" in result.stdout
    assert "2 of 3 runs had finished, kept in kept" in result.stderr
    assert json.loads(Path("out/trajectory.json").read_text())["n_runs"] == 2
    assert len(list(Path("kept").glob("*.npz"))) == 2


def test_interrupted_before_the_first_run(monkeypatch: pytest.MonkeyPatch) -> None:
    interrupt_after(0, monkeypatch)
    result = run(f"{PLAY} --json")
    assert (result.exit_code, result.stdout) == (130, "")
    assert "0 of 3 runs had finished" in result.stderr


def test_ctrl_c_in_a_program_and_its_resumption() -> None:
    line = ("simulate", "f1", "-l", "robust", "-T", "1e6", "-n", "60", "--store", "kept", "-q")
    command = (sys.executable, "-W", "error", "-m", "persuasion", *line)
    environment = {**os.environ, "PYTHONPATH": str(ROOT)}
    pipes = {"stdout": subprocess.PIPE, "stderr": subprocess.PIPE, "text": True}
    with subprocess.Popen(command, env=environment, **pipes) as process:  # type: ignore[call-overload]
        deadline = time.monotonic() + 60
        while len(list(Path().glob("kept/*.npz"))) < 2 and time.monotonic() < deadline:
            time.sleep(0.02)
        process.send_signal(signal.SIGINT)
        stdout, stderr = process.communicate(timeout=60)
    assert process.returncode == 130, stderr
    kept = len(list(Path("kept").glob("*.npz")))
    assert 2 <= kept < 60
    assert f"{kept} of 60 runs had finished" in stderr
    partial = persuasion.simulate(zoo.load("f1"), "robust", horizon=10**6, n_runs=kept)
    assert float(stdout) == pytest.approx(float(partial.mean_regret[-1]), rel=1e-9)


# -- the bar -----------------------------------------------------------------------------------


def on_a_terminal(code: str) -> str:
    """What a program writes to a terminal."""
    master, slave = pty.openpty()
    environment = {**os.environ, "PYTHONPATH": str(ROOT), "TERM": "xterm", "COLUMNS": "100"}
    process = subprocess.Popen(
        (sys.executable, "-c", code), env=environment, stdout=slave, stderr=slave
    )
    os.close(slave)
    chunks = []
    while process.poll() is None or select.select([master], [], [], 0)[0]:
        if select.select([master], [], [], 0.1)[0]:
            try:
                chunks.append(os.read(master, 4096))
            except OSError:
                break
    os.close(master)
    assert process.wait() == 0, b"".join(chunks).decode()
    return b"".join(chunks).decode()


BAR = """
import time
from persuasion.commands import progress
progress.DELAY = {delay}
with progress.progress_bar("playing", quiet={quiet}) as tell:
    for done in range(5):
        tell(done, 4)
        time.sleep(0.1)
print("end")
"""


def test_bar_tells_what_is_done_and_left() -> None:
    text = on_a_terminal(BAR.format(delay=0.05, quiet=False))
    assert "playing" in text
    assert "3/4" in text
    assert "left" in text


@pytest.mark.parametrize(("delay", "quiet"), [(2.0, False), (0.05, True)])
def test_no_bar_for_what_is_quick_or_quiet(delay: float, quiet: bool) -> None:
    assert "playing" not in on_a_terminal(BAR.format(delay=delay, quiet=quiet))


def test_no_bar_in_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    with progress.progress_bar("playing") as tell:
        tell(0, 1)
    assert capfd.readouterr() == ("", "")


# -- learners ----------------------------------------------------------------------------------


def test_learners_are_those_of_the_folder() -> None:
    assert done("learners --quiet").split() == list(learners.names())
    rows = {row["learner"]: row for row in json.loads(done("learners --json"))}
    assert rows["oracle"]["knows"] == ["prior"]
    assert (rows["robust"]["feedback"], rows["fixed"]["feedback"]) == ("state", "none")
    assert rows["robust"]["parameters"]["confidence"] == "l1"
    assert rows["plug_in"]["about"].startswith("Solve at the empirical frequencies")
    for name in learners.names():
        assert f"\n{name} " in done("learners")


def test_parameters_are_read_as_their_types() -> None:
    learner = find_learner("robust", ["growth=3/2", "delta=1e-3", "confidence=box"])
    assert repr(learner) == (
        "Robust(growth=1.5, delta=0.001, confidence='box', form='sum', radius_scale=1.0)"
    )
    assert "n_explore=7," in repr(find_learner("explore_then_commit", ["n_explore=7"]))
    assert "delta=None" in repr(find_learner("robust", ["delta=none"]))


def test_fixed_plays_a_kernel_or_a_file() -> None:
    solution = persuasion.solve(zoo.load("prosecutor"), exact=True)
    write_scheme(solution.scheme, "scheme.json")
    line = "simulate prosecutor --learner fixed --quiet --learner-param"
    assert float(done(f"{line} plays=scheme.json")) == pytest.approx(0, abs=1e-8)
    kernel = '\'plays=[["4/7","3/7"],[0,1]]\''
    assert float(done(f"{line} {kernel}")) == pytest.approx(0, abs=1e-8)
    assert float(done(f"{line} plays=no_disclosure")) == pytest.approx(6000)


# -- refusals ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ("--horizon 0", ("--horizon", "'0'")),
        ("--horizon 1.5", ("--horizon", "'1.5'")),
        ("--horizon 1e30", ("--horizon", "1e+15")),
        ("--horizon many", ("--horizon", "'many'")),
        ("--n-runs 0", ("--n-runs", "'0'")),
        ("--n-runs=-3", ("--n-runs", "'-3'")),
        ("--seed=-1", ("--seed",)),
        ("--jobs 0", ("--jobs", "must not be 0")),
        ("--learner robst", ("did you mean 'robust'?", "plug_in")),
        ("--learner-param growth", ("name=value",)),
        ("--learner-param growt=2", ("did you mean 'growth'?",)),
        ("--learner-param growth=0.5", ("growth", "0.5")),
        ("--learner-param growth=fast", ("growth", "'fast'")),
        ("--learner-param growth=1e999", ("growth", "too large")),
        ("--learner-param growth=2 --learner-param growth=3", ("twice",)),
        ("--learner-param confidence=ball", ("confidence", "'ball'", "box")),
        ("--learner explore_then_commit --learner-param n_explore=0", ("n_explore",)),
        ("--learner explore_then_commit --learner-param n_explore=1/2", ("whole number",)),
        ("--learner fixed --learner-param plays=[[1]", ("plays",)),
        ("--learner fixed --learner-param plays=[[1,0]]", ("1 states", "2")),
        ("--learner fixed --learner-param plays=silence", ("plays", "'silence'")),
        ("--learner fixed --learner-param plays=none.json", ("none.json",)),
        ("--game-seed 1", ("--game-seed", "random")),
        ("--receiver human", ("--receiver", "'human'")),
        ("--plot regret.doc", ("--plot", ".png")),
        ("--plot nowhere/regret.png", ("nowhere",)),
    ],
)
def test_bad_options(change: str, words: tuple[str, ...]) -> None:
    refused(f"{PLAY} {change}", *words)


def test_learner_is_required() -> None:
    refused("simulate prosecutor", "--learner")


@pytest.mark.parametrize(("n_states", "n_actions"), [(1, 2), (2, 1)])
def test_nothing_to_learn(n_states: int, n_actions: int) -> None:
    table = np.eye(2)[:n_states, :n_actions]
    write_game(PersuasionGame(np.full(n_states, 1 / n_states), table, table), "game.json")
    refused("simulate game.json --learner robust", "nothing to learn", f"{n_states} state")


def test_feedback_that_is_not_given(monkeypatch: pytest.MonkeyPatch) -> None:
    learner = type(learners.load("robust"))
    monkeypatch.setattr(learner, "feedback", "full")
    refused(PLAY, "'robust' needs feedback 'full'", "action, none, state")


def test_store_of_other_code_and_no_store() -> None:
    done(f"{PLAY} --store kept")
    label = Path("kept/store.json")
    label.write_text(label.read_text().replace('"persuasion": "', '"persuasion": "0.'))
    refused(f"{PLAY} --store kept", "written by other code", "persuasion 0.")
    Path("letters").mkdir()
    Path("letters/a.txt").write_text("")
    refused(f"{PLAY} --store letters", "not a store")
    refused(f"{PLAY} --out letters/a.txt", "a.txt")


def test_error_before_the_work(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Play, "__call__", lambda *_: pytest.fail("played"))
    refused(f"{PLAY} --plot regret.doc", "--plot")


def test_unknown_learner_from_python() -> None:
    with pytest.raises(PersuasionError, match="legal are"):
        find_learner("nobody")
