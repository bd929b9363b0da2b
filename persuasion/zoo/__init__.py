"""Games with known answers, and random games, one file each.

A file in this folder that defines ``ENTRY`` is a named game; a file in ``families/`` that defines
``FAMILY`` draws random games. Both are found by listing the folders.

Examples
--------
>>> from persuasion import zoo
>>> zoo.load("prosecutor")
PersuasionGame('prosecutor', n_states=2, n_actions=2)
>>> zoo.entry("prosecutor").value_at(p="1/4")
Fraction(1, 2)
>>> zoo.random_game("integer", 4, 3, seed=1)
PersuasionGame('integer 4x3', n_states=4, n_actions=3)
"""

from __future__ import annotations

import importlib
import pkgutil
from collections.abc import Iterator
from functools import cache
from typing import Any

import numpy as np

from persuasion.errors import GameError
from persuasion.game import PersuasionGame
from persuasion.zoo import families as _families
from persuasion.zoo._entry import Family, ZooEntry
from persuasion.zoo._parameters import count

__all__ = [
    "Family",
    "ZooEntry",
    "entries",
    "entry",
    "families",
    "family",
    "load",
    "names",
    "random_game",
    "random_games",
]


@cache
def names() -> tuple[str, ...]:
    """Names of the named games, sorted."""
    return _modules(__path__)


@cache
def families() -> tuple[str, ...]:
    """Names of the random families, sorted."""
    return _modules(_families.__path__)


@cache
def entry(name: str) -> ZooEntry:
    """Return the entry called `name`: source, note, parameters and value of a named game."""
    if name not in names():
        also = "; it is a random family, use random_game" if name in families() else ""
        raise GameError(f"no game is called {name!r}{also}; legal are {', '.join(names())}")
    found: ZooEntry = importlib.import_module(f"persuasion.zoo.{name}").ENTRY
    return found


@cache
def family(name: str) -> Family:
    """Return the random family called `name`."""
    if name not in families():
        raise GameError(f"no random family is called {name!r}; legal are {', '.join(families())}")
    found: Family = importlib.import_module(f"persuasion.zoo.families.{name}").FAMILY
    return found


_family = family  # `family` is also the name of a parameter below


def entries() -> tuple[ZooEntry, ...]:
    """All named games, sorted by name."""
    return tuple(entry(name) for name in names())


def load(name: str, **parameters: Any) -> PersuasionGame:
    """Build a named game.

    Parameters
    ----------
    name : str
        One of `names`.
    **parameters
        Parameters of that game, see ``entry(name).parameters``; numbers may be strings such as
        ``"1/3"`` and are read exactly.

    Raises
    ------
    GameError
        When no game has that name or a parameter is unknown or out of range.

    Examples
    --------
    >>> from persuasion import zoo
    >>> zoo.load("price_discrimination", values=[1, 2, 4]).actions
    ('price 1', 'price 2', 'price 4')
    """
    return entry(name).load(**parameters)


def random_game(
    family: str, n_states: int, n_actions: int, seed: int | np.random.SeedSequence
) -> PersuasionGame:
    """Draw one game of a family.

    Parameters
    ----------
    family : str
        One of `families`.
    n_states, n_actions : int, >= 1
    seed : int >= 0 or numpy.random.SeedSequence
        The same seed gives the same game.

    Raises
    ------
    GameError
        When the family is unknown, a size is not positive or the seed is not legal.

    Examples
    --------
    >>> from persuasion import zoo
    >>> zoo.random_game("binary", 3, 2, seed=0) == zoo.random_game("binary", 3, 2, seed=0)
    True
    """
    drawn = _family(family)
    if not isinstance(seed, np.random.SeedSequence):
        seed = np.random.SeedSequence(count(seed, "seed", at_least=0))
    rng = np.random.default_rng(seed)
    states, actions = count(n_states, "n_states"), count(n_actions, "n_actions")
    game: PersuasionGame = drawn.build(states, actions, rng)
    return game


def random_games(
    family: str, n_states: int, n_actions: int, n_games: int, seed: int
) -> Iterator[PersuasionGame]:
    """Draw independent games of a family, one after the other.

    Parameters
    ----------
    family : str
        One of `families`.
    n_states, n_actions : int, >= 1
    n_games : int, >= 0
    seed : int, >= 0
        Game number i depends on `seed` and i only, not on `n_games`.

    Examples
    --------
    >>> from persuasion import zoo
    >>> [game.n_states for game in zoo.random_games("uniform", 3, 2, n_games=2, seed=0)]
    [3, 3]
    """
    number = count(n_games, "n_games", at_least=0)
    children = np.random.SeedSequence(count(seed, "seed", at_least=0)).spawn(number)
    return (random_game(family, n_states, n_actions, child) for child in children)


def _modules(path: Any) -> tuple[str, ...]:
    listed = pkgutil.iter_modules(path)
    return tuple(sorted(m.name for m in listed if m.name[0] != "_" and not m.ispkg))
