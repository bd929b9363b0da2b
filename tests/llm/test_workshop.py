"""What the workshop hands on: every setting reaches the models, every model is the one meant."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
import torch

from llm_bridge import models, tasks
from llm_bridge.config import AdvisorSection, ExperimentConfig, ReceiverSection, TrainingSection
from llm_bridge.device import accelerator, best_device
from llm_bridge.experiment import run
from llm_bridge.staging import local_workshop
from llm_bridge.staging.local_workshop import LocalWorkshop
from llm_bridge.staging.plan import AdvisorPlan, Seat
from llm_bridge.tasks._stored import StoredTask
from llm_bridge.tasks._synthetic import split_of
from persuasion.errors import PersuasionError
from persuasion.receivers import PosteriorSampling, Quantal

COMMIT = "0123456789abcdef0123456789abcdef01234567"


class Stopped(Exception):  # noqa: N818
    """Ends a call once what it was given has been seen."""


@pytest.fixture
def given(monkeypatch: pytest.MonkeyPatch) -> dict[str, Any]:
    """What trainings and loaders are called with; they stop there."""
    seen: dict[str, Any] = {}

    def note(name: str) -> Any:
        def called(*arguments: Any, **named: Any) -> Any:
            seen[name] = SimpleNamespace(arguments=arguments, **named)
            raise Stopped

        return called

    for name in ("train", "pretrain"):
        monkeypatch.setattr(local_workshop, name, note(name))
    monkeypatch.setattr(local_workshop.LocalReceiver, "from_pretrained", note("receiver"))
    monkeypatch.setattr(local_workshop.Advisor, "from_pretrained", note("advisor"))
    return seen


def asked(workshop: LocalWorkshop, folder: Path, mode: str = "exact") -> None:
    """Have an Advisor of math trained."""
    task = tasks.load("math")
    margins = {template: 0.01 * (1 + i) for i, template in enumerate(task.priors)}
    with pytest.raises(Stopped):
        workshop.train_advisor(
            AdvisorPlan("math", 2, mode, 5), task, SimpleNamespace(games={"the": "games"}),
            margins, {"the": "targets"}, folder, lambda done, total: None,
        )  # fmt: skip


def test_every_setting_of_an_advisor_reaches_her_training(
    given: dict[str, Any], tmp_path: Path
) -> None:
    section = AdvisorSection(
        n_layer=1, n_embd=12, n_head=3, warm_steps=7, steps=11, lr=0.005, batch=9,
        grad_accumulation=3, n_inputs=4,
    )  # fmt: skip
    receiver = ReceiverSection(rule="quantal", beta=6.0)
    config = ExperimentConfig(device="cpu", precision="no", advisor=section, receiver=receiver)
    asked(LocalWorkshop(config), tmp_path, mode="belief_pg")
    call = given["train"]
    advisor, task, games, examples = call.arguments
    assert games == {"the": "games"}
    assert (call.mode, call.rule, call.targets) == ("belief_pg", "quantal", {"the": "targets"})
    assert (call.device, call.precision) == ("cpu", "no")
    how = call.settings
    assert (how.warm_steps, how.steps, how.lr, how.batch) == (7, 11, 0.005, 9)
    assert (how.grad_accumulation, how.receiver_beta, how.seed) == (3, 6.0, 5)
    assert [how.margin_of(t) for t in task.priors] == [0.01, 0.02, 0.03, 0.04]
    assert (advisor.model.config.n_layer, advisor.model.config.n_embd) == (1, 12)
    assert advisor.n_signals == 2
    assert len(examples) == 4 * len(task.priors)
    # no input of the measurement, none that is held out
    assert {split_of(task.held_out(example)) for example in examples} == {"train"}
    assert {split_of(task.held_out(e)) for e in task.examples("stock", "test", 9, 0)} == {"test"}


def test_every_setting_of_a_receiver_reaches_her_training(
    given: dict[str, Any], tmp_path: Path
) -> None:
    training = TrainingSection(
        n_layer=1, n_embd=12, n_head=3, n_positions=88, vocabulary=300, steps=21, batch=13,
        lr=0.004, warmup=6, hintless=0.25, seed=3,
    )  # fmt: skip
    config = ExperimentConfig(device="cpu", compile=True, threads=1, precision="bf16")
    with pytest.raises(Stopped):
        LocalWorkshop(config).train_receiver(
            [tasks.load("math")], training, (0.5, 1.0), tmp_path, lambda done, total: None
        )
    how = given["pretrain"].arguments[1]
    for name, value in vars(training).items():
        assert getattr(how, name) == value, name
    assert (how.marks, how.compiled, how.precision) == ((0.5, 1.0), True, "bf16")
    assert given["pretrain"].threads == 1


@pytest.fixture(autouse=True)
def _fresh_accelerate() -> Any:
    """Accelerate remembers its precision for the whole process."""
    from accelerate.state import AcceleratorState

    AcceleratorState._reset_state(reset_partial_state=True)
    yield
    AcceleratorState._reset_state(reset_partial_state=True)


def test_the_machine_stands_in_every_key() -> None:
    config = ExperimentConfig(device="cpu", precision="no")
    plain = LocalWorkshop(config).settings()
    assert plain["device"] == "cpu"
    assert LocalWorkshop(replace(config, compile=True)).settings() != plain
    assert LocalWorkshop(replace(config, threads=2)).settings() != plain
    torch.set_num_threads(1)


def test_a_chosen_precision_holds_for_all_that_is_done_after() -> None:
    """For baselines and online play, which choose none, too."""
    LocalWorkshop(ExperimentConfig(device="cpu", precision="bf16"))
    assert accelerator().mixed_precision == "bf16"
    assert best_device().type == "cpu"
    with pytest.raises(PersuasionError, match="another precision"):
        accelerator("no")


# -- models of the hub -------------------------------------------------------------------------


def test_a_hub_id_that_does_not_exist_is_refused_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def absent(name: str, file: str) -> str:
        raise OSError(f"{name} is not a valid model identifier\nand more")

    monkeypatch.setattr(models, "cached_file", absent)
    for section in ("receiver", "advisor"):
        config = ExperimentConfig.from_dict(
            {"device": "cpu", "tasks": ["math"], section: {"path": "nobody/nothing"}}
        )
        with pytest.raises(PersuasionError, match=r"hub id 'nobody/nothing'.*check the spelling"):
            run(config, tmp_path / "run", LocalWorkshop(config))
    assert not (tmp_path / "run").exists()


def test_a_hub_id_means_one_commit_from_the_check_to_the_last_stage(
    given: dict[str, Any], tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    file = f"/cache/models--some--model/snapshots/{COMMIT}/config.json"
    monkeypatch.setattr(models, "cached_file", lambda name, file_: file)
    section = AdvisorSection(path="some/model")
    config = ExperimentConfig(device="cpu", advisor=section)
    workshop = LocalWorkshop(config)
    assert workshop.model_label("some/model") == f"some/model@{COMMIT}"
    with pytest.raises(Stopped):
        workshop.receiver(Seat("model", "some/model", "label"), PosteriorSampling())
    assert given["receiver"].revision == COMMIT
    asked(workshop, tmp_path)
    assert given["advisor"].revision == COMMIT


def test_a_receiver_is_loaded_once_for_each_rule(monkeypatch: pytest.MonkeyPatch) -> None:
    loaded: list[Any] = []

    def load(source: Any, rule: Any, *_: Any, **__: Any) -> Any:
        loaded.append(rule)
        return SimpleNamespace(rule=rule)

    monkeypatch.setattr(local_workshop.LocalReceiver, "from_pretrained", load)
    workshop = LocalWorkshop(ExperimentConfig(device="cpu"))
    seat = Seat("one", "somewhere", "label")
    first = workshop.receiver(seat, PosteriorSampling())
    assert workshop.receiver(seat, PosteriorSampling()) is first
    assert workshop.receiver(seat, Quantal(3.0)).rule == Quantal(3.0)
    assert len(loaded) == 2


def test_a_fresh_advisor_reads_every_input_of_a_data_set(tmp_path: Path) -> None:
    """Her vocabulary is that of a few inputs; one she cannot read would end a run that was paid."""
    rows = [
        {"question": f"Farm {k} has {k} eggs.{' Why?' * (k == 59) * 400}", "answer": f"#### {k}"}
        for k in range(60)
    ]
    path = tmp_path / "rows.jsonl"
    path.write_text("\n".join(map(json.dumps, rows)))
    task = tasks.load("gsm8k", path=str(path))
    assert isinstance(task, StoredTask)
    (longest,) = (x for x in task.inputs() if "Why?" in x.text)
    section = AdvisorSection(n_layer=1, n_embd=8, n_head=2, n_inputs=2)
    workshop = LocalWorkshop(ExperimentConfig(device="cpu", advisor=section))
    advisor = workshop.untrained(AdvisorPlan("gsm8k", 2, "exact", 0), task)
    assert longest not in task.examples(longest.template, "train", 2, 0)
    assert advisor.kernels(task, [longest]).shape == (1, 3, 2)
