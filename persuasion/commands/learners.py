"""``persuasion learners``: the online Senders and what each needs; reading their parameters."""

from __future__ import annotations

import inspect
import types
import typing
from collections.abc import Sequence
from dataclasses import fields, is_dataclass
from fractions import Fraction
from typing import TYPE_CHECKING, Any

import typer

from persuasion.commands.arguments import did_you_mean, parse_fraction
from persuasion.commands.options import Json, Quiet, examples
from persuasion.commands.output import print_json, print_table, say
from persuasion.errors import PersuasionError

if TYPE_CHECKING:
    from persuasion.learners import Learner

__all__ = ["find_learner", "register"]


def register(app: typer.Typer) -> None:
    """Add the command to `app`."""
    app.command("learners", epilog=examples("persuasion learners"))(learners)


def learners(json: Json = False, quiet: Quiet = False) -> None:
    """List the online Senders: what each is told beforehand and which feedback it learns from.

    What they know besides the payoffs, and what they are told about past rounds; with their
    parameters as simulate --learner-param takes them.
    """
    from persuasion.learners import names

    rows = [_describe(name) for name in names()]
    if json:
        print_json(rows)
    elif quiet:
        say("\n".join(row["learner"] for row in rows))
    else:
        titles = ("learner", "knows", "feedback", "parameters", "about")
        table = [
            [
                row["learner"],
                ", ".join(row["knows"]) or "nothing",
                row["feedback"],
                _spelled(row["parameters"]),
                row["about"],
            ]
            for row in rows
        ]
        print_table(titles, table, fold=(3, 4))


def find_learner(name: str, pairs: Sequence[str] | None = None) -> Learner:
    """Build the learner called `name` with parameters ``name=value``.

    Numbers may be fractions; ``none`` leaves an optional one open; a scheme is a word that the
    learner knows, a kernel as JSON list or a scheme file.

    Raises
    ------
    PersuasionError
        When there is no such learner or parameter, or a value is not legal.

    Examples
    --------
    >>> find_learner("plug_in", ["growth=3/2"])
    PlugIn(growth=1.5)
    """
    from persuasion.learners import load, names

    if name not in names():
        raise PersuasionError(
            f"no learner is called {name!r}{did_you_mean(name, names())} "
            f"(legal are {', '.join(names())})"
        )
    kinds = _parameters(type(load(name)))
    given: dict[str, Any] = {}
    for pair in pairs or ():
        key, equals, value = pair.partition("=")
        if not (key and equals and value):
            raise PersuasionError(f"--learner-param: {pair!r} is not of the form name=value")
        if key not in kinds:
            raise PersuasionError(
                f"--learner-param: learner {name!r} has no parameter {key!r}"
                f"{did_you_mean(key, list(kinds))} (legal are {', '.join(kinds) or 'none'})"
            )
        if key in given:
            raise PersuasionError(f"--learner-param: {key!r} is given twice")
        given[key] = _read(key, value, kinds[key])
    return load(name, **given)


def _describe(name: str) -> dict[str, Any]:
    from persuasion.learners import load

    learner = load(name)
    documented = (inspect.getdoc(type(learner)) or "").partition("\n\n")[0]
    return {
        "learner": name,
        "knows": sorted(learner.knows),
        "feedback": learner.feedback,
        "parameters": {key: getattr(learner, key) for key in _parameters(type(learner))},
        "about": " ".join(documented.split()),
    }


def _spelled(parameters: dict[str, Any]) -> str:
    return ", ".join(
        f"{key}={'none' if value is None else value}" for key, value in parameters.items()
    )


def _parameters(kind: type[Any]) -> dict[str, Any]:
    """Parameters of a learner with their types."""
    if not is_dataclass(kind):
        return {}
    hints = typing.get_type_hints(kind)
    return {f.name: hints[f.name] for f in fields(kind) if f.init}


def _read(key: str, value: str, kind: Any) -> Any:
    """Read a value as the type that the learner declares."""
    options = typing.get_args(kind) if isinstance(kind, types.UnionType) else (kind,)
    option = f"--learner-param {key}"
    if type(None) in options and value == "none":
        return None
    if int in options or float in options:
        number = parse_fraction(value, option)
        if float in options:
            return _as_float(number, value, option)
        if number.denominator != 1:
            raise PersuasionError(f"{option}: {value!r} is not a whole number")
        return int(number)
    if Any in options:
        return _scheme(value, option)
    return value


def _as_float(number: Fraction, text: str, option: str) -> float:
    try:
        return float(number)
    except OverflowError:
        raise PersuasionError(f"{option}: {text!r} is too large for a float") from None


def _scheme(text: str, option: str) -> Any:
    """Read a kernel or the path of a scheme file; other words stay words."""
    from persuasion.formats import parse_json
    from persuasion.io import read_scheme
    from persuasion.scheme import SignalingScheme

    if text.endswith((".json", ".npz")):
        return read_scheme(text)
    if not text.startswith("["):
        return text
    try:
        return SignalingScheme(parse_json(f'{{"kernel": {text}}}'.encode())["kernel"])
    except (ValueError, TypeError, RecursionError) as cause:
        raise PersuasionError(f"{option}: {cause}") from cause
