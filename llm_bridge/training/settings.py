"""How an Advisor is trained, and what came of it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass
from typing import Any

import numpy as np

from persuasion.errors import PersuasionError

__all__ = ["AdvisorTraining", "TrainingLog"]

_LEAST_WHOLE = {
    "warm_steps": 0,
    "starts": 1,
    "steps": 0,
    "batch": 1,
    "grad_accumulation": 1,
    "n_samples": 2,
    "seed": 0,
    "checkpoint_every": 1,
}
_POSITIVE = ("warm_lr", "lr", "lr_floor", "beta_start", "beta_end", "receiver_beta", "clip")


@dataclass(frozen=True)
class AdvisorTraining:
    """How an Advisor is trained.

    Parameters
    ----------
    warm_steps : int, >= 0
        Steps towards softened full disclosure.
    starts : int, >= 1
        With fewer signals than items: assignments drawn, the best of which the warm start takes.
    warm_lr : float, > 0
    steps : int, >= 0
        Steps of the mode's objective after them.
    lr : float, > 0
        Of AdamW, falling to `lr_floor` of it along a cosine.
    lr_floor : float, in (0, 1]
    batch : int, >= 1
        Inputs in a step, shared evenly by the templates.
    grad_accumulation : int, >= 1
        Parts in which a step's inputs go through the model; the gradient is the same.
    beta_start, beta_end : float, > 0
        Precision of the Receiver's response, in 1 / util, at the first and the last step; it grows
        geometrically. A best responder is approached so; a quantal Receiver has `receiver_beta`.
    receiver_beta : float, > 0, optional
        Precision of a quantal Receiver, needed for the rule "quantal".
    margin : float or mapping of str to float, >= 0
        Obedience margin, in the Receiver's utils, for all templates or by template.
    n_samples : int, >= 2
        Rounds played at each input in the sampled modes.
    clip : float, > 0
        Largest norm of a gradient.
    weight_decay : float, >= 0
    seed : int, >= 0
        Of batches, draws and of the warm start's assignment.
    checkpoint_every : int, >= 1
        Steps between checkpoints.
    """

    warm_steps: int = 100
    starts: int = 16
    warm_lr: float = 3e-3
    steps: int = 300
    lr: float = 1e-3
    lr_floor: float = 0.1
    batch: int = 32
    grad_accumulation: int = 1
    beta_start: float = 3.0
    beta_end: float = 200.0
    receiver_beta: float | None = None
    margin: float | Mapping[str, float] = 0.02
    n_samples: int = 16
    clip: float = 1.0
    weight_decay: float = 0.0
    seed: int = 0
    checkpoint_every: int = 100

    def __post_init__(self) -> None:
        for name, least in _LEAST_WHOLE.items():
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, int) or value < least:
                raise PersuasionError(
                    f"`{name}` must be a whole number of at least {least}; got {value!r}"
                )
        for name in _POSITIVE:
            value = getattr(self, name)
            if value is None and name == "receiver_beta":
                continue
            if not (value > 0 and np.isfinite(value)):
                raise PersuasionError(f"`{name}` must be a finite number above 0; got {value!r}")
        if self.lr_floor > 1:
            raise PersuasionError(f"`lr_floor` is a share of `lr`, at most 1; got {self.lr_floor}")
        given = self.margin.values() if isinstance(self.margin, Mapping) else (self.margin,)
        for name, value in [("weight_decay", self.weight_decay), *(("margin", x) for x in given)]:
            if not (value >= 0 and np.isfinite(value)):
                raise PersuasionError(f"`{name}` must be finite and >= 0; got {value!r}")
        if self.beta_end < self.beta_start:
            raise PersuasionError(
                f"`beta_end` must not be below `beta_start`; got {self.beta_end} and "
                f"{self.beta_start}"
            )

    @property
    def total_steps(self) -> int:
        """Steps of both parts."""
        return self.warm_steps + self.steps

    def margin_of(self, template: str) -> float:
        """Return the obedience margin of a template."""
        if isinstance(self.margin, Mapping):
            if template not in self.margin:
                raise PersuasionError(
                    f"`margin` says nothing about the template {template!r}; it has "
                    f"{', '.join(self.margin)}"
                )
            return float(self.margin[template])
        return float(self.margin)

    def lr_at(self, step: int) -> float:
        """Return the learning rate of a step, counted from 0 with the warm start's."""
        if step < self.warm_steps:
            return self.warm_lr
        falling = (1 + math.cos(math.pi * self._share(step))) / 2
        return self.lr * (self.lr_floor + (1 - self.lr_floor) * falling)

    def beta_at(self, step: int) -> float:
        """Return the precision of a best responder's stand-in at a step."""
        return float(self.beta_start * (self.beta_end / self.beta_start) ** self._share(step))

    def _share(self, step: int) -> float:
        """How much of the objective's steps are done, from 0 to 1."""
        return max(0, step - self.warm_steps) / max(1, self.steps - 1)


@dataclass(frozen=True)
class TrainingLog:
    """What a training did.

    Attributes
    ----------
    mode, rule : str
    values : tuple of float, length total_steps
        Sender's expected utility over the step's inputs, at the step's precision, before it; utils.
    losses : tuple of float, length total_steps
        What was descended: nats in the warm start, then as the mode says.
    warm_steps : int
    seconds : float
        Wall time of all attempts.
    note : str
        What these figures are not; empty where nothing is to be said.
    """

    mode: str
    rule: str
    values: tuple[float, ...]
    losses: tuple[float, ...]
    warm_steps: int
    seconds: float
    note: str = ""

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {**asdict(self), "values": list(self.values), "losses": list(self.losses)}

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> TrainingLog:
        """Build a log from what `to_dict` returns."""
        return cls(**{**data, "values": tuple(data["values"]), "losses": tuple(data["losses"])})
