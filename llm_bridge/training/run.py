"""A training under way: optimiser, log and checkpoints, so that a killed run ends as if it had not.

A checkpoint holds weights, optimiser and random states after a step, and what the run is: it is
gone on from only by the same run, in as many processes as may be. The first process writes it.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from pathlib import Path
from time import perf_counter
from types import TracebackType
from typing import Any

import numpy as np
import torch
from accelerate import Accelerator

from llm_bridge.advisor import Advisor
from llm_bridge.staging.whole_folder import check_replaceable, whole_folder
from llm_bridge.training.data_parallel import add_gradients, check_alike, sums
from llm_bridge.training.memory import in_parts
from llm_bridge.training.settings import AdvisorTraining
from persuasion.errors import PersuasionError

__all__ = ["TrainingRun"]

_STATE, _LABEL = "state.pt", "training.json"
_BETAS = (0.9, 0.98)


class TrainingRun:
    """A training of an Advisor, as a context: begun or gone on with, and left in order.

    Parameters
    ----------
    advisor : Advisor
        Trained in place.
    settings : AdvisorTraining
    described : mapping
        All that the outcome depends on, ready for JSON.
    machine : Accelerator
    checkpoint : path, optional
        A folder.

    Attributes
    ----------
    model
        What wraps the Advisor's model.
    step : int
        Steps done.
    values, losses : list of float
    seconds : float

    Raises
    ------
    PersuasionError
        When the folder holds something else, or a checkpoint of another run.
    """

    def __init__(
        self,
        advisor: Advisor,
        settings: AdvisorTraining,
        described: Mapping[str, Any],
        machine: Accelerator,
        checkpoint: Path | str | None,
    ) -> None:
        self._advisor, self._settings, self._machine = advisor, settings, machine
        self._described = json.loads(
            json.dumps({**described, "device": [machine.device.type, machine.mixed_precision]})
        )
        self._folder = None if checkpoint is None else Path(checkpoint).expanduser().absolute()
        self.step = 0
        self.values: list[float] = []
        self.losses: list[float] = []
        self.seconds = 0.0
        state = self._kept()
        if advisor.model.dtype in (torch.float16, torch.bfloat16):
            plain: torch.nn.Module = advisor.model
            plain.float()  # small steps would be lost in the rounding of 16 bits
        optimizer = torch.optim.AdamW(
            advisor.model.parameters(),
            lr=settings.lr,
            betas=_BETAS,
            weight_decay=settings.weight_decay,
            fused=True,
        )
        self.model: Any
        # autocast alone: the gradients of several processes are added up in `update`
        self.model = machine.prepare_model(advisor.model, evaluation_mode=True)
        self._optimizer = machine.prepare_optimizer(optimizer)
        self._random = ExitStack()
        self._state = state
        self._pieces = 1
        check_alike([self._described, state is None], machine)

    def __enter__(self) -> TrainingRun:
        gpus = [self._machine.device] if self._machine.device.type == "cuda" else []
        self._random.enter_context(torch.random.fork_rng(devices=gpus))
        torch.manual_seed(self._settings.seed)
        self.model.train()
        if self._state is not None:
            self._restore(self._state)
        self._began = perf_counter() - self.seconds
        return self

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None:
        self._advisor.model = self._machine.unwrap_model(self.model, keep_fp32_wrapper=False)
        vars(self._advisor.model).pop("forward", None)  # accelerate puts the class's own back there
        self._advisor.model.train(False)
        self._random.close()

    def generator(self, step: int, part: int) -> torch.Generator:
        """Return a source of draws that is a function of seed, step and part alone."""
        words = np.random.SeedSequence([self._settings.seed, 2, step, part]).generate_state(1)
        return torch.Generator(self._machine.device).manual_seed(int(words[0]))

    def gather(
        self, backward: Callable[[int], tuple[float, float]], most: int
    ) -> tuple[float, float]:
        """Gather the gradients of a step; return its value and loss, over all processes.

        Parameters
        ----------
        backward : callable
            Given in how many pieces each part of the batch is to go through the model, gathers the
            gradients of this process and returns what it adds to value and loss.
        most : int
            Pieces that no part can be divided further than.
        """
        mine, self._pieces = in_parts(backward, self._pieces, most, self._optimizer.zero_grad)
        add_gradients(self.model.parameters(), self._machine)
        value, loss = sums(mine, self._machine)
        return value, loss

    def update(self, *, value: float, loss: float) -> None:
        """Make a step along the gradients gathered, log it, and keep a checkpoint when due."""
        for group in self._optimizer.param_groups:
            group["lr"] = self._settings.lr_at(self.step)
        self._machine.clip_grad_norm_(self.model.parameters(), self._settings.clip)
        self._optimizer.step()
        self._optimizer.zero_grad()
        self.step += 1
        self.values.append(value)
        self.losses.append(loss)
        self.seconds = perf_counter() - self._began
        last = self.step == self._settings.total_steps
        if self._folder is not None and (last or self.step % self._settings.checkpoint_every == 0):
            if self._machine.is_main_process:
                self._keep(self._folder)
            self._machine.wait_for_everyone()

    # -- checkpoints -----------------------------------------------------------------------

    def _keep(self, folder: Path) -> None:
        state = {
            "model": self._machine.unwrap_model(self.model).state_dict(),
            "optimizer": self._optimizer.state_dict(),
            "random": torch.get_rng_state(),
            "random_gpu": (
                torch.cuda.get_rng_state(self._machine.device)
                if self._machine.device.type == "cuda"
                else None
            ),
            "step": self.step,
            "values": self.values,
            "losses": self.losses,
            "seconds": self.seconds,
        }
        with whole_folder(folder, label=_LABEL) as draft:
            torch.save(state, draft / _STATE)
            (draft / _LABEL).write_text(json.dumps(self._described), encoding="utf-8")

    def _kept(self) -> dict[str, Any] | None:
        """What an earlier attempt left, if it was the same run."""
        if self._folder is None:
            return None
        check_replaceable(self._folder, _LABEL)
        if not (self._folder / _LABEL).exists():
            return None
        try:
            found = json.loads((self._folder / _LABEL).read_text(encoding="utf-8"))
            state: dict[str, Any] = torch.load(
                self._folder / _STATE, map_location="cpu", weights_only=True
            )
        except Exception as cause:  # whatever a damaged file makes torch raise
            raise PersuasionError(
                f"the checkpoint {self._folder} is damaged; delete it to begin again"
            ) from cause
        if found != self._described:
            other = [key for key, value in self._described.items() if found.get(key) != value]
            raise PersuasionError(
                f"the checkpoint {self._folder} is of another training: its {', '.join(other)} "
                "differ. Name another folder, or delete it to begin again; a training is gone on "
                "with from the Advisor that it began with"
            )
        return state

    def _restore(self, state: dict[str, Any]) -> None:
        self._machine.unwrap_model(self.model).load_state_dict(state["model"])
        self._optimizer.load_state_dict(state["optimizer"])
        torch.set_rng_state(state["random"])
        if state["random_gpu"] is not None:
            torch.cuda.set_rng_state(state["random_gpu"], self._machine.device)
        self.step, self.seconds = state["step"], state["seconds"]
        self.values, self.losses = list(state["values"]), list(state["losses"])
