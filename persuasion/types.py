"""Receivers of several types, and who turns up when.

A sequence of types is fixed beforehand (`IID`, `Blocks`, `Alternating`: the same for every learner)
or chosen by an adversary who sees the scheme of the round (`WorstType`, `LargestGap`).
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, Protocol, TypeAlias

import numpy as np
from numpy.random import SeedSequence

from persuasion.candidates import (
    Candidates,
    candidate_posteriors,
    candidates_among,
    read_utilities,
)
from persuasion.environments.states import IntArray, StateSequence
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray, frozen

__all__ = [
    "IID",
    "AdaptiveSequence",
    "Alternating",
    "Blocks",
    "FixedSequence",
    "LargestGap",
    "ReceiverTypes",
    "TypeSequence",
    "TypeSet",
    "WorstType",
]

Draw: TypeAlias = Callable[[int, int], IntArray]
"""The types of rounds ``start <= t < stop``, counted from 1."""


class FixedSequence(Protocol):
    """Types that do not depend on what the Sender does."""

    adaptive: ClassVar[Literal[False]]

    def check(self, n_types: int) -> None:
        """Raise unless the sequence fits so many types."""
        ...

    def draw(self, n_types: int, seed: SeedSequence) -> Draw:
        """Return the sequence of one run."""
        ...


class AdaptiveSequence(Protocol):
    """An adversary who sees the scheme before she chooses the type."""

    adaptive: ClassVar[Literal[True]]

    def choose(self, values: FloatArray, best: FloatArray) -> int:
        """Return the type of every round in which the scheme is played.

        Parameters
        ----------
        values : ndarray (n_types,)
            Sender's expected utility of the scheme against each type.
        best : ndarray (n_types,)
            What the best scheme against that type alone would give.
        """
        ...


TypeSequence: TypeAlias = FixedSequence | AdaptiveSequence


@dataclass(frozen=True)
class IID:
    """Independent draws.

    Parameters
    ----------
    weights : tuple of float, length n_types
        Probabilities; they sum to 1.
    """

    weights: tuple[float, ...]
    adaptive: ClassVar[Literal[False]] = False

    def __post_init__(self) -> None:
        weights = np.asarray(self.weights, dtype=np.float64)
        if weights.ndim != 1 or not (weights >= 0).all() or abs(weights.sum() - 1) > 1e-9:
            raise PersuasionError(
                f"`weights` must be probabilities that sum to 1; got {self.weights!r}"
            )
        object.__setattr__(self, "weights", tuple(weights.tolist()))

    def check(self, n_types: int) -> None:
        """One weight per type."""
        if len(self.weights) != n_types:
            raise PersuasionError(
                f"`weights` must hold one probability per type, {n_types}; got {len(self.weights)}"
            )

    def draw(self, n_types: int, seed: SeedSequence) -> Draw:
        """Return a sequence that does not depend on the horizon nor on how it is asked for."""
        weights = np.array(self.weights)
        return StateSequence(weights / weights.sum(), seed).states


@dataclass(frozen=True)
class Blocks:
    """Type 0 for `length` rounds, then type 1, and so on, and again from type 0."""

    length: int
    adaptive: ClassVar[Literal[False]] = False

    def __post_init__(self) -> None:
        if isinstance(self.length, bool) or int(self.length) != self.length or self.length < 1:
            raise PersuasionError(f"`length` must be an integer of at least 1; got {self.length}")

    def check(self, n_types: int) -> None:
        """Any number of types will do."""

    def draw(self, n_types: int, seed: SeedSequence) -> Draw:
        """Return the sequence; `seed` plays no role."""
        return lambda start, stop: (np.arange(start - 1, stop - 1) // self.length) % n_types


@dataclass(frozen=True)
class Alternating:
    """A different type every round, in cyclic order."""

    adaptive: ClassVar[Literal[False]] = False

    def check(self, n_types: int) -> None:
        """Any number of types will do."""

    def draw(self, n_types: int, seed: SeedSequence) -> Draw:
        """Return the sequence; `seed` plays no role."""
        return Blocks(1).draw(n_types, seed)


@dataclass(frozen=True)
class WorstType:
    """An adversary: the type against which the scheme of the round is worth least."""

    adaptive: ClassVar[Literal[True]] = True

    def choose(self, values: FloatArray, best: FloatArray) -> int:
        """Return the first type of least value."""
        return int(values.argmin())


@dataclass(frozen=True)
class LargestGap:
    """An adversary: the type against which the scheme loses most to the best one for that type."""

    adaptive: ClassVar[Literal[True]] = True

    def choose(self, values: FloatArray, best: FloatArray) -> int:
        """Return the first type of largest ``best - values``."""
        return int((best - values).argmax())


@dataclass(frozen=True, eq=False)
class TypeSet:
    """The types that may turn up in a game, as a Sender may know them beforehand.

    Attributes
    ----------
    utilities : ndarray (n_types, n_states, n_actions)
    candidates : Candidates
        The beliefs among which an optimal split can be found, whatever the mixture of types.
    """

    utilities: FloatArray
    candidates: Candidates


@dataclass(frozen=True, eq=False, init=False, repr=False)
class ReceiverTypes:
    """Types of Receiver and the order in which they turn up.

    Each knows the prior of the game, updates by Bayes' rule, best-responds to her own utility, and
    breaks ties in the Sender's favour.

    Parameters
    ----------
    utilities : array-like, shape (n_types, n_states, n_actions)
        ``utilities[type, state, action]``, in each type's own utils.
    sequence : TypeSequence
    posteriors : array-like, shape (k, n_states), optional
        Restrict schemes to these beliefs and the sure ones, where `candidate_posteriors` is too
        large: a heuristic; optima and regret are then among these only.

    Raises
    ------
    PersuasionError
        When the types have different shapes, or the sequence does not fit their number.

    Examples
    --------
    >>> from persuasion.types import IID, ReceiverTypes
    >>> types = ReceiverTypes([[[1, 0], [0, 1]], [[1, 0], [0, 3]]], IID((0.5, 0.5)))
    >>> types
    ReceiverTypes(n_types=2, sequence=IID(weights=(0.5, 0.5)))
    """

    utilities: FloatArray
    sequence: TypeSequence
    posteriors: FloatArray | None = None

    def __init__(self, utilities: Any, sequence: TypeSequence, posteriors: Any = None) -> None:
        tables = [np.asarray(table, dtype=np.float64) for table in utilities]
        if not tables or tables[0].ndim != 2:
            raise PersuasionError(
                "`utilities` must hold one table [state, action] per type; got "
                + (f"shape {np.shape(tables[0])} for type 0" if tables else "none")
            )
        for number, table in enumerate(tables):
            if table.shape != tables[0].shape:
                raise PersuasionError(
                    f"all types must share states and actions; type {number} has shape "
                    f"{table.shape}, type 0 {tables[0].shape}"
                )
        if not hasattr(sequence, "choose" if getattr(sequence, "adaptive", False) else "draw"):
            raise PersuasionError(
                "`sequence` must be one of IID(weights), Blocks(length), Alternating(), "
                f"WorstType(), LargestGap() or an object like them; got {sequence!r}"
            )
        if not sequence.adaptive:
            sequence.check(len(tables))
        object.__setattr__(self, "utilities", frozen(np.stack(tables)))
        object.__setattr__(self, "sequence", sequence)
        beliefs = None if posteriors is None else np.array(posteriors, dtype=np.float64)
        object.__setattr__(self, "posteriors", None if beliefs is None else frozen(beliefs))

    @property
    def n_types(self) -> int:
        """Number of types, K."""
        return len(self.utilities)

    @property
    def adaptive(self) -> bool:
        """Whether the sequence depends on the schemes played."""
        return self.sequence.adaptive

    def for_game(self, game: PersuasionGame) -> TypeSet:
        """Check that the types fit the game and find their candidate posteriors.

        Raises
        ------
        GameError
            When states or actions differ in number from the game's.
        UnsupportedError
            When there are too many candidates to list and no `posteriors` were given.
        """
        tables = read_utilities(game, self.utilities)
        if self.posteriors is None:
            return TypeSet(tables, candidate_posteriors(game, tables))
        return TypeSet(tables, candidates_among(game, tables, self.posteriors))

    def description(self) -> dict[str, Any]:
        """Everything that determines the play of the types, JSON-ready."""
        return {
            "utilities": self.utilities.tolist(),
            "sequence": repr(self.sequence),
            "posteriors": None if self.posteriors is None else self.posteriors.tolist(),
        }

    def __repr__(self) -> str:
        return f"ReceiverTypes(n_types={self.n_types}, sequence={self.sequence!r})"
