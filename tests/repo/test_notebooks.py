"""Every notebook is saved as it runs: with outputs, without errors, and the same ones each time."""

import ast
import base64
import io
import re
from pathlib import Path

import nbformat
import pytest
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode
from nbformat.v4 import new_code_cell, new_notebook
from PIL import Image

from notebooks.execute import (
    TIME_LIMIT,
    differences,
    execute,
    main,
    normalised,
    notebooks,
    read,
    text_outputs,
    time_limit_of,
)

VARYING = {
    "absolute path": re.compile(r"(?<![\w.~}<:/])(?:/[\w.-]+){2,}|\b[A-Z]:\\"),
    "date": re.compile(r"\b(?:19|20)\d\d-\d\d-\d\d\b"),
    "time of day": re.compile(r"\b\d\d?:\d\d\b"),
    "duration": re.compile(r"(?<![A-Za-z])\d[\d.e+-]* ?(?:[mµn]?s|sec|seconds)\b"),
    "address": re.compile(r"\b0x[0-9a-f]{6,}"),
}
LOGIC = (
    ast.FunctionDef,
    ast.AsyncFunctionDef,
    ast.ClassDef,
    ast.Lambda,
    ast.While,
    ast.If,
    ast.Try,
)


def code_cells(notebook: NotebookNode) -> list[NotebookNode]:
    return [cell for cell in notebook.cells if cell.cell_type == "code"]


def is_formula(node: ast.AST) -> bool:
    """Tell a function that is one returned expression: what a page says about, not what it does."""
    return isinstance(node, ast.FunctionDef) and [type(x) for x in node.body] == [ast.Return]


def faults(notebook: NotebookNode) -> list[str]:
    """Say in words what a saved notebook should not be like."""
    nbformat.validate(notebook)
    found = []
    if normalised(notebook) != notebook:
        found.append("metadata not normalised")
    if not any(cell.outputs for cell in code_cells(notebook)):
        found.append("no outputs")
    for number, cell in enumerate(code_cells(notebook), start=1):
        if cell.execution_count != number:
            found.append(f"code cell {number} was not executed in order")
        code = "\n".join(line for line in cell.source.splitlines() if not line.startswith("%"))
        tree = ast.parse(code)
        # a file that the reader writes is what the page is about: its code is its own
        is_file = cell.source.startswith("%%writefile ")
        logic = (node for node in ast.walk(tree) if isinstance(node, LOGIC))
        if not is_file and not all(is_formula(node) for node in logic):
            found.append(f"code cell {number} has logic of its own")
        if tree.body and isinstance(tree.body[-1], ast.Expr) and not cell.outputs:
            found.append(f"code cell {number} has lost its output")
        for output in cell.outputs:
            if output.output_type == "error" or output.get("name") == "stderr":
                found.append(f"code cell {number} complains")
    for number, text in enumerate(text_outputs(notebook), start=1):
        # the style of an HTML table says nothing that could vary; kinds such as text/plain neither
        text = re.sub(r"<[^>]*>|^\[\w+(?:/\w+)?\]$", " ", text, flags=re.MULTILINE)
        found += [
            f"code cell {number} shows: {name}"
            for name, pattern in VARYING.items()
            if pattern.search(text)
        ]
    return found


@pytest.fixture
def saved() -> NotebookNode:
    """Return a faultless notebook as if it had been executed."""
    printed = nbformat.v4.new_output("stream", name="stdout", text="3/5\n")
    cells = [
        new_code_cell("x = '3/5'", execution_count=1),
        new_code_cell("print(x)", execution_count=2, outputs=[printed]),
    ]
    return normalised(new_notebook(cells=cells))


PAGES = {
    "01_persuasion_in_ten_minutes",
    "02_concavification",
    "03_gsm8k_committee",
    "04_robust_signaling",
    "05_your_own_theorem_and_learner",
    "06_receiver_types",
    "07_advisor_and_receiver",
    "08_test_your_own_solver",
}

TRAINED = {"07_advisor_and_receiver"}
"""Their numbers come out of training, and may differ between kinds of machines. What such a page
says of them it asserts: its run is compared with the saved one by kinds of output alone."""


def test_there_are_notebooks() -> None:
    assert {path.stem for path in notebooks()} >= PAGES


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_saved_notebook(path: Path) -> None:
    assert faults(read(path)) == []
    assert path.stat().st_size < 300_000


def test_faultless_notebook_passes(saved: NotebookNode) -> None:
    assert faults(saved) == []
    saved.cells[1].outputs[0].text = "F1s  every recommendation is a best response\n"
    assert faults(saved) == []


@pytest.mark.parametrize(
    ("text", "fault"),
    [
        ("saved in /tmp/out/report.html", "absolute path"),
        ("on 2024-05-31", "date"),
        ("at 12:30", "time of day"),
        ("knapsack, 0.00129 s", "duration"),
        ("12ms", "duration"),
        ("1.2e-05 s", "duration"),
        ("<Axes at 0x7f00deadbeef>", "address"),
    ],
)
def test_varying_output_is_caught(text: str, fault: str, saved: NotebookNode) -> None:
    saved.cells[1].outputs[0].text = text.replace("<", "(")
    assert faults(saved) == [f"code cell 2 shows: {fault}"]


@pytest.mark.parametrize(
    "source",
    [
        "def f():\n    pass",
        "def f(x):\n    y = x + 1\n    return y",
        "def f(x):\n    return map(lambda y: y, x)",
        "class A:\n    pass",
        "f = lambda: 1",
        "if x:\n    x = 1",
        "# %%writefile a.py\nclass A:\n    pass",
    ],
    ids=["function", "steps", "lambda within", "class", "lambda", "branch", "no file"],
)
def test_logic_is_caught(source: str, saved: NotebookNode) -> None:
    saved.cells[0].source = source
    assert faults(saved) == ["code cell 1 has logic of its own"]


def links(notebook: NotebookNode) -> list[str]:
    texts = [cell.source for cell in notebook.cells if cell.cell_type == "markdown"]
    return [found for text in texts for found in re.findall(r"\]\((?!https?:)([^)#]+)", text)]


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_links_lead_somewhere(path: Path) -> None:
    found = links(read(path))
    assert found
    assert [link for link in found if not (path.parent / link).is_file()] == []


def test_pictures_are_kept_small_once(saved: NotebookNode) -> None:
    large = io.BytesIO()
    Image.new("RGBA", (40, 30), "#0072b2").save(large, "PNG")
    encoded = base64.b64encode(large.getvalue()).decode("ascii")
    shown = nbformat.v4.new_output("display_data", data={"image/png": encoded})
    saved.cells[1].outputs.append(shown)
    assert faults(saved) == ["metadata not normalised"]
    once = normalised(saved)
    kept = once.cells[1].outputs[1].data["image/png"]
    picture = Image.open(io.BytesIO(base64.b64decode(kept)))
    assert (picture.mode, picture.size) == ("P", (40, 30))
    assert picture.convert("RGB").getpixel((5, 5)) == (0, 0x72, 0xB2)
    assert normalised(once) == once


@pytest.mark.parametrize(
    "source",
    ["def f(x):\n    return 2 * x", "%%writefile a.py\nclass A:\n    x = 1 if y else 2"],
    ids=["formula", "file"],
)
def test_formulas_and_files_are_allowed(source: str, saved: NotebookNode) -> None:
    saved.cells[0].source = source
    assert faults(saved) == []


def test_missing_outputs_are_caught(saved: NotebookNode) -> None:
    saved.cells[1].outputs = []
    assert faults(saved) == ["no outputs", "code cell 2 has lost its output"]


def test_error_and_disorder_are_caught(saved: NotebookNode) -> None:
    saved.cells[1].outputs = [nbformat.v4.new_output("error", ename="E", evalue="", traceback=[])]
    saved.cells[0].execution_count = 7
    saved.cells[0].metadata["execution"] = {"started": "now"}
    assert faults(saved) == [
        "metadata not normalised",
        "code cell 1 was not executed in order",
        "code cell 2 complains",
    ]


def test_differences_name_cell_and_line(saved: NotebookNode) -> None:
    fresh = nbformat.from_dict(saved)
    assert differences(saved, fresh) == []
    fresh.cells[1].outputs[0].text = "2/5\n"
    lines = differences(saved, fresh)
    assert lines[0] == "code cell 2:"
    assert lines[-2:] == ["-3/5", "+2/5"]


def kinds(notebook: NotebookNode) -> list[list[str]]:
    """Return the kinds of output of each code cell, such as text/plain, not what they show."""
    return [
        [line for line in text.splitlines() if re.fullmatch(r"\[[\w/+]+\]", line)]
        for text in text_outputs(notebook)
    ]


@pytest.mark.slow
@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_notebook_runs_as_saved(path: Path) -> None:
    before = read(path)
    after = execute(before, time_limit_of(path))
    if path.stem in TRAINED:
        assert faults(after) == []
        assert kinds(after) == kinds(before)
    else:
        assert differences(before, after) == []


def test_kinds_of_output_are_compared(saved: NotebookNode) -> None:
    assert kinds(saved) == [[], ["[stdout]"]]
    saved.cells[1].outputs = [nbformat.v4.new_output("display_data", data={"text/plain": "3/5"})]
    assert kinds(saved) == [[], ["[text/plain]"]]


def test_only_pages_that_train_may_take_long() -> None:
    long = {path.stem for path in notebooks() if time_limit_of(path) > TIME_LIMIT}
    assert long == TRAINED


@pytest.mark.parametrize("path", notebooks(), ids=lambda path: path.stem)
def test_pages_that_train_assert_what_they_say(path: Path) -> None:
    sources = "\n".join(cell.source for cell in code_cells(read(path)))
    assert ("llm_bridge.experiment" in sources) == (path.stem in TRAINED)
    if path.stem in TRAINED:
        assert sources.count("assert ") >= 5


@pytest.mark.slow
def test_executed_notebook_is_compared_and_rewritten(
    saved: NotebookNode, tmp_path: Path, capfd: pytest.CaptureFixture[str]
) -> None:
    path = tmp_path / "page.ipynb"
    saved.cells[1].outputs[0].text = "2/5\n"
    nbformat.write(saved, path)
    before = path.read_bytes()
    assert main(["--check", str(path)]) == 1
    assert "code cell 2" in capfd.readouterr().err
    assert path.read_bytes() == before
    assert main([str(path)]) == 0
    after = path.read_bytes()
    assert text_outputs(read(path)) == ["", "[stdout]\n3/5"]
    assert main([str(path)]) == main(["--check", str(path)]) == 0
    assert path.read_bytes() == after
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.slow
def test_pages_do_not_depend_on_what_else_is_installed() -> None:
    source = """
import importlib, os
try:
    importlib.import_module("ipywidgets")
except ImportError:
    print("no sliders", os.environ["PERSUASION_COMPILE"])
"""
    assert text_outputs(execute(new_notebook(cells=[new_code_cell(source)]))) == [
        "[stdout]\nno sliders 0"
    ]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "message", "error"),
    [
        ("1 / 0", "ZeroDivisionError", CellExecutionError),
        ("import os; os._exit(1)", "Kernel died", DeadKernelError),
    ],
    ids=["raises", "kills"],
)
def test_failing_cell_is_reported(
    source: str,
    message: str,
    error: type[Exception],
    tmp_path: Path,
    capfd: pytest.CaptureFixture[str],
) -> None:
    path = tmp_path / "page.ipynb"
    nbformat.write(new_notebook(cells=[new_code_cell(source)]), path)
    before = path.read_bytes()
    assert main([str(path)]) == 1
    assert message in capfd.readouterr().err
    assert path.read_bytes() == before
    with pytest.raises(error, match=message):
        execute(read(path))


@pytest.mark.slow
def test_time_limit_is_for_the_whole_notebook() -> None:
    cells = [new_code_cell("import time; time.sleep(2)") for _ in range(10)]
    with pytest.raises(TimeoutError, match="more than 5 s"):
        execute(new_notebook(cells=cells), time_limit=5.0)
