"""Tables, files, pictures and page of an experiment; the section of the demo."""

from __future__ import annotations

import csv
import json
import re
import xml.etree.ElementTree as ET
from dataclasses import replace
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

from llm_bridge import cli, config
from llm_bridge.bootstrap import Interval
from llm_bridge.commands import requirements
from llm_bridge.config import (
    AdvisorSection,
    EvaluateSection,
    ExperimentConfig,
    MeasureSection,
    OtherSection,
)
from llm_bridge.experiment import Outcome, run
from llm_bridge.pages import demo
from llm_bridge.pages.plots import Bar, plot_arms, plot_kernels, plot_learning, plot_transfer
from llm_bridge.pages.report import _aligned, _smoothed, report_on
from llm_bridge.pages.results import Control, _outcome_of, arms_table, controls_of, write_results
from llm_bridge.staging.plan import AdvisorPlan
from persuasion.demo import kept
from persuasion.demo import run as run_demo
from persuasion.errors import PersuasionError
from persuasion.report import Picture, Table, svg_of
from tests.llm.workshops import FakeWorkshop

CONFIG = ExperimentConfig(
    name="<small & odd>",
    tasks=("math",),
    seeds=(0, 1),
    other=(OtherSection(name="early", checkpoint=0.25),),
    advisor=AdvisorSection(signals={"math": (2, 4)}),
    measure=MeasureSection(n_inputs=8),
    evaluate=EvaluateSection(n_inputs=10, controls=("untrained", "reinforce")),
)


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    folder = tmp_path_factory.mktemp("report") / "run"
    return run(CONFIG, folder, FakeWorkshop(), then=lambda o: write_results(o, o.folder))


# -- tables and files --------------------------------------------------------------------------


def test_csv_holds_every_arm_with_each_receiver(outcome: Outcome) -> None:
    with (outcome.folder / "table.csv").open(newline="") as file:
        rows = list(csv.DictReader(file))
    main = outcome.evaluations["math"]
    early = outcome.transfers["math"]["early"]
    assert len(rows) == len(main.arms) + len(early.arms)
    for row in rows:
        evaluation = main if row["receiver"] == "embedded" else early
        value = evaluation.value(row["arm"])
        assert float(row["value"]) == pytest.approx(value.mean, abs=1e-6)
        assert float(row["lower"]) <= float(row["value"]) <= float(row["upper"])
        if row["gap"]:
            gap = float(row["measured_optimum"]) - float(row["value"])
            assert float(row["gap"]) == pytest.approx(gap, abs=2e-6)


def test_gap_is_to_the_optimum_with_as_many_signals(outcome: Outcome) -> None:
    table = arms_table(outcome)
    rows = {row[1]: row for row in table.rows}
    for k in (2, 4):
        row = rows[f"persuaded, {k} signals, seed 0"]
        assert row[3] == f"{outcome.optima['math'][k].value:.3f}"
    assert rows["oracle"][3] == ""
    assert not any("control" in name for name in rows)
    assert [row[1] for row in table.rows][:2] == ["no information", "item from the prior"]


def test_examples_are_one_json_object_a_line(outcome: Outcome) -> None:
    lines = (outcome.folder / "examples.jsonl").read_text().splitlines()
    rows = [json.loads(line) for line in lines]
    main = outcome.evaluations["math"]
    assert len(rows) == len(main.rows) + len(outcome.transfers["math"]["early"].rows)
    assert {row["receiver_name"] for row in rows} == {"embedded", "early"}
    assert {row["task"] for row in rows} == {"math"}


def test_markdown_says_the_same_as_the_tables(outcome: Outcome) -> None:
    text = (outcome.folder / "table.md").read_text()
    for row in arms_table(outcome).rows:
        assert "| " + " | ".join(row) + " |" in text
    widths = {line.count("|") for line in text.splitlines() if line.startswith("| math")}
    assert widths == {6, 7}
    assert "**math. One Advisor (4 signals, seed 0)" in text


def test_the_config_that_is_kept_is_the_one_that_ran(outcome: Outcome) -> None:
    assert config.read_config(outcome.folder / "config.toml") == CONFIG


def test_every_control_stands_beside_its_own_advisor(outcome: Outcome) -> None:
    found = {control.arm: control for control in controls_of(outcome)}
    assert found["shuffled 2 signals, seed 1"].advisor == "2 signals, seed 1"
    assert found["untrained"].advisor == "4 signals, seed 0"
    assert found["reinforce, 4 signals, seed 0"].advisor == "4 signals, seed 0"
    assert {control.of for name, control in found.items() if "misled" in name} == {"receiver"}
    assert all(control.fails for control in found.values())


def test_a_control_that_does_as_well_is_called_out() -> None:
    even = Interval(0.0, -0.1, 0.1)
    assert not Control("math", "untrained", "2 signals, seed 0", even, even).fails


def test_a_gradient_without_the_belief_term_has_to_fail_where_interests_differ(
    outcome: Outcome,
) -> None:
    found = {c.arm: c for c in controls_of(outcome)}
    name = next(arm for arm in found if arm.startswith("reinforce"))
    assert not outcome.evaluations["math"].misaligned
    assert [arm for arm, c in found.items() if not c.has_to_fail] == [name]
    even = Interval(0.0, -0.1, 0.1)
    needed, excused = (replace(found[name], ahead=even, has_to_fail=x) for x in (True, False))
    assert _outcome_of(needed) == "DOES NOT FAIL"
    assert _outcome_of(excused) == "need not fail: interests agree"


# -- the page ----------------------------------------------------------------------------------


class Page(HTMLParser):
    def __init__(self, markup: str) -> None:
        super().__init__()
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.words: list[str] = []
        self.feed(markup)

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_data(self, data: str) -> None:
        self.words.append(data)


def test_page_is_self_contained_and_shows_everything(outcome: Outcome) -> None:
    markup = report_on(outcome).to_html()
    page = Page(markup)
    text = " ".join("".join(page.words).split())
    for words in (
        "<small & odd>", "never saw the solution of the linear program", "persuaded, 4 signals",
        "claims held, 0 inconclusive, 0 refuted",
        "Task math", "Two numbers are visible", "Negative controls", "signals shuffled",
        "One Advisor, several Receivers", "early", "How to repeat this", "torch", "evaluate-math",
    ):  # fmt: skip
        assert words in text, words
    pictures = [attributes for tag, attributes in page.tags if tag == "svg"]
    assert len(pictures) == 4  # arms, learning, kernels, transfer
    assert all(attributes.get("aria-label") for attributes in pictures)
    for tag, attributes in page.tags:
        for name in ("src", "href"):
            target = attributes.get(name) or "#"
            assert target.startswith(("#", "data:")), (tag, target)
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    assert len(ids) == len(set(ids))


def test_learned_signals_stand_where_they_resemble_the_optimum() -> None:
    plan = AdvisorPlan("math", 3, "exact", 0)
    solved = np.array([[1.0, 0, 0], [0, 1, 0], [0, 0, 1], [0, 0, 1]])
    learned = solved[:, [2, 0, 1]] * 0.9 + 0.1 / 3
    aligned, same = _aligned(learned, solved, np.full(4, 0.25), plan)
    assert np.allclose(aligned, solved * 0.9 + 0.1 / 3)
    assert np.array_equal(same, solved)
    wide, padded = _aligned(learned, solved[:, :2] + [[0, 0], [0, 0], [1, 0], [0, 1]],
                            np.full(4, 0.25), plan)  # fmt: skip
    assert wide.shape == padded.shape == (4, 3)
    assert np.array_equal(padded[:, 2], np.zeros(4))


def test_curves_are_means_of_what_they_cover() -> None:
    steps, values = _smoothed(tuple(float(i) for i in range(30)))
    assert np.allclose(steps, values)
    steps, values = _smoothed((1.0, 3.0))
    assert values.tolist() == [2.0]


# -- pictures ----------------------------------------------------------------------------------

BARS = [
    Bar("none", -0.1, -0.2, 0.05, "baseline"),
    Bar("persuaded with $x^2$ <b>", 0.6, 0.55, 0.64),
    Bar("optimum", 0.7, 0.7, 0.7, "optimum"),
]


def test_bars_keep_order_limits_and_numbers() -> None:
    ax = plot_arms(BARS)
    assert [text.get_text() for text in ax.texts] == ["−0.100", "0.600", "0.700"]
    heights = [patch.get_y() for patch in ax.patches]
    assert heights == sorted(heights, reverse=True)
    assert ax.get_xlim()[0] < -0.2
    with pytest.raises(PersuasionError, match="empty"):
        plot_arms([])
    with pytest.raises(PersuasionError, match="`kind` must be one of"):
        Bar("x", 0, 0, 0, "other")


def test_pictures_follow_the_theme_of_the_page() -> None:
    steps = np.arange(5.0)
    for ax in (
        plot_arms(BARS),
        plot_learning({"a": (steps, steps)}, {"optimum": 3.0}),
        plot_kernels({"learned": np.eye(3)}, ["a", "b", "c"], ["x", "y", "z"]),
        plot_transfer(np.array([[0.5, np.nan]]), np.array([1.0, 0.0]), ["one"], ["a", "b"]),
    ):
        markup = svg_of(ax)
        ET.fromstring(markup)
        assert "var(--ink)" in markup
        assert not re.search(r"#000000|#1b1b1c", markup.split("</defs>")[0])


def test_the_worst_receiver_is_no_division_by_zero() -> None:
    ax = plot_transfer(np.array([[0.0, 0.2]]), np.array([0.0, 0.4]), ["one"], ["a", "b"])
    assert [text.get_text() for text in ax.texts] == ["0.000", "0.200", "0.000", "0.400"]


# -- the demo ----------------------------------------------------------------------------------


def test_the_demo_keeps_its_run_and_finds_it_again(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    workshops: list[FakeWorkshop] = []

    def workshop(*_: object, **__: object) -> FakeWorkshop:
        workshops.append(FakeWorkshop())
        return workshops[-1]

    monkeypatch.setattr("llm_bridge.staging.local_workshop.LocalWorkshop", workshop)
    monkeypatch.setattr(demo, "demo_config", lambda: CONFIG)
    monkeypatch.setattr("persuasion.demo.CORE", ())
    monkeypatch.setattr("persuasion.demo.producers", lambda: iter([("bridge", demo.sections)]))
    first, second = (run_demo(tmp_path / "out", quiet=True) for _ in range(2))
    assert [bool(one.made) for one in workshops] == [True, False]
    assert (tmp_path / "out/bridge/table.csv").exists()
    assert [section.title for section in first.sections] == [
        "Persuading language models", "Task math",
    ]  # fmt: skip
    echoed = [b for b in first.sections[0].blocks if isinstance(b, Table) and b.echo]
    assert len(echoed) == 2
    assert any(isinstance(block, Picture) for block in first.sections[1].blocks)
    assert [s.to_html("a") for s in first.sections] == [s.to_html("a") for s in second.sections]
    assert kept("bridge") is None


def test_without_torch_the_demo_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(requirements, "find_spec", lambda name: None)
    (section,) = demo.sections(lambda text: None)
    assert "pip install 'persuasion[llm]'" in section.to_html("x").replace("&#x27;", "'")
    assert cli.NEEDED


def test_outside_a_demo_nothing_is_left_behind(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(
        "llm_bridge.staging.local_workshop.LocalWorkshop", lambda *_, **__: FakeWorkshop()
    )
    monkeypatch.setattr(demo, "demo_config", lambda: CONFIG)
    monkeypatch.chdir(tmp_path)
    told: list[str] = []
    demo.sections(told.append)
    assert any("evaluate-math" in text for text in told)
    assert list(tmp_path.iterdir()) == []
