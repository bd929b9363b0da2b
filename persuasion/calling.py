"""What a verb says to somebody who calls it wrongly: arrays for a game, options by position."""

from __future__ import annotations

import inspect
import re
from collections.abc import Callable, Mapping
from difflib import get_close_matches
from functools import wraps
from typing import Any, ParamSpec, TypeVar

from persuasion.errors import CallError, PersuasionError, SchemeError
from persuasion.game import PersuasionGame
from persuasion.scheme import SignalingScheme

__all__ = ["called_like", "require_game", "require_scheme"]

P = ParamSpec("P")
R = TypeVar("R")

_FROM_ARRAYS = "PersuasionGame(prior, sender_utility, receiver_utility)"


def called_like(example: str) -> Callable[[Callable[P, R]], Callable[P, R]]:
    """Let a verb answer a call that does not fit its parameters with `example`.

    Parameters
    ----------
    example : str
        A call that works, in which the word ``game``, if it occurs, stands for a game.

    Returns
    -------
    callable
        A decorator. A call that fits costs a tenth of a microsecond; errors raised inside the verb
        pass unchanged.

    Examples
    --------
    >>> from persuasion.calling import called_like
    >>> @called_like("play(game, rounds=3)")
    ... def play(game, *, rounds):
    ...     return rounds
    >>> play([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    Traceback (most recent call last):
        ...
    persuasion.errors.CallError: play takes 1 argument by position (game), options by name (...
    """

    def decorate(verb: Callable[P, R]) -> Callable[P, R]:
        @wraps(verb)
        def called(*args: P.args, **kwargs: P.kwargs) -> R:
            try:
                return verb(*args, **kwargs)
            except TypeError as failure:
                # without a frame below this one the call itself did not fit
                if failure.__traceback__ is None or failure.__traceback__.tb_next is not None:
                    raise
                message = _explanation(verb, args, kwargs, example) or str(failure)
            raise CallError(message)

        return called

    return decorate


def require_game(given: Any) -> None:
    """Refuse whatever is no game, and say how to come by one.

    Raises
    ------
    PersuasionError

    Examples
    --------
    >>> from persuasion.calling import require_game
    >>> require_game("prosecutor")
    Traceback (most recent call last):
        ...
    persuasion.errors.PersuasionError: `game` must be a PersuasionGame; got str. A game of the ...
    """
    if isinstance(given, PersuasionGame):
        return
    kind = type(given).__name__
    remedy = f"Build one with {_FROM_ARRAYS}"
    if isinstance(given, str):
        remedy = f"A game of the zoo is zoo.load({given!r}), one in a file io.read_game({given!r})"
    elif isinstance(getattr(given, "game", None), PersuasionGame):
        remedy = f"Its game is .game of that {kind}"
    elif _several_games(given):
        remedy = "For several games there is solve_many(games); else pass them one by one"
    raise PersuasionError(f"`game` must be a PersuasionGame; got {kind}. {remedy}")


def require_scheme(given: Any) -> None:
    """Refuse whatever is no scheme, and say how to come by one.

    Raises
    ------
    SchemeError

    Examples
    --------
    >>> from persuasion.calling import require_scheme
    >>> require_scheme([[1.0, 0.0], [0.0, 1.0]])
    Traceback (most recent call last):
        ...
    persuasion.errors.SchemeError: `scheme` must be a SignalingScheme; got list; pass Signaling...
    """
    if isinstance(given, SignalingScheme):
        return
    hint = "pass SignalingScheme(kernel), its rows states"
    if isinstance(getattr(given, "scheme", None), SignalingScheme):
        hint = "pass solution.scheme"
    elif isinstance(given, PersuasionGame):
        hint = "pass solve(game).scheme"
    raise SchemeError(f"`scheme` must be a SignalingScheme; got {type(given).__name__}; {hint}")


def _explanation(
    verb: Callable[..., Any], args: tuple[Any, ...], kwargs: Mapping[str, Any], example: str
) -> str:
    """What was given, what is legal, what to do; empty where the mistake is another one."""
    name = verb.__name__
    parameters = inspect.signature(verb).parameters.values()
    ordered = [p for p in parameters if p.kind is p.POSITIONAL_OR_KEYWORD]
    options = [p.name for p in parameters if p.kind is p.KEYWORD_ONLY]
    known = [p.name for p in ordered] + options
    open_ended = any(p.kind is p.VAR_KEYWORD for p in parameters)
    remedy = f"Call it like {example}"
    if args and not isinstance(args[0], PersuasionGame | str) and _from_arrays(args, ordered):
        with_game = re.sub(r"\bgame\b", "PersuasionGame(prior, v, u)", example, count=1)
        remedy = f"A prior and two utilities make a game first: {with_game}"
    elif args and not ordered[0].name.startswith("game"):
        if isinstance(args[0], PersuasionGame):
            remedy += "; for a game there is solve(game)"
        elif _several_games(args[0]):
            remedy += "; for a list of games there is solve_many(games)"
    if len(args) > len(ordered):
        legal = f"{len(ordered)} argument{'s' * (len(ordered) > 1)} by position"
        legal += f" ({', '.join(p.name for p in ordered)})"
        if options:
            legal += f", options by name ({', '.join(options[:3])}{', ...' * (len(options) > 3)})"
        kinds = ", ".join(type(given).__name__ for given in args)
        return f"{name} takes {legal}; got {len(args)} by position ({kinds}). {remedy}"
    unknown = [key for key in kwargs if key not in known]
    if unknown and not open_ended:
        close = get_close_matches(unknown[0], known, n=1)
        hint = f"did you mean `{close[0]}`?" if close else f"legal are {', '.join(known)}"
        return f"{name} has no option `{unknown[0]}`; {hint}"
    missing = [
        p.name
        for i, p in enumerate(parameters)
        if p.default is p.empty
        and p.kind in (p.POSITIONAL_OR_KEYWORD, p.KEYWORD_ONLY)
        and p.name not in kwargs
        and (p.kind is p.KEYWORD_ONLY or i >= len(args))
    ]
    if missing:
        return f"{name} needs {' and '.join(f'`{p}`' for p in missing)}. {remedy}"
    return ""


def _from_arrays(args: tuple[Any, ...], ordered: list[inspect.Parameter]) -> bool:
    """Whether prior and utilities seem to stand where a game belongs."""
    arrays = [x for x in args[:3] if hasattr(x, "__len__") and not isinstance(x, str)]
    return (
        bool(ordered)
        and ordered[0].name.startswith("game")
        and len(arrays) >= min(3, len(ordered) + 1)
        and not _several_games(args[0])
    )


def _several_games(given: Any) -> bool:
    if not isinstance(given, list | tuple):
        return False
    return bool(given) and all(isinstance(item, PersuasionGame) for item in given)
