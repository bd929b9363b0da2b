"""`persuasion bridge baselines`: on a finished run, each task once, refusals before any work."""

import json
from dataclasses import replace
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_bridge.config import (
    AdvisorSection,
    BaselinesSection,
    EvaluateSection,
    ExperimentConfig,
    MeasureSection,
    OtherSection,
    ReceiverSection,
    TrainingSection,
)
from llm_bridge.experiment import run as carry_out
from llm_bridge.staging import local_workshop
from persuasion import cli
from tests.llm.workshops import FakeWorkshop

CONFIG = ExperimentConfig(
    name="small",
    tasks=("math",),
    other=(OtherSection(name="early", checkpoint=0.25),),
    advisor=AdvisorSection(signals={"math": (2, 4)}, n_inputs=5),
    measure=MeasureSection(n_inputs=6),
    evaluate=EvaluateSection(n_inputs=6),
)


def call(*arguments: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(cli.app, ["bridge", "baselines", *arguments])
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, str(result.stdout), str(result.stderr)


@pytest.fixture
def run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> tuple[Path, list[FakeWorkshop]]:
    """A folder with a configuration, worked in by workshops without models."""
    made: list[FakeWorkshop] = []

    def workshop(config: ExperimentConfig, unsafe_exec: bool = False) -> FakeWorkshop:
        made.append(FakeWorkshop())
        return made[-1]

    monkeypatch.setattr(local_workshop, "LocalWorkshop", workshop)
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "experiment.json").write_text('{"format": 1}\n')
    (folder / "config.toml").write_text(CONFIG.to_toml())
    return folder, made


def test_a_task_is_compared_once(run: tuple[Path, list[FakeWorkshop]]) -> None:
    folder, made = run
    code, out, _ = call(str(folder), "--baseline", "all_items", "--baseline", "corrector")
    assert code == 0
    for words in ("persuaded", "all_items", "corrector", "gains nothing", "scheme 4"):
        assert words in out
    assert "math with early" not in out
    assert "gains nothing" in (folder / "baselines.html").read_text(encoding="utf-8")
    assert any(step.startswith("advise advisor-math-4") for step in made[0].made)
    code, again, _ = call(str(folder), "--baseline", "all_items", "--baseline", "corrector")
    assert (code, again) == (0, out)
    assert made[1].made == [], "everything was found done"
    code, out, _ = call(str(folder), "--json", "--baseline", "all_items")
    assert list(json.loads(out)["math"]) == ["embedded"]
    found = json.loads(out)["math"]["embedded"]
    assert found["left_out"] == {}
    assert set(found["spent"]) >= {"persuaded", "all_items", "control all_items"}


def test_another_receiver_meets_the_same_advisor(run: tuple[Path, list[FakeWorkshop]]) -> None:
    folder, made = run
    code, out, _ = call(str(folder), "--baseline", "all_items", "--receiver", "early", "--json")
    assert code == 0
    found = json.loads(out)["math"]
    assert {name: one["trained_for"] for name, one in found.items()} == {
        "embedded": None, "early": "embedded",
    }  # fmt: skip
    assert sum(step.startswith("advise advisor-math-4") for step in made[0].made) == 1


def test_the_command_finds_what_the_run_has_tried(run: tuple[Path, list[FakeWorkshop]]) -> None:
    folder, made = run
    named = BaselinesSection(("all_items",), ("early",))
    (folder / "config.toml").write_text(replace(CONFIG, baselines=named).to_toml())
    done = carry_out(replace(CONFIG, baselines=named), folder, FakeWorkshop())
    code, out, _ = call(str(folder), "--json")
    assert code == 0
    assert made[0].made == []
    found = json.loads(out)["math"]
    assert set(found) == set(done.comparisons["math"]) == {"embedded", "early"}
    assert set(found["early"]["bounds"]) == {"all_items"}


def test_what_does_not_exist_is_refused(run: tuple[Path, list[FakeWorkshop]]) -> None:
    folder, made = run
    code, out, said = call(str(folder), "--baseline", "correktor")
    assert (code, out) == (2, "")
    assert "did you mean 'corrector'" in said
    code, _, said = call(str(folder), "--task", "code")
    assert code == 2
    assert "--task: there is no 'code' (legal are math)" in said
    code, _, said = call(str(folder), "--receiver", "erly")
    assert code == 2
    assert "did you mean 'early'" in said
    code, _, said = call(str(folder / "elsewhere"))
    assert code == 2
    assert "holds no finished run" in said
    assert made == []


@pytest.mark.slow
def test_with_real_models(tmp_path: Path) -> None:
    """Small ones, hardly trained: every baseline is tried, none is left out."""
    config = ExperimentConfig(
        tasks=("grade",),
        receiver=ReceiverSection(
            training=TrainingSection(n_layer=1, n_embd=32, n_head=2, steps=30, batch=16)
        ),
        advisor=AdvisorSection(
            n_layer=1, n_embd=16, n_head=2, warm_steps=5, steps=5, batch=8, n_inputs=8
        ),
        measure=MeasureSection(n_inputs=6),
        evaluate=EvaluateSection(n_inputs=6),
    )
    folder = tmp_path / "run"
    folder.mkdir()
    (folder / "experiment.json").write_text('{"format": 1}\n')
    (folder / "config.toml").write_text(config.to_toml())
    code, out, said = call(str(folder), "--json")
    assert code == 0, said
    found = json.loads(out)["grade"]["embedded"]
    assert found["left_out"] == {}
    spent = found["spent"]
    for name in ("fine_tuned", "corrector"):
        assert spent[name]["operations"] >= spent["persuaded"]["operations"] > 0
        one_pair = 6 * spent[name]["trained"] * 200  # of garbled replies, byte by byte
        assert spent[name]["operations"] < spent["persuaded"]["operations"] + one_pair
    assert spent["best_of_n"]["trained"] == 0
