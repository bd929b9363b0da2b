"""The tasks, one file each; a file that defines ``TASK`` is found by listing the folder.

Most make their own inputs; `stored` ones read a data set and take its ``path``.

Examples
--------
>>> from llm_bridge import tasks
>>> tasks.names()
('code', 'grade', 'math')
>>> task = tasks.load("math")
>>> task.items
('total', 'difference', 'larger', 'product')
>>> example = task.examples("stock", "test", n=1, seed=0)[0]
>>> print(task.receiver_prompt(example, "total"))
Stock of shells:6,91.
hint total:
"""

from __future__ import annotations

import importlib
import inspect
import pkgutil
from collections.abc import Mapping
from functools import cache
from typing import Any

from llm_bridge.task import Task
from persuasion.commands.arguments import did_you_mean
from persuasion.errors import PersuasionError

__all__ = [
    "about",
    "check_parameters",
    "items_of",
    "known",
    "load",
    "names",
    "runs_programs",
    "stored",
]


def names() -> tuple[str, ...]:
    """Names of the tasks that make their own inputs, sorted."""
    return tuple(name for name in _all() if "path" not in _needed(name))


def stored() -> tuple[str, ...]:
    """Names of the tasks that read a data set, sorted: ``load(name, path=...)``."""
    return tuple(name for name in _all() if "path" in _needed(name))


def known() -> tuple[str, ...]:
    """Names of all tasks, sorted."""
    return _all()


def check_parameters(name: str, parameters: Mapping[str, Any]) -> None:
    """Refuse what a file of settings cannot say of a task; no data is read.

    Raises
    ------
    PersuasionError
        For a parameter that the task does not have, or one of a wrong kind; when a task that reads
        a data set has no ``path``.

    Examples
    --------
    >>> from llm_bridge import tasks
    >>> tasks.check_parameters("gsm8k", {"path": "test.jsonl", "hiden": "step"})
    Traceback (most recent call last):
        ...
    persuasion.errors.PersuasionError: unknown setting `task.gsm8k.hiden`; did you mean 'hidden'?
    """
    legal = _settable(name)
    for key, value in parameters.items():
        if key not in legal:
            hint = did_you_mean(key, list(legal)) or f"; legal are {', '.join(legal) or 'none'}"
            raise PersuasionError(f"unknown setting `task.{name}.{key}`{hint}")
        number = isinstance(value, int | float) and not isinstance(value, bool)
        fits = number if "float" in legal[key] else isinstance(value, str)
        if not fits:
            raise PersuasionError(
                f"`task.{name}.{key}` must be {'a number' if 'float' in legal[key] else 'a text'}; "
                f"got {value!r}"
            )
    if "path" in _needed(name) and "path" not in parameters:
        raise PersuasionError(
            f"task {name!r} reads a data set; give its file of JSON lines, or a hub id, as `path` "
            f"in [task.{name}]"
        )
    items_of(name, parameters)


def items_of(name: str, parameters: Mapping[str, Any]) -> tuple[str, ...]:
    """Items of a task built with `parameters`; no data is read.

    Examples
    --------
    >>> from llm_bridge import tasks
    >>> tasks.items_of("gsm8k", {"path": "test.jsonl", "hidden": "step"})
    ('first', 'second', 'last')
    """
    cls: Any = _class(name)
    if hasattr(cls, "items_with"):
        told = {k: parameters[k] for k in inspect.signature(cls.items_with).parameters
                if k in parameters}  # fmt: skip
        items: tuple[str, ...] = cls.items_with(**told)
        return items
    return tuple(cls.items)


def about(name: str) -> str:
    """Return the first paragraph of what a task says of itself."""
    return " ".join((_class(name).__doc__ or "").strip().split("\n\n")[0].split())


def runs_programs(name: str) -> bool:
    """Whether a task needs a sandbox, in which it runs programs that models write."""
    return "sandbox" in inspect.signature(_class(name)).parameters


@cache
def _settable(name: str) -> dict[str, str]:
    """Parameters of a task that a file can give, with their annotations."""
    listed = inspect.signature(_class(name)).parameters.values()
    return {p.name: str(p.annotation) for p in listed
            if p.kind not in _ANY and p.name not in _NOT_IN_FILES}  # fmt: skip


_NOT_IN_FILES = ("sandbox", "unsafe_exec", "cache")


@cache
def _all() -> tuple[str, ...]:
    listed = pkgutil.iter_modules(__path__)
    return tuple(sorted(module.name for module in listed if module.name[0] != "_"))


def _class(name: str) -> type[Task]:
    found: type[Task] = importlib.import_module(f"llm_bridge.tasks.{name}").TASK
    return found


@cache
def _needed(name: str) -> tuple[str, ...]:
    """Parameters without default of a task's class."""
    listed = inspect.signature(_class(name)).parameters.values()
    return tuple(p.name for p in listed if p.default is p.empty and p.kind not in _ANY)


_ANY = (inspect.Parameter.VAR_POSITIONAL, inspect.Parameter.VAR_KEYWORD)


def load(name: str, **parameters: Any) -> Task:
    """Build a task.

    Parameters
    ----------
    name : str
        One of `names` or `stored`.
    **parameters
        What the class of that task takes; ``code`` takes ``sandbox`` and ``unsafe_exec``, those
        that read a data set need ``path``.

    Raises
    ------
    PersuasionError
        When no task has that name or it has no such parameter.
    """
    if name not in _all():
        raise PersuasionError(
            f"no task is called {name!r}; legal are {', '.join(names())}, and with a path "
            f"{', '.join(stored())}"
        )
    if "path" in _needed(name) and "path" not in parameters:
        raise PersuasionError(
            f"task {name!r} reads a data set; pass `path`, a file of JSON lines or a hub id"
        )
    try:
        return _class(name)(**parameters)
    except TypeError as cause:
        raise PersuasionError(
            f"task {name!r} cannot be built with {', '.join(parameters)}: {cause}"
        ) from cause
