"""What a file of the zoo says about its game or its family of random games."""

from __future__ import annotations

import inspect
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from fractions import Fraction
from types import MappingProxyType
from typing import Any

import numpy as np

from persuasion.errors import GameError
from persuasion.game import PersuasionGame

__all__ = ["Family", "ZooEntry"]


@dataclass(frozen=True)
class ZooEntry:
    """A named game with its optimal value and where that comes from.

    Parameters
    ----------
    name : str
        Name of the game and of its file.
    build : callable
        Builds the game from keyword parameters, all with defaults, in exact numbers.
    value : Fraction, callable or None
        Optimal value to the Sender under sender-preferred ties, in utils: a number for the
        default parameters, or a function of all parameters that returns a number, or None where
        no closed form is known.
    source : str
        Where the game and its value are published, or how they were derived.
    note : str
        One line on what the game shows.
    """

    name: str
    build: Callable[..., PersuasionGame]
    value: Fraction | Callable[..., Fraction | None] | None
    source: str
    note: str

    @property
    def parameters(self) -> Mapping[str, Any]:
        """Names of the parameters with their defaults."""
        signature = inspect.signature(self.build)
        return MappingProxyType({p.name: p.default for p in signature.parameters.values()})

    def load(self, **parameters: Any) -> PersuasionGame:
        """Build the game; parameters left out keep their defaults.

        Raises
        ------
        GameError
            When a parameter is unknown or out of range.

        Examples
        --------
        >>> from persuasion import zoo
        >>> zoo.entry("investment").load(x="1/3").name
        'investment(x=1/3)'
        """
        given = ", ".join(f"{key}={value}" for key, value in parameters.items())
        parts = self._game(parameters).parts()
        name = f"{self.name}({given})" if given else self.name
        return PersuasionGame(**{**parts, "name": name, "source": self.source})

    def value_at(self, **parameters: Any) -> Fraction | None:
        """Optimal value of ``load(**parameters)`` in utils, or None where it is not known.

        Examples
        --------
        >>> from persuasion import zoo
        >>> zoo.entry("lobbying").value_at()
        Fraction(-29, 224)
        >>> zoo.entry("lobbying").value_at(alpha="1/3") is None
        True
        """
        game = self._game(parameters)
        if callable(self.value):
            return self.value(**{**self.parameters, **parameters})
        return self.value if game == self.build() else None

    def _game(self, parameters: Mapping[str, Any]) -> PersuasionGame:
        unknown = [key for key in parameters if key not in self.parameters]
        if unknown:
            legal = ", ".join(self.parameters) or "none"
            raise GameError(
                f"{self.name} has no parameter {unknown[0]!r}; its parameters are: {legal}"
            )
        return self.build(**parameters)


@dataclass(frozen=True)
class Family:
    """Random games of one kind and any size.

    Parameters
    ----------
    name : str
        Name of the family and of its file.
    build : callable
        ``build(n_states, n_actions, rng)`` draws a game from a `numpy.random.Generator`.
    note : str
        One line on what the family is for.
    """

    name: str
    build: Callable[[int, int, np.random.Generator], PersuasionGame]
    note: str
