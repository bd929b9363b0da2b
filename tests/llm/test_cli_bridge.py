"""`persuasion bridge`: what it prints, what it refuses and how, how it ends."""

from __future__ import annotations

import errno
import json
import os
import re
import shlex
import subprocess
import sys
import tomllib
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from click.testing import Result
from transformers import GPT2LMHeadModel, PreTrainedTokenizerBase
from typer.testing import CliRunner

from llm_bridge import sandbox
from llm_bridge.commands import requirements
from llm_bridge.config import ExperimentConfig, default_config
from llm_bridge.models import fresh_gpt2
from llm_bridge.pages import results
from llm_bridge.sandbox import Layers
from llm_bridge.staging import local_workshop
from persuasion import cli
from tests.llm.workshops import FakeWorkshop

SMALL = """
name = "small"
tasks = ["math"]
[advisor.signals]
math = [2, 4]
[measure]
n_inputs = 20
[evaluate]
n_inputs = 40
[[other]]
name = "early"
checkpoint = 0.25
"""


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")


def call(line: str) -> Result:
    name, *arguments = shlex.split(line)
    assert name == "persuasion"
    result = CliRunner().invoke(cli.app, arguments, prog_name=name)
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    return result


def done(line: str) -> str:
    result = call(line)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def refused(line: str, *words: str) -> None:
    result = call(line)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    for word in words:
        assert word in result.stderr, result.stderr


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> FakeWorkshop:
    """``small.toml`` here, carried out by a workshop without models."""
    workshop = FakeWorkshop()
    monkeypatch.setattr(local_workshop, "LocalWorkshop", lambda *_, **__: workshop)
    (tmp_path / "small.toml").write_text(SMALL)
    return workshop


# -- help, lists, files ------------------------------------------------------------------------


def test_help_shows_the_commands_and_examples_that_exist() -> None:
    listed = re.findall(r"^  (\w+)  +\S", done("persuasion bridge --help"), re.M)
    assert listed == [
        "run", "default", "config", "tasks", "estimate", "prompts", "online", "baselines",
    ]  # fmt: skip
    for command in listed:
        examples = re.findall(r"^ +\$ (.*)$", done(f"persuasion bridge {command} --help"), re.M)
        assert examples
        for example in examples:
            assert example.startswith(f"persuasion bridge {command}")


def test_the_command_line_loads_no_torch_before_it_works() -> None:
    code = """
import sys
from typer.testing import CliRunner
from persuasion import cli
for line in (["--help"], ["bridge", "run", "--help"], ["bridge", "tasks"], ["bridge", "config"],
             ["bridge", "run", "none.toml"]):
    CliRunner().invoke(cli.app, line)
print([m for m in ("torch", "transformers", "matplotlib") if m in sys.modules])
"""
    shown = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert shown.stdout.strip() == "[]"


def test_config_prints_a_file_that_runs() -> None:
    text = done("persuasion bridge config")
    assert ExperimentConfig.from_dict(tomllib.loads(text)) == default_config()
    assert 'name = "full"' in done("persuasion bridge config --full")


def test_tasks_are_listed() -> None:
    listed = done("persuasion bridge tasks --quiet").split()
    assert listed == ["code", "grade", "gsm8k", "humaneval", "math"]
    found = json.loads(done("persuasion bridge tasks --json"))["tasks"]
    assert found[2]["items"] == ["total", "difference", "larger", "product"]
    assert found[1]["rule"] == "best_response"
    printed = done("persuasion bridge tasks")
    assert "how far off an answer may be" in printed


# -- a run -------------------------------------------------------------------------------------


def test_run_prints_arms_claims_controls_and_what_was_seen(small: FakeWorkshop) -> None:
    result = call("persuasion bridge run small.toml")
    assert result.exit_code == 0, result.output
    for words in (
        "no information", "item from the prior", "persuaded, 2 signals, seed 0",
        "full disclosure", "oracle", "best scheme, 2 signals", "measured optimum", "gap",
        "persuaded above prior-sampled", "held", "signals shuffled", "deaf Receiver", "untrained",
        "fails, as it has to", "0 refuted", "never saw the solution of the linear program", "early",
    ):  # fmt: skip
        assert words in result.stdout, words
    order = [result.stdout.index(word) for word in ("no information", "verdict", "outcome")]
    assert order == sorted(order)
    assert "wrote out/small/report.html" in result.stderr
    again = call("persuasion bridge run small.toml")
    first, second = (
        [line for line in shown.stdout.splitlines() if not line.startswith(("seconds", "speed"))]
        for shown in (result, again)
    )
    assert first == second


def test_json_is_strict_and_alone_and_quiet_is_quiet(small: FakeWorkshop) -> None:
    def refuse(constant: str) -> Any:
        raise AssertionError(constant)

    text = done("persuasion bridge run small.toml --json --out here")
    found = json.loads(text, parse_constant=refuse)
    assert found["config"]["tasks"] == ["math"]
    assert {claim["verdict"] for claim in found["claims"]} == {"held"}
    assert all(control["fails"] for control in found["controls"])
    assert {arm["receiver"] for arm in found["arms"]} == {"embedded", "early"}
    assert found["versions"]["torch"]
    result = call("persuasion bridge run small.toml --quiet --out here")
    assert (result.stdout, result.stderr) == ("", "")


def test_a_refuted_claim_ends_with_code_1(
    small: FakeWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(small, "advisor", lambda folder: small.untrained(*nobody()))
    result = call("persuasion bridge run small.toml")
    assert result.exit_code == 1
    assert "refuted" in result.stdout
    assert "DOES NOT FAIL" in result.stdout


def nobody() -> tuple[Any, Any]:
    from llm_bridge import tasks
    from llm_bridge.staging.plan import AdvisorPlan

    return AdvisorPlan("math", 2, "exact", 0), tasks.load("math")


def test_default_takes_the_embedded_experiment(
    monkeypatch: pytest.MonkeyPatch, small: FakeWorkshop
) -> None:
    seen: list[ExperimentConfig] = []

    def workshop(config: ExperimentConfig, **_: Any) -> FakeWorkshop:
        seen.append(config)
        raise KeyboardInterrupt

    monkeypatch.setattr(local_workshop, "LocalWorkshop", workshop)
    for line in ("default", "default --full --device cpu"):
        assert call(f"persuasion bridge {line}").exit_code == 130
    assert [config.name for config in seen] == ["default", "full"]
    assert [config.seeds for config in seen] == [(0,), (0, 1)]
    assert seen[1].device == "cpu"


# -- how it ends otherwise ---------------------------------------------------------------------


def test_ctrl_c_says_what_is_kept_and_how_to_go_on(small: FakeWorkshop) -> None:
    def interrupt(name: str) -> None:
        if name.startswith("advise"):
            raise KeyboardInterrupt

    small._kill = interrupt
    result = call("persuasion bridge run small.toml")
    assert result.exit_code == 130
    assert "interrupted at 4/8 advisor-math-2-exact-0; 3 part(s) finished" in result.stderr
    assert "kept in out/small. The same command goes on from there" in result.stderr
    small._kill = lambda name: None
    assert call("persuasion bridge run small.toml").exit_code == 0
    assert small.made.count("train 0.25") == 1


def test_a_full_disk_says_that_nothing_is_lost(
    small: FakeWorkshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(errno.ENOSPC, os.strerror(errno.ENOSPC))

    with monkeypatch.context() as patch:
        patch.setattr(results, "write_whole", full)
        refused("persuasion bridge run small.toml", "No space left", "Everything measured", "kept")
    made = list(small.made)
    assert call("persuasion bridge run small.toml").exit_code == 0
    assert small.made == made


def test_what_is_missing_is_named_before_any_work(
    small: FakeWorkshop, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    refused("persuasion bridge run none.toml", "there is no file none.toml", "bridge config")
    (tmp_path / "odd.toml").write_text("[advisor]\nstep = 3")
    refused("persuasion bridge run odd.toml", "odd.toml: unknown setting `advisor.step`", "'steps'")
    refused("persuasion bridge run small.toml --report-to tensorbord", "did you mean 'tensorboard'")
    with monkeypatch.context() as patch:
        patch.setattr("accelerate.tracking.get_available_trackers", list)
        refused("persuasion bridge run small.toml --report-to tensorboard", "persuasion[track]")
    with monkeypatch.context() as patch:
        patch.setattr(requirements, "find_spec", lambda name: None)
        refused("persuasion bridge run small.toml", "torch", "pip install 'persuasion[llm]'")
    assert small.made == []


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("--device gpu", ("`device` must be",)),
        ("--out small.toml", ("small.toml is a file",)),
    ],
)
def test_options_that_cannot_be(small: FakeWorkshop, line: str, words: tuple[str, ...]) -> None:
    refused(f"persuasion bridge run small.toml {line}", *words)
    assert small.made == []


def test_tensorboard_gets_the_curves(small: FakeWorkshop, tmp_path: Path) -> None:
    done("persuasion bridge run small.toml --report-to tensorboard --quiet")
    from tensorboard.backend.event_processing.event_accumulator import EventAccumulator

    (events,) = (tmp_path / "out/small/tracking/small").glob("events*")
    found = EventAccumulator(str(events))
    found.Reload()
    curve = found.Scalars("math/2 signals, seed 0")
    assert [point.step for point in curve] == list(range(20))
    assert curve[-1].value == pytest.approx(0.8)


# -- models that cannot be used ----------------------------------------------------------------


@pytest.fixture
def saved(tmp_path: Path, tokenizer: PreTrainedTokenizerBase) -> Callable[..., Path]:
    """Return ``saved(name, n_positions)``: a folder with a tiny model."""

    def save(name: str, n_positions: int = 96) -> Path:
        model: GPT2LMHeadModel = fresh_gpt2(
            tokenizer, n_layer=1, n_embd=16, n_head=2, n_positions=n_positions
        )
        model.save_pretrained(tmp_path / name)
        tokenizer.save_pretrained(tmp_path / name)
        return tmp_path / name

    return save


def given(tmp_path: Path, text: str) -> str:
    quick = "[measure]\nn_inputs = 2\n[evaluate]\nn_inputs = 2\n"
    (tmp_path / "given.toml").write_text(f'device = "cpu"\ntasks = ["math"]\n{text}\n{quick}')
    return "persuasion bridge run given.toml --out run"


def test_a_model_that_is_not_there(tmp_path: Path) -> None:
    refused(given(tmp_path, "[receiver]\npath = './nowhere'"), "no folder ./nowhere")
    (tmp_path / "empty").mkdir()
    refused(given(tmp_path, "[receiver]\npath = 'empty'"), "has no config.json")
    refused(given(tmp_path, "[[other]]\nname = 'x'\npath = 'empty'"), "has no config.json")


def test_a_tokenizer_without_pad_or_end_token(saved: Callable[..., Path], tmp_path: Path) -> None:
    folder = saved("model")
    for name in ("tokenizer_config.json", "special_tokens_map.json"):
        if (folder / name).exists():
            settings = json.loads((folder / name).read_text())
            kept = {k: v for k, v in settings.items() if not k.endswith("_token")}
            (folder / name).write_text(json.dumps(kept))
    refused(given(tmp_path, "[receiver]\npath = 'model'"), "neither a pad nor an eos token")


def test_prompts_longer_than_the_context(saved: Callable[..., Path], tmp_path: Path) -> None:
    saved("short", n_positions=8)
    refused(given(tmp_path, "[receiver]\npath = 'short'"), "but the model reads 8", "shorten")


def test_signals_that_cannot_be_told_apart(saved: Callable[..., Path], tmp_path: Path) -> None:
    saved("model")
    text = "[receiver]\npath = 'model'\n[advisor]\npath = 'model'\nwords = ['a', 'ab', 'c', 'd']"
    refused(given(tmp_path, text), "'ab' begins like 'a'", "use other words")


def test_programs_that_nothing_confines(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sandbox.sandbox, "layers", lambda: Layers(rlimits=True, session=True))
    (tmp_path / "code.toml").write_text('tasks = ["code"]')
    line = "persuasion bridge run code.toml --out run"
    refused(line, "cannot be run safely here", "--unsafe-exec", "leave the task out")
    assert not (tmp_path / "run").exists()
