"""`import persuasion` is light, and numpy with scipy is enough to solve a game."""

import os
import subprocess
import sys
from pathlib import Path

import numpy as np
import pytest
from scipy.optimize import linprog

ROOT = Path(__file__).parents[2]
HEAVY = ("torch", "transformers", "matplotlib", "cvxpy", "scipy.optimize", "numba")
BUDGET = 0.2
"""Seconds that `import persuasion` may add to `import numpy`."""

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


def heavy_modules_after(code: str) -> list[str]:
    return fresh(f"{code}\nimport sys\nprint(*[m for m in {HEAVY} if m in sys.modules])").split()


def test_no_heavy_module_is_loaded() -> None:
    assert heavy_modules_after("from persuasion import PersuasionGame, SignalingScheme") == []


def test_heavy_module_is_caught() -> None:
    assert heavy_modules_after("import scipy.optimize") == ["scipy.optimize"]


def test_import_is_fast() -> None:
    code = """
from time import perf_counter
import numpy
start = perf_counter()
import persuasion
print(perf_counter() - start)
"""
    assert min(float(fresh(code)) for _ in range(5)) < BUDGET


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
