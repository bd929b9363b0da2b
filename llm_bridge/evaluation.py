"""What came of an evaluation: arms, values per input, limits, claims, one sampled row per arm."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from functools import cached_property
from pathlib import Path
from typing import Any, Literal, get_args

import numpy as np

from llm_bridge.bootstrap import Bootstrap, Interval, bootstrap_means
from llm_bridge.claims import Claim, claims_of
from llm_bridge.optimum import Optimum
from persuasion.errors import PersuasionError
from persuasion.html import Table
from persuasion.rationals import FloatArray, frozen
from persuasion.whole_file import write_whole

__all__ = ["Arm", "ArmKind", "Evaluation"]

ArmKind = Literal["baseline", "advisor", "scheme", "control"]
_FORMAT = 1
_MISALIGNED = 0.05
_FILE, _ROWS = "evaluation.json", "rows.jsonl"


@dataclass(frozen=True, eq=False)
class Arm:
    """One way of advising, tried on every input.

    Attributes
    ----------
    name : str
    kind : {"baseline", "advisor", "scheme", "control"}
    n_signals : int or None
        None where nothing is signaled.
    sender, receiver : ndarray (n_inputs,)
        Expected utils of Advisor and Receiver, given the replies; exact over true item, signal and
        believed item.
    adversarial : ndarray (n_inputs,) or None
        Advisor's expected utils when a Receiver who is indifferent between believed items takes
        the one worst for the Advisor; None where she does not best-respond to signals.
    """

    name: str
    kind: ArmKind
    n_signals: int | None
    sender: FloatArray
    receiver: FloatArray
    adversarial: FloatArray | None = None

    def __post_init__(self) -> None:
        if self.kind not in get_args(ArmKind):
            raise PersuasionError(f"`kind` must be one of {get_args(ArmKind)}; got {self.kind!r}")

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            key: value.tolist() if isinstance(value, np.ndarray) else value
            for key, value in vars(self).items()
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Arm:
        """Restore what `to_dict` wrote."""
        tables = {
            key: None if data[key] is None else frozen(np.array(data[key], dtype=np.float64))
            for key in ("sender", "receiver", "adversarial")
        }
        return cls(**{**data, **tables})


@dataclass(frozen=True, eq=False)
class Evaluation:
    """Arms on inputs that nothing was fitted to.

    Attributes
    ----------
    task, receiver, rule : str
    items : tuple of str
    split : str
    seed : int
        Of the inputs, the sampled rows and the bootstrap.
    inputs, templates : tuple of str, length n_inputs
        Text and template of each input.
    weights : mapping of str to float
        Share of each template.
    arms : mapping of str to Arm
    optima : mapping of int to Optimum
        By number of signals: what the measured games allow.
    n_resamples, confidence
        Of the limits.
    rows : tuple of dict
        For every input and arm one draw of item, signal and believed item, with the response.
    """

    task: str
    receiver: str
    rule: str
    items: tuple[str, ...]
    split: str
    seed: int
    inputs: tuple[str, ...]
    templates: tuple[str, ...]
    weights: Mapping[str, float]
    arms: Mapping[str, Arm]
    optima: Mapping[int, Optimum]
    n_resamples: int
    confidence: float
    rows: tuple[Mapping[str, Any], ...] = field(default=(), repr=False)

    # -- values ----------------------------------------------------------------------------

    @cached_property
    def _columns(self) -> dict[tuple[str, str], FloatArray]:
        columns: dict[tuple[str, str], FloatArray] = {}
        for name, arm in self.arms.items():
            columns[name, "sender"], columns[name, "receiver"] = arm.sender, arm.receiver
            if arm.adversarial is not None:
                columns[name, "adversarial"] = arm.adversarial
        return columns

    @cached_property
    def _bootstrap(self) -> Bootstrap:
        order = {template: position for position, template in enumerate(self.weights)}
        return bootstrap_means(
            np.stack(list(self._columns.values()), axis=1),
            [order[template] for template in self.templates],
            list(self.weights.values()),
            n_resamples=self.n_resamples,
            confidence=self.confidence,
            seed=self.seed,
        )

    def value(self, arm: str, minus: str | None = None, *, of: str = "sender") -> Interval:
        """Return the mean over templates of an arm, or of a paired difference, with limits.

        Parameters
        ----------
        arm, minus : str
            Names of arms.
        of : {"sender", "receiver", "adversarial"}
            Whose utils: Advisor's, Receiver's, or Advisor's with ties against her.
        """
        columns = list(self._columns)
        for name in filter(None, (arm, minus)):
            if (name, of) not in self._columns:
                known = [other for other, column in columns if column == of]
                raise PersuasionError(
                    f"no arm {name!r} with {of!r} values; there are {', '.join(known) or 'none'}"
                )
        other = None if minus is None else columns.index((minus, of))
        return self._bootstrap.interval(columns.index((arm, of)), other)

    def by_template(self, arm: str) -> dict[str, float]:
        """Return the mean of an arm for each template, in Advisor's utils."""
        where = np.array(self.templates)
        values = self.arms[arm].sender
        return {template: float(values[where == template].mean()) for template in self.weights}

    @property
    def advisors(self) -> tuple[str, ...]:
        """Names of the arms of Advisors."""
        return tuple(name for name, arm in self.arms.items() if arm.kind == "advisor")

    @cached_property
    def misaligned(self) -> bool:
        """Whether the measured games reward telling less than everything, by more than 0.05."""
        best = self.optima[max(self.optima)]
        return best.value - best.average("full") > _MISALIGNED

    # -- judged and shown ------------------------------------------------------------------

    def claims(self, *, misaligned: bool | None = None) -> list[Claim]:
        """Return what is claimed of each Advisor and whether these inputs bear it out.

        Parameters
        ----------
        misaligned : bool, optional
            Whether the claims are those of a task in which Advisor and Receiver want different
            things; default as `misaligned` finds.
        """
        return claims_of(self, self.misaligned if misaligned is None else misaligned)

    def table(self) -> Table:
        """Return one row per arm."""
        rows = []
        for name, arm in self.arms.items():
            against = ""
            if arm.adversarial is not None:
                against = f"{self.value(name, of='adversarial').mean:.3f}"
            rows.append(
                [
                    name,
                    arm.kind,
                    "" if arm.n_signals is None else str(arm.n_signals),
                    str(self.value(name)),
                    against,
                    str(self.value(name, of="receiver")),
                ]
            )
        return Table(
            ["arm", "kind", "signals", "Advisor", "ties against her", "Receiver"],
            rows,
            caption=f"{self.task} with {self.receiver} ({self.rule}): utils on {len(self.inputs)} "
            f"inputs of split {self.split}, {100 * self.confidence:g}% bootstrap limits",
            left=(0, 1),
        )

    def summary(self) -> str:
        """Return one line per arm, in Advisor's utils."""
        wide = max(map(len, self.arms))
        head = f"{self.task} with {self.receiver} ({self.rule}), {len(self.inputs)} inputs"
        return "\n".join([head, *(f"{name:<{wide}}  {self.value(name)}" for name in self.arms)])

    def __repr__(self) -> str:
        return (
            f"Evaluation({self.task!r}, {self.receiver!r}, n_inputs={len(self.inputs)}, "
            f"arms={list(self.arms)})"
        )

    # -- files -----------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary of all but the sampled rows."""
        plain = {
            key: value
            for key, value in vars(self).items()
            if key in type(self).__dataclass_fields__ and key not in ("arms", "optima", "rows")
        }
        return {
            "format": _FORMAT,
            **plain,
            "arms": [arm.to_dict() for arm in self.arms.values()],
            "optima": [best.to_dict() for best in self.optima.values()],
        }

    @classmethod
    def from_dict(
        cls, data: Mapping[str, Any], rows: Sequence[Mapping[str, Any]] = ()
    ) -> Evaluation:
        """Restore what `to_dict` wrote; limits are computed again and come out the same."""
        if data.get("format") != _FORMAT:
            raise PersuasionError(
                f"an evaluation of format {_FORMAT} was expected; got {data.get('format')!r}. "
                "Evaluate again"
            )
        plain = {key: value for key, value in data.items() if key != "format"}
        for key in ("items", "inputs", "templates"):
            plain[key] = tuple(plain[key])
        arms = [Arm.from_dict(arm) for arm in plain.pop("arms")]
        optima = [Optimum.from_dict(best) for best in plain.pop("optima")]
        return cls(
            **plain,
            arms={arm.name: arm for arm in arms},
            optima={best.n_signals: best for best in optima},
            rows=tuple(rows),
        )

    def save(self, folder: str | os.PathLike[str]) -> Path:
        """Write ``evaluation.json`` and ``rows.jsonl`` into an existing folder."""
        target = Path(folder)
        lines = "".join(json.dumps(row) + "\n" for row in self.rows)
        write_whole(target / _ROWS, lines.encode())
        return write_whole(target / _FILE, json.dumps(self.to_dict()).encode())

    @classmethod
    def load(cls, folder: str | os.PathLike[str]) -> Evaluation:
        """Read what `save` wrote."""
        source = Path(folder)
        try:
            data = json.loads((source / _FILE).read_text(encoding="utf-8"))
            lines = (source / _ROWS).read_text(encoding="utf-8").split("\n")
            return cls.from_dict(data, [json.loads(line) for line in lines if line])
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            if isinstance(cause, PersuasionError):
                raise
            raise PersuasionError(
                f"{source} holds no evaluation ({cause}); name a folder that Evaluation.save wrote"
            ) from cause
