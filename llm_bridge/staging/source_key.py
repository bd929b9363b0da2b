"""What code an outcome depends on: the modules reached by imports from those that compute it.

Imports are read from the source, those inside functions included, so that nothing is loaded. A
module that finds others by listing its folder reaches all of them, one that names ``__file__`` all
below its folder; tasks and objectives are named by whoever asks. What only shows, and the
``__init__`` of a package that nothing is taken from, is left out: editing it changes no number.
"""

from __future__ import annotations

import ast
import hashlib
from collections.abc import Iterator
from functools import cache
from importlib.util import find_spec
from pathlib import Path

__all__ = ["SHOW_ONLY", "modules_behind", "only_shows", "source_key"]

_ROOT = Path(__file__).parents[2]
_WINGS = ("persuasion", "llm_bridge")
_NAMED_BY_THE_CALLER = ("llm_bridge.tasks", "llm_bridge.objectives")
SHOW_ONLY = (
    "llm_bridge.claims", "llm_bridge.cli", "llm_bridge.commands", "llm_bridge.meter",
    "llm_bridge.online", "llm_bridge.pages", "llm_bridge.settings",
    "llm_bridge.staging.run_lock", "llm_bridge.staging.source_key",
    "persuasion.commands", "persuasion.demo", "persuasion.errors", "persuasion.html",
    "persuasion.plot", "persuasion.report", "persuasion.view", "persuasion.whole_file",
)  # fmt: skip
"""Modules that change no number, with all below them."""


@cache
def source_key(*roots: str) -> str:
    """Return a hash of the source of `roots` and of everything they import.

    Parameters
    ----------
    *roots : str
        Dotted names of modules.
    """
    digest = hashlib.sha256()
    for name in modules_behind(*roots):
        digest.update(name.encode() + b"\0" + _file(name).read_bytes())
    return digest.hexdigest()[:16]


@cache
def modules_behind(*roots: str) -> tuple[str, ...]:
    """Return the names of `roots` and of the modules of this project they import, sorted.

    Examples
    --------
    >>> modules_behind("llm_bridge.reply")
    ('llm_bridge.reply',)
    >>> "persuasion.solvers.lp" in modules_behind("llm_bridge.optimum")
    True
    """
    found: set[str] = set()
    left = list(roots)
    while left:
        name = left.pop()
        if name not in found:
            found.add(name)
            left += _imports(name)
    return tuple(sorted(found))


@cache
def _imports(name: str) -> tuple[str, ...]:
    """Modules of this project that a module imports, now or later."""
    file = _file(name)
    package = name if file.name == "__init__.py" else name.rpartition(".")[0]
    tree = ast.parse(file.read_bytes())
    found = set(_named(tree, package))
    called = {n.attr for n in ast.walk(tree) if isinstance(n, ast.Attribute)}
    if "iter_modules" in called and name not in _NAMED_BY_THE_CALLER:
        found |= {f"{package}.{path.stem}" for path in file.parent.glob("[!_]*.py")}
    if any(isinstance(n, ast.Name) and n.id == "__file__" for n in ast.walk(tree)):
        below = (path.relative_to(file.parent) for path in file.parent.rglob("*.py"))
        parts = (path.with_suffix("").parts for path in below if path.name != "__init__.py")
        found |= {".".join((package, *part)) for part in parts}
    return tuple(sorted(m for m in found if not only_shows(m)))


def _named(tree: ast.AST, package: str) -> Iterator[str]:
    """Modules of this project that import statements name, but those for type checkers alone."""
    for node in ast.iter_child_nodes(tree):
        if isinstance(node, ast.If) and ast.unparse(node.test).endswith("TYPE_CHECKING"):
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names if _is_module(alias.name))
        elif isinstance(node, ast.ImportFrom):
            above = package.split(".")[: -(node.level - 1) or None] if node.level else []
            base = ".".join([*above, *filter(None, [node.module])])
            for alias in node.names:
                below = f"{base}.{alias.name}"
                if _is_module(below):
                    yield below
                elif _is_module(base):
                    yield base
        yield from _named(node, package)


def only_shows(name: str) -> bool:
    """Whether a module changes no number."""
    return any(name == one or name.startswith(f"{one}.") for one in SHOW_ONLY)


def _is_module(name: str) -> bool:
    return name.split(".")[0] in _WINGS and _of_this_project(name) is not None


def _of_this_project(name: str) -> Path | None:
    path = _ROOT.joinpath(*name.split("."))
    for file in (path.with_suffix(".py"), path / "__init__.py"):
        if file.is_file():
            return file
    return None


def _file(name: str) -> Path:
    """Source of a module; of a task that somebody else wrote, too."""
    file = _of_this_project(name) if name.split(".")[0] in _WINGS else None
    if file is None:
        spec = find_spec(name)
        file = Path(spec.origin) if spec is not None and spec.origin is not None else None
    if file is None or file.suffix != ".py":
        raise ModuleNotFoundError(f"the source of {name} was not found")
    return file
