"""The same Advisor before several Receivers, without training her again."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any

from llm_bridge.arms import Signaler
from llm_bridge.evaluate import evaluate
from llm_bridge.evaluation import Evaluation
from llm_bridge.measurement import Measurement
from llm_bridge.receivers import TextReceiver
from llm_bridge.task import Task
from persuasion.errors import PersuasionError
from persuasion.html import Table

__all__ = ["Transfer", "transfer"]

_COLUMNS = ("none", "prior", "ADVISOR", "SCHEME", "oracle")


@dataclass(frozen=True, eq=False)
class Transfer:
    """One Advisor, several Receivers, the same held-out inputs.

    Attributes
    ----------
    advisor : str
        Name of the Advisor's arm in every evaluation.
    evaluations : mapping of str to Evaluation
        By Receiver.
    """

    advisor: str
    evaluations: Mapping[str, Evaluation]

    def arms(self, receiver: str) -> dict[str, str]:
        """Return the arm behind each column of the table, for one Receiver."""
        k = self.evaluations[receiver].arms[self.advisor].n_signals
        special = {"ADVISOR": self.advisor, "SCHEME": f"scheme {k}"}
        return {column: special.get(column, column) for column in _COLUMNS}

    def table(self) -> Table:
        """Return one row per Receiver, each against her own yardsticks."""
        rows = []
        for name, evaluation in self.evaluations.items():
            arms = self.arms(name)
            best = evaluation.optima[evaluation.arms[self.advisor].n_signals or 1]
            values = [str(evaluation.value(arms[column])) for column in _COLUMNS]
            rows.append([name, evaluation.rule, *values, f"{best.value:.3f}"])
        return Table(
            [
                "Receiver",
                "rule",
                "no hint",
                "prior-sampled",
                "persuaded",
                "best scheme",
                "oracle",
                "optimum as measured",
            ],
            rows,
            caption=f"One Advisor ({self.advisor}), not trained again: Advisor's value with each "
            "Receiver",
            left=(0, 1),
        )

    def summary(self) -> str:
        """Return one line per Receiver."""
        return "\n".join(
            f"{name}: persuaded {evaluation.value(self.advisor)}, oracle "
            f"{evaluation.value('oracle').mean:.3f}"
            for name, evaluation in self.evaluations.items()
        )


def transfer(
    task: Task,
    advisor: Signaler,
    receivers: Mapping[str, TextReceiver],
    measurements: Mapping[str, Measurement],
    *,
    name: str = "persuaded",
    **options: Any,
) -> Transfer:
    """Evaluate one Advisor with several Receivers on the same inputs.

    Parameters
    ----------
    task : Task
    advisor : Signaler
    receivers : mapping of str to TextReceiver
    measurements : mapping of str to Measurement
        Under the same names: what each Receiver responds by, and what her optimum is read from.
    name : str
        Of the Advisor's arm.
    **options
        Passed to `evaluate`: ``n_inputs``, ``seed`` and so on.

    Raises
    ------
    PersuasionError
        When a Receiver has no measurement.
    """
    missing = [key for key in receivers if key not in measurements]
    if not receivers or missing:
        raise PersuasionError(
            "transfer needs Receivers and a measurement for each; "
            + (f"{missing[0]!r} has none" if missing else "there are no Receivers")
        )
    return Transfer(
        name,
        {
            key: evaluate(task, receiver, measurements[key], {name: advisor}, **options)
            for key, receiver in receivers.items()
        },
    )
