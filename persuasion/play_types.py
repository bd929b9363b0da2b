"""Playing a learner against Receivers of changing type, one run at a time.

Regret compares the learner with the best *fixed* scheme for the types that turned up: the optimum
at a checkpoint is a linear program over the candidate posteriors, with the counts of the types as
weights, and belongs to the run. What the learner earns is the exact expectation over states and
signals of each scheme it played, so that no noise but that of its own decisions is left. Regret may
be negative: a scheme that changes can earn more than any fixed one.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

from persuasion.candidates import favourable_responses, type_games
from persuasion.environments.states import IntArray, StateSequence
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.learners import Learner
from persuasion.rationals import FloatArray
from persuasion.scheme import SignalingScheme
from persuasion.trajectory import EPOCH_COLUMNS
from persuasion.type_program import best_split_against
from persuasion.types import AdaptiveSequence, Draw, ReceiverTypes, TypeSet
from persuasion.view import Feedback, LearnerView

__all__ = ["OFFERED", "TypeGame"]

OFFERED = ("none", "state", "action", "full", "bandit")
"""Kinds of feedback in a game against types."""
_WINDOW = 4096
_SAME = 1e-12
"""Posteriors that moved less are answered as before: far below the tolerance of ties."""


@dataclass(frozen=True)
class TypeGame:
    """A game against Receivers of changing type.

    Parameters
    ----------
    game : PersuasionGame
        Its prior is common to all and known; its own Receiver plays no role.
    types : ReceiverTypes
    type_set : TypeSet
        ``types.for_game(game)``.
    """

    game: PersuasionGame
    types: ReceiverTypes
    type_set: TypeSet

    def play(
        self,
        learner: Learner,
        horizon: int,
        checkpoints: IntArray,
        seeds: Sequence[SeedSequence],
        *,
        realised: bool,
    ) -> dict[str, Any]:
        """Play one run.

        Parameters
        ----------
        learner : Learner
            Not yet reset.
        horizon : int
        checkpoints : ndarray of int (n_checkpoints,)
            Increasing; the last is the horizon.
        seeds : four SeedSequence
            Of states, learner, draws and types.
        realised : bool
            Also draw and add up payoffs.

        Returns
        -------
        dict
            Arrays over checkpoints `regret`, `optimum`, `type_counts` (n_checkpoints, n_types)
            and, if asked for, `payoffs`; `n_schemes`; the columns of the epoch log, one row for
            the rounds between two checkpoints, because a learner may change in every round.
        """
        view = LearnerView(self.game, horizon, learner.knows, self.type_set)
        # a generator that does not tell its seed, from which those of the types could be guessed
        learner.reset(view, default_rng(seeds[1].generate_state(4, np.uint64)))
        run = _Run(self, seeds, learner.feedback, realised)
        n_types, n_points = self.types.n_types, len(checkpoints)
        type_counts = np.zeros((n_points, n_types), dtype=np.int64)
        earned, payoffs = np.zeros(n_points), np.zeros(n_points)
        round_, point, n_schemes = 1, 0, 0
        while round_ <= horizon:
            stop = min(int(learner.next_change()), horizon + 1)
            if stop <= round_:
                raise PersuasionError(
                    f"learner {learner.name!r} returned next_change() = {stop} in round {round_}; "
                    "it must be a later round"
                )
            scheme = learner.scheme()
            if type(scheme) is not SignalingScheme:  # a subclass would be shown the prior
                raise PersuasionError(
                    f"learner {learner.name!r} returned a {type(scheme).__name__} from scheme(); "
                    "wrap the kernel: SignalingScheme(kernel)"
                )
            run.take(scheme)
            n_schemes += 1
            low = round_
            while low < stop:
                high = min(stop, int(checkpoints[point]) + 1, low + _WINDOW)
                run.advance(low, high)
                low = high
                if high > checkpoints[point]:
                    type_counts[point] = run.type_counts
                    earned[point], payoffs[point] = run.earned, run.payoff
                    point += 1
            learner.observe(run.feedback(round_, stop))
            round_ = stop
        optimum = np.array([self.optimum(counts) for counts in type_counts])
        out = {
            "regret": optimum - earned,
            "optimum": optimum,
            "type_counts": type_counts,
            "n_schemes": np.array(n_schemes),
            **_epochs(optimum - earned, checkpoints),
        }
        return {**out, "payoffs": payoffs} if realised else out

    def optimum(self, type_counts: IntArray) -> float:
        """What the best fixed scheme earns in rounds with these types, in utils cumulated."""
        rounds = int(type_counts.sum())
        share = type_counts / rounds
        best = best_split_against(self.type_set.candidates, self.game.prior, share).value
        return rounds * best


class _Run:
    """The course of one run."""

    def __init__(
        self, world: TypeGame, seeds: Sequence[SeedSequence], feedback: str, realised: bool
    ) -> None:
        self.game, self.kind, self.realised = world.game, feedback, realised
        self.games = type_games(world.game, world.type_set.utilities)
        sequence, n_types = world.types.sequence, world.types.n_types
        self.fixed: _Window | None = None
        self.adversary: AdaptiveSequence | None = None
        if sequence.adaptive:
            self.adversary = sequence
            self.best = np.array([world.optimum(one) for one in np.eye(n_types, dtype=np.int64)])
        else:
            self.fixed = _Window(sequence.draw(n_types, seeds[3]))
        self.states = _Window(StateSequence(world.game.prior, seeds[0]).states)
        self.draws: Generator = default_rng(seeds[2])
        self.type_counts = np.zeros(n_types, dtype=np.int64)
        self.earned, self.payoff = 0.0, 0.0
        self.answered: FloatArray = np.zeros((0, 0))

    def take(self, scheme: SignalingScheme) -> None:
        """Put the scheme in force: find every type's answers, and what it is worth."""
        mass = scheme.signal_probabilities(self.game.prior)
        posteriors = scheme.posteriors(self.game.prior)
        self.scheme = scheme
        if posteriors.shape != self.answered.shape or (
            np.abs(posteriors - self.answered).max() > _SAME
        ):
            self.actions, _ = favourable_responses(self.games, posteriors)
            self.answered = posteriors
        sender = posteriors @ self.game.sender_utility
        self.values: FloatArray = sender[np.arange(len(mass)), self.actions] @ mass
        self.seen_types: list[IntArray] = []
        self.seen_states = np.zeros(self.game.n_states, dtype=np.int64)
        self.seen_answers = np.zeros((scheme.n_signals, self.game.n_actions), dtype=np.int64)
        self.paid_before = self.payoff

    def advance(self, start: int, stop: int) -> None:
        """Play rounds ``start <= t < stop`` with the scheme in force."""
        if self.fixed is not None:
            types = self.fixed(start, stop)
        else:
            assert self.adversary is not None
            types = np.full(stop - start, self.adversary.choose(self.values, self.best))
        counts = np.bincount(types, minlength=len(self.values))
        self.type_counts += counts
        self.earned += float(counts @ self.values)
        if self.kind == "full":
            self.seen_types.append(types)
        if self.kind == "none" and not self.realised:
            return
        states = self.states(start, stop)
        self.seen_states += np.bincount(states, minlength=self.game.n_states)
        if self.kind in ("action", "bandit") or self.realised:
            self._answer(types, states)

    def feedback(self, start: int, stop: int) -> Feedback:
        """Return what the learner is told about the rounds of the scheme in force."""
        states, answers = self.kind in ("state", "full"), self.kind in ("action", "bandit")
        return Feedback(
            start=start,
            n_rounds=stop - start,
            state_counts=self.seen_states if states else None,
            action_counts=self.seen_answers if answers else None,
            types=np.concatenate(self.seen_types) if self.kind == "full" else None,
            payoff=self.payoff - self.paid_before if self.kind == "action" else None,
        )

    def _answer(self, types: IntArray, states: IntArray) -> None:
        """Draw signals and let the types answer."""
        n_states = self.game.n_states
        pairs = np.bincount(types * n_states + states)
        for pair in np.flatnonzero(pairs).tolist():
            kind, state = divmod(pair, n_states)
            sent = self.draws.multinomial(pairs[pair], self.scheme.kernel[state])
            signals = np.flatnonzero(sent)
            actions = self.actions[kind, signals]
            self.seen_answers[signals, actions] += sent[signals]
            self.payoff += float(sent[signals] @ self.game.sender_utility[state, actions])


class _Window:
    """A sequence read in order, some thousand rounds at a time."""

    def __init__(self, draw: Draw) -> None:
        self._draw = draw
        self._first, self._last = 1, 1
        self._content = np.zeros(0, dtype=np.int64)

    def __call__(self, start: int, stop: int) -> IntArray:
        """Rounds ``start <= t < stop``, at most `_WINDOW` of them."""
        if stop > self._last:
            self._first, self._last = start, start + _WINDOW
            self._content = self._draw(self._first, self._last)
        return self._content[start - self._first : stop - self._first]


def _epochs(regret: FloatArray, checkpoints: IntArray) -> dict[str, Any]:
    """Columns of the epoch log: one row for the rounds between two checkpoints."""
    start = np.concatenate([[1], checkpoints[:-1] + 1])
    length = checkpoints - start + 1
    unknown = np.full(len(start), np.nan)
    columns = {
        "start": start,
        "length": length,
        "loss": np.diff(regret, prepend=0.0) / length,
        "obedience_gap": unknown,
        "radius": unknown,
        "distance": unknown,
        "samples": np.full(len(start), -1),
    }
    assert {*columns, "run"} == set(EPOCH_COLUMNS)
    return columns
