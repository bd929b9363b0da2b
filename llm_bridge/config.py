"""What an experiment is: one frozen value, read from TOML, checked before any work.

The defaults are the embedded experiment: Receivers trained here from scratch, on one thread, in
minutes.
"""

from __future__ import annotations

import tomllib
from collections.abc import Mapping
from dataclasses import asdict, dataclass, field, replace
from pathlib import Path
from typing import Annotated, Any, Literal, get_args

from llm_bridge.settings import Says, read, to_table, to_toml
from persuasion.commands.arguments import did_you_mean
from persuasion.errors import PersuasionError
from persuasion.store import key_of

__all__ = [
    "AdvisorSection",
    "Control",
    "EvaluateSection",
    "ExperimentConfig",
    "MeasureSection",
    "Mode",
    "OtherSection",
    "ReceiverSection",
    "TrainingSection",
    "commented",
    "default_config",
    "demo_config",
    "full_config",
    "read_config",
]

Mode = Literal["exact", "belief_pg", "distill", "reinforce"]
Control = Literal["untrained", "reinforce"]
Rule = Literal["posterior_sampling", "best_response", "quantal"]
Precision = Literal["auto", "no", "bf16"]
MarginRule = Literal["root", "bootstrap", "theorem_6"]


@dataclass(frozen=True)
class TrainingSection:
    """How a Receiver is trained from scratch on demonstrations of the tasks."""

    n_layer: Annotated[int, Says("Layers.", at_least=1)] = 2
    n_embd: Annotated[int, Says("Width; divisible by n_head.", at_least=4)] = 64
    n_head: Annotated[int, Says("Attention heads.", at_least=1)] = 4
    n_positions: Annotated[int, Says("Longest text, in tokens.", at_least=8)] = 96
    vocabulary: Annotated[int, Says("Most tokens of the tokenizer.", at_least=259)] = 512
    steps: Annotated[int, Says("Gradient steps.", at_least=1)] = 2000
    batch: Annotated[int, Says("Demonstrations in a step.", at_least=1)] = 96
    lr: Annotated[float, Says("Greatest learning rate.", above=0)] = 0.005
    warmup: Annotated[int, Says("Steps until it is reached.", at_least=0)] = 100
    hintless: Annotated[
        float, Says("Share of prompts that carry no hint.", at_least=0, at_most=1)
    ] = 0.1
    seed: Annotated[int, Says("Of weights and batches.", at_least=0)] = 0

    def __post_init__(self) -> None:
        if self.n_embd % self.n_head:
            raise PersuasionError(
                f"`n_embd` must be divisible by `n_head`; got {self.n_embd} and {self.n_head}"
            )


@dataclass(frozen=True)
class ReceiverSection:
    """The Receiver: a model given, or one trained here."""

    path: Annotated[
        str | None,
        Says(
            "Folder or hub id of a causal language model; without it one is trained here.",
            example="models/receiver",
        ),
    ] = None
    rule: Annotated[
        Rule | None,
        Says(
            "How beliefs become a believed item; each task has its own where this is left out.",
            example="posterior_sampling",
        ),
    ] = None
    beta: Annotated[
        float | None, Says("Precision of the rule quantal, in 1 / util.", above=0, example=20.0)
    ] = None
    batch_size: Annotated[int, Says("Prompts answered together.", at_least=1)] = 256
    training: Annotated[TrainingSection, Says("For the Receiver trained here.")] = field(
        default_factory=TrainingSection
    )

    def __post_init__(self) -> None:
        if (self.rule == "quantal") != (self.beta is not None):
            raise PersuasionError(
                f"`beta` belongs to the rule quantal and is needed there; got rule={self.rule!r}, "
                f"beta={self.beta}"
            )

    @property
    def name(self) -> str:
        """What tables call her."""
        if self.path is None:
            return "embedded"
        last = Path(self.path).expanduser().resolve().name
        return "".join(c if c.isalnum() or c in "-_." else "-" for c in last) or "model"


@dataclass(frozen=True)
class OtherSection:
    """Another Receiver, whom the Advisor meets without training for her."""

    name: Annotated[str, Says("What tables call her.")]
    path: Annotated[str | None, Says("Folder or hub id of a model.", example="models/other")] = None
    checkpoint: Annotated[
        float | None,
        Says(
            "Or: the embedded Receiver after this share of her training.",
            above=0,
            at_most=1,
            example=0.3,
        ),
    ] = None
    training: Annotated[TrainingSection | None, Says("Or: a training of her own.")] = None

    def __post_init__(self) -> None:
        given = [x for x in (self.path, self.checkpoint, self.training) if x is not None]
        if len(given) != 1:
            raise PersuasionError(
                f"the other Receiver {self.name!r} needs exactly one of `path`, `checkpoint` and "
                f"`training`; got {len(given)}"
            )
        if not self.name or not all(c.isalnum() or c in "-_" for c in self.name):
            raise PersuasionError(
                f"`name` of another Receiver is made of letters, digits, - and _; got {self.name!r}"
            )


@dataclass(frozen=True)
class AdvisorSection:
    """The Advisor: a language model that scores signals."""

    path: Annotated[
        str | None,
        Says("Folder or hub id of a model to start from; else fresh.", example="models/advisor"),
    ] = None
    n_layer: Annotated[int, Says("Layers of a fresh one.", at_least=1)] = 2
    n_embd: Annotated[int, Says("Width of a fresh one; divisible by n_head.", at_least=4)] = 64
    n_head: Annotated[int, Says("Attention heads of a fresh one.", at_least=1)] = 4
    words: Annotated[
        tuple[str, ...], Says("Codewords, one for each signal; neutral words where there are none.")
    ] = ()
    template: Annotated[
        str, Says("How one is written after the prompt; some tokenizers want ' {word}'.")
    ] = "{word}"
    mode: Annotated[
        Mode, Says("What is ascended: exact, belief_pg, distill (reads the LP) or reinforce.")
    ] = "exact"
    warm_steps: Annotated[int, Says("Steps towards softened full disclosure.", at_least=0)] = 100
    steps: Annotated[int, Says("Gradient steps.", at_least=1)] = 300
    lr: Annotated[float, Says("Learning rate.", above=0)] = 0.001
    batch: Annotated[int, Says("Inputs in a step.", at_least=1)] = 32
    grad_accumulation: Annotated[
        int, Says("Parts in which they go through the model, to save memory.", at_least=1)
    ] = 1
    n_inputs: Annotated[int, Says("Inputs for training, of each template.", at_least=1)] = 96
    margin: Annotated[
        float | MarginRule,
        Says(
            "Obedience asked of her and of the LP, in utils, or a rule: root, bootstrap, "
            "theorem_6.",
            at_least=0,
        ),
    ] = "root"
    signals: Annotated[
        Mapping[str, tuple[int, ...]],
        Says(
            "Numbers of signals, by task; as many as items where a task is not named.", at_least=2
        ),
    ] = field(default_factory=dict)

    def __post_init__(self) -> None:
        if self.n_embd % self.n_head:
            raise PersuasionError(
                f"`n_embd` must be divisible by `n_head`; got {self.n_embd} and {self.n_head}"
            )


@dataclass(frozen=True)
class MeasureSection:
    """How the game is measured."""

    n_inputs: Annotated[int, Says("Inputs of each template.", at_least=2)] = 100
    confidence: Annotated[float, Says("Of each limit.", above=0, at_most=0.9999)] = 0.95
    seed: Annotated[int, Says("Which inputs.", at_least=0)] = 0


@dataclass(frozen=True)
class EvaluateSection:
    """How everything is held against held-out inputs."""

    n_inputs: Annotated[int, Says("Inputs of each template.", at_least=2)] = 100
    controls: Annotated[
        tuple[Control, ...],
        Says("Negative controls beside shuffled signals and deaf Receivers: untrained, reinforce."),
    ] = ("untrained",)
    confidence: Annotated[float, Says("Of each limit.", above=0, at_most=0.9999)] = 0.95
    seed: Annotated[int, Says("Which inputs, and of the bootstrap.", at_least=0)] = 0


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
    receiver, other, advisor, measure, evaluate
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
(legal are code, grade, math)
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

    def __post_init__(self) -> None:
        from llm_bridge import tasks

        for name in self.tasks:
            if name not in tasks.names():
                raise PersuasionError(
                    f"`tasks`: no task is called {name!r}{did_you_mean(name, tasks.names())} "
                    f"(legal are {', '.join(tasks.names())})"
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
        if self.receiver.path is not None and any(o.checkpoint is not None for o in self.other):
            raise PersuasionError(
                "`other.checkpoint` needs a Receiver that is trained here; drop `receiver.path`, "
                "or give the other Receiver a `path`"
            )

    def _check_signals(self) -> None:
        from llm_bridge import tasks

        for name, counts in self.advisor.signals.items():
            if name not in self.tasks:
                raise PersuasionError(
                    f"`advisor.signals` names the task {name!r}, which is not among `tasks`"
                    f"{did_you_mean(name, self.tasks)} (those are {', '.join(self.tasks)})"
                )
            _check_listed(f"advisor.signals.{name}", counts)
            n_items = len(tasks.load(name).items)
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
        from llm_bridge import tasks

        return tuple(self.advisor.signals.get(task) or (len(tasks.load(task).items),))

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
    """Return the embedded experiment with two seeds, more signals, controls and inputs."""
    small = default_config()
    return replace(
        small,
        name="full",
        seeds=(0, 1),
        advisor=replace(small.advisor, signals={"math": (2, 3, 4), "code": (2, 3, 6)}),
        measure=replace(small.measure, n_inputs=200),
        evaluate=replace(small.evaluate, n_inputs=300, controls=get_args(Control)),
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
