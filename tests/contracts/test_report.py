"""Tables, reports and the demo: escaped, self-contained, whole, and open to other packages."""

from __future__ import annotations

import os
import re
from collections.abc import Iterable
from fractions import Fraction
from html.parser import HTMLParser
from pathlib import Path

import numpy as np
import pytest

import persuasion.demo as demo
from persuasion import PersuasionGame, Quantal, SignalingScheme, solve, zoo
from persuasion.errors import PersuasionError
from persuasion.html import Table, escaped, game_table, scheme_table, solution_table, spelled
from persuasion.plot import plot_concavification, plot_scheme
from persuasion.report import Paragraph, Picture, Report, Section, png_of, svg_of

ATTACK = """<script>alert("1")</script><img src=x onerror='y'>&amp;]]>"""
VOID = {"meta", "img", "br", "link", "hr"}


class Page(HTMLParser):
    """Reads a page strictly: every element closed in order; collects tags, ids and text."""

    def __init__(self, markup: str) -> None:
        super().__init__(convert_charrefs=True)
        self.open: list[str] = []
        self.tags: list[tuple[str, dict[str, str | None]]] = []
        self.text = ""
        self.feed(markup)
        self.close()
        assert self.open == [], f"not closed: {self.open}"

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))
        if tag not in VOID:
            self.open.append(tag)

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.tags.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self.open, f"</{tag}> closes nothing"
        assert self.open.pop() == tag

    def handle_data(self, data: str) -> None:
        self.text += data

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.tags if name == tag]


def faults(markup: str) -> list[str]:
    """What a page that loads nothing and runs nothing must not contain."""
    page = Page(markup)
    found = [tag for tag, _ in page.tags if tag in ("script", "iframe", "object", "link", "base")]
    ids = [attributes["id"] for _, attributes in page.tags if "id" in attributes]
    found += [f"id {name} twice" for name in set(ids) if ids.count(name) > 1]
    for tag, attributes in page.tags:
        for name, value in attributes.items():
            value = value or ""
            if name.startswith("on"):
                found.append(f"{tag} {name}")
            if name in ("href", "xlink:href", "src", "srcset", "action", "poster"):
                if value.startswith("#"):
                    found += [] if value[1:] in ids else [f"{value} leads nowhere"]
                elif not value.startswith("data:image/"):
                    found.append(f"{tag} {name}={value}")
            for target in re.findall(r"url\(([^)]*)\)", value):
                found += [] if target[1:] in ids else [f"url({target}) leads nowhere"]
    found += re.findall(r"@import|@font-face", markup)
    return found


def attacked() -> PersuasionGame:
    return PersuasionGame(
        ["7/10", "3/10"],
        [[0, 1], [0, 1]],
        [[1, 0], [0, 1]],
        states=[ATTACK, "guilty\ud800\x00"],
        actions=[ATTACK + "1", ATTACK],
        name=ATTACK,
    )


@pytest.mark.parametrize(
    ("page", "fault"),
    [
        ("<p><script>1</script></p>", "script"),
        ("<img src=http://example.org/x.png>", "img src=http://example.org/x.png"),
        ('<p id="a"></p><p id="a"></p>', "id a twice"),
        ('<a href="#b"></a>', "#b leads nowhere"),
        ('<g style="clip-path:url(#c)"></g>', "url(#c) leads nowhere"),
        ("<p onclick=x></p>", "p onclick"),
    ],
)
def test_faulty_pages_are_caught(page: str, fault: str) -> None:
    assert faults(page) == [fault]


@pytest.mark.parametrize("page", ["<p>", "<p><b></p></b>", "</p>"])
def test_broken_markup_is_caught(page: str) -> None:
    with pytest.raises(AssertionError):
        faults(page)


# -- tables ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    "markup",
    [
        game_table(attacked()),
        attacked()._repr_html_(),
        scheme_table(SignalingScheme.full_disclosure(2), states=attacked().states, caption=ATTACK),
        solve(attacked())._repr_html_(),
        solution_table(solve(attacked(), exact=True)),
        Table([ATTACK], [[ATTACK]], ATTACK).to_html(),
    ],
)
def test_tables_escape_every_label(markup: str) -> None:
    assert faults(markup) == []
    page = Page(markup)
    assert ATTACK in page.text
    assert {tag for tag, _ in page.tags} <= {
        "div", "table", "caption", "thead", "tbody", "tr", "th", "td"
    }  # fmt: skip
    markup.encode("utf-8")
    assert "\x00" not in markup


def test_unescaped_label_is_caught() -> None:
    markup = game_table(attacked()).replace(escaped(ATTACK), ATTACK)
    assert {"script", "img src=x", "img onerror"} <= set(faults(markup))


def test_tables_can_be_read_aloud() -> None:
    page = Page(game_table(zoo.load("prosecutor")))
    heads = page.all("th")
    assert [head["scope"] for head in heads] == ["col"] * 4 + ["row"] * 2
    assert len(page.all("caption")) == 1
    assert "color" not in game_table(zoo.load("prosecutor"))


def test_tables_of_large_games_are_cut_and_say_so() -> None:
    page = Page(game_table(zoo.random_game("uniform", 300, 40, seed=0)))
    assert len(page.all("tr")) == 1 + 20 + 1
    assert "… 280 more" in page.text
    assert "… 32 more" in page.text
    scheme = scheme_table(SignalingScheme.full_disclosure(300))
    assert len(scheme) < 60_000


def test_solution_table_shows_the_exact_value_and_any_receiver() -> None:
    assert "<td" in (markup := solution_table(solve(zoo.load("gsm8k_committee"), exact=True)))
    assert "3548/3957" in markup
    quantal = solution_table(solve(zoo.load("prosecutor"), receiver=Quantal(3.0)))
    assert "Quantal(beta=3.0)" in quantal
    assert faults(quantal) == []


@pytest.mark.parametrize(
    ("x", "text"),
    [
        (0.1, "0.1"),
        (Fraction(1, 3), "1/3"),
        (Fraction(-7, 2), "-3.5"),
        (1 / 3, "0.3333"),
        (Fraction(10**9 + 1, 10**9), "1"),
        (12345.678, "1.235e+04"),
        (-1e-300, "-1e-300"),
    ],
)
def test_numbers_are_spelled_shortly(x: float | Fraction, text: str) -> None:
    assert spelled(x) == text


def test_ragged_tables_and_wrong_names_are_refused() -> None:
    with pytest.raises(PersuasionError, match="needs 2 cells, one per column; got"):
        Table(["a", "b"], [["1"]])
    with pytest.raises(PersuasionError, match="`states` must hold 2 names; got 1"):
        scheme_table(SignalingScheme.full_disclosure(2), states=["one"])


# -- reports -----------------------------------------------------------------------------------


def report() -> Report:
    game = attacked()
    ax = plot_concavification(game)
    return Report(
        ATTACK,
        [
            Section(ATTACK, [Paragraph(ATTACK), Table(["a"], [["b"]], ATTACK)]),
            Section("Pictures", [Picture.of(ax, ATTACK, ATTACK), Picture.of(ax, "again")]),
            Section("Image", [Picture.of(ax, ATTACK, format="png")]),
            Section("Scheme", [Picture.of(plot_scheme(SignalingScheme.full_disclosure(30)), "x")]),
        ],
        ATTACK,
    )


def test_report_loads_nothing_runs_nothing_and_repeats_no_id() -> None:
    markup = report().to_html()
    assert faults(markup) == []
    page = Page(markup)
    assert page.text.count(ATTACK) >= 6
    assert len(page.all("svg")) == 3
    drawings = page.all("svg") + page.all("img")
    assert [d.get("aria-label") or d.get("alt") for d in drawings] == [ATTACK, "again", "x", ATTACK]
    assert "://" not in re.sub(r'xmlns(:\w+)?="[^"]*"', "", markup)


def test_repeated_ids_would_be_caught() -> None:
    svg = svg_of(plot_concavification(attacked()))
    assert any("twice" in fault for fault in faults(svg + svg))


def test_pictures_follow_the_theme_and_bring_no_rules_for_the_page() -> None:
    svg = svg_of(plot_concavification(attacked()))
    assert {"var(--ink)", "var(--paper)", "var(--muted)"} <= set(re.findall(r"var\(--\w+\)", svg))
    assert "<style" not in svg
    assert "<metadata" not in svg
    markup = report().to_html()
    for variable in ("ink", "paper", "muted"):
        assert markup.count(f"--{variable}: ") == 3  # light, dark, print


def test_same_figure_same_text() -> None:
    assert report().to_html() == report().to_html()


def test_png_is_a_png() -> None:
    assert png_of(plot_concavification(attacked())).startswith(b"\x89PNG\r\n")
    with pytest.raises(PersuasionError, match="'svg' or 'png'"):
        Picture.of(plot_concavification(attacked()), "x", format="gif")


def test_report_replaces_the_old_one_whole_or_not_at_all(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    target = tmp_path / "new folder" / "report.html"
    written = Report("One", []).write(target)
    assert written == target
    old = target.read_text(encoding="utf-8")
    assert "One" in old

    def fail(source: str, destination: Path) -> None:
        raise OSError("disk full")

    monkeypatch.setattr(os, "replace", fail)
    with pytest.raises(OSError, match="disk full"):
        Report("Two", []).write(target)
    assert target.read_text(encoding="utf-8") == old
    assert os.listdir(target.parent) == ["report.html"]


# -- the demo ----------------------------------------------------------------------------------


class Point:
    """Stands for an installed entry point."""

    def __init__(self, name: str, produce: demo.Producer | None) -> None:
        self.name = name
        self.produce = produce

    def load(self) -> demo.Producer:
        if self.produce is None:
            raise ImportError("no module named torch")
        return self.produce


@pytest.fixture
def installed(monkeypatch: pytest.MonkeyPatch) -> list[Point]:
    """Entry points that the demo finds; none at first."""
    points: list[Point] = []

    def entry_points(group: str) -> list[Point]:
        assert group == "persuasion.demo"
        return points

    monkeypatch.setattr(demo, "entry_points", entry_points)
    return points


def test_demo_writes_a_whole_report_and_prints_the_values(
    tmp_path: Path, installed: list[Point], capsys: pytest.CaptureFixture[str]
) -> None:
    result = demo.run(tmp_path / "out")
    assert result.report == tmp_path / "out" / "report.html"
    markup = result.report.read_text(encoding="utf-8")
    assert faults(markup) == []
    printed = capsys.readouterr().out
    for words in ("prosecutor", "3/5", "7/5", "3548/3957", "3322/3957", "structured"):
        assert words in printed
    assert "FAILED" not in printed
    page = Page(markup)
    assert len(page.all("svg")) == 4
    for words in ("none right", "432/1319", "submit 175B verified", "abstain"):
        assert words in page.text
    assert result.sections[0].title == "What persuasion is worth"


@pytest.fixture(scope="module")
def quiet_demo(tmp_path_factory: pytest.TempPathFactory) -> demo.DemoResult:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(demo, "producers", lambda: iter(()))
        return demo.run(tmp_path_factory.mktemp("demo"), quiet=True)


def test_demo_table_agrees_with_the_published_values(quiet_demo: demo.DemoResult) -> None:
    (table,) = (b for b in quiet_demo.sections[0].blocks if isinstance(b, Table))
    exact = {row[0]: Fraction(row[4]) for row in table.rows}
    assert exact["prosecutor"] == zoo.entry("prosecutor").value_at()
    assert exact["grading"] == zoo.entry("grading").value_at()
    for sender in ("engagement", "commission"):
        published = zoo.entry("gsm8k_committee").value_at(sender=sender)
        assert exact[f"GSM8K committee, {sender}"] == published
    for row in table.rows:
        assert float(row[3]) == pytest.approx(float(Fraction(row[4])), rel=1e-5)
        assert float(row[5]) == pytest.approx(
            float(Fraction(row[4])) - float(Fraction(row[1])), abs=1e-3
        )


def test_committee_table_is_obedient(quiet_demo: demo.DemoResult) -> None:
    tables = [b for b in quiet_demo.sections[-1].blocks if isinstance(b, Table)]
    advice = [t for t in tables if t.columns[0] == "recommendation"]
    assert len(advice) == 2
    for table in advice:
        assert sum(float(row[1]) for row in table.rows) == pytest.approx(1, abs=5e-4)
        assert all(float(row[2]) >= 0.75 for row in table.rows if row[0] != "abstain")


def test_quiet_demo_prints_nothing(
    tmp_path: Path, installed: list[Point], capsys: pytest.CaptureFixture[str]
) -> None:
    demo.run(tmp_path, quiet=True)
    assert capsys.readouterr() == ("", "")


@pytest.fixture
def only_one_of_ours(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(demo, "CORE", demo.CORE[1:2])


@pytest.mark.usefixtures("only_one_of_ours")
def test_other_packages_add_sections_after_ours(tmp_path: Path, installed: list[Point]) -> None:
    said: list[str] = []

    def sections(progress: demo.Progress) -> Iterable[Section]:
        progress("counting")
        said.append("called")
        yield Section("Theorems", [Table(["bound"], [["17"]], echo=True)])

    installed += [Point("theory", sections), Point("llm", lambda progress: [Section("LM", [])])]
    result = demo.run(tmp_path, quiet=True)
    assert said == ["called"]
    assert [section.title for section in result.sections][-2:] == ["LM", "Theorems"]
    assert "Theorems" in result.report.read_text(encoding="utf-8")


@pytest.mark.usefixtures("only_one_of_ours")
def test_a_failing_package_is_named_and_the_rest_is_kept(
    tmp_path: Path, installed: list[Point]
) -> None:
    installed += [Point("broken", None), Point("works", lambda progress: [Section("Fine", [])])]
    with pytest.raises(PersuasionError, match=r"1 section.*broken: ImportError: no module named"):
        demo.run(tmp_path, quiet=True)
    text = (tmp_path / "report.html").read_text(encoding="utf-8")
    assert "This section failed: broken" in text
    assert "Fine" in text


def test_our_own_failures_are_not_swallowed(
    tmp_path: Path, installed: list[Point], monkeypatch: pytest.MonkeyPatch
) -> None:
    def broken(progress: demo.Progress) -> list[Section]:
        raise ZeroDivisionError

    monkeypatch.setattr(demo, "CORE", (broken,))
    with pytest.raises(ZeroDivisionError):
        demo.run(tmp_path, quiet=True)
    assert not (tmp_path / "report.html").exists()


def test_real_entry_points_can_be_listed() -> None:
    assert np.all([callable(produce) for _, produce in demo.producers()])
