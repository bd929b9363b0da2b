"""What came of holding persuasion against other ways: values, costs, controls."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Any

from llm_bridge.bootstrap import Interval
from llm_bridge.evaluation import Evaluation
from llm_bridge.spending import Spent, TrainingBudget
from persuasion.html import Table

__all__ = ["ADVISOR", "BLIND", "SHOWN", "Comparison", "ControlGain"]

ADVISOR = "persuaded"
BLIND = "blind"
SHOWN = ("none", "prior", BLIND, "full", "oracle")
"""Arms beside which baselines stand."""
_ROUNDING = 1e-9


@dataclass(frozen=True)
class ControlGain:
    """What a baseline's control is worth above what it is bound by.

    Attributes
    ----------
    name : str
        Of the control's arm.
    bound : str
        Arm that it cannot be worth more than: "none", or "blind".
    value, above : Interval
        In Advisor's utils; `above` is paired over inputs.
    """

    name: str
    bound: str
    value: Interval
    above: Interval

    @property
    def gains(self) -> bool:
        """Whether it is worth more, beyond the limits: then the baseline's own gain is in doubt."""
        return self.above.lower > _ROUNDING


@dataclass(frozen=True, eq=False)
class Comparison:
    """Arms of an evaluation, baselines among them, and what each took.

    Attributes
    ----------
    evaluation : Evaluation
        With an arm for each baseline, by its name, one for its control, ``control NAME``, and
        "blind": the best answer to each input that does not depend on the item.
    spent : mapping of str to Spent
        By arm.
    budget : TrainingBudget
        What each baseline had for its training.
    bounds : mapping of str to str
        For each baseline the arm that its control cannot be worth more than.
    left_out : mapping of str to str
        Baselines that could not be tried, and why.
    trained_for : str or None
        Receiver for whom the Advisor was trained, where that is another one: then persuading costs
        no training, and baselines are trained anew.
    """

    evaluation: Evaluation
    spent: Mapping[str, Spent]
    budget: TrainingBudget
    bounds: Mapping[str, str]
    left_out: Mapping[str, str] = field(default_factory=dict)
    trained_for: str | None = None

    @property
    def advisor(self) -> str:
        """Name of the Advisor's arm."""
        return self.evaluation.advisors[0]

    @property
    def baselines(self) -> list[str]:
        """Names of the baselines that were tried."""
        return list(self.bounds)

    @property
    def scheme(self) -> str:
        """Name of the arm of the best scheme with as many signals as the Advisor has."""
        return f"scheme {self.evaluation.arms[self.advisor].n_signals}"

    def ahead(self, name: str) -> Interval:
        """Advisor's arm less another one, in Advisor's utils, paired over inputs."""
        return self.evaluation.value(self.advisor, name)

    def controls(self) -> list[ControlGain]:
        """Return for each control what it is worth above its bound."""
        value = self.evaluation.value
        named = {f"control {name}": bound for name, bound in self.bounds.items()}
        return [
            ControlGain(name, bound, value(name), value(name, bound))
            for name, bound in named.items()
        ]

    # -- shown -----------------------------------------------------------------------------

    def table(self) -> Table:
        """Return one row per arm; baselines that win are shown like all others."""
        rows = []
        for name in (*SHOWN, self.advisor, self.scheme, *self.baselines):
            spent = self.spent.get(name, Spent())
            before = [
                f"{spent.trained:,}",
                f"{spent.training_tokens:,}",
                f"{spent.operations:.2e}" if spent.operations else "0",
                f"{spent.asked:,}",
            ]
            rows.append(
                [
                    name,
                    str(self.evaluation.value(name)),
                    "" if name == self.advisor else str(self.ahead(name)),
                    f"{self.evaluation.value(name, of='receiver').mean:.3f}",
                    *([""] * len(before) if name in (*SHOWN, self.scheme) else before),
                    *("" if one is None else f"{one:.1f}" for one in (spent.read, spent.written)),
                ]
            )
        return Table(
            [
                "arm",
                "Advisor",
                "ahead",
                "Receiver",
                "weights trained",
                "tokens trained",
                "operations",
                "answers asked",
                "read",
                "written",
            ],
            rows,
            caption=f"{self._where()}: utils on {len(self.evaluation.inputs)} inputs of split "
            f"{self.evaluation.split}, {100 * self.evaluation.confidence:g}% bootstrap limits; "
            "ahead: persuaded less arm; tokens read and written are per answer"
            f"{self._remarks()}",
        )

    def controls_table(self) -> Table:
        """Return one row per control, and whether it gains anything."""
        rows = [
            [
                one.name.removeprefix("control "),
                str(self.evaluation.value(one.name.removeprefix("control "))),
                str(one.value),
                one.bound,
                str(one.above),
                "GAINS" if one.gains else "gains nothing",
            ]
            for one in self.controls()
        ]
        heads = ["baseline", "its value", "with its control", "bound", "above the bound", "outcome"]
        caption = f"{self._where()}: baselines without the source of their gain, Advisor's utils"
        return Table(heads, rows, caption, left=(0, 3, 5))

    def _where(self) -> str:
        return f"{self.evaluation.task} with {self.evaluation.receiver}"

    def _remarks(self) -> str:
        said = [f"{name} left out: {why}" for name, why in self.left_out.items()]
        if self.trained_for is not None:
            said.insert(0, f"the Advisor was trained for {self.trained_for} and not again")
        return "".join(f"; {one}" for one in said)

    # -- files -----------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary."""
        return {
            "evaluation": self.evaluation.to_dict(),
            "spent": {name: spent.to_dict() for name, spent in self.spent.items()},
            "budget": self.budget.operations,
            "bounds": dict(self.bounds),
            "left_out": dict(self.left_out),
            "trained_for": self.trained_for,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Comparison:
        """Restore what `to_dict` wrote."""
        return cls(
            Evaluation.from_dict(data["evaluation"]),
            {name: Spent(**spent) for name, spent in data["spent"].items()},
            TrainingBudget(data["budget"]),
            dict(data["bounds"]),
            dict(data["left_out"]),
            data["trained_for"],
        )
