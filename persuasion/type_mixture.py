"""A Receiver whose type is drawn from a known law: to the Sender, one who mixes."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, get_args

import numpy as np

from persuasion.beliefs import Ties, best_responses, sender_beliefs
from persuasion.candidates import VERTEX_TIES, type_games
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray, frozen

__all__ = ["TypeMixture", "read_weights"]


@dataclass(frozen=True, eq=False, init=False, repr=False)
class TypeMixture:
    """Receiver who is of type k with probability ``weights[k]`` and knows her type.

    The Sender does not, and cannot ask. Every type shares the Sender's prior and best-responds.

    Parameters
    ----------
    utilities : array-like, shape (n_types, n_states, n_actions)
        ``utilities[type, state, action]``, in each type's own utils.
    weights : array-like, shape (n_types,)
        Probability of each type.
    ties : {"sender", "adversarial", "first"}
        As in `Bayesian`.

    Raises
    ------
    PersuasionError
        When types differ in shape or weights are no probabilities.

    Examples
    --------
    >>> from persuasion import PersuasionGame, TypeMixture, solve
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> mixed = TypeMixture([[[1, 0], [0, 3]], [[1, 0], [0, 1]]], [0.8, 0.2])
    >>> mixed.respond(game, [[0.75, 0.25], [0.5, 0.5]]).round(9).tolist()
    [[0.2, 0.8], [0.0, 1.0]]
    >>> round(solve(game, receiver=mixed).value, 9)
    0.84
    """

    utilities: FloatArray
    weights: FloatArray
    ties: Ties = "sender"

    def __init__(self, utilities: Any, weights: Any, ties: Ties = "sender") -> None:
        tables = [np.array(table, dtype=np.float64) for table in utilities]
        shapes = [table.shape for table in tables]
        if len(set(shapes)) != 1 or len(shapes[0]) != 2:
            raise PersuasionError(
                "`utilities` must hold one table [state, action] per type, all of one shape; got "
                f"{', '.join(map(str, shapes)) or 'none'}"
            )
        if ties not in get_args(Ties):
            raise PersuasionError(f"`ties` must be one of {get_args(Ties)}; got {ties!r}")
        object.__setattr__(self, "utilities", frozen(np.stack(tables)))
        object.__setattr__(self, "weights", read_weights(weights, len(tables)))
        object.__setattr__(self, "ties", ties)

    @property
    def n_types(self) -> int:
        """Number of types, K."""
        return len(self.utilities)

    def with_ties(self, ties: Ties) -> TypeMixture:
        """Return the same types with another rule for ties."""
        return TypeMixture(self.utilities, self.weights, ties)

    def respond(self, game: PersuasionGame, posteriors: FloatArray) -> FloatArray:
        """Return the probability of each action, shape (n_signals, n_actions)."""
        beliefs = np.asarray(posteriors, dtype=np.float64)
        sender = sender_beliefs(game, beliefs) @ game.sender_utility
        response = np.zeros((len(beliefs), game.n_actions))
        sign = -1.0 if self.ties == "adversarial" else 1.0
        for one, weight in zip(type_games(game, self.utilities), self.weights, strict=True):
            optimal = best_responses(one, beliefs, tolerance=VERTEX_TIES)
            score = optimal if self.ties == "first" else np.where(optimal, sign * sender, -np.inf)
            response[np.arange(len(beliefs)), score.argmax(axis=1)] += weight
        return response

    def __repr__(self) -> str:
        shares = ", ".join(f"{x:g}" for x in self.weights)
        return f"TypeMixture(n_types={self.n_types}, weights=({shares}), ties={self.ties!r})"


def read_weights(weights: Any, n_types: int) -> FloatArray:
    """Return a law of types, checked.

    Raises
    ------
    PersuasionError
        When there is not one probability per type, or they do not sum to 1.
    """
    law = np.array(weights, dtype=np.float64)
    if law.shape != (n_types,) or not (law >= 0).all():
        raise PersuasionError(
            f"`weights` must hold one probability per type, shape ({n_types},); "
            f"got {np.array2string(law)}"
        )
    if abs(law.sum() - 1) > 1e-9:
        raise PersuasionError(
            f"`weights` must sum to 1 (got {law.sum():.12g}); if these are counts, pass "
            "`counts / counts.sum()`"
        )
    return frozen(law)
