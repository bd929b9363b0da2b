"""The key of a stage follows the code that the stage runs: all of it, and little else."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path
from types import FrameType
from typing import Any

import pytest

from llm_bridge.config import ExperimentConfig
from llm_bridge.experiment import run
from llm_bridge.sections import ApiSection, ReplaySection
from llm_bridge.staging import (
    baseline_stages,
    experiment_stages,
    online_stages,
    source_key,
    stages,
)
from llm_bridge.staging.local_workshop import LocalWorkshop
from llm_bridge.staging.plan import Seat, Source
from llm_bridge.staging.source_key import SHOW_ONLY, modules_behind
from llm_bridge.staging.stages import Stage, Stages

ROOT = Path(stages.__file__).parents[1]

TINY = ExperimentConfig.from_dict(
    {
        "name": "tiny",
        "device": "cpu",
        "tasks": ["code"],
        "receiver": {
            "training": {"n_layer": 1, "n_embd": 8, "n_head": 2, "steps": 2, "batch": 6}
        },
        "other": [{"name": "early", "checkpoint": 0.5}],
        "advisor": {
            "n_layer": 1, "n_embd": 8, "n_head": 2, "warm_steps": 1, "steps": 2, "batch": 8,
            "n_inputs": 2, "signals": {"code": [2]},
        },
        "measure": {"n_inputs": 2},
        "evaluate": {"n_inputs": 2, "controls": ["untrained", "reinforce"]},
    }
)  # fmt: skip


def module_of(file: str) -> str:
    parts = Path(file).relative_to(ROOT).with_suffix("").parts
    return ".".join(parts[:-1] if parts[-1] == "__init__" else parts)


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> list[tuple[Stage, set[str]]]:
    """Modules of this project of which a function ran, for each stage of a small experiment."""
    found: list[tuple[Stage, set[str]]] = []
    wings = (str(ROOT / "persuasion"), str(ROOT / "llm_bridge"))
    worked = Stages._worked

    def watched(self: Stages, stage: Stage) -> stages.Finished:
        files: set[str] = set()

        def seen(frame: FrameType, event: str, argument: Any) -> None:
            # what runs while a module is imported is no work of the stage
            if event == "call" and frame.f_code.co_name != "<module>":
                files.add(frame.f_code.co_filename)

        before = sys.getprofile()
        sys.setprofile(seen)
        try:
            return worked(self, stage)
        finally:
            sys.setprofile(before)
            found.append((stage, {module_of(f) for f in files if f.startswith(wings)}))

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Stages, "_worked", watched)
        run(TINY, tmp_path_factory.mktemp("run") / "tiny", LocalWorkshop(TINY))
    return found


def missing(stage: Stage, ran: set[str], code: tuple[str, ...]) -> list[str]:
    """Modules that ran and do not stand in the key."""
    known = {*modules_behind(*code), *stages._GLUE}
    return sorted(
        name
        for name in ran
        if name not in known
        and not any(name == one or name.startswith(f"{one}.") for one in SHOW_ONLY)
        and name not in JOINS
    )


JOINS = {
    "llm_bridge.experiment", "llm_bridge.staging.workshop", "llm_bridge.staging.plan",
    "llm_bridge.config",
    "persuasion.store", "llm_bridge.tasks", "llm_bridge.objectives",
}  # fmt: skip
"""What ran and decides nothing that does not stand in the settings of the stages."""


def test_every_module_that_a_stage_runs_stands_in_its_key(
    ran: list[tuple[Stage, set[str]]],
) -> None:
    assert len(ran) == 8
    found = {stage.name: missing(stage, modules, stage.code) for stage, modules in ran}
    assert found == {name: [] for name in found}


def test_a_module_left_out_would_be_seen(ran: list[tuple[Stage, set[str]]]) -> None:
    for stage, modules in ran:
        for one in stage.code:
            if one not in modules:
                continue  # rules, for one, that stand behind another module too
            fewer = tuple(name for name in stage.code if name != one)
            if one not in modules_behind(*fewer):
                assert one in missing(stage, modules, fewer)


@pytest.mark.parametrize(
    ("source", "module"),
    [
        (ApiSection("m", 1), "llm_bridge.receivers.openai_api"),
        (ReplaySection("a.jsonl"), "llm_bridge.receivers.replay"),
        ("models/a", None),
    ],
)
def test_who_is_no_model_here_has_code_of_her_own(source: Source, module: str | None) -> None:
    behind = {one for root in Seat("one", source, "").code for one in modules_behind(root)}
    others = {"llm_bridge.receivers.openai_api", "llm_bridge.receivers.replay"} & behind
    if module is None:
        assert not behind
    else:
        assert module in others


def test_stages_that_join_parts_of_their_own_stand_in_their_keys() -> None:
    """Their own source, and not what they import."""
    for name, code in (("baseline_stages", baseline_stages._CODE),
                       ("online_stages", online_stages._PLAYING)):  # fmt: skip
        joining = f"llm_bridge.staging.{name}"
        assert joining in code
        computing = tuple(one for one in code if one != joining)
        before, others = stages._code(code), stages._code(computing)
        assert before["code"] == others["code"]
        assert before["glue"] != others["glue"]


def test_stages_do_not_depend_on_what_they_never_run(ran: list[tuple[Stage, set[str]]]) -> None:
    behind = {stage.name: set(modules_behind(*stage.code)) for stage, _ in ran}
    assert not {m for m in behind["receiver"] if m.startswith(("persuasion.solve", "theory"))}
    assert "llm_bridge.tasks.math" not in behind["measure-code-embedded"]
    assert "llm_bridge.pretrain" not in behind["measure-code-embedded"]
    assert "llm_bridge.objectives.reinforce" not in behind["advisor-code-2-exact-0"]
    assert "llm_bridge.objectives.reinforce" in behind["advisor-code-2-reinforce-0"]
    everything = {m for modules in behind.values() for m in modules}
    assert not {m for m in everything if m.startswith(("persuasion.plot", "persuasion.learners"))}


@pytest.fixture
def project(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """A small project in place of this one."""
    files = {
        "llm_bridge/__init__.py": "",
        "llm_bridge/top.py": "from llm_bridge.late import x\nfrom typing import TYPE_CHECKING\n"
        "if TYPE_CHECKING:\n    from llm_bridge import hinted\n",
        "llm_bridge/late.py": "def f():\n from . import below\n import persuasion.base\nx = 1\n",
        "llm_bridge/below.py": "import json\n",
        "llm_bridge/hinted.py": "",
        "llm_bridge/pages/report.py": "",
        "llm_bridge/registry/__init__.py": "import pkgutil\nall = pkgutil.iter_modules(__path__)\n",
        "llm_bridge/registry/one.py": "from llm_bridge.pages import report\n",
        "llm_bridge/box/__init__.py": "from .run import go\n",
        "llm_bridge/box/run.py": "HERE = __file__\n",
        "llm_bridge/box/inside/script.py": "",
        "persuasion/base.py": "",
    }
    for name, text in files.items():
        (tmp_path / name).parent.mkdir(parents=True, exist_ok=True)
        (tmp_path / name).write_text(text)
    monkeypatch.setattr(source_key, "_ROOT", tmp_path)
    for cached in (source_key._imports, modules_behind, source_key.source_key):
        cached.cache_clear()
    yield tmp_path
    for cached in (source_key._imports, modules_behind, source_key.source_key):
        cached.cache_clear()


def test_imports_are_followed_late_and_relative_ones_too(project: Path) -> None:
    names = ("below", "late", "top")
    assert modules_behind("llm_bridge.top") == (
        *(f"llm_bridge.{name}" for name in names), "persuasion.base"
    )  # fmt: skip
    assert modules_behind("llm_bridge.registry") == (
        "llm_bridge.registry", "llm_bridge.registry.one"
    )  # fmt: skip
    assert modules_behind("llm_bridge.box") == tuple(
        f"llm_bridge.box{name}" for name in ("", ".inside.script", ".run")
    )


@pytest.mark.parametrize(
    ("edited", "changes"),
    [("llm_bridge/below.py", True), ("persuasion/base.py", True), ("llm_bridge/hinted.py", False),
     ("llm_bridge/pages/report.py", False)],
)  # fmt: skip
def test_a_byte_changes_the_key_of_what_depends_on_it(
    edited: str, changes: bool, project: Path
) -> None:
    before = source_key.source_key("llm_bridge.top")
    (project / edited).write_text("x = 2\n")
    source_key.source_key.cache_clear()
    assert (source_key.source_key("llm_bridge.top") != before) == changes


def test_a_module_without_source_is_named() -> None:
    with pytest.raises(ModuleNotFoundError, match=r"llm_bridge\.absent"):
        modules_behind("llm_bridge.absent")


def test_what_only_shows_exists_and_computes_nothing() -> None:
    assert all(source_key._of_this_project(name) for name in SHOW_ONLY)
    computing = {f"llm_bridge.{name}" for name in ("train", "evaluate", "measure", "stages")}
    assert not computing & set(SHOW_ONLY)
    named = [v for k, v in vars(experiment_stages).items() if k.endswith("ING") or "ADVISORS" in k]
    assert all(source_key._of_this_project(name) for group in named for name in group)
