"""`import persuasion` is light, and numpy with scipy is enough to solve a game."""

import ast
import importlib
import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog

import persuasion

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "matplotlib", "cvxpy", "scipy.optimize", "numba")
BUDGET = 0.2
"""Seconds of processor time that an import may add to `import numpy`.

Wall time would say how busy the machine is: what waits for other programs is not the import's.
"""

BLOCK_ALL_BUT_NUMPY_AND_SCIPY = """
import sys
class Blocker:
    allowed = {*sys.stdlib_module_names, "numpy", "scipy", "persuasion"}
    def find_spec(self, name, path=None, target=None):
        if name.partition(".")[0] not in self.allowed:
            raise ModuleNotFoundError(f"blocked: {name}", name=name)
sys.meta_path.insert(0, Blocker())
"""


def fresh(code: str) -> str:
    """Run `code` in a new interpreter and return what it prints."""
    result = subprocess.run(
        [sys.executable, "-W", "error", "-c", code],
        capture_output=True,
        text=True,
        check=False,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert result.returncode == 0, result.stderr
    return result.stdout.strip()


def seconds_of(code: str) -> float:
    """Processor time that `code` takes in a new interpreter, numpy being there."""
    return float(
        fresh(
            "import numpy\nfrom time import process_time\nstart = process_time()\n"
            f"{code}\nprint(process_time() - start)"
        )
    )


def heavy_modules_after(code: str) -> list[str]:
    return fresh(f"{code}\nimport sys\nprint(*[m for m in {HEAVY} if m in sys.modules])").split()


def test_no_heavy_module_is_loaded() -> None:
    assert heavy_modules_after("from persuasion import *") == []


def test_heavy_module_is_caught() -> None:
    assert heavy_modules_after("import scipy.optimize") == ["scipy.optimize"]


@pytest.mark.parametrize(
    "code",
    [
        "import persuasion",
        "from persuasion import PersuasionGame, solve",
        "from persuasion import *",
    ],
)
def test_import_is_fast(code: str) -> None:
    assert min(seconds_of(code) for _ in range(3)) < BUDGET


def test_a_slow_import_is_noticed() -> None:
    assert seconds_of("import scipy.optimize, scipy.stats") > BUDGET


def test_a_public_name_is_not_the_file_it_comes_from() -> None:
    """Whatever was imported before, and in whatever order."""
    code = "import persuasion.{0}, persuasion\nprint(type(persuasion.{0}).__name__)"
    for name in ("solve", "simulate", "estimate", "concave_closure"):
        assert fresh(code.format(name)) == "function"


def test_every_public_name_is_fetched_from_where_readers_and_type_checkers_find_it() -> None:
    written = [
        (str(node.module), alias.name)
        for node in ast.walk(ast.parse(Path(persuasion.__file__).read_text()))
        if isinstance(node, ast.ImportFrom) and str(node.module).startswith("persuasion.")
        for alias in node.names
    ]
    assert sorted(name for _, name in written) == sorted(persuasion.__all__)
    for file, name in written:
        assert getattr(persuasion, name) is getattr(importlib.import_module(file), name)
        assert persuasion._FILE_OF[name] == file.removeprefix("persuasion.")
    with pytest.raises(AttributeError, match="no attribute 'slove'"):
        _ = persuasion.slove


def direct_value(prior: np.ndarray, sender: np.ndarray, receiver: np.ndarray) -> float:
    """Value of a game by the textbook LP over prior-weighted recommendations."""
    n_states, n_actions = sender.shape
    obedience = np.zeros((n_actions, n_actions, n_states, n_actions))
    for action in range(n_actions):
        obedience[action, :, :, action] = (receiver - receiver[:, [action]]).T
    result = linprog(
        -(prior[:, None] * sender).ravel(),
        A_ub=(obedience * prior[:, None]).reshape(n_actions**2, -1),
        b_ub=np.zeros(n_actions**2),
        A_eq=np.kron(np.eye(n_states), np.ones(n_actions)),
        b_eq=np.ones(n_states),
    )
    return float(-result.fun)


def generic_game() -> tuple[np.ndarray, np.ndarray, np.ndarray]:
    rng = np.random.default_rng(7)
    return rng.dirichlet(np.ones(4)), rng.random((4, 3)), rng.random((4, 3))


PROSECUTOR = (
    np.array([0.7, 0.3]),
    np.array([[0.0, 1.0], [0.0, 1.0]]),
    np.array([[1.0, 0.0], [0.0, 1.0]]),
)


@pytest.mark.parametrize("game", [PROSECUTOR, generic_game()], ids=["prosecutor", "generic-4x3"])
def test_numpy_and_scipy_are_enough(game: tuple[np.ndarray, np.ndarray, np.ndarray]) -> None:
    prior, sender, receiver = (array.tolist() for array in game)
    value = fresh(f"""
{BLOCK_ALL_BUT_NUMPY_AND_SCIPY}
import persuasion
game = persuasion.PersuasionGame({prior}, {sender}, {receiver})
print(float(persuasion.solve(game).value))
""")
    assert float(value) == pytest.approx(direct_value(*game), abs=1e-7)


def test_direct_value_of_the_prosecutor() -> None:
    assert direct_value(*PROSECUTOR) == pytest.approx(0.6, abs=1e-9)


@pytest.mark.parametrize("module", ["highspy", "flint", "cvxpy", "typer", "hypothesis"])
def test_blocker_blocks(module: str) -> None:
    with pytest.raises(AssertionError, match=f"blocked: {module}"):
        fresh(f"{BLOCK_ALL_BUT_NUMPY_AND_SCIPY}\nimport {module}")
