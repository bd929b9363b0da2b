"""A workshop without models: an experiment in a second, killed wherever a test likes."""

from __future__ import annotations

import json
import re
from collections.abc import Callable, Mapping, Sequence
from contextlib import AbstractContextManager, nullcontext
from pathlib import Path
from typing import Any
from zlib import crc32

import numpy as np

from llm_bridge import tasks
from llm_bridge.measurement import Measurement
from llm_bridge.reply import Reply
from llm_bridge.sections import ApiSection, ReplaySection, TrainingSection
from llm_bridge.staging.plan import AdvisorPlan, LearningCurve, Seat, share_name
from llm_bridge.staging.workshop import Tell
from llm_bridge.task import Example, Task
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.receivers import Receiver


class Killed(BaseException):
    """Ends everything at once, as kill -9 does."""


class Clerk:
    """Answers prompts of the task "math" as its hint says, wrongly once in a while."""

    def __init__(self, name: str, skill: float, rule: Receiver) -> None:
        self.name, self.skill, self.rule = name, skill, rule

    @property
    def fingerprint(self) -> str:
        return f"{self.name} {self.skill} {self.rule}"

    def respond(self, game: PersuasionGame, posteriors: FloatArray) -> FloatArray:
        return self.rule.respond(game, posteriors)

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Reply]:
        return [self._answer(prompt) for prompt in prompts]

    def _answer(self, prompt: str) -> Reply:
        a, b = (int(n) for n in re.findall(r"\d+", prompt)[:2])
        hint = prompt.rpartition("hint ")[2].rstrip(":")
        results = {"total": a + b, "difference": abs(a - b), "larger": max(a, b), "product": a * b}
        lucky = crc32(f"{self.name} {prompt}".encode()) % 1000 < 1000 * self.skill
        text = str(results.get(hint, a + b) if lucky else 0)
        return Reply(text, len(text))


class Sign:
    """Sends the kernel that a file holds."""

    def __init__(self, kernel: FloatArray) -> None:
        self.kernel = kernel

    def kernels(self, task: Task, examples: Sequence[Example]) -> FloatArray:
        return np.tile(self.kernel, (len(examples), 1, 1))


class FakeWorkshop:
    """Keeps files as the real one does; counts what it made.

    Parameters
    ----------
    kill : callable, optional
        Called with the name of every step; raises to end the run there.
    """

    def __init__(self, kill: Callable[[str], None] | None = None) -> None:
        self.made: list[str] = []
        self.closed = 0
        self.shown: dict[str, Mapping[str, Any]] = {}
        self._kill = kill or (lambda name: None)

    def _step(self, name: str) -> None:
        self._kill(name)
        self.made.append(name)

    def led(self) -> AbstractContextManager[None]:
        return nullcontext()

    def settings(self) -> Mapping[str, Any]:
        return {"device": "none"}

    def task(self, name: str) -> Task:
        return tasks.load(name)

    def model_label(self, path: str) -> str:
        if path == "missing":
            raise PersuasionError("there is no folder missing")
        return f"label of {path}"

    def source_label(self, source: ApiSection | ReplaySection) -> str:
        return f"label of {source}"

    def reports(self) -> list[str]:
        return []

    def close(self) -> None:
        self.closed += 1

    def train_receiver(
        self,
        tasks: Sequence[Task],
        training: TrainingSection,
        shares: tuple[float, ...],
        folder: Path,
        tell: Tell,
    ) -> None:
        for share in shares:
            self._step(f"train {share}")
            skill = 1 - 0.2 / share**0.5 / training.n_layer
            (folder / share_name(share)).mkdir(exist_ok=True)
            (folder / share_name(share) / "skill").write_text(str(skill))
            tell(1, len(shares))

    def receiver(self, seat: Seat, rule: Receiver) -> Clerk:
        self._step(f"load {seat.name}")
        assert isinstance(seat.source, str | Path)
        file = Path(seat.source) / "skill"
        return Clerk(seat.name, float(file.read_text()) if file.exists() else 0.9, rule)

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
        self._step(f"advise {plan.stage}")
        self.shown[plan.stage] = targets
        assert set(margins) == set(task.priors)
        rng = np.random.default_rng([plan.seed, plan.n_signals])
        kernel = np.eye(plan.n_signals)[np.arange(len(task.items)) % plan.n_signals]
        if plan.mode == "reinforce":
            kernel = np.ones_like(kernel) / plan.n_signals
        noise = rng.dirichlet(np.ones(plan.n_signals), len(task.items))
        (folder / "kernel.json").write_text(json.dumps((0.99 * kernel + 0.01 * noise).tolist()))
        return LearningCurve(tuple(np.linspace(0.2, 0.8, 20).tolist()), 5)

    def advisor(self, folder: Path) -> Sign:
        return Sign(np.array(json.loads((folder / "kernel.json").read_text())))

    def check_advisor(self, plan: AdvisorPlan, task: Task, examples: Sequence[Example]) -> None:
        assert len({example.text for example in examples}) == len(examples)

    def untrained(self, plan: AdvisorPlan, task: Task) -> Sign:
        return Sign(np.full((len(task.items), plan.n_signals), 1 / plan.n_signals))
