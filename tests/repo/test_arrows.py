"""Imports run one way: persuasion <- theory, persuasion <- llm_bridge, theory <- online play."""

import ast
from collections.abc import Iterator
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
WINGS = ("persuasion", "theory", "llm_bridge")
NOUNS = (
    "game", "scheme", "beliefs", "regret", "results", "trajectory", "types", "errors", "rationals",
    "environments", "calling",
)  # fmt: skip
NAMED_GAMES = ("persuasion.zoo",)
PAGES = ("persuasion.plot.canvas", "persuasion.report", "persuasion.demo")
THEORY_CALLERS = ("llm_bridge/online.py",)
VERB_CALLERS = {
    "theory/cli.py": tuple(
        f"persuasion.{name}"
        for name in (
            "simulate",
            "backends",
            "learners",
            "receivers",
            "estimate",
            "policy_gradient",
            "robust",
            "ambiguity",
            "store",
            "whole_file",
            "testing",
            "commands",
        )
    )
}


def imports(path: Path, root: Path) -> Iterator[str]:
    """Yield the absolute dotted name of everything a file takes from a wing."""
    package = path.relative_to(root).parent.parts
    wings_by_alias: dict[str, str] = {}
    tree = ast.parse(path.read_text(encoding="utf-8"))
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            for alias in node.names:
                yield alias.name
                if alias.name in WINGS:
                    wings_by_alias[alias.asname or alias.name] = alias.name
        elif isinstance(node, ast.ImportFrom):
            above = package[: len(package) - node.level + 1] if node.level else ()
            base = ".".join((*above, *filter(None, [node.module])))
            yield from (f"{base}.{alias.name}" for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(
            ("import_module", "__import__")
        ):
            yield from (
                arg.value
                for arg in node.args
                if isinstance(arg, ast.Constant) and isinstance(arg.value, str)
            )
    for node in ast.walk(tree):
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name):
            wing = wings_by_alias.get(node.value.id)
            if wing is not None:
                yield f"{wing}.{node.attr}"


def defined_names(path: Path) -> set[str]:
    """Names of the functions, classes and variables at the top level of a file."""
    found = set()
    for node in ast.parse(path.read_text(encoding="utf-8")).body:
        if isinstance(node, ast.FunctionDef | ast.ClassDef):
            found.add(node.name)
        elif isinstance(node, ast.Assign | ast.AnnAssign):
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            found.update(target.id for target in targets if isinstance(target, ast.Name))
    return found


def wrong_arrows(root: Path) -> list[str]:
    """List `file: imported name` for every import against the arrows."""
    noun_files = [root / "persuasion" / f"{noun}.py" for noun in NOUNS]
    nouns = {
        *NOUNS,
        *(name for file in noun_files if file.exists() for name in defined_names(file)),
    }

    def allowed(file: str, name: str) -> bool:
        wing, (target, *inside) = file.split("/")[0], name.split(".")
        if target not in WINGS or target == wing:
            return True
        if (wing, target) == ("theory", "persuasion"):
            legal = (*NAMED_GAMES, *PAGES, *VERB_CALLERS.get(file, ()))
            return (
                not inside
                or inside[0] in nouns
                or any(name == path or name.startswith(f"{path}.") for path in legal)
            )
        if (wing, target) == ("llm_bridge", "theory"):
            return file in THEORY_CALLERS
        return (wing, target) == ("llm_bridge", "persuasion")

    return [
        f"{file}: {name}"
        for wing in WINGS
        for path in sorted((root / wing).rglob("*.py"))
        for file in [path.relative_to(root).as_posix()]
        for name in imports(path, root)
        if not allowed(file, name)
    ]


def test_every_arrow_points_the_right_way() -> None:
    assert (ROOT / "persuasion/game.py").exists()
    assert wrong_arrows(ROOT) == []


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("persuasion/solve.py", "import theory"),
        ("persuasion/solvers/lp.py", "def f():\n    from ...llm_bridge import scoring"),
        ("persuasion/cli.py", "import importlib\nimportlib.import_module('theory.cli')"),
        ("theory/check.py", "from persuasion.solvers.lp import solve_lp"),
        ("theory/check.py", "from persuasion import solve"),
        ("theory/check.py", "from persuasion.simulate import simulate"),
        ("theory/experiment.py", "from persuasion.robust import solve_robust"),
        ("theory/demo.py", "from persuasion import simulate"),
        ("theory/plot.py", "from persuasion.plot.value import plot_value_over_priors"),
        ("theory/check.py", "import persuasion as p\np.solve"),
        ("theory/check.py", "import llm_bridge.measure"),
        ("theory/cli.py", "from persuasion import solve"),
        ("llm_bridge/train.py", "from theory.check import check"),
        ("llm_bridge/evaluate.py", "from theory.check import check"),
    ],
)
def test_wrong_arrow_is_caught(file: str, code: str, tmp_path: Path) -> None:
    write(tmp_path, file, code)
    assert [line.split(":")[0] for line in wrong_arrows(tmp_path)] == [file]


@pytest.mark.parametrize(
    ("file", "code"),
    [
        ("persuasion/solve.py", "import numpy\nfrom . import game\nfrom persuasion.game import G"),
        ("theory/check.py", "import persuasion\nfrom persuasion import G\npersuasion.G"),
        ("theory/check.py", "from persuasion.game import G\nfrom .theorem import Theorem"),
        ("theory/family.py", "from persuasion import zoo"),
        ("theory/plot.py", "from persuasion.plot.canvas import INK"),
        ("theory/cli.py", "def f():\n    from persuasion.robust import solve_robust"),
        (
            "theory/cli.py",
            "from persuasion.simulate import simulate\nfrom persuasion import simulate",
        ),
        ("llm_bridge/train.py", "from persuasion.solvers.lp import solve_lp"),
        ("llm_bridge/online.py", "from theory.check import check"),
    ],
)
def test_right_arrow_passes(file: str, code: str, tmp_path: Path) -> None:
    write(tmp_path, "persuasion/game.py", "class G: ...")
    write(tmp_path, file, code)
    assert wrong_arrows(tmp_path) == []


def write(root: Path, file: str, code: str) -> None:
    (root / file).parent.mkdir(parents=True, exist_ok=True)
    (root / file).write_text(code)
