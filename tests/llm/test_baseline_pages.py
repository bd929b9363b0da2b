"""Baselines as stages of an experiment, in its tables, files and page."""

from __future__ import annotations

import csv
import json
from dataclasses import replace

import pytest

from llm_bridge import baselines
from llm_bridge.config import (
    AdvisorSection,
    BaselinesSection,
    EvaluateSection,
    ExperimentConfig,
    MeasureSection,
    OtherSection,
)
from llm_bridge.experiment import Outcome, run
from llm_bridge.pages.comparison import comparison_section
from llm_bridge.pages.report import report_on
from llm_bridge.pages.results import write_results
from llm_bridge.staging.plan import stage_names
from persuasion.errors import PersuasionError
from tests.llm.workshops import FakeWorkshop

CONFIG = ExperimentConfig(
    tasks=("math",),
    other=(
        OtherSection(name="early", checkpoint=0.25),
        OtherSection(name="middle", checkpoint=0.5),
    ),
    advisor=AdvisorSection(signals={"math": (2, 4)}, n_inputs=8),
    measure=MeasureSection(n_inputs=8),
    evaluate=EvaluateSection(n_inputs=10),
    baselines=BaselinesSection(names=tuple(baselines.names()), receivers=("early",)),
)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("baselines") / "run"
    return run(CONFIG, folder, FakeWorkshop(), then=lambda o: write_results(o, o.folder))


def test_stages_follow_those_whose_receiver_they_ask(outcome: Outcome) -> None:
    names = stage_names(CONFIG)
    assert [stage.name for stage in outcome.stages] == names
    assert names.index("baselines-math") == names.index("evaluate-math") + 1
    assert names.index("baselines-math-early") == names.index("transfer-math-early") + 1
    assert "baselines-math-middle" not in names
    without = stage_names(replace(CONFIG, baselines=BaselinesSection()))
    assert without == [name for name in names if not name.startswith("baselines")]


def test_each_receiver_is_compared_by_what_she_herself_does(outcome: Outcome) -> None:
    found = outcome.comparisons["math"]
    assert list(found) == ["embedded", "early"]
    assert (found["embedded"].trained_for, found["early"].trained_for) == (None, "embedded")
    judged = {"embedded": outcome.evaluations["math"], "early": outcome.transfers["math"]["early"]}
    for name, one in found.items():
        assert one.evaluation.receiver == name
        for arm, same in (("persuaded", "4 signals, seed 0"), ("none", "none")):
            assert one.evaluation.value(arm) == judged[name].value(same)
        assert set(one.left_out) == {"best_of_n", "fine_tuned"}, "no model, nobody who draws"
        assert one.baselines == ["all_items", "corrector"]


def test_replies_to_held_out_inputs_are_not_generated_again(outcome: Outcome) -> None:
    stages = {stage.name: stage.folder for stage in outcome.stages}
    known = (stages["evaluate-math"] / "replies.jsonl").read_bytes()
    assert (stages["baselines-math"] / "replies.jsonl").read_bytes().startswith(known)


def test_a_table_holds_every_baseline_and_control(outcome: Outcome) -> None:
    with (outcome.folder / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    for receiver, one in outcome.comparisons["math"].items():
        mine = {row["arm"]: row for row in rows if row["receiver"] == receiver}
        assert set(mine) >= {"blind", "all_items", "control all_items", "control corrector"}
        for arm, row in mine.items():
            if arm in one.evaluation.arms:
                assert float(row["value"]) == pytest.approx(
                    one.evaluation.value(arm).mean, abs=1e-6
                )
        assert mine["control corrector"]["kind"] == "control"
    assert "all_items" not in {row["arm"] for row in rows if row["receiver"] == "middle"}


def test_results_hold_values_costs_and_controls(outcome: Outcome) -> None:
    found = json.loads((outcome.folder / "results.json").read_text())["comparisons"]
    assert [(one["task"], one["receiver"]) for one in found] == [
        ("math", "embedded"), ("math", "early"),
    ]  # fmt: skip
    first = found[0]
    one = outcome.comparisons["math"]["embedded"]
    assert first["arms"]["all_items"]["value"] == one.evaluation.value("all_items").mean
    assert first["arms"]["persuaded"]["asked"] == 8 * 4 * 5, "inputs, templates, hints and none"
    assert first["arms"]["persuaded"]["ahead"] == 0
    assert {c["control"] for c in first["controls"]} == {"control all_items", "control corrector"}
    assert not any(c["gains"] for c in first["controls"])
    text = (outcome.folder / "table.md").read_text()
    assert "math with early: utils on 40 inputs" in text
    assert "the Advisor was trained for embedded and not again" in text
    assert "gains nothing" in text


def test_the_page_shows_them_and_nothing_where_none_are_named(outcome: Outcome) -> None:
    page = report_on(outcome)
    (section,) = [one for one in page.sections if one.title == "Beside other ways"]
    markup = section.to_html("x")
    assert markup.count("<svg") == 2
    for words in ("all items in the prompt", "corrector", "gains nothing", "best answer without"):
        assert words in markup
    assert list(comparison_section({"math": {}})) == []


def test_names_that_do_not_exist_are_refused_before_any_work() -> None:
    with pytest.raises(PersuasionError, match="did you mean 'corrector'"):
        replace(CONFIG, baselines=BaselinesSection(names=("correcter",)))
    with pytest.raises(PersuasionError, match="did you mean 'early'"):
        replace(CONFIG, baselines=BaselinesSection(("corrector",), ("erly",)))
