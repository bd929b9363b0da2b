"""What an experiment is: one frozen value, read from TOML, checked before any work.

The defaults are the embedded experiment: Receivers trained here from scratch, on one thread, in
minutes.
"""

from __future__ import annotations

import os
import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import TYPE_CHECKING, Annotated, Any, get_args

from llm_bridge.sections import (
    AdvisorSection,
    ApiSection,
    BaselinesSection,
    Control,
    EvaluateSection,
    MeasureSection,
    Mode,
    OtherSection,
    Precision,
    ReceiverSection,
    ReplaySection,
    TrainingSection,
)
from llm_bridge.settings import Says, read, to_table, to_toml
from persuasion.commands.arguments import did_you_mean
from persuasion.errors import PersuasionError
from persuasion.store import key_of

if TYPE_CHECKING:
    from llm_bridge.task import Task

__all__ = [
    "AdvisorSection",
    "ApiSection",
    "BaselinesSection",
    "Control",
    "EvaluateSection",
    "ExperimentConfig",
    "MeasureSection",
    "Mode",
    "OtherSection",
    "ReceiverSection",
    "ReplaySection",
    "TrainingSection",
    "commented",
    "default_config",
    "demo_config",
    "full_config",
    "read_config",
    "real_config",
]

Parameter = bool | int | float | str


@dataclass(frozen=True)
class ExperimentConfig:
    """An experiment.

    Parameters
    ----------
    name : str
    tasks : tuple of str
    seeds : tuple of int
        One Advisor each.
    device, threads, precision, compile, report_to
    task : mapping of str to mapping of str
        Parameters of tasks, such as the path of a data set, by task.
    receiver, other, advisor, measure, evaluate, baselines
        Sections; see their fields.

    Raises
    ------
    PersuasionError
        Where sections contradict each other or name what does not exist.

    Examples
    --------
    >>> from llm_bridge.config import ExperimentConfig
    >>> config = ExperimentConfig(tasks=("math",))
    >>> config == ExperimentConfig.from_dict(config.to_dict())
    True
    >>> ExperimentConfig.from_dict({"tasks": ["maths"]})
    Traceback (most recent call last):
        ...
    persuasion.errors.PersuasionError: `tasks`: no task is called 'maths'; did you mean 'math'? \
(legal are code, grade, gsm8k, humaneval, math)
    """

    name: Annotated[str, Says("What reports call it.")] = "default"
    tasks: Annotated[
        tuple[str, ...], Says("Which tasks; `persuasion bridge tasks` lists them.")
    ] = ("math", "code", "grade")
    seeds: Annotated[tuple[int, ...], Says("One Advisor for each.", at_least=0)] = (0,)
    device: Annotated[str, Says("auto, cpu, cuda, cuda:1 or mps.")] = "auto"
    threads: Annotated[int, Says("Threads of PyTorch on the CPU.", at_least=1)] = 1
    precision: Annotated[
        Precision, Says("auto (bf16 on GPUs that have it, else float32), no (float32) or bf16.")
    ] = "auto"
    compile: Annotated[
        bool,
        Says("Whether torch.compile makes kernels for Receivers trained here; pays on GPUs alone."),
    ] = False
    report_to: Annotated[str, Says("A tracker of accelerate, such as tensorboard.")] = "none"
    task: Annotated[
        Mapping[str, Mapping[str, Parameter]],
        Says("Parameters of tasks, such as the path of a data set in [task.gsm8k]."),
    ] = field(default_factory=dict)
    receiver: Annotated[ReceiverSection, Says("Whom the Advisor learns to persuade.")] = field(
        default_factory=ReceiverSection
    )
    other: Annotated[
        tuple[OtherSection, ...],
        Says("Receivers whom the Advisor meets without training for them."),
    ] = ()
    advisor: Annotated[AdvisorSection, Says("Who persuades.")] = field(
        default_factory=AdvisorSection
    )
    measure: Annotated[MeasureSection, Says("How the game is measured.")] = field(
        default_factory=MeasureSection
    )
    evaluate: Annotated[EvaluateSection, Says("How the outcome is measured.")] = field(
        default_factory=EvaluateSection
    )
    baselines: Annotated[BaselinesSection, Says("What else is tried.")] = field(
        default_factory=BaselinesSection
    )

    def __post_init__(self) -> None:
        from llm_bridge import tasks

        for name in self.tasks:
            if name not in tasks.known():
                raise PersuasionError(
                    f"`tasks`: no task is called {name!r}{did_you_mean(name, tasks.known())} "
                    f"(legal are {', '.join(tasks.known())})"
                )
        for name in self.task:
            if name not in self.tasks:
                raise PersuasionError(
                    f"[task.{name}] is there, but `tasks` does not name {name!r}"
                    f"{did_you_mean(name, self.tasks)}; it names {', '.join(self.tasks) or 'none'}"
                )
        for name in self.tasks:
            tasks.check_parameters(name, self.parameters(name))
        if not self.name or "/" in self.name or self.name[0] == ".":
            raise PersuasionError(
                "`name` also names a folder: it must not be empty, hold a / or begin with a dot; "
                f"got {self.name!r}"
            )
        _check_listed("tasks", self.tasks)
        _check_listed("seeds", self.seeds)
        _check_listed("other", [other.name for other in self.other], empty=True)
        _check_device(self.device)
        self._check_signals()
        if self.receiver.name in [other.name for other in self.other]:
            raise PersuasionError(
                f"`other` names {self.receiver.name!r}, which is what the Receiver herself is "
                "called; choose another name"
            )
        if not self.receiver.trained_here and any(o.checkpoint is not None for o in self.other):
            raise PersuasionError(
                "`other.checkpoint` needs a Receiver that is trained here; drop `receiver.path`, "
                "`receiver.api` and `receiver.replay`, or give the other Receiver a `path`"
            )
        self._check_caches()
        self._check_baselines()

    def _check_caches(self) -> None:
        named: dict[str, str] = {}
        sections: list[ReceiverSection | OtherSection] = [self.receiver, *self.other]
        for section in sections:
            if section.api is None or section.api.cache is None:
                continue
            cache = os.path.realpath(os.path.expanduser(section.api.cache))
            if cache in named:
                raise PersuasionError(
                    f"`cache` is {section.api.cache!r} for {named[cache]!r} and for "
                    f"{section.name!r}; each Receiver behind a server needs a file of her own"
                )
            named[cache] = section.name

    def _check_baselines(self) -> None:
        from llm_bridge import baselines

        legal = baselines.names()
        for name in self.baselines.names:
            if name not in legal:
                raise PersuasionError(
                    f"`baselines.names`: there is no {name!r}{did_you_mean(name, legal)} (legal "
                    f"are {', '.join(legal)})"
                )
        _check_listed("baselines.names", self.baselines.names, empty=True)
        _check_listed("baselines.receivers", self.baselines.receivers, empty=True)
        others = [other.name for other in self.other]
        for name in self.baselines.receivers:
            if name not in others:
                raise PersuasionError(
                    f"`baselines.receivers` names {name!r}, which no other Receiver is called"
                    f"{did_you_mean(name, others)}; there are {', '.join(others) or 'none'}"
                )
        if self.baselines.receivers and not self.baselines.names:
            raise PersuasionError("`baselines.receivers` needs `baselines.names`; name some")

    def _check_signals(self) -> None:
        for name, counts in self.advisor.signals.items():
            if name not in self.tasks:
                raise PersuasionError(
                    f"`advisor.signals` names the task {name!r}, which is not among `tasks`"
                    f"{did_you_mean(name, self.tasks)} (those are {', '.join(self.tasks)})"
                )
            _check_listed(f"advisor.signals.{name}", counts)
            n_items = len(self.items(name))
            if not all(2 <= count <= n_items for count in counts):
                raise PersuasionError(
                    f"`advisor.signals.{name}` holds numbers from 2 to {n_items}, the items of "
                    f"the task; got {list(counts)}"
                )

        words, most = self.advisor.words, max(max(self.signals(name)) for name in self.tasks)
        if words and len(words) < most:
            raise PersuasionError(
                f"`advisor.words` holds {len(words)} codewords for up to {most} signals; give "
                f"{most}, or none"
            )

    def signals(self, task: str) -> tuple[int, ...]:
        """Numbers of signals that Advisors of a task are trained with."""
        return tuple(self.advisor.signals.get(task) or (len(self.items(task)),))

    def items(self, task: str) -> tuple[str, ...]:
        """Items of a task; no data is read for it."""
        from llm_bridge import tasks

        return tasks.items_of(task, self.parameters(task))

    def parameters(self, task: str) -> dict[str, Parameter]:
        """Return what a task is built with."""
        return dict(self.task.get(task, {}))

    def load_tasks(self) -> dict[str, Task]:
        """Build the tasks, to look at their inputs: nothing runs the programs of answers."""
        from llm_bridge import tasks

        return {name: tasks.load(name, **self.parameters(name)) for name in self.tasks}

    def fingerprint(self, *sections: str) -> str:
        """Hash of the whole, or of some sections.

        Examples
        --------
        >>> from dataclasses import replace
        >>> from llm_bridge.config import ExperimentConfig
        >>> one = ExperimentConfig()
        >>> other = replace(one, name="mine")
        >>> one.fingerprint() == other.fingerprint()
        False
        >>> one.fingerprint("measure", "tasks") == other.fingerprint("measure", "tasks")
        True
        """
        table = asdict(self)
        return key_of({name: table[name] for name in sections or table})

    def to_dict(self) -> dict[str, Any]:
        """Return nested dicts and lists, ready for JSON; what is None is left out."""
        return to_table(self)

    @classmethod
    def from_dict(cls, table: Mapping[str, Any]) -> ExperimentConfig:
        """Read what `to_dict` or a TOML file gives; see `llm_bridge.settings.read` for errors."""
        return read(cls, table)

    def to_toml(self, *, comments: bool = False) -> str:
        """Return the text of a file that `read_config` reads as this."""
        return to_toml(self, comments=comments)


def read_config(path: Path | str) -> ExperimentConfig:
    """Read an experiment from a TOML file.

    Parameters
    ----------
    path : path

    Returns
    -------
    ExperimentConfig

    Raises
    ------
    PersuasionError
        When there is no such file, it is no TOML, or a setting is not legal; nothing has been
        done then.
    """
    file = Path(path)
    try:
        text = file.read_bytes().decode()
    except FileNotFoundError:
        raise PersuasionError(
            f"there is no file {file}; `persuasion bridge config` prints one to start from"
        ) from None
    except (OSError, UnicodeDecodeError) as cause:
        raise PersuasionError(f"{file} cannot be read: {cause}") from cause
    try:
        return ExperimentConfig.from_dict(tomllib.loads(text))
    except tomllib.TOMLDecodeError as cause:
        raise PersuasionError(f"{file} is not TOML: {cause}") from cause
    except PersuasionError as cause:
        raise PersuasionError(f"{file}: {cause}") from cause


def default_config() -> ExperimentConfig:
    """Return the embedded experiment: one seed, three other Receivers, minutes on a laptop."""
    return ExperimentConfig(
        advisor=AdvisorSection(signals={"math": (2, 4), "code": (2, 6)}),
        other=(
            OtherSection(name="early", checkpoint=0.25),
            OtherSection(name="middle", checkpoint=0.5),
            OtherSection(name="shallow", training=TrainingSection(n_layer=1, steps=800, seed=1)),
        ),
    )


def demo_config() -> ExperimentConfig:
    """Return what a demo has time for: `default_config` with fewer Advisors and Receivers."""
    small = default_config()
    return replace(
        small,
        name="demo",
        advisor=replace(small.advisor, signals={"math": (2, 4), "code": (6,)}),
        other=tuple(other for other in small.other if other.name != "middle"),
    )


def full_config() -> ExperimentConfig:
    """Return the embedded experiment with two seeds, more signals, controls, inputs, baselines."""
    from llm_bridge import baselines

    small = default_config()
    return replace(
        small,
        name="full",
        seeds=(0, 1),
        advisor=replace(small.advisor, signals={"math": (2, 3, 4), "code": (2, 3, 6)}),
        measure=replace(small.measure, n_inputs=200),
        evaluate=replace(small.evaluate, n_inputs=300, controls=get_args(Control)),
        baselines=BaselinesSection(tuple(baselines.names()), ("early",)),
    )


def real_config(receiver: str) -> ExperimentConfig:
    """Return an experiment on the word problems of GSM8K, to be filled in.

    Parameters
    ----------
    receiver : {"api", "replay", "path"}
        A model behind a server, recorded answers, or a model of one's own.
    """
    chairs = {
        "api": ReceiverSection(
            api=ApiSection(
                model="some-model",
                max_tokens=2_000_000,
                max_money=2.0,
                price_prompt=0.15,
                price_completion=0.6,
            )
        ),
        "replay": ReceiverSection(replay=ReplaySection("answers.jsonl")),
        "path": ReceiverSection(path="models/receiver"),
    }
    return ExperimentConfig(
        name="gsm8k",
        tasks=("gsm8k",),
        task={"gsm8k": {"path": "test.jsonl", "hidden": "difficulty"}},
        receiver=chairs[receiver],
        advisor=AdvisorSection(signals={"gsm8k": (2, 3)}, n_inputs=60),
        measure=MeasureSection(n_inputs=50),
        evaluate=EvaluateSection(n_inputs=50),
    )


def commented(config: ExperimentConfig) -> str:
    """Return an experiment as a TOML file that explains itself."""
    head = (
        "# An experiment: persuasion bridge run THIS.toml --out out/mine\n"
        "# Every setting may be left out."
    )
    return f"{head}\n\n{config.to_toml(comments=True)}"


def _check_listed(name: str, values: Any, *, empty: bool = False) -> None:
    if not values and not empty:
        raise PersuasionError(f"`{name}` must name at least one")
    twice = [value for value in values if list(values).count(value) > 1]
    if twice:
        raise PersuasionError(f"`{name}` names {twice[0]!r} twice")


def _check_device(device: str) -> None:
    kind, colon, index = device.partition(":")
    if kind not in ("auto", "cpu", "cuda", "mps") or (colon and not index.isdecimal()):
        raise PersuasionError(
            f"`device` must be auto, cpu, cuda, cuda:1 (any number) or mps; got {device!r}"
        )
