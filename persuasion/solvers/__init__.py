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
    """Return the method called `name`, or one of its variants, as in ``"cvxpy:SCS"``.

    A file that has variants defines ``variant(word) -> Solver``.
    """
    base, colon, word = name.partition(":")
    if base not in names():
        raise UnsupportedError(
            f"no method is called {name!r}; legal are auto, {', '.join(names())}"
        )
    module = importlib.import_module(f"persuasion.solvers.{base}")
    if colon and not hasattr(module, "variant"):
        raise UnsupportedError(f"method {base!r} has no variants; got {name!r}")
    solver: Solver = module.variant(word) if colon else module.SOLVER
    return solver
