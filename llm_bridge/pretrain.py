"""Training a small Receiver from scratch on demonstrations of several tasks.

Each step sums the gradients of one batch per task: with one task per batch, small models forget
one task while they learn the other. Long demonstrations have more to teach: half of the items are
drawn evenly, half in proportion to the length of their demonstrations, and the tasks share a step
in proportion to the mean length of what is drawn. Batches are functions of the seed and of their
number, so that a run that was killed goes on exactly where it would have been.
"""

from __future__ import annotations

import io
import json
import math
import shutil
from collections.abc import Callable, Iterator, Sequence
from contextlib import contextmanager
from dataclasses import asdict, dataclass
from hashlib import blake2b
from pathlib import Path
from time import perf_counter
from typing import Any

import torch
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils import logging

from llm_bridge.device import accelerator
from llm_bridge.device import threads as computing_with
from llm_bridge.meter import TRAINING, working
from llm_bridge.models import fresh_gpt2
from llm_bridge.task import Task
from llm_bridge.training.data_parallel import add_gradients, check_alike, sums
from llm_bridge.training.demonstrations import Demonstrations, TokenPair, streams_of
from llm_bridge.training.memory import in_parts
from llm_bridge.training.response_loss import response_loss
from llm_bridge.vocabulary import build_tokenizer
from persuasion.errors import PersuasionError
from persuasion.whole_file import write_whole

__all__ = ["Checkpoint", "ReceiverTraining", "pretrain"]

_STATE, _LOSSES = "training.pt", "losses.csv"


@dataclass(frozen=True)
class ReceiverTraining:
    """How a Receiver is trained.

    Attributes
    ----------
    n_layer, n_embd, n_head, n_positions : int
        Size of the GPT-2.
    vocabulary : int
        Most tokens of the tokenizer.
    steps : int, >= 1
    batch : int
        Demonstrations per step, of all tasks together.
    lr : float
        Greatest learning rate of AdamW, reached after `warmup` steps; falls to 0 as a cosine.
    weight_decay, clip : float
        Of AdamW; greatest norm of the gradient.
    hintless : float in [0, 1]
        Share of prompts without a hint, answered for an item drawn from the prior.
    marks : tuple of float in (0, 1]
        Shares of the steps after which a checkpoint is left; earlier ones are weaker Receivers.
    save_every : int, >= 1
        Steps between savings of the state from which a killed run goes on.
    precision : {"auto", "no", "bf16"}
        See `llm_bridge.device.accelerator`; fp16 would need its gradients scaled.
    compiled : bool
        Whether torch.compile makes kernels for the model: minutes at the start, faster afterwards.
    seed : int, >= 0
        Of weights and batches.
    """

    n_layer: int = 2
    n_embd: int = 64
    n_head: int = 4
    n_positions: int = 96
    vocabulary: int = 512
    steps: int = 2000
    batch: int = 96
    lr: float = 5e-3
    warmup: int = 100
    weight_decay: float = 0.01
    clip: float = 1.0
    hintless: float = 0.1
    marks: tuple[float, ...] = (0.25, 0.5, 1.0)
    save_every: int = 200
    precision: str = "auto"
    compiled: bool = False
    seed: int = 0

    def __post_init__(self) -> None:
        object.__setattr__(self, "marks", tuple(self.marks))
        for name in ("steps", "batch", "save_every"):
            if getattr(self, name) < 1:
                raise PersuasionError(f"`{name}` must be at least 1; got {getattr(self, name)}")
        if not 0 <= self.hintless <= 1:
            raise PersuasionError(f"`hintless` must be between 0 and 1; got {self.hintless}")
        if not self.marks or not all(0 < mark <= 1 for mark in self.marks):
            raise PersuasionError(f"`marks` must be shares in (0, 1]; got {self.marks}")
        if self.seed < 0 or self.warmup < 0:
            raise PersuasionError(
                f"`seed` and `warmup` must be >= 0; got {self.seed} and {self.warmup}"
            )
        if self.precision not in ("auto", "no", "bf16"):
            raise PersuasionError(f"`precision` must be auto, no or bf16; got {self.precision!r}")
        if not (math.isfinite(self.lr) and self.lr > 0):
            raise PersuasionError(f"`lr` must be positive; got {self.lr}")

    def learning_rate(self, step: int) -> float:
        """Return the learning rate of step 0, 1, ..."""
        if step < self.warmup:
            return self.lr * (step + 1) / self.warmup
        done = (step - self.warmup) / max(1, self.steps - self.warmup)
        return self.lr * 0.5 * (1 + math.cos(math.pi * done))

    def marked_steps(self) -> tuple[int, ...]:
        """Return after how many steps checkpoints are left."""
        return tuple(sorted({max(1, round(mark * self.steps)) for mark in self.marks}))


@dataclass(frozen=True)
class Checkpoint:
    """A model on the disk, as ``save_pretrained`` writes it, tokenizer included.

    Attributes
    ----------
    path : Path
    step : int
        Steps trained.
    share : float
        Of all steps.
    """

    path: Path
    step: int
    share: float


def pretrain(
    tasks: Sequence[Task],
    settings: ReceiverTraining,
    folder: Path | str,
    *,
    tokenizer: PreTrainedTokenizerBase | None = None,
    threads: int = 1,
    progress: Callable[[int, int], None] | None = None,
) -> list[Checkpoint]:
    """Train one model on all tasks.

    Parameters
    ----------
    tasks : sequence of Task
        With different names; `examples` of split "train" and `demonstration` are used.
    settings : ReceiverTraining
    folder : path
        Made if missing. Holds the checkpoints, ``losses.csv`` and what a killed run goes on from;
        a finished training is found again without any work.
    tokenizer : tokenizer of transformers, optional
        By default one is made from demonstrations.
    threads : int, >= 1
        Of torch on the CPU; small models are fastest with one.
    progress : callable, optional
        Called with (steps done, steps) after each step.

    Returns
    -------
    list of Checkpoint
        One per mark, earliest first.

    Raises
    ------
    PersuasionError
        When the folder holds another training, or a demonstration does not fit into the context.
    OSError
        When something cannot be written; what is there stays whole, and the same call goes on.

    Notes
    -----
    On one machine with as many threads the same settings give the same bits, killed or not. Started
    by torchrun or accelerate launch, the call divides each batch among the processes, which may be
    others when it goes on; the first one writes. Where a GPU has too little memory, batches go
    through the model in parts, which the log tells. Either way bits differ by rounding.
    Departures from common practice: the loss counts the tokens of the response alone.
    """
    if not tasks or len({task.name for task in tasks}) < len(tasks):
        raise PersuasionError(
            f"`tasks` must be one or more of different names; got {[task.name for task in tasks]}"
        )
    if settings.batch < len(tasks):
        raise PersuasionError(
            f"`batch` must be at least the number of tasks, {len(tasks)}; got {settings.batch}"
        )
    home = Path(folder)
    home.mkdir(parents=True, exist_ok=True)
    gpu = accelerator(settings.precision, several=True).device.type == "cuda"
    streams = streams_of(tasks, settings.batch, settings.hintless, settings.seed, ahead=gpu)
    if tokenizer is None:
        tokenizer = build_tokenizer(
            (text for stream in streams for text in stream.texts()), settings.vocabulary
        )
    run = _Run(home, settings, tokenizer, _identity(streams, settings, tokenizer))
    run.find()
    started, before = perf_counter(), run.seconds
    with computing_with(threads):
        while run.step < settings.steps:
            with working(TRAINING) as count:
                at = run.step
                batches = [s.batch(at, tokenizer, settings.n_positions) for s in streams]
                run.learn(batches)
                count(sum(len(read) + len(written) for b in batches for read, written in b))
            run.seconds = before + perf_counter() - started
            if run.writes and run.step in settings.marked_steps():
                run.leave_checkpoint()
            if run.writes and (run.step % settings.save_every == 0 or run.step == settings.steps):
                run.save()
            if progress is not None:
                progress(run.step, settings.steps)
    run.accelerator.wait_for_everyone()
    return [
        Checkpoint(run.path(step), step, step / settings.steps) for step in settings.marked_steps()
    ]


class _Run:
    """A training under way, and its files."""

    def __init__(
        self,
        home: Path,
        settings: ReceiverTraining,
        tokenizer: PreTrainedTokenizerBase,
        identity: str,
    ) -> None:
        self.home, self.settings, self.tokenizer = home, settings, tokenizer
        self.identity = identity
        self.accelerator = accelerator(settings.precision, several=True)
        self.model: PreTrainedModel = fresh_gpt2(
            tokenizer,
            n_layer=settings.n_layer,
            n_embd=settings.n_embd,
            n_head=settings.n_head,
            n_positions=settings.n_positions,
            seed=settings.seed,
        ).to(self.accelerator.device)
        self.optimizer = torch.optim.AdamW(
            self.model.parameters(),
            lr=settings.lr,
            betas=(0.9, 0.98),
            weight_decay=settings.weight_decay,
            fused=self.accelerator.device.type == "cuda" or None,
        )
        self._body: Any = self.model.base_model
        if settings.compiled:
            self._body = torch.compile(self._body)
        self._parts = 1
        self.step, self.seconds = 0, 0.0
        self.losses: list[list[float]] = []

    def path(self, step: int) -> Path:
        return self.home / f"step-{step:06d}"

    @property
    def writes(self) -> bool:
        """Whether this process is the one that writes files."""
        return bool(self.accelerator.is_main_process)

    def learn(self, batches: Sequence[list[TokenPair]]) -> None:
        """Take one step."""
        for group in self.optimizer.param_groups:
            group["lr"] = self.settings.learning_rate(self.step)
        self.model.train()
        mine, self._parts = in_parts(
            lambda parts: self._backward(batches, parts),
            self._parts,
            most=max(map(len, batches)),
            undo=self.optimizer.zero_grad,
        )
        add_gradients(self.model.parameters(), self.accelerator)
        losses = sums(mine, self.accelerator)
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), self.settings.clip)
        self.optimizer.step()
        self.optimizer.zero_grad()
        self.losses.append(losses)
        self.step += 1

    def _backward(self, batches: Sequence[list[TokenPair]], parts: int) -> list[float]:
        """Gather the gradients of this process's share of each batch; return what it loses."""
        n, index = self.accelerator.num_processes, self.accelerator.process_index
        losses: list[list[torch.Tensor]] = []
        for batch in batches:
            lost = []
            n_tokens = sum(len(response) for _, response in batch)
            mine = batch[index::n]
            size = -(-len(mine) // parts) or 1
            for first in range(0, len(mine), size):
                with self.accelerator.autocast():
                    loss = response_loss(
                        self.model, mine[first : first + size], n_tokens=n_tokens, body=self._body
                    )
                (loss / len(batches)).backward()  # type: ignore[no-untyped-call]
                lost.append(loss.detach())
            losses.append(lost)
        return [sum(map(float, lost)) for lost in losses]  # here a GPU is waited for, not before

    def find(self) -> None:
        """Go on from the saved state, if there is one."""
        file = self.home / _STATE
        check_alike([self.identity, file.exists()], self.accelerator)
        if not file.exists():
            return
        state = torch.load(file, map_location=self.accelerator.device, weights_only=True)
        if state["identity"] != self.identity:
            raise PersuasionError(
                f"{self.home} holds a training with other settings, tasks or tokenizer; give "
                "another folder, or delete it"
            )
        self.model.load_state_dict(state["model"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.step, self.seconds, self.losses = state["step"], state["seconds"], state["losses"]
        # checkpoints may be missing only if somebody deleted them
        gone = [s for s in self.settings.marked_steps() if s <= self.step and not self._left(s)]
        if gone:
            raise PersuasionError(
                f"{self.home} lacks the checkpoint of step {gone[0]}; delete the folder to train "
                "again"
            )

    def _left(self, step: int) -> bool:
        return (self.path(step) / "config.json").exists()

    def leave_checkpoint(self) -> None:
        """Write the model; whole or not at all."""
        target = self.path(self.step)
        draft = self.home / f".part-{target.name}"
        shutil.rmtree(draft, ignore_errors=True)
        try:
            with _no_bars():
                self.model.save_pretrained(draft)
            self.tokenizer.save_pretrained(draft)
            shutil.rmtree(target, ignore_errors=True)  # of an attempt that was killed later
            draft.rename(target)
        finally:
            shutil.rmtree(draft, ignore_errors=True)

    def save(self) -> None:
        """Write the state; whole or not at all."""
        lines = [",".join(f"{loss:.6f}" for loss in losses) for losses in self.losses]
        write_whole(self.home / _LOSSES, "\n".join([*lines, ""]).encode())
        buffer = io.BytesIO()
        state: dict[str, Any] = {
            "identity": self.identity,
            "model": self.model.state_dict(),
            "optimizer": self.optimizer.state_dict(),
            "step": self.step,
            "seconds": self.seconds,
            "losses": self.losses,
        }
        torch.save(state, buffer)
        write_whole(self.home / _STATE, buffer.getvalue())


@contextmanager
def _no_bars() -> Iterator[None]:
    """Keep transformers from drawing progress bars of its own."""
    drawn = logging.is_progress_bar_enabled()
    logging.disable_progress_bar()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        if drawn:
            logging.enable_progress_bar()  # type: ignore[no-untyped-call]


def _identity(
    streams: Sequence[Demonstrations],
    settings: ReceiverTraining,
    tokenizer: PreTrainedTokenizerBase,
) -> str:
    """Hash of all that decides which bits come out: settings, vocabulary, the first batches."""
    described = [
        {k: v for k, v in asdict(settings).items() if k != "save_every"},
        sorted(tokenizer.get_vocab().items()),
        [(stream.task.name, stream.pairs(0)[:100]) for stream in streams],
    ]
    return blake2b(json.dumps(described).encode(), digest_size=16).hexdigest()
