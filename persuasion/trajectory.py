"""What `simulate` returns: regret of every run at every checkpoint, never averaged."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field, fields
from typing import Any

import numpy as np
from numpy.typing import NDArray

from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray

__all__ = ["EPOCH_COLUMNS", "Epochs", "Trajectory", "TypeRecord"]

IntArray = NDArray[np.int64]
EPOCH_COLUMNS = ("run", "start", "length", "loss", "obedience_gap", "radius", "distance", "samples")


@dataclass(frozen=True)
class Epochs:
    """One row per stretch of rounds with one scheme, all runs below one another.

    Where Receivers of changing type were played, learners may change in every round; a row is then
    what happened between two checkpoints, so that the log does not grow with the horizon.

    Attributes
    ----------
    run, start, length : ndarray of int (n_epochs,)
        Which run, first round (from 1), number of rounds.
    loss : ndarray (n_epochs,)
        Pseudo-regret per round, in utils (mean over the row's rounds).
    obedience_gap : ndarray (n_epochs,)
        Largest gain from disobeying at the true prior (joint masses, Receiver's utils), for
        schemes whose signals are named after actions; nan for others.
    radius, distance, samples : ndarray (n_epochs,)
        What the learner believed: its L1 radius, the L1 distance of its centre from the true
        prior, the states it had seen; nan (or -1) where it states nothing.
    """

    run: IntArray
    start: IntArray
    length: IntArray
    loss: FloatArray
    obedience_gap: FloatArray
    radius: FloatArray
    distance: FloatArray
    samples: IntArray

    @property
    def covered(self) -> NDArray[np.bool_]:
        """Whether the true prior lay within the learner's radius."""
        return self.distance <= self.radius

    def __len__(self) -> int:
        return len(self.run)


@dataclass(frozen=True)
class TypeRecord:
    """Which Receivers of changing type were met, and among which beliefs schemes were sought.

    Attributes
    ----------
    utilities : ndarray (n_types, n_states, n_actions)
    posteriors : ndarray (n_posteriors, n_states)
        Beliefs over which the best fixed scheme was sought, and over which learners that know the
        types choose.
    complete : bool
        Whether they were enumerated; otherwise better fixed schemes may exist.
    sequence : str
        Where types came from.
    adaptive : bool
        Whether types depended on the schemes played.
    counts : ndarray of int (n_runs, n_checkpoints, n_types)
        How often each type had turned up.
    n_schemes : ndarray of int (n_runs,)
        How many schemes each run played.
    """

    utilities: FloatArray
    posteriors: FloatArray
    complete: bool
    sequence: str
    adaptive: bool
    counts: IntArray
    n_schemes: IntArray

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; `from_dict` restores it."""
        own = {f.name: getattr(self, f.name) for f in fields(self)}
        return {k: v.tolist() if isinstance(v, np.ndarray) else v for k, v in own.items()}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TypeRecord:
        """Restore what `to_dict` wrote."""
        own: dict[str, Any] = {
            k: np.array(v) if isinstance(v, list) else v for k, v in data.items()
        }
        return cls(**own)


@dataclass(frozen=True)
class Trajectory:
    """Regret of a learner on a game, run by run.

    Attributes
    ----------
    game : PersuasionGame
    learner : str
        Name of the learner.
    parameters : mapping
        Its parameters, as given or by default.
    receiver : str
    environment : str
        Where states came from, see `persuasion.environments`; empty where nobody said.
    horizon, n_runs : int
    seed : int
    checkpoints : ndarray of int (n_checkpoints,)
        Rounds at which cumulated quantities are stated.
    regret : ndarray (n_runs, n_checkpoints)
        Cumulated pseudo-regret in utils, exact up to rounding.
    optimum : ndarray (n_checkpoints,) or (n_runs, n_checkpoints)
        Cumulated optimum, T * OPT for a constant prior; run by run where it depends on who turned
        up, see `types`.
    payoffs : ndarray (n_runs, n_checkpoints) or None
        Cumulated realised payoffs of the Sender, where asked for.
    epochs : Epochs
    versions : mapping
        Of Python and the libraries that matter.
    seconds : float
        Wall time; not part of equality.
    n_requested : int
        Runs asked for; larger than `n_runs` when the simulation was interrupted.
    types : TypeRecord or None
        Where Receivers of changing type were played. Regret is then that against the best fixed
        scheme for the types that turned up in the run; it may be negative.
    """

    game: PersuasionGame
    learner: str
    parameters: Mapping[str, Any]
    receiver: str
    horizon: int
    n_runs: int
    seed: int
    checkpoints: IntArray
    regret: FloatArray
    optimum: FloatArray
    epochs: Epochs
    payoffs: FloatArray | None = None
    versions: Mapping[str, str] = field(default_factory=dict, compare=False)
    seconds: float = field(default=0.0, compare=False)
    n_requested: int = 0
    types: TypeRecord | None = None
    environment: str = ""

    @property
    def mean_optimum(self) -> FloatArray:
        """Cumulated optimum, mean over runs, shape (n_checkpoints,)."""
        mean: FloatArray = self.optimum if self.optimum.ndim == 1 else self.optimum.mean(axis=0)
        return mean

    @property
    def optimal_value(self) -> float:
        """Optimum per round, averaged over the horizon and runs; OPT for a constant prior."""
        return float(self.mean_optimum[-1]) / self.horizon

    @property
    def mean_regret(self) -> FloatArray:
        """Mean over runs, shape (n_checkpoints,)."""
        mean: FloatArray = self.regret.mean(axis=0)
        return mean

    @property
    def realised_regret(self) -> FloatArray:
        """Cumulated optimum minus realised payoffs, shape (n_runs, n_checkpoints)."""
        from persuasion.regret import realised_regret

        if self.payoffs is None:
            raise PersuasionError("realised payoffs were not recorded; simulate(realised=True)")
        return realised_regret(self.optimum, self.payoffs)

    @property
    def solves_per_run(self) -> float:
        """Mean number of schemes a run used."""
        if self.types is not None:
            return float(self.types.n_schemes.mean())
        return len(self.epochs) / self.n_runs

    def same_results(self, other: Trajectory) -> bool:
        """Whether all numbers are bit-identical (time and versions aside)."""
        return self.to_dict(timing=False) == other.to_dict(timing=False)

    def summary(self) -> str:
        """Return a few lines: who played what, and the regret at the horizon."""
        last = self.regret[:, -1]
        spread = f"{last.min():.4g} to {last.max():.4g}"
        optimum = float(self.mean_optimum[-1])
        share = last.mean() / optimum if optimum else float("nan")
        missing = self.n_requested - self.n_runs
        lines = [
            f"{self.learner} on {self.game!r}",
            f"horizon  {self.horizon}, {self.n_runs} runs, seed {self.seed}"
            + (f" (interrupted: {missing} runs missing)" if missing > 0 else ""),
            f"regret   {last.mean():.6g} at the horizon ({spread}), {share:.3%} of the optimum",
            f"solves   {self.solves_per_run:.1f} per run",
        ]
        return "\n".join(lines)

    def __repr__(self) -> str:
        return (
            f"Trajectory({self.learner!r}, horizon={self.horizon}, n_runs={self.n_runs}, "
            f"mean_regret={float(self.regret[:, -1].mean()):.6g})"
        )

    def to_dict(self, *, timing: bool = True) -> dict[str, Any]:
        """Return a JSON-ready dictionary; `from_dict` restores it."""
        out: dict[str, Any] = {
            "game": self.game.to_dict(),
            "learner": self.learner,
            "parameters": dict(self.parameters),
            "receiver": self.receiver,
            "environment": self.environment,
            "horizon": self.horizon,
            "n_runs": self.n_runs,
            "n_requested": self.n_requested,
            "seed": self.seed,
            "checkpoints": self.checkpoints.tolist(),
            "regret": self.regret.tolist(),
            "optimum": self.optimum.tolist(),
            "payoffs": None if self.payoffs is None else self.payoffs.tolist(),
            "epochs": {
                name: [_strict(x) for x in getattr(self.epochs, name).tolist()]
                for name in EPOCH_COLUMNS
            },
        }
        if self.types is not None:
            out["types"] = self.types.to_dict()
        if timing:
            out["versions"] = dict(self.versions)
            out["seconds"] = self.seconds
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Trajectory:
        """Restore what `to_dict` wrote."""
        columns = {
            name: np.array([np.nan if x is None else float(x) for x in data["epochs"][name]])
            for name in EPOCH_COLUMNS
        }
        for name in ("run", "start", "length", "samples"):
            columns[name] = columns[name].astype(np.int64)
        payoffs = data["payoffs"]
        return cls(
            game=PersuasionGame.from_dict(data["game"]),
            learner=data["learner"],
            parameters=data["parameters"],
            receiver=data["receiver"],
            environment=data.get("environment", ""),
            horizon=data["horizon"],
            n_runs=data["n_runs"],
            n_requested=data["n_requested"],
            seed=data["seed"],
            checkpoints=np.array(data["checkpoints"], dtype=np.int64),
            regret=np.array(data["regret"]),
            optimum=np.array(data["optimum"]),
            payoffs=None if payoffs is None else np.array(payoffs),
            epochs=Epochs(**columns),
            versions=data.get("versions", {}),
            seconds=data.get("seconds", 0.0),
            types=TypeRecord.from_dict(data["types"]) if data.get("types") else None,
        )

    def to_dataframe(self) -> Any:
        """Return a pandas DataFrame with columns run, round, regret (and payoff).

        Raises
        ------
        PersuasionError
            When pandas is not installed.
        """
        try:
            import pandas
        except ImportError as cause:
            raise PersuasionError(
                "pandas is not installed; `pip install pandas`, or use .regret (n_runs, "
                "n_checkpoints) and .checkpoints"
            ) from cause
        runs, points = self.regret.shape
        columns: dict[str, Any] = {
            "run": np.repeat(np.arange(runs), points),
            "round": np.tile(self.checkpoints, runs),
            "regret": self.regret.ravel(),
        }
        if self.payoffs is not None:
            columns["payoff"] = self.payoffs.ravel()
        return pandas.DataFrame(columns)


def _strict(x: float) -> float | str | None:
    """Spell what strict JSON has no number for: nan as None, infinity as a word."""
    if x != x:
        return None
    return "inf" if x == float("inf") else x
