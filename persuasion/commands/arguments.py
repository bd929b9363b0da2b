"""How the words on a command line become games, numbers and Receivers."""

from __future__ import annotations

import sys
from collections.abc import Sequence
from difflib import get_close_matches
from fractions import Fraction
from pathlib import Path
from typing import TYPE_CHECKING, Any

from persuasion.errors import GameError, PersuasionError

if TYPE_CHECKING:
    from persuasion.game import PersuasionGame
    from persuasion.receivers import Receiver

__all__ = [
    "RANDOM",
    "did_you_mean",
    "find_game",
    "looks_like_file",
    "parse_count",
    "parse_fraction",
    "parse_parameters",
    "parse_receiver",
]

RANDOM = "random:"
_GAME_SUFFIXES = (".json", ".npz")


def did_you_mean(given: str, legal: Sequence[str]) -> str:
    """Return ``"; did you mean 'x'?"`` for the legal word nearest to `given`, else nothing.

    Examples
    --------
    >>> did_you_mean("prosecuter", ["prosecutor", "matching"]), did_you_mean("zzz", ["a"])
    ("; did you mean 'prosecutor'?", '')
    """
    near = get_close_matches(given, legal, n=1)
    return f"; did you mean {near[0]!r}?" if near else ""


def parse_fraction(text: str, option: str) -> Fraction:
    """Read a finite number, "1/20" or "0.05" or "5e-2", as the fraction it spells.

    Raises
    ------
    PersuasionError
        When `text` is no such number; the message names `option`.
    """
    try:
        return Fraction(text)
    except (ValueError, ZeroDivisionError, OverflowError):
        raise PersuasionError(
            f'{option}: {text!r} is not a number; legal are numbers like 0.05 and "1/20"'
        ) from None


def parse_count(text: str, option: str, at_most: int = 10**15) -> int:
    """Read a whole number from 1 to `at_most`, "100000" or "1e5".

    Raises
    ------
    PersuasionError
        When `text` is no such number; the message names `option`.

    Examples
    --------
    >>> parse_count("1e5", "--horizon")
    100000
    """
    try:
        number = Fraction(text)
    except (ValueError, ZeroDivisionError, OverflowError):
        number = Fraction(0)
    if number.denominator != 1 or not 1 <= number <= at_most:
        raise PersuasionError(
            f"{option}: legal are whole numbers from 1 to {float(at_most):.0e}, such as 1000 or "
            f"1e5; got {text!r}"
        )
    return int(number)


def parse_parameters(pairs: Sequence[str]) -> dict[str, str]:
    """Split words ``name=value``; the zoo reads the values, and reads them exactly.

    Examples
    --------
    >>> parse_parameters(["p=1/4", "values=1,2,4"])
    {'p': '1/4', 'values': '1,2,4'}
    """
    out: dict[str, str] = {}
    for pair in pairs:
        name, equals, value = pair.partition("=")
        if not (name.isidentifier() and equals and value):
            raise PersuasionError(f"--param: {pair!r} is not of the form name=value")
        if name in out:
            raise PersuasionError(f"--param: {name!r} is given twice")
        out[name] = value
    return out


def parse_receiver(text: str) -> Receiver:
    """Read ``bayesian``, ``biased:ALPHA`` or ``quantal:BETA``.

    Examples
    --------
    >>> parse_receiver("biased:1/4")
    Biased(alpha=Fraction(1, 4), ties='sender')
    """
    from persuasion.receivers import Bayesian, Biased, Quantal

    kind, colon, strength = text.partition(":")
    if kind == "bayesian" and not colon:
        return Bayesian()
    if kind == "biased" and colon:
        return Biased(parse_fraction(strength, "--receiver biased:ALPHA"))
    if kind == "quantal" and colon:
        return Quantal(float(parse_fraction(strength, "--receiver quantal:BETA")))
    raise PersuasionError(
        f"--receiver: {text!r} is unknown; legal are bayesian, biased:ALPHA and quantal:BETA, "
        "as in biased:0.25"
    )


def find_game(
    target: str,
    pairs: Sequence[str] | None = None,
    seed: int | None = None,
    *,
    files: bool = True,
) -> PersuasionGame:
    """Return the game that `target` names.

    Parameters
    ----------
    target : str
        ``random:FAMILY``; or the path of a game file, recognised by a slash or by its ending
        ``.json`` or ``.npz``; or ``-`` for JSON on standard input; or the name of a game of the
        zoo.
    pairs : sequence of str
        ``name=value`` parameters of a zoo game, or ``n_states=``, ``n_actions=`` of a family.
    seed : int, optional
        For a family; 0 when left out.
    files : bool
        Whether a file may be named.

    Raises
    ------
    PersuasionError
        When there is no such game, or an option does not apply to it.
    """
    from persuasion import zoo

    parameters = parse_parameters(pairs or ())
    if target.startswith(RANDOM):
        return _random_game(target.removeprefix(RANDOM), parameters, seed)
    if seed is not None:
        raise PersuasionError("--seed applies to random games only, as in random:uniform")
    if files and target == "-":
        return _game_on_stdin(parameters)
    if files and looks_like_file(target):
        _expect_none(parameters)
        from persuasion.io import read_game

        return read_game(Path(target))
    if target not in zoo.names():
        if target in zoo.families():
            raise PersuasionError(f"{target!r} is a family of random games; write {RANDOM}{target}")
        hint = did_you_mean(target, zoo.names())
        if not hint:
            hint = "; `persuasion zoo` lists them"
            hint += ", and a file needs a slash or the ending .json or .npz" if files else ""
        raise PersuasionError(f"no game of the zoo is called {target!r}{hint}")
    return zoo.load(target, **parameters)


def looks_like_file(target: str) -> bool:
    """Whether a word names a file: it has a slash or one of the two endings.

    Examples
    --------
    >>> looks_like_file("prosecutor"), looks_like_file("a/b"), looks_like_file("game.json")
    (False, True, True)
    """
    return "/" in target or "\\" in target or target.lower().endswith(_GAME_SUFFIXES)


def _expect_none(parameters: dict[str, str]) -> None:
    if parameters:
        raise PersuasionError("--param applies to games of the zoo only, not to a file")


def _game_on_stdin(parameters: dict[str, str]) -> PersuasionGame:
    from persuasion.formats import parse_json
    from persuasion.game import PersuasionGame

    _expect_none(parameters)
    try:
        return PersuasionGame.from_dict(parse_json(sys.stdin.buffer.read()))
    except (ValueError, RecursionError) as cause:  # a GameError is a ValueError too
        raise GameError(f"standard input: {cause}") from cause


def _random_game(family: str, parameters: dict[str, str], seed: int | None) -> PersuasionGame:
    from persuasion import zoo

    if family not in zoo.families():
        raise PersuasionError(
            f"no random family is called {family!r}{did_you_mean(family, zoo.families())} "
            f"(legal are {', '.join(zoo.families())})"
        )
    sizes: dict[str, Any] = {"n_states": "4", "n_actions": "3"}
    unknown = [name for name in parameters if name not in sizes]
    if unknown:
        raise PersuasionError(
            f"--param: a random game has no parameter {unknown[0]!r}; legal are n_states, n_actions"
        )
    return zoo.random_game(family, **{**sizes, **parameters}, seed=0 if seed is None else seed)
