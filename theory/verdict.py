"""What `check` returns: whether data refute a theorem, and by how much they did not."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass, fields
from enum import StrEnum
from typing import Any

__all__ = ["Assumption", "Curve", "Failures", "Outcome", "Verdict", "Where"]


class Outcome(StrEnum):
    """The four answers a check can give; data can refute a theorem, never establish it."""

    REFUTED = "REFUTED"
    NOT_REFUTED = "NOT_REFUTED"
    INCONCLUSIVE = "INCONCLUSIVE"
    NOT_APPLICABLE = "NOT_APPLICABLE"


@dataclass(frozen=True)
class Assumption:
    """One hypothesis of a theorem, with the constant measured on the game at hand.

    Attributes
    ----------
    name : str
        Short name, for tables.
    statement : str
        What is assumed.
    value : float
        The measured constant; nan where the hypothesis has none.
    holds : bool
    """

    name: str
    statement: str
    value: float
    holds: bool


@dataclass(frozen=True)
class Where:
    """The place where measured and bound come closest (or cross).

    Attributes
    ----------
    game : str
    round : int or None
        Round (checkpoint, or first round of an epoch).
    run : int or None
        Run, where single runs are judged.
    radius : float or None
        Radius, where a robust value is judged.
    samples, steps : int or None
        Samples of each cell of a measured game; steps of a gradient method.
    """

    game: str
    round: int | None = None
    run: int | None = None
    radius: float | None = None
    samples: int | None = None
    steps: int | None = None

    def __str__(self) -> str:
        parts = [self.game]
        parts += [] if self.round is None else [f"round {self.round}"]
        parts += [] if self.run is None else [f"run {self.run}"]
        parts += [] if self.radius is None else [f"radius {self.radius:.4g}"]
        parts += [] if self.samples is None else [f"{self.samples} samples"]
        parts += [] if self.steps is None else [f"{self.steps} steps"]
        return ", ".join(parts)


@dataclass(frozen=True)
class Failures:
    """Runs in which an event happened that has small probability, against what is allowed.

    Attributes
    ----------
    count, n_runs : int
    allowed : float
        Largest probability that the theorem allows.
    lower, upper : float
        Clopper-Pearson limits of the probability.
    """

    count: int
    n_runs: int
    allowed: float
    lower: float
    upper: float


@dataclass(frozen=True)
class Curve:
    """Measured quantity and bound over the rounds, in units where utilities span [0, 1].

    Attributes
    ----------
    game : str
    rounds : tuple of int
    measured, lower, upper : tuple of float
        Measured value and its simultaneous confidence limits; where single runs are judged, the
        largest run and the smallest and largest run.
    bound : tuple of float
    """

    game: str
    rounds: tuple[int, ...]
    measured: tuple[float, ...]
    lower: tuple[float, ...]
    upper: tuple[float, ...]
    bound: tuple[float, ...]


@dataclass(frozen=True)
class Verdict:
    """Outcome of holding data against one theorem.

    Attributes
    ----------
    theorem : str
        Identifier of the theorem.
    outcome : Outcome
    words : str
        The outcome in a sentence.
    quantity, unit : str
        What was measured; `unit` refers to utilities scaled to [0, 1].
    direction : {"upper", "lower"}
        Whether the theorem bounds the quantity from above or from below.
    measured, bound : float
        At `where`, in units where the Sender's utility spans [0, 1]; nan where nothing was judged.
    limits : tuple of float or None
        Confidence limits of `measured`, where it is a mean over runs.
    where : Where or None
        Where bound and measured are closest, or furthest on the wrong side.
    scale : float
        Width of the Sender's utility in her own utils: one scaled unit is `scale` utils.
    assumptions : tuple of Assumption
        Of the game named in `where`.
    method : str
        How limits were computed.
    alpha : float
        Probability of refuting a true theorem; 0 where the judgement is deterministic.
    n_runs : int
    n_comparisons : int
        Size of the family (checkpoints times games, or epochs) among which alpha is divided.
    failures : Failures or None
        For statements that may fail with small probability.
    curves : tuple of Curve
    as_control : bool
        The theorem was applied to a learner about which it says nothing.
    bound_factor : float
        The bound was multiplied by this before it was compared.
    """

    theorem: str
    outcome: Outcome
    words: str
    quantity: str
    unit: str
    direction: str
    measured: float = math.nan
    bound: float = math.nan
    limits: tuple[float, float] | None = None
    where: Where | None = None
    scale: float = 1.0
    assumptions: tuple[Assumption, ...] = ()
    method: str = ""
    alpha: float = 0.0
    n_runs: int = 0
    n_comparisons: int = 0
    failures: Failures | None = None
    curves: tuple[Curve, ...] = ()
    as_control: bool = False
    bound_factor: float = 1.0

    @property
    def tightness(self) -> float:
        """``bound / measured``: above 1 the upper bound holds with that much room.

        For a lower bound the room is ``1 / tightness``.
        """
        if self.measured == 0:
            return math.nan if self.bound == 0 else math.inf
        return self.bound / self.measured

    @property
    def measured_in_utils(self) -> float:
        """`measured` in the Sender's own utils."""
        return self.measured * self.scale

    @property
    def bound_in_utils(self) -> float:
        """`bound` in the Sender's own utils."""
        return self.bound * self.scale

    def summary(self) -> str:
        """Return a few lines: outcome, numbers, assumptions."""
        lines = [f"{self.theorem}: {self.outcome}", f"  {self.words}"]
        if not math.isnan(self.measured):
            limits = "" if self.limits is None else " [{:.6g}, {:.6g}]".format(*self.limits)
            place = f" at {self.where}" if self.where else ""
            lines.append(f"  measured  {self.measured:.6g}{limits}{place} ({self.quantity})")
            factor = (
                "" if self.bound_factor == 1 else f", after multiplication by {self.bound_factor:g}"
            )
            lines.append(
                f"  bound     {self.bound:.6g} ({self.direction}{factor}), {self._ratio()}"
            )
            if self.scale != 1:
                lines.append(
                    f"  in utils  measured {self.measured_in_utils:.6g}, "
                    f"bound {self.bound_in_utils:.6g} (scale {self.scale:.6g})"
                )
        if self.failures is not None:
            f = self.failures
            lines.append(
                f"  failures  {f.count} of {f.n_runs} runs, probability within "
                f"[{f.lower:.3g}, {f.upper:.3g}]; allowed {f.allowed:.3g}"
            )
        if self.method:
            lines.append(f"  method    {self.method}")
        for a in self.assumptions:
            value = "" if math.isnan(a.value) else f" = {a.value:.6g}"
            lines.append(f"  assumes   {a.name}{value}: {'holds' if a.holds else 'FAILS'}")
        return "\n".join(lines)

    def _ratio(self) -> str:
        t = self.tightness
        if math.isnan(t) or math.isinf(t):
            return f"bound / measured = {t}"
        return f"bound / measured = {t:.4g}"

    def __repr__(self) -> str:
        return (
            f"Verdict({self.theorem!r}, {self.outcome.value}, measured={self.measured:.6g}, "
            f"bound={self.bound:.6g})"
        )

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary; `from_dict` restores it.

        Numbers that JSON cannot hold are written as the strings "nan", "inf" and "-inf".
        """
        out: dict[str, Any] = {f.name: _plain(getattr(self, f.name)) for f in fields(self)}
        out["tightness"] = _plain(self.tightness)
        return out

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Verdict:
        """Restore what `to_dict` wrote."""
        own = {f.name: _number(data[f.name]) for f in fields(cls)}
        own["outcome"] = Outcome(own["outcome"])
        own["limits"] = None if own["limits"] is None else tuple(own["limits"])
        own["assumptions"] = tuple(Assumption(**a) for a in own["assumptions"])
        own["where"] = None if own["where"] is None else Where(**own["where"])
        own["failures"] = None if own["failures"] is None else Failures(**own["failures"])
        own["curves"] = tuple(_curve(curve) for curve in own["curves"])
        return cls(**own)


def _curve(data: dict[str, Any]) -> Curve:
    lists = {key: tuple(x) for key, x in data.items() if key != "game"}
    return Curve(game=data["game"], **lists)


_SPECIAL = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def _plain(value: Any) -> Any:
    if isinstance(value, float) and not math.isfinite(value):
        return str(value)
    if isinstance(value, tuple):
        return [_plain(x) for x in value]
    if isinstance(value, StrEnum):
        return value.value
    if isinstance(value, (Assumption, Where, Failures, Curve)):
        return {f.name: _plain(getattr(value, f.name)) for f in fields(value)}
    return value


def _number(value: Any) -> Any:
    """Undo `_plain` for numbers, within lists and mappings too."""
    if isinstance(value, str):
        return _SPECIAL.get(value, value)
    if isinstance(value, list):
        return [_number(x) for x in value]
    if isinstance(value, dict):
        return {key: _number(x) for key, x in value.items()}
    return value
