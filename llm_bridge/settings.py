"""Settings: frozen dataclasses that are read from tables, checked, and written back as TOML.

A field annotated with `Says` carries what it means and what is legal; from that come the checks,
the messages and the comments of the file that a user starts from.
"""

from __future__ import annotations

import json
import math
from collections.abc import Iterator, Mapping, Sequence
from dataclasses import MISSING, Field, dataclass, fields, is_dataclass
from types import NoneType, UnionType
from typing import Annotated, Any, Literal, TypeVar, Union, get_args, get_origin, get_type_hints

from persuasion.commands.arguments import did_you_mean
from persuasion.errors import PersuasionError

__all__ = ["Says", "read", "to_table", "to_toml"]

S = TypeVar("S")

_WORDS = {int: "a whole number", float: "a number", str: "a text", bool: "true or false"}


@dataclass(frozen=True)
class Says:
    """What a field means and what is legal: ``Annotated[int, Says("Layers.", at_least=1)]``.

    Parameters
    ----------
    doc : str
        The comment in the file.
    at_least, above, at_most : float, optional
        Range of a number, or of each number in a list or table.
    choices : sequence of str
        The legal texts, where only some are.
    example
        What the file shows, commented out, for a setting that is None by default.
    """

    doc: str = ""
    at_least: float | None = None
    above: float | None = None
    at_most: float | None = None
    choices: tuple[str, ...] = ()
    example: Any = None


def read(cls: type[S], table: Mapping[str, Any], where: str = "") -> S:
    """Make a `cls` from a table as `tomllib` or `json` returns it.

    Parameters
    ----------
    cls : type
        A dataclass; its fields hold bool, int, float, str, Literal, other such dataclasses, or
        tuples, string-keyed mappings and optional values of these.
    table : mapping
        What is left out keeps its default.
    where : str
        Name of the table, for messages.

    Raises
    ------
    PersuasionError
        For an unknown key, a value of the wrong kind or out of range, a missing value.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from typing import Annotated
    >>> @dataclass(frozen=True)
    ... class Walk:
    ...     steps: Annotated[int, Says("How far.", at_least=1)] = 10
    >>> read(Walk, {"steps": 3})
    Walk(steps=3)
    >>> read(Walk, {"step": 3}, "walk")
    Traceback (most recent call last):
        ...
    persuasion.errors.PersuasionError: unknown setting `walk.step`; did you mean 'steps'?
    """
    if not isinstance(table, Mapping):
        raise PersuasionError(f"`{where}` must be a table of settings; got {_spelled(table)}")
    known = {f.name: f for f in _fields(cls) if f.init}
    for name in table:
        if name not in known:
            hint = did_you_mean(name, list(known)) or f"; legal are {', '.join(known)}"
            raise PersuasionError(f"unknown setting `{_path(where, name)}`{hint}")
    hints = _hints(cls)
    values = {name: _value(table[name], *hints[name], _path(where, name)) for name in table}
    for name, f in known.items():
        if name not in values and f.default is MISSING and f.default_factory is MISSING:
            raise PersuasionError(
                f"the setting `{_path(where, name)}` is missing: {hints[name][1].doc}"
            )
    try:
        return cls(**values)
    except PersuasionError as cause:
        place = f"[{where}] " if where and f"`{where}" not in str(cause) else ""
        raise type(cause)(f"{place}{cause}") from cause


def _value(given: Any, hint: Any, says: Says, path: str) -> Any:
    """Check a value against a type and return it as that type."""
    origin, arguments = get_origin(hint), get_args(hint)
    if origin in (Union, UnionType):
        kinds = [kind for kind in arguments if kind is not NoneType]
        if given is None and NoneType in arguments:
            return None
        for kind in kinds:
            if len(kinds) == 1 or _fits(given, kind):
                return _value(given, kind, says, path)
        legal = " or ".join(_kind_in_words(kind) for kind in kinds)
        raise PersuasionError(f"`{path}` must be {legal}; got {_spelled(given)}")
    if isinstance(hint, type) and is_dataclass(hint):
        return read(hint, given, path)
    if not _fits(given, hint):
        raise PersuasionError(f"`{path}` must be {_kind_in_words(hint)}; got {_spelled(given)}")
    if origin is tuple:
        return tuple(_value(x, arguments[0], says, f"{path}[{i}]") for i, x in enumerate(given))
    if isinstance(given, Mapping):
        return {key: _value(x, arguments[1], says, f"{path}.{key}") for key, x in given.items()}
    if origin is Literal or hint is str:
        _check_choice(given, arguments or says.choices, path)
        return given
    if hint is bool:
        return given
    _check_range(given, says, path)
    return hint(given)


def _fits(given: Any, hint: Any) -> bool:
    origin = get_origin(hint)
    if origin is tuple:
        return isinstance(given, list | tuple)
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return isinstance(given, Mapping)
    if origin is Literal:
        return isinstance(given, str)
    if isinstance(hint, type) and is_dataclass(hint):
        return isinstance(given, Mapping)
    if hint is float:
        return isinstance(given, int | float) and not isinstance(given, bool)
    return isinstance(given, hint) and not (hint is int and isinstance(given, bool))


def _kind_in_words(hint: Any) -> str:
    origin = get_origin(hint)
    if origin is tuple:
        return "a list"
    if isinstance(origin, type) and issubclass(origin, Mapping):
        return "a table"
    return "a text" if origin is Literal else _WORDS.get(hint, "a table")


def _check_choice(given: str, choices: Sequence[Any], path: str) -> None:
    if choices and given not in choices:
        raise PersuasionError(
            f"`{path}` is {given!r}{did_you_mean(given, choices)} (legal are {', '.join(choices)})"
        )


def _check_range(given: float, says: Says, path: str) -> None:
    least, above, most = says.at_least, says.above, says.at_most
    if (
        (least is not None and given < least)
        or (above is not None and given <= above)
        or (most is not None and given > most)
        or not math.isfinite(given)
    ):
        legal = [
            f"{word} {bound:g}"
            for word, bound in (("at least", least), ("above", above), ("at most", most))
            if bound is not None
        ]
        raise PersuasionError(f"`{path}` must be {' and '.join(legal) or 'finite'}; got {given!r}")


def _spelled(given: Any) -> str:
    text = "a table" if isinstance(given, Mapping) else repr(given)
    return text if len(text) <= 60 else text[:59] + "…"


def _path(where: str, name: str) -> str:
    return f"{where}.{name}" if where else name


def _fields(owner: Any) -> tuple[Field[Any], ...]:
    return fields(owner)


def _hints(owner: Any) -> dict[str, tuple[Any, Says]]:
    """Type of each field and what it says."""
    out = {}
    for name, hint in get_type_hints(owner, include_extras=True).items():
        plain, *extras = get_args(hint) if get_origin(hint) is Annotated else (hint,)
        out[name] = plain, next((x for x in extras if isinstance(x, Says)), Says())
    return out


# -- writing -----------------------------------------------------------------------------------


def to_table(settings: Any) -> dict[str, Any]:
    """Return settings as nested dicts and lists of plain values; what is None is left out.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> @dataclass(frozen=True)
    ... class Walk:
    ...     steps: tuple[int, ...] = (1, 2)
    ...     to: str | None = None
    >>> to_table(Walk())
    {'steps': [1, 2]}
    """
    return {
        f.name: _plain(getattr(settings, f.name))
        for f in _fields(settings)
        if f.init and getattr(settings, f.name) is not None
    }


def _plain(value: Any) -> Any:
    if is_dataclass(value) and not isinstance(value, type):
        return to_table(value)
    if isinstance(value, Mapping):
        return {str(key): _plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_plain(item) for item in value]
    return value


def to_toml(settings: Any, *, comments: bool = False) -> str:
    """Return settings as the text of a TOML file; with `comments`, each says what it means.

    Examples
    --------
    >>> from dataclasses import dataclass
    >>> from typing import Annotated
    >>> @dataclass(frozen=True)
    ... class Walk:
    ...     steps: Annotated[int, Says("How far.", at_least=1)] = 10
    >>> print(to_toml(Walk(), comments=True), end="")
    # How far.
    steps = 10
    """
    return "\n".join(_lines(settings, "", comments)).strip() + "\n"


def _lines(settings: Any, where: str, comments: bool) -> Iterator[str]:
    tables: list[tuple[str, str, Any]] = []
    hints = _hints(type(settings))
    for name in (f.name for f in _fields(settings) if f.init):
        value, says = getattr(settings, name), hints[name][1]
        listed = isinstance(value, list | tuple) and value and is_dataclass(value[0])
        if is_dataclass(value) or listed or (isinstance(value, Mapping) and value):
            tables.append((_path(where, name), says.doc, value))
            continue
        if value is None and (says.example is None or not comments):
            continue
        if comments and says.doc:
            yield f"# {says.doc}"
        if value is None:
            yield f"# {name} = {_toml(says.example)}"
        elif value == {}:
            yield f"{'# ' if comments else ''}{name} = {{}}"
        else:
            yield f"{name} = {_toml(value)}"
    for path, doc, value in tables:
        for i, one in enumerate(value if isinstance(value, list | tuple) else (value,)):
            yield ""
            if comments and doc and i == 0:
                yield f"# {doc}"
            if isinstance(one, Mapping) and all(isinstance(x, Mapping) for x in one.values()):
                for key, inner in one.items():
                    yield f"[{path}.{_key(key)}]"
                    yield from (f"{_key(name)} = {_toml(item)}" for name, item in inner.items())
                continue
            yield f"[[{path}]]" if isinstance(value, list | tuple) else f"[{path}]"
            if isinstance(one, Mapping):
                yield from (f"{_key(key)} = {_toml(item)}" for key, item in one.items())
            else:
                yield from _lines(one, path, comments)


def _key(text: str) -> str:
    bare = text.replace("-", "").replace("_", "")
    return text if bare.isalnum() and bare.isascii() else json.dumps(text)


def _toml(value: Any) -> str:
    if isinstance(value, bool):
        return "true" if value else "false"
    if isinstance(value, str):
        return json.dumps(value, ensure_ascii=False).replace("\x7f", "\\u007f")
    if isinstance(value, list | tuple):
        return f"[{', '.join(map(_toml, value))}]"
    if isinstance(value, Mapping):
        return f"{{{', '.join(f'{_key(str(k))} = {_toml(v)}' for k, v in value.items())}}}"
    return repr(value)
