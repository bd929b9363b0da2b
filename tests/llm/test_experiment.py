"""An experiment goes on wherever it was ended, and its tables do not tell that it was."""

from __future__ import annotations

import errno
import json
import os
import random
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest

from llm_bridge.config import (
    AdvisorSection,
    BaselinesSection,
    EvaluateSection,
    ExperimentConfig,
    MeasureSection,
    OtherSection,
    TrainingSection,
)
from llm_bridge.experiment import Outcome, run
from llm_bridge.pages.report import report_on
from llm_bridge.pages.results import write_results
from llm_bridge.reply_log import ReplyLog
from llm_bridge.staging import experiment_stages, stages
from llm_bridge.staging.plan import plans_of, stage_names
from llm_bridge.staging.run_lock import locked
from llm_bridge.staging.stages import NoSpaceError, Stages
from persuasion.errors import PersuasionError
from tests.llm.workshops import FakeWorkshop, Killed

TABLES = ("table.csv", "table.md", "results.json", "examples.jsonl", "config.toml")

CONFIG = ExperimentConfig(
    name="small",
    tasks=("math",),
    seeds=(0, 1),
    other=(
        OtherSection(name="early", checkpoint=0.25),
        OtherSection(name="twin", training=TrainingSection(n_layer=2, seed=1)),
        OtherSection(name="given", path="somewhere/model"),
    ),
    advisor=AdvisorSection(signals={"math": (2, 4)}),
    measure=MeasureSection(n_inputs=6),
    evaluate=EvaluateSection(n_inputs=6, controls=("untrained", "reinforce")),
    baselines=BaselinesSection(names=("all_items",), receivers=("early",)),
)


def carried_out(
    folder: Path, workshop: FakeWorkshop | None = None, config: ExperimentConfig = CONFIG
) -> Outcome:
    return run(
        config, folder, workshop or FakeWorkshop(), then=lambda o: write_results(o, o.folder)
    )


def tables(folder: Path) -> dict[str, bytes]:
    return {name: (folder / name).read_bytes() for name in TABLES}


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    """The experiment, never interrupted."""
    return carried_out(tmp_path_factory.mktemp("whole") / "run")


def test_every_stage_is_done_once_and_in_order(whole: Outcome) -> None:
    assert [stage.name for stage in whole.stages] == stage_names(CONFIG)
    assert len({stage.name for stage in whole.stages}) == len(whole.stages)
    assert not any(stage.reused for stage in whole.stages)
    assert {plan.name for plan in plans_of(CONFIG, "math")} == {
        "2 signals, seed 0", "2 signals, seed 1", "4 signals, seed 0", "4 signals, seed 1",
        "reinforce, 4 signals, seed 0",
    }  # fmt: skip


def test_a_second_call_does_nothing_and_says_the_same(whole: Outcome) -> None:
    before = tables(whole.folder)
    workshop = FakeWorkshop()
    again = carried_out(whole.folder, workshop)
    assert workshop.made == []
    assert all(stage.reused for stage in again.stages)
    assert tables(whole.folder) == before


def test_killed_after_each_stage_it_goes_on_and_says_the_same(
    whole: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """One new stage a call, then the end; every stage is still done exactly once."""
    done_before = Stages._worked
    made: list[str] = []

    def then_killed(self: Stages, stage: stages.Stage) -> stages.Finished:
        if self.finished and not self.finished[-1].reused:
            raise Killed
        made.append(stage.name)
        return done_before(self, stage)

    monkeypatch.setattr(Stages, "_worked", then_killed)
    for _ in stage_names(CONFIG)[1:]:
        with pytest.raises(Killed):
            carried_out(tmp_path / "run")
    carried_out(tmp_path / "run")
    assert made == stage_names(CONFIG)
    assert tables(tmp_path / "run") == tables(whole.folder)


def test_killed_within_each_stage_it_goes_on_and_says_the_same(
    whole: Outcome, tmp_path: Path
) -> None:
    killed: set[str] = set()

    def kill(name: str) -> None:
        if name not in killed:
            killed.add(name)
            raise Killed

    for _ in range(100):
        try:
            carried_out(tmp_path / "run", FakeWorkshop(kill))
        except Killed:
            continue
        break
    assert len(killed) >= 10
    assert tables(tmp_path / "run") == tables(whole.folder)
    assert not list((tmp_path / "run" / "stages").glob(".part-*"))


@pytest.mark.parametrize(
    "other",
    [
        replace(CONFIG, seeds=(0, 2)),
        replace(CONFIG, measure=replace(CONFIG.measure, seed=1)),
        replace(CONFIG, evaluate=replace(CONFIG.evaluate, seed=1)),
    ],
    ids=["Advisor", "measurement", "held-out inputs"],
)
def test_the_comparison_of_tables_can_fail(
    other: ExperimentConfig, whole: Outcome, tmp_path: Path
) -> None:
    carried_out(tmp_path / "run", config=other)
    assert (tmp_path / "run/table.csv").read_bytes() != (whole.folder / "table.csv").read_bytes()


@pytest.mark.parametrize("at", ["measurement.json", "optima.json", "kernels.json", "replies.jsonl"])
def test_a_full_disk_loses_nothing_that_was_finished(
    at: str, whole: Outcome, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    full = OSError(errno.ENOSPC, os.strerror(errno.ENOSPC), at)
    calls = 0

    def refuse_at(write: Callable[..., object]) -> Callable[..., object]:
        def refusing(first: object, *rest: object) -> object:
            nonlocal calls
            name = first.path.name if isinstance(first, ReplyLog) else Path(str(first)).name
            if name == at:
                calls += 1
                raise full
            return write(first, *rest)

        return refusing

    with monkeypatch.context() as patch:
        patch.setattr(experiment_stages, "write_whole", refuse_at(experiment_stages.write_whole))
        from llm_bridge import measurement

        patch.setattr(measurement, "write_whole", refuse_at(measurement.write_whole))
        patch.setattr(ReplyLog, "add", refuse_at(ReplyLog.add))
        with pytest.raises(NoSpaceError, match="goes on from there"):
            carried_out(tmp_path / "run")
    assert calls == 1
    workshop = FakeWorkshop()
    carried_out(tmp_path / "run", workshop)
    assert not any(name.startswith("train") for name in workshop.made)  # the Receiver was kept
    assert tables(tmp_path / "run") == tables(whole.folder)


def test_another_process_in_the_folder_is_respected(tmp_path: Path) -> None:
    (tmp_path / "run").mkdir()
    with locked(tmp_path / "run"), pytest.raises(PersuasionError, match="is writing in"):
        carried_out(tmp_path / "run")


def test_other_settings_share_what_they_have_in_common(whole: Outcome, tmp_path: Path) -> None:
    carried_out(tmp_path / "run")
    workshop = FakeWorkshop()
    fewer = replace(CONFIG, name="fewer", evaluate=replace(CONFIG.evaluate, n_inputs=4))
    outcome = carried_out(tmp_path / "run", workshop, fewer)
    redone = [stage.name for stage in outcome.stages if not stage.reused]
    assert redone == ["evaluate-math", "baselines-math", "transfer-math-early",
                      "baselines-math-early", "transfer-math-twin",
                      "transfer-math-given"]  # fmt: skip
    assert len(outcome.idle) == 6  # the others are kept
    workshop = FakeWorkshop()
    carried_out(tmp_path / "run", workshop)
    assert workshop.made == []
    assert tables(tmp_path / "run") == tables(whole.folder)


def test_other_advisors_are_evaluated_anew(whole: Outcome, tmp_path: Path) -> None:
    carried_out(tmp_path / "run")
    other = replace(CONFIG, seeds=(0, 2))
    carried_out(tmp_path / "run", config=other)
    carried_out(tmp_path / "fresh", config=other)
    assert tables(tmp_path / "run") == tables(tmp_path / "fresh") != tables(whole.folder)


ALONE = replace(
    CONFIG, seeds=(0,), other=(), baselines=BaselinesSection(("all_items",)),
    evaluate=replace(CONFIG.evaluate, controls=()),
    advisor=replace(CONFIG.advisor, path="models/start", signals={"math": (2,)}),
)  # fmt: skip
AFTER_MEASURING = {"solve", "advisor", "evaluate", "baselines"}


@pytest.fixture(scope="module")
def alone(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("alone") / "run"
    carried_out(folder, config=ALONE)
    return folder


@pytest.mark.parametrize(
    ("section", "change", "redone"),
    [
        ("measure", {"confidence": 0.9}, {"measure", *AFTER_MEASURING}),
        ("advisor", {"margin": 0.07}, AFTER_MEASURING),
        ("advisor", {"lr": 0.07}, {"advisor", "baselines"}),
        ("evaluate", {"confidence": 0.9}, {"evaluate", "baselines"}),
        ("baselines", {"names": ("corrector",)}, {"baselines"}),
        ("receiver", {"rule": "best_response"}, {"measure", *AFTER_MEASURING}),
        ("receiver", {"batch_size": 3}, {"measure", "evaluate", "baselines"}),
    ],
)
def test_a_setting_makes_stale_what_depends_on_it_and_no_more(
    section: str, change: dict[str, Any], redone: set[str], alone: Path
) -> None:
    """Trainings without models leave the same bytes whatever is set."""
    config = replace(ALONE, **{section: replace(getattr(ALONE, section), **change)})
    outcome = carried_out(alone, config=config)
    assert {s.name.partition("-")[0] for s in outcome.stages if not s.reused} == redone


def test_another_model_to_start_from_is_trained_anew(alone: Path) -> None:
    workshop = FakeWorkshop()
    workshop.model_label = lambda path: f"other than {path}"  # type: ignore[method-assign]
    outcome = carried_out(alone, workshop, ALONE)
    assert {s.name.partition("-")[0] for s in outcome.stages if not s.reused} == {"advisor"}


def test_another_model_under_the_same_path_is_measured_anew(tmp_path: Path) -> None:
    carried_out(tmp_path / "run")
    workshop = FakeWorkshop()
    workshop.model_label = lambda path: f"other than {path}"  # type: ignore[method-assign]
    outcome = carried_out(tmp_path / "run", workshop)
    redone = [stage.name for stage in outcome.stages if not stage.reused]
    assert redone == ["measure-math-given", "transfer-math-given"]


def test_the_advisor_sees_what_was_solved_in_mode_distill_alone(tmp_path: Path) -> None:
    small = replace(CONFIG, seeds=(0,), other=(), baselines=BaselinesSection())
    for mode in ("exact", "belief_pg", "distill"):
        workshop = FakeWorkshop()
        config = replace(small, advisor=replace(small.advisor, mode=mode))
        outcome = carried_out(tmp_path / "run", workshop, config)
        shown = {name: bool(seen) for name, seen in workshop.shown.items() if mode in name}
        assert set(shown.values()) == {mode == "distill"}
        text = (tmp_path / "run/table.md").read_text()
        assert ("never saw the solution" in text) == (mode != "distill")
        # nor does the key of her stage depend on it
        advisors = [s for s in outcome.stages if s.name.startswith("advisor")]
        records = [json.loads((s.folder / "done.json").read_bytes()) for s in advisors]
        for record in records:
            assert ("solve-math" in record["inputs"]) == ("distill" in record["name"])


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"receiver": replace(CONFIG.receiver, path="missing"), "other": ()}, "no folder missing"),
        ({"other": (OtherSection(name="x", path="missing"),)}, "no folder missing"),
    ],
)
def test_what_is_missing_is_said_before_any_work(
    change: dict[str, object], message: str, tmp_path: Path
) -> None:
    workshop, config = FakeWorkshop(), replace(CONFIG, baselines=BaselinesSection())
    with pytest.raises(PersuasionError, match=message):
        carried_out(tmp_path / "run", workshop, replace(config, **change))
    assert workshop.made == []
    assert not (tmp_path / "run").exists()


def test_items_that_the_prior_does_not_cover_are_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshop = FakeWorkshop()
    task = workshop.task("math")
    monkeypatch.setattr(type(task), "priors", {"stock": (0.5, 0.5)})
    with pytest.raises(PersuasionError, match=r"prior of template 'stock'.*4 items"):
        carried_out(tmp_path / "run", workshop)
    assert workshop.made == []


def test_folders_of_something_else_are_left_alone(tmp_path: Path) -> None:
    (tmp_path / "mine").mkdir()
    (tmp_path / "mine" / "thesis.tex").write_text("precious")
    with pytest.raises(PersuasionError, match="is not empty and holds no experiment"):
        carried_out(tmp_path / "mine")
    with pytest.raises(PersuasionError, match="is a file"):
        carried_out(tmp_path / "mine" / "thesis.tex")
    assert [path.name for path in (tmp_path / "mine").iterdir()] == ["thesis.tex"]


def test_bars_name_every_stage(tmp_path: Path) -> None:
    said: list[str] = []

    @contextmanager
    def bar(text: str) -> Iterator[Callable[[int, int], None]]:
        said.append(text)
        yield lambda done, total: None

    run(CONFIG, tmp_path / "run", FakeWorkshop(), bar=bar)
    n = len(stage_names(CONFIG))
    assert said == [f"{i + 1}/{n} {name}" for i, name in enumerate(stage_names(CONFIG))]


def test_a_run_that_was_moved_is_found_done(whole: Outcome, tmp_path: Path) -> None:
    carried_out(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "there")
    workshop = FakeWorkshop()
    outcome = carried_out(tmp_path / "there", workshop)
    assert workshop.made == []
    assert tables(tmp_path / "there") == tables(whole.folder)
    assert report_on(outcome).to_html().count("<svg") >= 4


# -- real models, really killed ----------------------------------------------------------------

TINY = """
name = "tiny"
tasks = ["math", "grade"]
[receiver.training]
n_layer = 1
n_embd = 16
n_head = 2
steps = 120
batch = 24
[[other]]
name = "early"
checkpoint = 0.5
[advisor]
n_layer = 1
n_embd = 16
n_head = 2
warm_steps = 10
steps = 30
batch = 8
n_inputs = 8
[advisor.signals]
math = [2]
[measure]
n_inputs = 10
[evaluate]
n_inputs = 10
controls = ["untrained", "reinforce"]
"""


@pytest.mark.slow  # three times the tiny experiment, and torch imported anew after every kill
def test_killed_at_random_moments_the_table_is_the_same_byte_for_byte(tmp_path: Path) -> None:
    (tmp_path / "tiny.toml").write_text(TINY)

    def start(folder: str) -> subprocess.Popen[str]:
        command = ["bridge", "run", "tiny.toml", "--out", folder, "--device", "cpu", "--quiet"]
        return subprocess.Popen(
            [sys.executable, "-c", "import sys; from persuasion.cli import main; main()", *command],
            cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True,
            env={**os.environ, "OMP_NUM_THREADS": "1"},
        )  # fmt: skip

    def ended(process: subprocess.Popen[str]) -> int:
        _, complaint = process.communicate(timeout=600)
        assert process.returncode in (0, 1, -signal.SIGKILL), complaint  # 1: a claim was refuted
        return process.returncode

    assert ended(start("whole")) in (0, 1)
    seconds = sum(
        json.loads(path.read_bytes())["seconds"]
        for path in (tmp_path / "whole/stages").glob("*/done.json")
    )
    chance = random.Random(7)
    kills = 0
    while kills < 12:
        process = start("killed")
        before = places(tmp_path / "killed")
        patience = time.monotonic() + 120
        while places(tmp_path / "killed") == before and process.poll() is None:
            assert time.monotonic() < patience  # until it has come to work
            time.sleep(0.01)
        time.sleep(chance.random() * seconds / 6)
        process.kill()
        kills += ended(process) == -signal.SIGKILL
        if process.returncode != -signal.SIGKILL:
            break  # it had ended
    assert kills >= 5
    assert ended(start("killed")) in (0, 1)
    assert tables(tmp_path / "killed") == tables(tmp_path / "whole")


def places(run_folder: Path) -> set[str]:
    """Names of what stands among the stages, finished or under way."""
    return {path.name for path in run_folder.glob("stages/*")} | {
        path.name for path in run_folder.glob("stages/.part-*/*")
    }
