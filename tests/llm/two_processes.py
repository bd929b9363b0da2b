"""Two small trainings, as one process or as several that torchrun starts: FOLDER is written to.

Leaves what ``compare`` in test_devices.py reads: gradients as the optimiser sees them, trained
models, and how many processes there were. Killed half-way where told to, so that another number of
processes can go on.
"""

from __future__ import annotations

import argparse
import json
from collections.abc import Callable, Iterable
from contextlib import suppress
from pathlib import Path
from typing import Any

import torch
from accelerate import Accelerator
from torch.nn import Parameter

from llm_bridge import pretrain as receiver_training
from llm_bridge import tasks
from llm_bridge.advisor import Advisor
from llm_bridge.codebook import Codebook
from llm_bridge.pretrain import ReceiverTraining, pretrain
from llm_bridge.train import train
from llm_bridge.training import run as training_run
from llm_bridge.training.data_parallel import add_gradients
from llm_bridge.training.settings import AdvisorTraining
from llm_bridge.vocabulary import build_tokenizer
from persuasion import PersuasionGame

TASKS = (tasks.load("math"), tasks.load("grade"))
RECEIVER = ReceiverTraining(
    n_layer=1, n_embd=16, n_head=2, vocabulary=300, steps=12, batch=17, warmup=2, lr=1e-2,
    marks=(1.0,), save_every=4, precision="no", seed=5,
)  # fmt: skip
ADVISOR = AdvisorTraining(warm_steps=4, steps=8, batch=7, checkpoint_every=4, seed=2)
KEPT = 3
"""Steps whose gradients are kept: later ones start from weights that differ by rounding."""


class KilledError(Exception):
    pass


def killing(at: int | None) -> Callable[[int, int], None]:
    def progress(step: int, steps: int) -> None:
        if step == at:
            raise KilledError

    return progress


def recording(place: Any, seen: list[torch.Tensor], mend: bool) -> Callable[..., None]:
    """What stands in for `add_gradients`: keeps its outcome; without `mend` adds nothing up."""

    def kept(parameters: Iterable[Parameter], machine: Accelerator) -> None:
        weights = list(parameters)
        if mend:
            add_gradients(weights, machine)
        if len(seen) < KEPT:
            seen.append(torch.cat([w.grad.flatten() for w in weights if w.grad is not None]))

    place.add_gradients = kept
    return kept


def games() -> dict[str, PersuasionGame]:
    """Games of the task math in which signals pay."""
    task = TASKS[0]
    table = [[1.0 if i == a else 0.1 * a for a in range(4)] for i in range(4)]
    return {
        t: PersuasionGame(task.prior(t), table, table, states=task.items, actions=task.items)
        for t in task.priors
    }


def advisor() -> Advisor:
    texts = [
        TASKS[0].advisor_prompt(x, item)
        for t in TASKS[0].priors
        for x in TASKS[0].examples(t, "train", 20, 0)
        for item in TASKS[0].items
    ]
    book = Codebook.default(4)
    size = {"n_layer": 1, "n_embd": 16, "n_head": 2, "n_positions": 64}
    return Advisor.fresh(build_tokenizer(texts, 300, whole=book.words), book, size, seed=1)


def work(folder: Path, *, kill_at: int | None = None, mend: bool = True) -> None:
    """Train a Receiver and an Advisor below `folder`, or go on with it."""
    folder.mkdir(parents=True, exist_ok=True)
    machine = Accelerator()
    gradients: dict[str, list[torch.Tensor]] = {"receiver": [], "advisor": []}
    try:
        recording(receiver_training, gradients["receiver"], mend)
        recording(training_run, gradients["advisor"], mend)
        with suppress(KilledError):
            pretrain(TASKS, RECEIVER, folder / "receiver", progress=killing(kill_at))
        someone = advisor()
        examples = [x for t in TASKS[0].priors for x in TASKS[0].examples(t, "train", 6, 0)]
        checkpoint = folder / "advisor-checkpoint"
        with suppress(KilledError):
            train(
                someone, TASKS[0], games(), examples, settings=ADVISOR, checkpoint=checkpoint,
                precision="no", progress=killing(kill_at),
            )  # fmt: skip
            if machine.is_main_process:
                someone.save(folder / "advisor")
    finally:
        receiver_training.add_gradients = add_gradients  # type: ignore[attr-defined]
        training_run.add_gradients = add_gradients  # type: ignore[attr-defined]
    if machine.is_main_process:
        torch.save(gradients, folder / "gradients.pt")
    (folder / f"process-{machine.process_index}.json").write_text(json.dumps(machine.num_processes))


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("folder", type=Path)
    home = parser.parse_args().folder
    torch.set_num_threads(1)
    work(home / "whole")
    work(home / "killed", kill_at=6)
    work(home / "broken", mend=False)
    torch.distributed.destroy_process_group()
