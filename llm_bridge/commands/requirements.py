"""What the language-model side needs beyond the core package."""

from __future__ import annotations

from importlib.util import find_spec

from persuasion.errors import PersuasionError

__all__ = ["missing", "need"]


def missing(*modules: str) -> list[str]:
    """Return which of the modules are not installed; nothing is imported."""
    return [name for name in modules if find_spec(name) is None]


def need(*modules: str) -> None:
    """Fail with what to install when a module is missing; nothing is imported.

    Raises
    ------
    PersuasionError

    Examples
    --------
    >>> need("json")
    >>> need("json", "no_such_module")
    Traceback (most recent call last):
        ...
    persuasion.errors.PersuasionError: no_such_module is not installed; language models need it: \
pip install 'persuasion[llm]'
    """
    absent = missing(*modules)
    if absent:
        are = "is" if len(absent) == 1 else "are"
        raise PersuasionError(
            f"{' and '.join(absent)} {are} not installed; language models need "
            f"{'it' if len(absent) == 1 else 'them'}: pip install 'persuasion[llm]'"
        )
