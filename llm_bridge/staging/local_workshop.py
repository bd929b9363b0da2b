"""The workshop of this package: models of transformers on this machine."""

from __future__ import annotations

import hashlib
import json
import shutil
from collections.abc import Mapping, Sequence
from contextlib import AbstractContextManager
from copy import copy
from functools import partial
from pathlib import Path
from typing import Any

from transformers import PreTrainedTokenizerBase

from llm_bridge import tasks
from llm_bridge.advisor import Advisor
from llm_bridge.codebook import Codebook
from llm_bridge.config import ExperimentConfig
from llm_bridge.device import accelerator, set_threads
from llm_bridge.measurement import Measurement
from llm_bridge.meter import GENERATION, working
from llm_bridge.models import found_revision, without_bars
from llm_bridge.pretrain import Checkpoint, ReceiverTraining, pretrain
from llm_bridge.receivers import TextReceiver
from llm_bridge.receivers.local import LocalReceiver
from llm_bridge.receivers.openai_api import OpenAIReceiver
from llm_bridge.receivers.shared import SharedReceiver
from llm_bridge.reply import Reply
from llm_bridge.responses import draw_examples
from llm_bridge.sections import ApiSection, ReplaySection, TrainingSection
from llm_bridge.staging.plan import AdvisorPlan, LearningCurve, Seat, share_name
from llm_bridge.staging.processes import Processes
from llm_bridge.staging.sources import behind_a_server, label_of, recorded
from llm_bridge.staging.workshop import Tell
from llm_bridge.task import Example, Task
from llm_bridge.tasks._stored import StoredTask
from llm_bridge.train import train
from llm_bridge.training.settings import AdvisorTraining, TrainingLog
from llm_bridge.vocabulary import build_tokenizer
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.receivers import Receiver
from persuasion.whole_file import write_whole

__all__ = ["LocalWorkshop"]

_ADVISOR, _LOG, _TRAINED = "advisor", "training.json", "trained.json"
_EXAMPLES_FOR_A_VOCABULARY = 50


class LocalWorkshop:
    """Trains and loads models with torch.

    Parameters
    ----------
    config : ExperimentConfig
        Its sections receiver and advisor, device and threads.
    asking : bool
        Whether servers will be asked; else no key is needed, and no cache is made.
    unsafe_exec : bool
        Run programs that models write even where nothing confines them.
    """

    def __init__(
        self, config: ExperimentConfig, *, asking: bool = True, unsafe_exec: bool = False
    ) -> None:
        self._config, self._unsafe_exec = config, unsafe_exec
        self._asking = asking
        set_threads(config.threads)
        self._machine = accelerator(config.precision, config.device, several=True)
        self._processes = Processes(self._machine, self)
        self._revisions: dict[str, str | None] = {}
        self._held: tuple[object, TextReceiver] | None = None
        self._servers: dict[str, OpenAIReceiver] = {}

    def led(self) -> AbstractContextManager[None]:
        """In the first of several processes lead the others; in the others help, and end."""
        return self._processes.led()

    def settings(self) -> Mapping[str, Any]:
        """Kind of device, precision, threads, whether models are compiled."""
        return {
            "device": self._machine.device.type,
            "precision": self._machine.mixed_precision,
            "threads": self._config.threads,
            "compile": self._config.compile,
        }

    def task(self, name: str) -> Task:
        """Build a task; one that runs programs gets its sandbox now, not when first needed."""
        parameters = self._config.parameters(name)
        if not tasks.runs_programs(name):
            return tasks.load(name, **parameters)
        from llm_bridge.sandbox import Sandbox, UnsafeError

        try:
            sandbox = Sandbox(unsafe=self._unsafe_exec)
        except UnsafeError as cause:
            raise PersuasionError(
                f"task {name!r}: {cause} (on the command line: --unsafe-exec), or leave the task "
                "out of `tasks`"
            ) from cause
        return tasks.load(name, **parameters, sandbox=sandbox)

    def model_label(self, path: str) -> str:
        """Hash of the files of a folder; a hub id with the commit that it stands for now."""
        folder = Path(path).expanduser()
        if not folder.is_dir():
            if folder.is_absolute() or path.count("/") > 1 or path.startswith("."):
                raise PersuasionError(
                    f"there is no folder {path}; name one that save_pretrained wrote, or an id of "
                    "the Hugging Face hub such as 'openai-community/gpt2'"
                )
            self._revisions[path] = found_revision(path)
            return f"{path}@{self._revisions[path] or 'main'}"
        if not (folder / "config.json").exists():
            raise PersuasionError(
                f"the folder {path} holds no model: it has no config.json. Name a folder that "
                "save_pretrained wrote"
            )
        digest = hashlib.blake2b(digest_size=16)
        for file in sorted(file for file in folder.iterdir() if file.is_file()):
            digest.update(file.name.encode())
            with file.open("rb") as content:
                while part := content.read(2**24):
                    digest.update(part)
        return digest.hexdigest()

    # -- Receivers -------------------------------------------------------------------------

    def train_receiver(
        self,
        tasks: Sequence[Task],
        training: TrainingSection,
        shares: tuple[float, ...],
        folder: Path,
        tell: Tell,
    ) -> None:
        """Train from scratch on demonstrations."""
        home, label = folder / "training", folder / _TRAINED
        if not label.exists():
            settings = ReceiverTraining(
                n_layer=training.n_layer,
                n_embd=training.n_embd,
                n_head=training.n_head,
                n_positions=training.n_positions,
                vocabulary=training.vocabulary,
                steps=training.steps,
                batch=training.batch,
                lr=training.lr,
                warmup=training.warmup,
                hintless=training.hintless,
                marks=shares,
                precision=self._machine.mixed_precision,
                compiled=self._config.compile,
                seed=training.seed,
            )
            names = [task.name for task in tasks]
            left = self._processes.together(
                self._pretrain, names, settings, home, tasks=tasks, tell=tell
            )
            steps = [one.step for one in left]
            if len(steps) != len(shares):
                raise PersuasionError(
                    f"the checkpoints {shares} fall on the same steps of {training.steps}; name "
                    "fewer or train longer"
                )
            marked = {
                share_name(share): one.path.relative_to(home).as_posix()
                for share, one in zip(sorted(shares), left, strict=True)
            }
            write_whole(label, json.dumps(marked).encode())
        for name, checkpoint in json.loads(label.read_bytes()).items():
            if (home / checkpoint).exists():  # else moved by an attempt that was killed after it
                (home / checkpoint).rename(folder / name)
        if (home / "losses.csv").exists():
            (home / "losses.csv").rename(folder / "losses.csv")
        shutil.rmtree(home, ignore_errors=True)

    def _pretrain(
        self,
        names: Sequence[str],
        settings: ReceiverTraining,
        home: Path,
        *,
        tasks: Sequence[Task] | None = None,
        tell: Tell | None = None,
    ) -> list[Checkpoint]:
        """Train together with all processes."""
        with without_bars():
            return pretrain(
                tasks or [self.task(name) for name in names],
                settings,
                home,
                threads=self._config.threads,
                progress=tell,
            )

    def receiver(self, seat: Seat, rule: Receiver) -> TextReceiver:
        """Load a Receiver; the one used last is kept in memory."""
        if isinstance(seat.source, ApiSection):
            return self._behind_a_server(seat.source, seat, rule)
        key = (seat.name, str(seat.source), seat.label, rule)
        if self._held is None or self._held[0] != key:
            self._held = None  # free it first
            self._held = key, self._loaded(seat, seat.source, rule)
        return self._held[1]

    def _behind_a_server(self, source: ApiSection, seat: Seat, rule: Receiver) -> OpenAIReceiver:
        """One connection, budget and cache for each, whatever the rule of the task."""
        if seat.name not in self._servers:
            self._servers[seat.name] = behind_a_server(
                source, seat.name, rule, seat.cache, asking=self._asking
            )
        ruled = copy(self._servers[seat.name])
        ruled.rule = rule
        return ruled

    def _loaded(
        self, seat: Seat, source: str | Path | ReplaySection, rule: Receiver
    ) -> TextReceiver:
        if isinstance(source, ReplaySection):
            return recorded(source, seat.name, rule)
        several, revision = self._processes.count > 1, self._revisions.get(str(source))
        with without_bars():
            loaded = (SharedReceiver if several else LocalReceiver).from_pretrained(
                source,
                rule,
                seat.name,
                self._config.receiver.batch_size,
                self._machine.device,
                revision=revision,
            )
        if isinstance(loaded, SharedReceiver):
            loaded.ask_all = partial(
                self._processes.together, self._answered, seat, rule, revision, receiver=loaded
            )
        return loaded

    def _answered(
        self,
        seat: Seat,
        rule: Receiver,
        revision: str | None,
        prompts: Sequence[str],
        max_new_tokens: int,
        *,
        receiver: TextReceiver | None = None,
        progress: Tell | None = None,
    ) -> list[dict[int, Reply]]:
        """Answer this process's share of the prompts; in the first, return the shares of all."""
        self._revisions[str(seat.source)] = revision
        receiver = receiver or self.receiver(seat, rule)
        assert isinstance(receiver, LocalReceiver)
        mine = receiver.generate_share(
            prompts,
            self._processes.number,
            self._processes.count,
            max_new_tokens=max_new_tokens,
            progress=progress,
        )
        with working(GENERATION) as count:  # waiting, and what was written meanwhile
            shares = self._processes.gathered(mine)
            count(sum(reply.n_tokens for share in shares[1:] for reply in share.values()))
        return shares

    def source_label(self, source: ApiSection | ReplaySection) -> str:
        """Hash of recorded answers; of a server what it is asked for, not what it has."""
        return label_of(source)

    def reports(self) -> list[str]:
        """What was asked of servers, and what came of it, in sentences."""
        return [line for server in self._servers.values() for line in server.report()]

    def close(self) -> None:
        """Let go of what is held."""
        self._held = None
        for server in self._servers.values():
            server.close()
        self._servers.clear()

    # -- Advisors --------------------------------------------------------------------------

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
        """Train on inputs of the split "train"."""
        label = folder / _LOG
        if not (label.exists() and (folder / _ADVISOR).exists()):
            advisor = self.untrained(plan, task)
            log = self._processes.together(
                self._train,
                plan,
                dict(measurement.games),
                dict(margins),
                dict(targets),
                folder / "checkpoint",
                self._revisions,
                task=task,
                advisor=advisor,
                tell=tell,
            )
            write_whole(label, json.dumps(log.to_dict()).encode())
            advisor.save(folder / _ADVISOR)
        shutil.rmtree(folder / "checkpoint", ignore_errors=True)
        log = TrainingLog.from_dict(json.loads(label.read_bytes()))
        return LearningCurve(log.values, log.warm_steps, log.note)

    def _train(
        self,
        plan: AdvisorPlan,
        games: Mapping[str, PersuasionGame],
        margins: Mapping[str, float],
        targets: Mapping[str, FloatArray],
        checkpoint: Path,
        revisions: Mapping[str, str | None],
        *,
        task: Task | None = None,
        advisor: Advisor | None = None,
        tell: Tell | None = None,
    ) -> TrainingLog:
        """Train together with all processes; the Advisor of the first is kept."""
        self._revisions.update(revisions)
        section = self._config.advisor
        task = task or self.task(plan.task)
        return train(
            advisor or self.untrained(plan, task),
            task,
            games,
            draw_examples(task, "train", section.n_inputs, plan.seed),
            rule=self._config.receiver.rule,
            settings=AdvisorTraining(
                warm_steps=section.warm_steps,
                steps=section.steps,
                lr=section.lr,
                batch=section.batch,
                grad_accumulation=section.grad_accumulation,
                receiver_beta=self._config.receiver.beta,
                margin=margins,
                seed=plan.seed,
            ),
            mode=plan.mode,
            targets=targets,
            checkpoint=checkpoint,
            device=self._config.device,
            precision=self._machine.mixed_precision,
            progress=tell,
        )

    def advisor(self, folder: Path) -> Advisor:
        """Load a trained Advisor."""
        with without_bars():
            loaded = Advisor.from_pretrained(folder / _ADVISOR)
        loaded.model.to(self._machine.device)
        return loaded

    def check_advisor(self, plan: AdvisorPlan, task: Task, examples: Sequence[Example]) -> None:
        """Load what training starts from, and have it read the prompts; nobody is paid yet."""
        given = self.untrained(plan, task)
        given.encode([task.advisor_prompt(x, item) for x in examples for item in task.items])

    def untrained(self, plan: AdvisorPlan, task: Task) -> Advisor:
        """Return a fresh model with a vocabulary of its own, or the one that was given."""
        section = self._config.advisor
        words = section.words or Codebook.default(plan.n_signals).words
        book = Codebook(words[: plan.n_signals], section.template)
        if section.path is not None:
            with without_bars():
                given = Advisor.from_pretrained(
                    section.path, book, revision=self._revisions.get(section.path)
                )
            given.model.to(self._machine.device)
            return given
        few = min(_EXAMPLES_FOR_A_VOCABULARY, section.n_inputs)
        prompts = [
            task.advisor_prompt(example, item)
            for example in draw_examples(task, "train", few, 0)
            for item in task.items
        ]
        tokenizer = build_tokenizer(prompts, whole=book.words)
        size = {
            "n_layer": section.n_layer,
            "n_embd": section.n_embd,
            "n_head": section.n_head,
            "n_positions": _context(task, tokenizer, prompts),
        }
        fresh = Advisor.fresh(tokenizer, book, size, seed=plan.seed)
        fresh.model.to(self._machine.device)
        return fresh


def _context(task: Task, tokenizer: PreTrainedTokenizerBase, prompts: Sequence[str]) -> int:
    """Tokens that a fresh Advisor reads at most: room to spare, and every input that is stored.

    A prompt of data she did not fit would end a run whose Receiver has been paid.
    """
    room: int = 2 * max(map(len, tokenizer(list(prompts))["input_ids"]))
    stored = task.inputs() if isinstance(task, StoredTask) else []
    others = (task.advisor_prompt(example, item) for example in stored for item in task.items)
    long = [prompt for prompt in others if len(prompt.encode()) > room]  # a byte or more a token
    return max([room, *(len(row) for row in (tokenizer(long)["input_ids"] if long else ()))]) + 8
