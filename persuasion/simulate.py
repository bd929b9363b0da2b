"""Playing a learner against an environment, run by run, with exact pseudo-regret."""

from __future__ import annotations

import copy
import hashlib
import inspect
import operator
import pickle
import platform
from collections.abc import Callable, Iterator, Sequence
from contextlib import closing
from dataclasses import dataclass, fields, is_dataclass
from itertools import pairwise
from time import perf_counter
from typing import Any

import numpy as np
from numpy.random import Generator, SeedSequence, default_rng

from persuasion.backends import Workers
from persuasion.calling import called_like, require_game
from persuasion.environments import Environment, StateSequence, Stationary
from persuasion.errors import PersuasionError, WorkersLostError
from persuasion.game import PersuasionGame
from persuasion.learners import Learner
from persuasion.learners import load as load_learner
from persuasion.play_types import OFFERED as OFFERED_WITH_TYPES
from persuasion.play_types import TypeGame
from persuasion.rationals import FloatArray
from persuasion.receivers import Bayesian, Receiver
from persuasion.regret import IntArray, cumulative, log_checkpoints
from persuasion.scheme import SignalingScheme
from persuasion.seeds import anonymous
from persuasion.solve import solve
from persuasion.store import Store, code_versions, key_of
from persuasion.trajectory import EPOCH_COLUMNS, Epochs, Trajectory, TypeRecord
from persuasion.types import ReceiverTypes
from persuasion.values import obedience_gap, sender_value
from persuasion.view import Feedback, LearnerView, check_feedback_kind

__all__ = ["Interrupted", "simulate"]

_OFFERED = ("none", "state", "action")


class Interrupted(KeyboardInterrupt):
    """Ctrl-C during a simulation; `partial` holds the runs that had finished, or None."""

    def __init__(self, message: str, partial: Trajectory | None) -> None:
        super().__init__(message)
        self.partial = partial


@called_like('simulate(game, "robust", horizon=1000)')
def simulate(
    game: PersuasionGame,
    learner: Learner | str,
    *,
    horizon: int,
    n_runs: int = 1,
    seed: int = 0,
    receiver: Receiver | None = None,
    environment: Environment | None = None,
    types: ReceiverTypes | None = None,
    checkpoints: str | Sequence[int] = "log",
    realised: bool = False,
    n_jobs: int | None = None,
    backend: str | Workers | None = None,
    scheduler: str | None = None,
    first_run: int = 0,
    store: Any = None,
    progress: Callable[[int, int], None] | None = None,
) -> Trajectory:
    """Let a learner play and return its regret.

    Parameters
    ----------
    game : PersuasionGame
        Its prior is the truth that the learner does not see.
    learner : Learner or str
        A name from `persuasion.learners.names` or an object with the `Learner` protocol.
    horizon : int
        Number of rounds T.
    n_runs : int
        Independent runs. Run r sees the same states whatever the learner.
    seed : int
        Two calls with the same arguments give the same bits, whoever plays the runs.
    receiver : Receiver, optional
        Default `Bayesian()`, who knows the prior and obeys when indifferent.
    environment : Environment, optional
        Default `Stationary(game.prior)`.
    types : ReceiverTypes, optional
        Receivers of changing type in place of one `receiver`: the prior is known to all, regret is
        that against the best fixed scheme for the types that turned up, see
        `persuasion.play_types`. Feedback "full" reveals the type of the round, "bandit" only the
        action taken. Run r meets the same types whatever the learner, unless they are adaptive.
    checkpoints : "log" or sequence of int
        Rounds at which cumulated regret is reported; the horizon is always among them.
    realised : bool
        Also draw signals and actions and record realised payoffs.
    n_jobs, backend, scheduler : optional
        Who plays the runs: processes, threads or a Dask cluster, see `persuasion.backends.Workers`;
        or such an object as `backend`.
    first_run : int
        Number of the first run: those from there to ``first_run + n_runs - 1`` are played, so that
        the runs of one seed can be divided among several calls.
    store : path, optional
        Folder that keeps each finished run; a repeated call computes only what is missing.
    progress : callable, optional
        Called with (runs finished, runs asked for).

    Returns
    -------
    Trajectory

    Raises
    ------
    PersuasionError
        For a horizon or number of runs below 1, a learner that needs feedback or knowledge which
        the environment does not give, workers that do not exist, or a store written by other code.
    WorkersLostError
        When workers are killed or a scheduler is gone; `partial` holds the finished runs.
    Interrupted
        On Ctrl-C; a `KeyboardInterrupt` that carries the finished runs.

    Notes
    -----
    Timeline: in round t the Sender commits using states 1..t-1, then the state is drawn.
    Source: Zu, Iyer & Xu, *Learning to Persuade on the Fly*, EC 2021, section 2.
    Departures: pseudo-regret in place of realised regret; Receiver obeys when indifferent.

    Examples
    --------
    >>> from persuasion import PersuasionGame, simulate
    >>> game = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
    >>> simulate(game, "oracle", horizon=1000, n_runs=2).mean_regret[-1].round(9) + 0.0
    np.float64(0.0)
    """
    started = perf_counter()
    learner = load_learner(learner) if isinstance(learner, str) else learner
    if types is not None:
        _check_types(types, receiver, environment)
    receiver = Bayesian() if receiver is None else receiver
    _check(game, horizon, n_runs, seed, first_run)
    workers = Workers.of(n_jobs, backend, scheduler)
    horizon, n_runs, seed, first_run = int(horizon), int(n_runs), int(seed), int(first_run)
    _check_learner(game, learner, horizon, types)
    type_game = None if types is None else TypeGame(game, types, types.for_game(game))
    environment = Stationary(tuple(game.prior.tolist())) if environment is None else environment
    if not (hasattr(environment, "segments") and hasattr(environment, "sequence")):
        raise PersuasionError(
            f"`environment` must have methods segments and sequence; got {environment!r}; "
            "see persuasion.environments"
        )
    rounds = _checkpoints(checkpoints, horizon)
    stages = [] if type_game else _stages(game, environment, horizon, receiver)
    play = _Play(
        game, learner, receiver, environment, horizon, seed, rounds, realised, stages, type_game
    )
    keeper = None if store is None else Store(store)
    runs = range(first_run, first_run + n_runs)
    keys = {run: key_of(play.description(run)) for run in runs} if keeper else {}
    known = {run: kept for run, key in keys.items() if keeper and (kept := keeper.get(key))}
    missing = [run for run in runs if run not in known]
    if progress:
        progress(len(known), n_runs)
    stopped: KeyboardInterrupt | WorkersLostError | None = None
    try:
        with closing(workers.run(play, missing)) as results:
            for position, result in results:
                run = missing[position]
                known[run] = result
                if keeper:
                    keeper.put(keys[run], result)
                if progress:
                    progress(len(known), n_runs)
    except (KeyboardInterrupt, WorkersLostError) as cause:
        stopped = cause
    trajectory = _assemble(play, known, n_runs, perf_counter() - started) if known else None
    finished = f"{len(known)} of {n_runs} runs had finished"
    if isinstance(stopped, WorkersLostError):
        where = f"kept in {store}" if keeper else "not kept, because there is no `store`"
        raise WorkersLostError(f"{stopped} ({finished}, {where})", trajectory) from stopped
    if stopped is not None:
        where = f", kept in {store}" if keeper else ""
        raise Interrupted(f"interrupted: {finished}{where}", trajectory)
    assert trajectory is not None
    return trajectory


@dataclass(frozen=True)
class _Play:
    """Everything that determines a run but its number."""

    game: PersuasionGame
    learner: Learner
    receiver: Receiver
    environment: Environment
    horizon: int
    seed: int
    checkpoints: IntArray
    realised: bool
    stages: list[tuple[int, PersuasionGame, float]]
    type_game: TypeGame | None = None

    def description(self, run: int) -> dict[str, Any]:
        types = {} if self.type_game is None else {"types": self.type_game.types.description()}
        return {
            **types,
            "game": self.game.to_dict(),
            "learner": [self.learner.name, describe(self.learner), *_foreign(self.learner)],
            "receiver": repr(self.receiver),
            "environment": repr(self.environment),
            "horizon": self.horizon,
            "seed": self.seed,
            "checkpoints": self.checkpoints.tolist(),
            "realised": self.realised,
            "run": run,
        }

    def __call__(self, run: int) -> dict[str, Any]:
        """Play one run."""
        seeds = SeedSequence(self.seed, spawn_key=(run,)).spawn(4)  # states, learner, draws, types
        learner = copy.deepcopy(self.learner)
        if self.type_game is not None:
            return self.type_game.play(
                learner, self.horizon, self.checkpoints, seeds, realised=self.realised
            )
        sequence = self.environment.sequence(seeds[0])
        draws = default_rng(seeds[2])
        view = LearnerView(self.game, self.horizon, learner.knows)
        learner.reset(view, anonymous(seeds[1]))
        log = _Log()
        payoffs = np.zeros(len(self.checkpoints)) if self.realised else None
        round_ = 1
        while round_ <= self.horizon:
            stop = min(int(learner.next_change()), self.horizon + 1)
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
            self._record(log, learner, scheme, round_, stop)
            answers, earned = None, None
            if payoffs is not None or learner.feedback == "action":
                answers, earned = self._draw(scheme, sequence, draws, round_, stop, payoffs)
            feedback = Feedback(
                start=round_,
                n_rounds=stop - round_,
                state_counts=sequence.counts(round_, stop) if learner.feedback == "state" else None,
                action_counts=answers if learner.feedback == "action" else None,
                payoff=earned if learner.feedback == "action" else None,
            )
            learner.observe(feedback)
            round_ = stop
        starts, rates = np.array(log.start), np.array(log.loss)
        result = {
            "regret": cumulative(starts, rates, self.checkpoints),
            **{name: np.array(getattr(log, name)) for name in EPOCH_COLUMNS if name != "run"},
        }
        if payoffs is not None:
            result["payoffs"] = payoffs
        return result

    def _record(
        self, log: _Log, learner: Learner, scheme: SignalingScheme, start: int, stop: int
    ) -> None:
        """Add the epoch, cut where the prior changes."""
        belief = learner.belief() if hasattr(learner, "belief") else None
        for low, high, game, optimum in self._stretches(start, stop):
            log.start.append(low)
            log.length.append(high - low)
            log.loss.append(optimum - sender_value(game, scheme, self.receiver))
            log.obedience_gap.append(_obedience(game, scheme))
            log.radius.append(np.nan if belief is None else belief.radius)
            log.distance.append(
                np.nan if belief is None else float(np.abs(belief.center - game.prior).sum())
            )
            log.samples.append(-1 if belief is None else belief.n_samples)

    def _stretches(self, start: int, stop: int) -> Iterator[tuple[int, int, PersuasionGame, float]]:
        """Cut rounds ``start <= t < stop`` where the prior changes."""
        ends = [first for first, _, _ in self.stages[1:]] + [stop]
        for (first, game, optimum), end in zip(self.stages, ends, strict=True):
            low, high = max(start, first), min(stop, end)
            if low < high:
                yield low, high, game, optimum

    def _draw(
        self,
        scheme: SignalingScheme,
        sequence: StateSequence,
        draws: Generator,
        start: int,
        stop: int,
        payoffs: FloatArray | None,
    ) -> tuple[IntArray, float]:
        """Draw signals and answers of a stretch; add what the Sender gets to later checkpoints.

        Returns counts (n_signals, n_actions), and what the Sender got in the stretch, in utils.
        """
        total = np.zeros((scheme.n_signals, self.game.n_actions), dtype=np.int64)
        earned = 0.0
        for first, last, game, _ in self._stretches(start, stop):
            response = self.receiver.respond(game, scheme.posteriors(game.receiver_prior))
            inside = self.checkpoints[(self.checkpoints >= first) & (self.checkpoints < last - 1)]
            cuts = [first, *(inside + 1).tolist(), last]
            for low, high in pairwise(cuts):
                payoff = 0.0
                for state, count in enumerate(sequence.counts(low, high).tolist()):
                    if count == 0:
                        continue
                    sent = draws.multinomial(count, scheme.kernel[state])
                    taken = np.array(
                        [draws.multinomial(k, law) for k, law in zip(sent, response, strict=True)]
                    )
                    total += taken
                    payoff += float(taken.sum(axis=0) @ game.sender_utility[state])
                earned += payoff
                if payoffs is not None:
                    payoffs[self.checkpoints >= high - 1] += payoff
        return total, earned


class _Log:
    """Columns of the epochs of one run."""

    def __init__(self) -> None:
        self.start: list[int] = []
        self.length: list[int] = []
        self.loss: list[float] = []
        self.obedience_gap: list[float] = []
        self.radius: list[float] = []
        self.distance: list[float] = []
        self.samples: list[int] = []


def _foreign(learner: Learner) -> list[str]:
    """Return what tells a learner from outside this package, code and private state, from others.

    The version in a store's label covers the package's own learners; those of users are known by
    their source and everything they hold.
    """
    kind = type(learner)
    known = ("persuasion", "builtins", "abc", "typing")
    written = [c for c in kind.__mro__ if c.__module__.partition(".")[0] not in known]
    if not written:
        return []
    try:
        code = "".join(inspect.getsource(c) for c in written)
        state = pickle.dumps(vars(learner))
    except (OSError, TypeError, AttributeError, pickle.PicklingError) as cause:
        raise PersuasionError(
            f"runs of the learner {learner.name!r} cannot be kept in a store: its source and "
            f"state tell it from others, and they cannot be read ({cause}); leave `store` out, or "
            "define its class in a file and let it hold plain values"
        ) from cause
    digest = hashlib.sha256(code.encode() + state).hexdigest()
    return [f"{kind.__module__}.{kind.__qualname__}", digest]


def describe(learner: Learner) -> dict[str, Any]:
    """Parameters of a learner, JSON-ready: what a rerun needs."""
    if not is_dataclass(learner):
        own = {k: _plain(v) for k, v in vars(learner).items() if not k.startswith("_")}
        return {"class": type(learner).__qualname__, **own}
    return {f.name: _plain(getattr(learner, f.name)) for f in fields(learner) if f.init}


def _plain(value: Any) -> Any:
    if isinstance(value, SignalingScheme):
        return value.to_dict()
    if isinstance(value, np.ndarray):
        return value.tolist()
    return value


def _obedience(game: PersuasionGame, scheme: SignalingScheme) -> float:
    """Gain from disobeying where signals are named after actions, else nan."""
    position = {label: i for i, label in enumerate(game.actions)}
    if not all(label in position for label in scheme.signals):
        return float("nan")
    return obedience_gap(game, scheme, [position[label] for label in scheme.signals])


def _stages(
    game: PersuasionGame, environment: Environment, horizon: int, receiver: Receiver
) -> list[tuple[int, PersuasionGame, float]]:
    """First round, game and optimum of every stretch with constant prior."""
    stages = []
    for first, prior in environment.segments(horizon):
        same = np.array_equal(prior, game.prior)
        here = game if same else game.with_prior(prior)
        stages.append((first, here, float(solve(here, receiver=receiver).value)))
    return stages


def _assemble(
    play: _Play, results: dict[int, dict[str, Any]], n_requested: int, seconds: float
) -> Trajectory:
    runs = sorted(results)
    columns = {
        name: np.concatenate([results[run][name] for run in runs])
        for name in EPOCH_COLUMNS
        if name != "run"
    }
    lengths = [len(results[run]["start"]) for run in runs]
    world = play.type_game
    if world is None:
        optimum = cumulative(
            np.array([first for first, _, _ in play.stages]),
            np.array([value for _, _, value in play.stages]),
            play.checkpoints,
        )
    else:
        optimum = np.stack([results[run]["optimum"] for run in runs])
    return Trajectory(
        game=play.game,
        learner=play.learner.name,
        parameters=describe(play.learner),
        receiver=repr(play.receiver if world is None else world.types),
        environment=repr(play.environment),
        horizon=play.horizon,
        n_runs=len(runs),
        seed=play.seed,
        checkpoints=play.checkpoints,
        regret=np.stack([results[run]["regret"] for run in runs]),
        optimum=optimum,
        payoffs=np.stack([results[run]["payoffs"] for run in runs]) if play.realised else None,
        epochs=Epochs(run=np.repeat(runs, lengths), **columns),
        versions={"python": platform.python_version(), **code_versions()},
        seconds=seconds,
        n_requested=n_requested,
        types=None if world is None else _type_record(world, [results[run] for run in runs]),
    )


def _type_record(world: TypeGame, results: list[dict[str, Any]]) -> TypeRecord:
    return TypeRecord(
        utilities=world.type_set.utilities,
        posteriors=world.type_set.candidates.posteriors,
        complete=world.type_set.candidates.complete,
        sequence=repr(world.types.sequence),
        adaptive=world.types.adaptive,
        counts=np.stack([result["type_counts"] for result in results]),
        n_schemes=np.array([int(result["n_schemes"]) for result in results]),
    )


def _checkpoints(wanted: str | Sequence[int], horizon: int) -> IntArray:
    if isinstance(wanted, str):
        if wanted != "log":
            raise PersuasionError(f'`checkpoints` must be "log" or rounds; got {wanted!r}')
        return log_checkpoints(horizon)
    given = list(wanted)
    if not all(map(_is_whole, given)):
        raise PersuasionError(f"`checkpoints` must be whole rounds; got {given}")
    rounds = np.unique([*map(int, given), horizon])
    if rounds[0] < 1 or rounds[-1] > horizon:
        raise PersuasionError(
            f"`checkpoints` must lie between 1 and the horizon {horizon}; got {given}"
        )
    return rounds


def _is_whole(value: Any) -> bool:
    """Whether a value is an integer, or a float that is one; not a truth value."""
    if isinstance(value, (bool, np.bool_)):
        return False
    if isinstance(value, (float, np.floating)):
        return float(value).is_integer()
    try:
        operator.index(value)
    except TypeError:
        return False
    return True


def _check(game: PersuasionGame, horizon: int, n_runs: int, seed: int, first_run: int) -> None:
    require_game(game)
    for value, name in ((horizon, "horizon"), (n_runs, "n_runs")):
        if not _is_whole(value) or value < 1:
            raise PersuasionError(f"`{name}` must be an integer of at least 1; got {value!r}")
    for value, name in ((seed, "seed"), (first_run, "first_run")):
        if not _is_whole(value) or isinstance(value, float) or value < 0:
            raise PersuasionError(f"`{name}` must be an integer of at least 0; got {value!r}")
    if not game.has_common_prior:
        raise PersuasionError(
            "online play assumes a common prior; drop `receiver_prior` from the game"
        )
    if game.n_states < 2 or game.n_actions < 2:
        raise PersuasionError(
            f"there is nothing to learn with {game.n_states} state(s) and {game.n_actions} "
            "action(s); online play needs at least two of each"
        )


def _check_learner(
    game: PersuasionGame, learner: Learner, horizon: int, types: ReceiverTypes | None
) -> None:
    """Refuse what cannot be played before candidates are listed, which may take seconds."""
    if isinstance(learner, type):
        raise PersuasionError(f"pass a learner, not its class: {learner.__name__}()")
    for attribute in ("name", "knows", "feedback", "reset", "scheme", "next_change", "observe"):
        if not hasattr(learner, attribute):
            raise PersuasionError(
                f"the learner {learner!r} lacks `{attribute}`; see persuasion.learners.Learner"
            )
    offered = _OFFERED if types is None else OFFERED_WITH_TYPES
    check_feedback_kind(learner.feedback, offered, learner.name)
    view = LearnerView(game, horizon, learner.knows, types)  # in place of their candidates
    if hasattr(learner, "check"):
        learner.check(view)


def _check_types(
    types: ReceiverTypes, receiver: Receiver | None, environment: Environment | None
) -> None:
    if not isinstance(types, ReceiverTypes):
        raise PersuasionError(f"`types` must be ReceiverTypes; got {type(types).__name__}")
    if receiver is not None:
        raise PersuasionError(
            "`types` are the Receivers: Bayesian, ties in the Sender's favour; drop `receiver`"
        )
    if environment is not None:
        raise PersuasionError(
            "with `types` states are independent draws from the game's prior; drop `environment`"
        )
