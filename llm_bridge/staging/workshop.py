"""Where models are made and loaded: the one part of an experiment that needs torch."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager
from pathlib import Path
from typing import Any, Protocol

from llm_bridge.arms import Signaler
from llm_bridge.measurement import Measurement
from llm_bridge.receivers import TextReceiver
from llm_bridge.sections import ApiSection, ReplaySection, TrainingSection
from llm_bridge.staging.plan import AdvisorPlan, LearningCurve, Seat
from llm_bridge.task import Example, Task
from persuasion.rationals import FloatArray
from persuasion.receivers import Receiver

__all__ = ["Tell", "Workshop"]

Tell = Callable[[int, int], None]
"""Called with (steps done, steps in all)."""


class Workshop(Protocol):
    """What an experiment asks of it; `llm_bridge.staging.local_workshop` has the real one."""

    def led(self) -> AbstractContextManager[None]:
        """In the first of several processes lead the others; in the others help, and end.

        With one process, nothing. See `llm_bridge.staging.processes`.
        """
        ...

    def settings(self) -> Mapping[str, Any]:
        """What of the machine the outcome depends on: kind of device, precision, threads."""
        ...

    def task(self, name: str) -> Task:
        """Build a task; fail when what it needs is not there."""
        ...

    def model_label(self, path: str) -> str:
        """Return what tells a model given by its path from all others; fail when there is none."""
        ...

    def source_label(self, source: ApiSection | ReplaySection) -> str:
        """Return what tells a Receiver who is no model here from all others; fail without one."""
        ...

    def reports(self) -> list[str]:
        """Say what was asked of servers and what came of it, in sentences."""
        ...

    def close(self) -> None:
        """Let go of files and connections."""
        ...

    def train_receiver(
        self,
        tasks: Sequence[Task],
        training: TrainingSection,
        shares: tuple[float, ...],
        folder: Path,
        tell: Tell,
    ) -> None:
        """Leave a checkpoint in the folder `plan.share_name` after each share of the training."""
        ...

    def receiver(self, seat: Seat, rule: Receiver) -> TextReceiver:
        """Load a Receiver."""
        ...

    def train_advisor(
        self,
        plan: AdvisorPlan,
        task: Task,
        measurement: Measurement,
        margins: Mapping[str, float],
        targets: Mapping[str, FloatArray],
        folder: Path,
        tell: Tell,
    ) -> LearningCurve:
        """Train an Advisor and leave in the folder what `advisor` finds there.

        Parameters
        ----------
        plan : AdvisorPlan
        task : Task
        measurement : Measurement
            Whose games she is trained on.
        margins : mapping of str to float
            Obedience asked of her, by template, in utils of the Receiver.
        targets : mapping of str to ndarray (n_items, n_signals)
            Schemes to imitate, by template; empty in all modes but "distill".
        folder : path
            What an earlier attempt left there is gone on from.
        tell : callable
        """
        ...

    def advisor(self, folder: Path) -> Signaler:
        """Load her."""
        ...

    def check_advisor(self, plan: AdvisorPlan, task: Task, examples: Sequence[Example]) -> None:
        """Fail when the given model cannot be an Advisor, or cannot read inputs of a task."""
        ...

    def untrained(self, plan: AdvisorPlan, task: Task) -> Signaler:
        """Return the Advisor that training starts from."""
        ...
