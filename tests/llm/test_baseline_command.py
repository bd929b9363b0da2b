"""`persuasion bridge baselines`: on a finished run, each task once, refusals before any work."""

import json
from pathlib import Path

import pytest
from typer.testing import CliRunner

from llm_bridge.config import (
    AdvisorSection,
    EvaluateSection,
    ExperimentConfig,
    MeasureSection,
    ReceiverSection,
    TrainingSection,
)
from llm_bridge.staging import local_workshop
from persuasion import cli
from tests.llm.workshops import FakeWorkshop

CONFIG = ExperimentConfig(
    name="small",
    tasks=("math",),
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
    for words in ("persuaded", "control all_items", "control corrector", "scheme 4"):
        assert words in out
    assert "control corrector" in (folder / "baselines.html").read_text(encoding="utf-8")
    assert any(step.startswith("advise advisor-math-4") for step in made[0].made)
    code, again, _ = call(str(folder), "--baseline", "all_items", "--baseline", "corrector")
    assert (code, again) == (0, out)
    assert made[1].made == [], "everything was found done"
    code, out, _ = call(str(folder), "--json", "--baseline", "all_items")
    found = json.loads(out)["math"]
    assert found["left_out"] == {}
    assert set(found["spent"]) >= {"persuaded", "all_items", "control all_items"}


def test_what_does_not_exist_is_refused(run: tuple[Path, list[FakeWorkshop]]) -> None:
    folder, made = run
    code, out, said = call(str(folder), "--baseline", "correktor")
    assert (code, out) == (2, "")
    assert "did you mean 'corrector'" in said
    code, _, said = call(str(folder), "--task", "code")
    assert code == 2
    assert "--task: there is no 'code' (legal are math)" in said
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
    found = json.loads(out)["grade"]
    assert found["left_out"] == {}
    spent = found["spent"]
    for name in ("fine_tuned", "corrector"):
        assert spent[name]["operations"] >= spent["persuaded"]["operations"] > 0
        one_pair = 6 * spent[name]["trained"] * 200  # of garbled replies, byte by byte
        assert spent[name]["operations"] < spent["persuaded"]["operations"] + one_pair
    assert spent["best_of_n"]["trained"] == 0
