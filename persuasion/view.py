"""What a learner may see: the game without its prior, unless it declared to know it."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from typing import Any, Literal, get_args

import numpy as np

from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray, frozen

__all__ = ["Feedback", "FeedbackKind", "KnowledgeError", "LearnerView", "PriorEstimate"]

FeedbackKind = Literal["none", "state", "full", "bandit", "action"]
KNOWABLE = frozenset({"prior", "prior_lower_bound", "type_set"})


class KnowledgeError(PersuasionError, AttributeError):
    """A learner asked for something it did not declare to know."""


class LearnerView:
    """The part of the game that a learner is allowed to see.

    Always there: `n_states`, `n_actions`, `actions` (their labels, so that recommendations bear
    the game's names), `sender_utility`, `receiver_utility`, `horizon`.
    Only if declared in the learner's `knows`: `prior`, `prior_lower_bound` (the smallest positive
    prior probability), `type_set` (a `persuasion.types.TypeSet`: utilities of the types that may
    turn up, and the beliefs that matter against them). Asking for anything else raises
    `KnowledgeError`.

    Parameters
    ----------
    game : PersuasionGame
    horizon : int
    knows : collection of str
        Subset of {"prior", "prior_lower_bound", "type_set"}.
    """

    n_states: int
    n_actions: int
    actions: tuple[str, ...]
    sender_utility: FloatArray
    receiver_utility: FloatArray
    horizon: int

    def __init__(
        self, game: PersuasionGame, horizon: int, knows: Collection[str], type_set: Any = None
    ) -> None:
        unknown = {knows} if isinstance(knows, str) else set(knows) - KNOWABLE
        if unknown:
            raise PersuasionError(
                f"`knows` must be a set that may hold {', '.join(sorted(KNOWABLE))}; "
                f"got {', '.join(map(repr, sorted(unknown)))}"
            )
        if "type_set" in knows and type_set is None:
            raise PersuasionError(
                "the learner needs to know the set of Receiver types, but this environment has "
                "none; pass `types`"
            )
        known: dict[str, Any] = {
            "n_states": game.n_states,
            "n_actions": game.n_actions,
            "actions": game.actions,
            "sender_utility": game.sender_utility,
            "receiver_utility": game.receiver_utility,
            "horizon": horizon,
        }
        if "prior" in knows:
            known["prior"] = game.prior
        if "prior_lower_bound" in knows:
            known["prior_lower_bound"] = float(game.prior[game.prior > 0].min())
        if "type_set" in knows:
            known["type_set"] = type_set
        self.__dict__.update(known)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise KnowledgeError(
            f"this learner did not declare to know {name!r}; its `knows` may list "
            f"{', '.join(sorted(KNOWABLE))}, and it can see "
            "n_states, n_actions, actions, sender_utility, receiver_utility, horizon"
        )

    def __setattr__(self, name: str, value: Any) -> None:
        raise AttributeError("a LearnerView is frozen")

    def game_at(self, prior: FloatArray) -> PersuasionGame:
        """Return the game as it would be under `prior`, shape (n_states,)."""
        return PersuasionGame(
            prior, self.sender_utility, self.receiver_utility, actions=self.actions
        )


@dataclass(frozen=True, slots=True)
class Feedback:
    """What a learner is told about a stretch of rounds in which its scheme did not change.

    Attributes
    ----------
    start : int
        First round of the stretch, from 1.
    n_rounds : int
    state_counts : ndarray (n_states,) or None
        How often each state occurred; kinds "state" and "full".
    action_counts : ndarray (n_signals, n_actions) or None
        How often the Receiver answered a signal with an action; kinds "action" and "bandit".
    payoff : float or None
        What the Sender got in these rounds, in utils added up; kind "action".
    types : ndarray (n_rounds,) or None
        Receiver types; kind "full".
    """

    start: int
    n_rounds: int
    state_counts: np.ndarray[Any, np.dtype[np.int64]] | None = None
    action_counts: np.ndarray[Any, np.dtype[np.int64]] | None = None
    types: np.ndarray[Any, np.dtype[np.int64]] | None = None
    payoff: float | None = None


@dataclass(frozen=True, slots=True)
class PriorEstimate:
    """A learner's statement of what it believes, recorded beside its schemes.

    Attributes
    ----------
    center : ndarray (n_states,)
    radius : float
        L1 radius within which it trusts `center`; infinite where it claims nothing.
    n_samples : int
        States seen when it decided.
    """

    center: FloatArray
    radius: float
    n_samples: int

    @classmethod
    def from_counts(cls, counts: Any, radius: float) -> PriorEstimate:
        """Empirical frequencies; uniform before the first state is seen."""
        total = int(np.sum(counts))
        n = len(counts)
        center = np.asarray(counts) / total if total else np.full(n, 1 / n)
        return cls(frozen(np.array(center, dtype=np.float64)), radius, total)


def check_feedback_kind(kind: str, offered: Collection[str], learner: str) -> None:
    """Raise unless the environment gives what the learner needs."""
    if kind not in get_args(FeedbackKind):
        raise PersuasionError(
            f"learner {learner!r} declares feedback {kind!r}; legal are "
            f"{', '.join(get_args(FeedbackKind))}"
        )
    if kind not in offered:
        raise PersuasionError(
            f"learner {learner!r} needs feedback {kind!r}, but this environment gives only "
            f"{', '.join(sorted(offered))}"
            + ("; pass `types`" if kind in ("full", "bandit") else "")
        )
