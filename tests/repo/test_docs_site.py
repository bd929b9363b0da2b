"""The pages: links lead somewhere, statements are the code's, nothing comes from elsewhere."""

from __future__ import annotations

import doctest
import importlib.util
import re
import zlib
from collections.abc import Iterator
from html.parser import HTMLParser
from pathlib import Path
from types import ModuleType

import pytest

import persuasion
from tests.repo.pages import ROOT, build, built
from theory import statements

DOCS = ROOT / "docs"
EXTENSIONS = sorted((DOCS / "extensions").glob("*.py"))
MARKDOWN = [ROOT / "README.md", ROOT / "CONTRIBUTING.md", *sorted(DOCS.rglob("*.md"))]
LINK = re.compile(r"(?<!`)\[[^\]\n]+\]\(([^)\s]+)\)")


def extension(path: Path) -> ModuleType:
    spec = importlib.util.spec_from_file_location(f"docs_extension_{path.stem}", path)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(module)
    return module


# -- what the build is made of -----------------------------------------------------------------


@pytest.mark.parametrize("path", EXTENSIONS, ids=lambda path: path.stem)
def test_examples_of_the_extensions(path: Path) -> None:
    assert doctest.testmod(extension(path)).failed == 0


def test_files_of_the_repository_become_downloads() -> None:
    page = ["[a notebook](../notebooks/x.ipynb), [changes](../CHANGELOG.md), [page](cli.md#solve)"]
    extension(DOCS / "extensions" / "repository.py").link_files(None, "online", page)
    assert page == [
        "{download}`a notebook <../notebooks/x.ipynb>`, [changes](changelog.md), "
        "[page](cli.md#solve)"
    ]


# -- links between the sources, as a code-hosting site shows them --------------------------------


def anchors(text: str) -> set[str]:
    """Return the anchors that headings get."""
    text = re.sub(r"^```.*?^```", "", text, flags=re.MULTILINE | re.DOTALL)
    titles = re.findall(r"^#+ +(.+)$", text, flags=re.MULTILINE)
    return {re.sub(r"[^\w\- ]", "", title.lower()).replace(" ", "-") for title in titles}


def dead_links(path: Path) -> Iterator[str]:
    text = re.sub(r"^```.*?^```", "", path.read_text("utf-8"), flags=re.MULTILINE | re.DOTALL)
    for target in LINK.findall(text):
        if target.startswith(("http://", "https://")):
            continue
        file, _, anchor = target.partition("#")
        there = (path.parent / file).resolve() if file else path
        page = there.suffix == ".md"
        if not there.exists() or (
            anchor and page and anchor not in anchors(there.read_text("utf-8"))
        ):
            yield target


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_links_lead_somewhere(path: Path) -> None:
    assert list(dead_links(path)) == []


def test_dead_links_are_caught(tmp_path: Path) -> None:
    (page := tmp_path / "a.md").write_text("# A (b)\n[x](#a-b) [y](#c) [z](b.md) [w](a.md#d)\n")
    assert list(dead_links(page)) == ["#c", "b.md", "a.md#d"]


# -- what the pages say is what the code holds ----------------------------------------------------


def unknown(text: str) -> list[str]:
    """Return the statements, games and commands that a page names and nobody knows."""
    from typer.main import get_command

    from persuasion.cli import app

    known = set(get_command(app).commands) | {"bridge", "verify", "theorems"}  # type: ignore[attr-defined]
    found = []
    for command, rest in re.findall(r"`persuasion (\w+)([^`\n]*)`", text):
        found += [command] if command.islower() and command not in known else []
        if command == "verify":
            ids = [word for word in rest.split() if re.fullmatch(r"[a-z]+_\w+", word)]
            found += [word for word in ids if word not in statements.names()]
    return found


@pytest.mark.parametrize("path", MARKDOWN, ids=lambda path: str(path.relative_to(ROOT)))
def test_commands_and_statements_exist(path: Path) -> None:
    assert unknown(path.read_text("utf-8")) == []


def test_unknown_commands_are_caught() -> None:
    assert unknown("`persuasion sovle x`, `persuasion verify lemma_1 theorem_99 --quick`") == [
        "sovle",
        "theorem_99",
    ]


def test_every_statement_has_its_proof_and_its_command() -> None:
    page = (DOCS / "theory.md").read_text("utf-8")
    assert [name for name in statements.names() if f"`{name}`" not in page] == []
    readme = (ROOT / "README.md").read_text("utf-8")
    assert f"| {len(statements.names())} statements" in readme


# -- the built pages -----------------------------------------------------------------------------


class Page(HTMLParser):
    """Where a page points to, and the anchors that it has."""

    def __init__(self, path: Path) -> None:
        super().__init__()
        self.links: list[str] = []
        self.loaded: list[str] = []
        self.anchors: set[str] = set()
        self.feed(path.read_text("utf-8"))

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        has = {name: value or "" for name, value in attrs}
        self.anchors |= {has[name] for name in ("id", "name") if name in has}
        if tag == "a" and "href" in has:
            self.links.append(has["href"])
        elif tag == "link" and has.get("rel") in ("stylesheet", "preload", "icon"):
            self.loaded.append(has["href"])
        elif tag in ("script", "img", "iframe", "source") and "src" in has:
            self.loaded.append(has["src"])


def faults(folder: Path) -> list[str]:
    """Return dead links, and what a page would fetch from elsewhere."""
    pages = {path.resolve(): Page(path) for path in folder.rglob("*.html")}
    found = []
    for path, page in pages.items():
        here = path.relative_to(folder.resolve())
        for target in page.links + page.loaded:
            if re.match(r"https?:|//", target):
                found += [f"{here} fetches {target}"] if target in page.loaded else []
                continue
            file, _, anchor = target.partition("#")
            there = (path.parent / file.partition("?")[0]).resolve() if file else path
            if target.startswith(("data:", "mailto:")):
                continue
            known = pages[there].anchors if there in pages else {anchor}
            if not there.exists() or (anchor and anchor not in known):
                found.append(f"{here}: {target}")
    styles = [path.read_text("utf-8") for path in folder.rglob("*.css")]
    found += [
        f"a style fetches {x}" for s in styles for x in re.findall(r"url\(['\"]?(https?:[^)]*)", s)
    ]
    return found


def test_faults_are_found(tmp_path: Path) -> None:
    (tmp_path / "a.html").write_text(
        '<p id="x"><a href="#x"></a><a href="#y"></a><a href="b.html"></a>'
        '<script src="https://cdn.example/x.js"></script>'
    )
    (tmp_path / "a.css").write_text("@font-face { src: url(https://fonts.example/x) }")
    assert faults(tmp_path) == [
        "a.html: #y",
        "a.html: b.html",
        "a.html fetches https://cdn.example/x.js",
        "a style fetches https://fonts.example/x",
    ]


@pytest.mark.slow
def test_pages_are_built_and_whole() -> None:
    assert faults(built()) == []


@pytest.mark.slow
def test_every_public_name_is_in_the_reference() -> None:
    inventory = (built() / "objects.inv").read_bytes()
    listing = zlib.decompress(inventory.split(b"zlib.\n", 1)[1]).decode()
    names = {line.split(" ", 1)[0] for line in listing.splitlines()}
    assert [x for x in persuasion.__all__ if f"persuasion.{x}" not in names] == []


@pytest.mark.slow
def test_formulas_are_markup_and_statements_complete() -> None:
    page = (built() / "statements.html").read_text("utf-8")
    assert page.count('<div class="math"><math') >= len(statements.names())
    for name in statements.names():
        assert f"persuasion verify {name}" in re.sub(r"<[^>]*>", "", page), name
    theory = (built() / "theory.html").read_text("utf-8")
    assert theory.count("<math") > 300
    assert not re.search(r"\\(frac|sum|mathrm)\b", theory)
    assert (built() / "searchindex.js").stat().st_size > 10_000


@pytest.mark.slow
@pytest.mark.parametrize(
    ("text", "complaint"),
    [
        ("[x](nowhere.md)", "nowhere"),
        (r"$\nonsense{x}$", "no command of TeX"),
        ("## A\n\n#### B", "level"),
    ],
    ids=["link", "formula", "heading"],
)
def test_a_warning_stops_the_build(text: str, complaint: str, tmp_path: Path) -> None:
    (tmp_path / "index.md").write_text(f"# Page\n\n{text}\n")
    result = build(tmp_path, tmp_path / "out")
    assert result.returncode != 0
    assert complaint in result.stderr
    (tmp_path / "index.md").write_text("# Page\n\n$x^2$\n")
    assert build(tmp_path, tmp_path / "out").returncode == 0
