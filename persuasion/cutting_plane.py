"""Robust obedience by cutting planes.

Obedience of action a against deviation b at every prior of a set is one linear inequality for each
prior. They enter a `KernelProgram` lazily: a kernel is proposed, `AmbiguitySet.worst_case` finds
the priors at which it is violated most, and these become rows.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from persuasion.ambiguity import AmbiguitySet
from persuasion.game import PersuasionGame
from persuasion.kernel_program import KernelProgram
from persuasion.problem import IntArray
from persuasion.rationals import FloatArray

__all__ = ["Cuts", "CuttingPlanes", "Pairs"]

_ROWS_PER_ACTION = 3
"""At most this many rows for each action of the game enter in one round, the worst of all."""


@dataclass(frozen=True, eq=False)
class Cuts:
    """Obedience at single priors of an ambiguity set.

    Attributes
    ----------
    actions, deviations : ndarray of int (k,)
        Row k asks that ``actions[k]``, when recommended, is no worse than ``deviations[k]`` ...
    priors : ndarray (k, n_states)
        ... for a Receiver who holds this prior of the set.
    prices : ndarray (k,)
        Lagrange multipliers >= 0, in Sender's utils per util of the Receiver.
    points : ndarray (k, n_states)
        Functions of the state whose means `priors` minimise: what the rows were derived from.
    """

    actions: IntArray
    deviations: IntArray
    priors: FloatArray
    prices: FloatArray
    points: FloatArray

    def __len__(self) -> int:
        return len(self.actions)

    @classmethod
    def none(cls, n_states: int) -> Cuts:
        """No rows."""
        index, rows = np.zeros(0, dtype=np.intp), np.zeros((0, n_states))
        return cls(index, index, rows, np.zeros(0), rows)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; `from_dict` gives the same rows back."""
        return {name: getattr(self, name).tolist() for name in self.__dataclass_fields__}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Cuts:
        """Build rows from what `to_dict` writes."""
        count = len(data["actions"])
        shape = (count, len(data["priors"][0]) if count else 0)
        return cls(
            actions=np.array(data["actions"], dtype=np.intp),
            deviations=np.array(data["deviations"], dtype=np.intp),
            priors=np.array(data["priors"], dtype=np.float64).reshape(shape),
            prices=np.array(data["prices"], dtype=np.float64),
            points=np.array(data["points"], dtype=np.float64).reshape(shape),
        )


@dataclass(frozen=True, slots=True)
class Pairs:
    """The pairs (action, deviation) whose obedience some prior of the set can put in question.

    Attributes
    ----------
    ambiguity : AmbiguitySet
    n_actions : int
    actions, deviations : ndarray of int (k,)
    difference : ndarray (k, n_states)
        ``u(., action) - u(., deviation)`` in units of `scale`.
    scale : ndarray (k,)
        The largest difference that one state can make at a prior of the set, in utils.
    """

    ambiguity: AmbiguitySet
    n_actions: int
    actions: IntArray
    deviations: IntArray
    difference: FloatArray
    scale: FloatArray

    @classmethod
    def of(cls, game: PersuasionGame, ambiguity: AmbiguitySet) -> Pairs:
        """List the pairs of a game."""
        a, b = ordered_pairs(game.n_actions)
        difference = game.receiver_utility.T[a] - game.receiver_utility.T[b]
        reach = difference * ambiguity.highest
        kept = np.flatnonzero(reach.min(axis=1, initial=0.0) < 0)
        scale = np.abs(reach[kept]).max(axis=1, initial=0.0)
        unit = difference[kept] / scale[:, None]
        return cls(ambiguity, game.n_actions, a[kept], b[kept], unit, scale)

    def points(self, kernel: FloatArray) -> tuple[IntArray, FloatArray]:
        """Pairs whose action is used, and the functions whose means must not be negative."""
        which = np.flatnonzero(kernel[:, self.actions].any(axis=0))
        return which, kernel.T[self.actions[which]] * self.difference[which]

    def slack(self, kernel: FloatArray) -> tuple[IntArray, FloatArray]:
        """Pairs whose action is used, and their worst-case slack in units of `scale`."""
        which, points = self.points(kernel)
        return which, self.ambiguity.worst_case(points)[0]


def ordered_pairs(n_actions: int) -> tuple[IntArray, IntArray]:
    """All pairs of two different actions, as two arrays."""
    a, b = np.nonzero(1 - np.eye(n_actions))
    return a, b


@dataclass
class CuttingPlanes:
    """Solve, add the rows violated most, and repeat until none is.

    Attributes
    ----------
    program : KernelProgram
        Holds the last kernel.
    pairs : Pairs
    n_cuts, n_rounds : int
        Rows that entered, and programs solved.
    """

    program: KernelProgram
    pairs: Pairs
    n_cuts: int = 0
    n_rounds: int = 0
    _parts: list[tuple[IntArray, FloatArray, FloatArray]] = field(default_factory=list)
    _known: set[tuple[int, bytes]] = field(default_factory=set)

    def run(self, tolerance: float, deadline: float | None) -> bool:
        """Solve until no row is violated by more than `tolerance`; False at the deadline."""
        pairs = self.pairs
        most = _ROWS_PER_ACTION * pairs.n_actions
        while self.program.run(deadline):
            self.n_rounds += 1
            which, points = pairs.points(self.program.kernel)
            # what a state would show if the action were always recommended breaks ties: many
            # states show nothing now, and the row is to cut off the next kernels as well
            slack, priors = pairs.ambiguity.worst_case(points, ties=pairs.difference[which])
            worst = slack.argsort()[:most]
            worst = worst[slack[worst] < -tolerance]
            which, priors = which[worst], priors[worst]
            rows = {(w, mu.tobytes()) for w, mu in zip(which.tolist(), priors, strict=True)}
            if rows <= self._known:  # none, or only what the program's own tolerance leaves
                return True
            self._known |= rows
            self._add(which, priors, points[worst])
        return False

    def start_from(self, cuts: Cuts) -> None:
        """Add the rows of another question, moved to the worst priors of this set."""
        n = self.pairs.n_actions
        position = np.full(n * n, -1)
        position[self.pairs.actions * n + self.pairs.deviations] = np.arange(len(self.pairs.scale))
        which = position[cuts.actions * n + cuts.deviations]
        points, which = cuts.points[which >= 0], which[which >= 0]
        if len(which):
            ties = self.pairs.difference[which]
            self._add(which, self.pairs.ambiguity.worst_case(points, ties=ties)[1], points)

    def cuts(self) -> Cuts:
        """Rows that have a positive price after the last run."""
        if not self._parts:
            return Cuts.none(self.pairs.ambiguity.n_states)
        which, priors, points = map(np.concatenate, zip(*self._parts, strict=True))
        at = np.flatnonzero(self.program.prices > 0)
        which = which[at]
        return Cuts(
            self.pairs.actions[which],
            self.pairs.deviations[which],
            priors[at],
            self.program.prices[at] / self.pairs.scale[which],
            points[at],
        )

    def _add(self, which: IntArray, priors: FloatArray, points: FloatArray) -> None:
        self.program.add(self.pairs.actions[which], priors * self.pairs.difference[which])
        self._parts.append((which, priors, points))
        self.n_cuts += len(which)
