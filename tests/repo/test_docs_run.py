"""Every example in a docstring, in the README and in docs/ is executed.

Docstrings are read from the source with `ast`, not found on the imported objects: the finder of
`doctest` passes over cached, nested and attribute docstrings without a word.
"""

import ast
import doctest
import importlib
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

ROOT = Path(__file__).parents[2]
OPTIONS = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
PARSER = doctest.DocTestParser()
FENCE = re.compile(r"^```python[^\n]*\n(.*?)^```", re.MULTILINE | re.DOTALL)


def docstrings(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, text) of each bare string that contains at least one example."""
    for node in ast.walk(ast.parse(path.read_text(encoding="utf-8"))):
        if isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant):
            text = node.value.value
            if isinstance(text, str) and PARSER.get_examples(text):
                yield node.lineno, text


def blocks(path: Path) -> Iterator[tuple[int, str]]:
    """Yield (line, code) of each python block of a markdown file."""
    text = path.read_text(encoding="utf-8")
    for match in FENCE.finditer(text):
        yield text.count("\n", 0, match.start(1)) + 1, match.group(1)


def run_examples(text: str, namespace: dict[str, Any], path: Path, line: int) -> None:
    """Run the examples of `text`, fail with the report of `doctest`."""
    test = PARSER.get_doctest(text, namespace, path.name, str(path), line - 1)
    report: list[str] = []
    outcome = doctest.DocTestRunner(optionflags=OPTIONS).run(
        test, out=report.append, clear_globs=False
    )
    namespace.update(test.globs)
    assert outcome.attempted > 0
    assert outcome.failed == 0, "".join(report)


def run_module(path: Path, namespace: dict[str, Any]) -> None:
    """Run each docstring of a module in its own copy of the module's names."""
    for line, text in docstrings(path):
        run_examples(text, dict(namespace), path, line)


def run_markdown(path: Path) -> None:
    """Run the blocks of a page in order, in one namespace, as its reader would."""
    namespace: dict[str, Any] = {"__name__": "__main__"}
    for line, code in blocks(path):
        if ">>>" in code:
            run_examples(code, namespace, path, line)
        else:
            exec(compile("\n" * (line - 1) + code, str(path), "exec"), namespace)


def dotted(path: Path) -> str:
    return ".".join(path.relative_to(ROOT).with_suffix("").parts).removesuffix(".__init__")


MODULES = [
    path
    for package in ("persuasion", "theory", "llm_bridge")
    for path in sorted((ROOT / package).rglob("*.py"))
    if any(docstrings(path))
]
PAGES = [
    path
    for path in (ROOT / "README.md", *sorted((ROOT / "docs").rglob("*.md")))
    if path.exists() and any(blocks(path))
]


@pytest.mark.parametrize("path", MODULES, ids=dotted)
def test_docstrings(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_module(path, vars(importlib.import_module(dotted(path))))


@pytest.mark.parametrize("path", PAGES, ids=lambda path: str(path.relative_to(ROOT)))
def test_pages(path: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    run_markdown(path)


def test_something_was_collected() -> None:
    assert MODULES, "no docstring contains an example"
    assert ROOT / "README.md" in PAGES, "README.md contains no python block"


@pytest.mark.parametrize(
    "source",
    [
        '"""\n>>> 1 + 1\n3\n"""',
        'def f():\n    def g():\n        """\n        >>> 1 + 1\n        3\n        """',
        'import functools\n@functools.cache\ndef f():\n    """\n    >>> 1 + 1\n    3\n    """',
        'class A:\n    x = 1\n    """\n    >>> undefined\n    1\n    """',
    ],
    ids=["module", "nested", "cached", "attribute"],
)
def test_wrong_docstring_is_caught(source: str, tmp_path: Path) -> None:
    (bad := tmp_path / "bad.py").write_text(source)
    with pytest.raises(AssertionError, match=r"File .*bad\.py"):
        run_module(bad, {})
    bad.write_text(source.replace("3", "2").replace("undefined", "1"))
    run_module(bad, {})


@pytest.mark.parametrize(
    ("code", "error"),
    [
        (">>> 1 + 1\n3\n", AssertionError),
        ("assert 1 + 1 == 3\n", AssertionError),
        ("x = (\n", SyntaxError),
    ],
    ids=["doctest", "script", "syntax"],
)
def test_wrong_page_is_caught(code: str, error: type[Exception], tmp_path: Path) -> None:
    page = tmp_path / "page.md"
    page.write_text(f"Text.\n\n```python\ny = 1\n```\n\n```python\n{code}```\n")
    with pytest.raises(error):
        run_markdown(page)
    page.write_text("Text.\n\n```python\ny = 1\n```\n\n```python\n>>> y + 1\n2\n```\n")
    run_markdown(page)
