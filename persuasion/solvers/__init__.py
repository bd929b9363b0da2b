"""Methods, one file each; a file that defines ``SOLVER`` is found by listing this folder."""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from persuasion.errors import UnsupportedError
from persuasion.problem import Solver

__all__ = ["load", "names"]


@cache
def names() -> tuple[str, ...]:
    """Names of all methods, sorted."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name[0] != "_"))


@cache
def load(name: str) -> Solver:
    """Return the method called `name`."""
    if name not in names():
        raise UnsupportedError(
            f"no method is called {name!r}; legal are auto, {', '.join(names())}"
        )
    solver: Solver = importlib.import_module(f"persuasion.solvers.{name}").SOLVER
    return solver
