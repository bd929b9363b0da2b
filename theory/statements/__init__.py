"""Theorems, one file each; a file that defines ``THEOREM`` is found by listing this folder.

Examples
--------
>>> from theory import statements
>>> statements.load("lemma_2").title
'Coverage of the L1 balls'
"""

from __future__ import annotations

import importlib
import pkgutil
from functools import cache

from persuasion.errors import PersuasionError
from theory.theorem import Theorem

__all__ = ["load", "names", "theorems"]


@cache
def names() -> tuple[str, ...]:
    """Identifiers of all theorems, sorted."""
    return tuple(sorted(m.name for m in pkgutil.iter_modules(__path__) if m.name[0] != "_"))


@cache
def load(name: str) -> Theorem:
    """Return the theorem called `name`."""
    if name not in names():
        raise PersuasionError(f"no theorem is called {name!r}; legal are {', '.join(names())}")
    theorem: Theorem = importlib.import_module(f"theory.statements.{name}").THEOREM
    return theorem


def theorems() -> tuple[Theorem, ...]:
    """All theorems, sorted by identifier."""
    return tuple(load(name) for name in names())
