"""Experiments: which games are played for a theorem, by whom, and what came of it.

Nothing here plays: whoever carries out an experiment hands in a `Laboratory`, and the theory sees
only what it returns.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field, replace
from os.path import commonprefix
from typing import Any

from persuasion import zoo
from persuasion.errors import NotSolvedError, PersuasionError
from persuasion.game import PersuasionGame
from persuasion.trajectory import Trajectory
from persuasion.types import ReceiverTypes
from theory.check import check
from theory.evidence import Evidence
from theory.family import HORIZONS, default_games, informative_horizon
from theory.judging import case as judging
from theory.laboratory import Laboratory, Setup
from theory.theorem import LowerBound, NegativeControl, StaticTheorem, Theorem, pair
from theory.type_programs import check_profiles
from theory.type_theorem import TypeTheorem, World, types_in_words
from theory.verdict import Outcome, Verdict

__all__ = [
    "DEFAULT_RUNS",
    "Case",
    "Finding",
    "Laboratory",
    "Setup",
    "carry_out",
    "control_of",
    "gather",
    "plan",
]

DEFAULT_RUNS = 96
"""Runs where their mean or the share of failures is judged."""
_PATHWISE_RUNS = 4  # every epoch is judged on its own, with two linear programs each
_QUICK_RUNS = 8
_PAIR_HORIZON = 10**6
_SETTINGS: tuple[Mapping[str, Any], ...] = ({}, {"confidence": "box"}, {"confidence": "both"})
"""Settings of the robust learner; the first that a theorem covers is played."""


@dataclass(frozen=True)
class Case:
    """A theorem and the game, or pair of games, on which it is tried.

    Attributes
    ----------
    theorem : Theorem
    games : tuple of PersuasionGame
    horizon, n_runs : int
        0 for static theorems.
    learner : str or None
        None: the theorem's own, with settings that the theorem covers.
    parameters : mapping
    control : NegativeControl, optional
        Where the case is a negative control.
    types : ReceiverTypes, optional
        Who is met in place of the games' own Receiver.
    """

    theorem: Theorem
    games: tuple[PersuasionGame, ...]
    horizon: int = 0
    n_runs: int = 0
    learner: str | None = None
    parameters: Mapping[str, Any] = field(default_factory=dict)
    control: NegativeControl | None = None
    types: ReceiverTypes | None = None

    @property
    def title(self) -> str:
        """The game, or the pair of games, in words, and who is met there."""
        names = [game.name or repr(game) for game in self.games]
        if self.types is not None:
            return f"{names[0]}, {types_in_words(self.types)}"
        shared = commonprefix(names).rpartition(" ")[0]  # noqa: RUF071 - characters are meant
        return " and ".join([names[0], *(name[len(shared) :].lstrip() for name in names[1:])])

    @property
    def total_runs(self) -> int:
        """Runs to be played."""
        return self.n_runs * len(self.games)

    @property
    def statistical(self) -> bool:
        """Whether the judgement may refute a true theorem, with small probability."""
        return self.theorem.kind in ("expectation", "high_probability", "lower")


@dataclass(frozen=True)
class Finding:
    """What came of a case.

    Attributes
    ----------
    case : Case
    verdict : Verdict or None
        None when the data could not be had; `failure` says why.
    trajectories : tuple of Trajectory
    failure : str
    """

    case: Case
    verdict: Verdict | None
    trajectories: tuple[Trajectory, ...] = ()
    failure: str = ""

    @property
    def outcome(self) -> str:
        """The outcome in a word."""
        return "FAILED" if self.verdict is None else self.verdict.outcome.value

    @property
    def refutes(self) -> bool:
        """Whether the data refute the theorem where it was meant to hold."""
        return (
            self.case.control is None
            and self.verdict is not None
            and self.verdict.outcome is Outcome.REFUTED
        )

    @property
    def caught(self) -> bool:
        """Whether a negative control came out as it must."""
        return (
            self.case.control is not None
            and self.verdict is not None
            and self.verdict.outcome is self.case.control.expected
        )


def plan(
    theorems: Sequence[Theorem],
    games: Sequence[PersuasionGame] | None = None,
    *,
    types: ReceiverTypes | None = None,
    horizon: int | None = None,
    n_runs: int | None = None,
    quick: bool = False,
) -> tuple[Case, ...]:
    """Lay out the cases of some theorems.

    Parameters
    ----------
    theorems : sequence of Theorem
    games : sequence of PersuasionGame, optional
        Default `theory.family.default_games` of each theorem. Lower bounds speak about a pair of
        games of their own, others about Receivers of several types; both are left out when games
        are named.
    types : ReceiverTypes, optional
        Who turns up in the games named; theorems about Receivers of several types are then tried
        there. Others are left out.
    horizon : int, optional
        Default, for each theorem and game: the shortest at which the bound is at most half of
        T * OPT, see `theory.family.informative_horizon`.
    n_runs : int, optional
        Default `DEFAULT_RUNS`; fewer for pathwise theorems.
    quick : bool
        Fewer games and runs; bounds on means then stay inconclusive.
    """
    many = n_runs or (_QUICK_RUNS if quick else DEFAULT_RUNS)
    few = n_runs or _PATHWISE_RUNS
    cases = []
    for theorem in theorems:
        if isinstance(theorem, LowerBound):
            if games is None:
                rounds = horizon or _PAIR_HORIZON
                cases.append(Case(theorem, pair(theorem.games(rounds)), rounds, many))
            continue
        if isinstance(theorem, TypeTheorem):
            played: Sequence[World] = ()
            if types is not None:
                played = [World(game, types) for game in games or ()]
            elif games is None:
                played = theorem.worlds(quick=quick)
            runs = few if theorem.kind == "pathwise" else many
            rounds = horizon or theorem.horizon
            for world in played:
                check_profiles(world.game.n_actions, world.types.n_types)
                cases.append(Case(theorem, (world.game,), rounds, runs, types=world.types))
            continue
        if types is not None:
            continue
        for game in default_games(theorem, quick=quick) if games is None else games:
            if isinstance(theorem, StaticTheorem):
                cases.append(Case(theorem, (game,)))
            else:
                rounds = horizon or informative_horizon(theorem, game) or HORIZONS[0]
                runs = few if theorem.kind == "pathwise" else many
                cases.append(Case(theorem, (game,), rounds, runs))
    return tuple(cases)


def control_of(theorem: Theorem) -> Case:
    """The theorem's negative control as a case."""
    control = theorem.negative_control
    if control.game is None and isinstance(theorem, LowerBound):
        games: tuple[PersuasionGame, ...] = pair(theorem.games(control.horizon))
    elif control.game is None:
        raise PersuasionError(f"the negative control of {theorem.id} names no game")
    else:
        games = (zoo.load(control.game, **control.game_parameters),)
    return Case(
        theorem,
        games,
        control.horizon,
        control.n_runs,
        control.learner,
        control.parameters,
        control,
        control.types,
    )


def carry_out(case: Case, laboratory: Laboratory, alpha: float) -> Finding:
    """Get the data of a case and hold them against its theorem.

    Parameters
    ----------
    case : Case
    laboratory : Laboratory
    alpha : float
        Probability of refuting a true theorem, for this case alone.
    """
    as_control = case.control is not None
    try:
        if not as_control and case.theorem.n_games == 1:  # its learner may refuse such games
            judged = judging.Case(case.theorem, alpha, as_control, 1.0, None)
            for game in case.games:
                unmet = judged.unmet(game)
                if unmet is not None:
                    return Finding(case, unmet)
        if isinstance(case.theorem, StaticTheorem):
            values = list(gather(case, laboratory))
            return Finding(case, check(case.theorem, values, alpha=alpha, as_control=as_control))
        played = tuple(laboratory.play(setup) for setup in _setups(case, laboratory))
        verdict = check(case.theorem, played, alpha=alpha, as_control=as_control)
        return Finding(case, verdict, played)
    except NotSolvedError as cause:
        return Finding(case, None, failure=str(cause))


def _setups(case: Case, laboratory: Laboratory) -> tuple[Setup, ...]:
    """One setup per game, with settings of the learner that the theorem covers."""
    learner = case.learner or case.theorem.learner
    settings: Sequence[Mapping[str, Any]] = (case.parameters,)
    if case.learner is None and learner == "robust":
        settings = _SETTINGS
    offers = [
        tuple(
            Setup(game, learner, parameters, case.horizon, case.n_runs, case.types)
            for game in case.games
        )
        for parameters in settings
    ]
    if len(offers) > 1:
        for offer in offers:
            probe = laboratory.play(replace(offer[0], n_runs=1))
            if case.theorem.covers(probe) is None:
                return offer
    return offers[0]


def gather(case: Case, laboratory: Laboratory) -> Iterator[Evidence]:
    """Yield what a statement without play is held against."""
    assert isinstance(case.theorem, StaticTheorem)
    for game in case.games:
        yield from case.theorem.gather(game, laboratory, case.parameters)
