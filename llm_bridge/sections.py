"""Sections of an experiment's file: what each setting means and what is legal."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Annotated, Literal

from llm_bridge.requests.server import Endpoint, LengthField
from llm_bridge.settings import Says
from persuasion.errors import PersuasionError

__all__ = [
    "AdvisorSection",
    "ApiSection",
    "BaselinesSection",
    "Control",
    "Endpoint",
    "EvaluateSection",
    "MeasureSection",
    "Mode",
    "OtherSection",
    "Precision",
    "ReceiverSection",
    "ReplaySection",
    "TrainingSection",
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
class ApiSection:
    """A model behind an OpenAI-compatible server, and the most that may be spent on it."""

    model: Annotated[str, Says("As the server calls it.")]
    max_tokens: Annotated[
        int, Says("Hard cap on tokens, read and written, over the life of the cache.", at_least=1)
    ]
    base_url: Annotated[
        str | None,
        Says(
            "Where the server is; else the environment's OPENAI_BASE_URL, or OpenAI's own.",
            example="http://127.0.0.1:8000/v1",
        ),
    ] = None
    key_variable: Annotated[str, Says("Variable of the environment that holds the API key.")] = (
        "OPENAI_API_KEY"
    )
    endpoint: Annotated[Endpoint, Says("completions, or chat for models that converse.")] = "chat"
    temperature: Annotated[float, Says("Of her answers.", at_least=0)] = 0.0
    seed: Annotated[int, Says("From which each request gets its own.", at_least=0)] = 0
    max_money: Annotated[
        float | None,
        Says("Hard cap on money; needs both prices.", above=0, example=5.0),
    ] = None
    price_prompt: Annotated[
        float | None,
        Says("Money for a million tokens read.", at_least=0, example=0.15),
    ] = None
    price_completion: Annotated[
        float | None,
        Says("Money for a million tokens written.", at_least=0, example=0.6),
    ] = None
    cache: Annotated[
        str | None,
        Says(
            "File in which requests and answers are kept; in the folder of the run if left out.",
            example="requests.jsonl",
        ),
    ] = None
    concurrency: Annotated[int, Says("Requests at a time.", at_least=1)] = 8
    timeout_s: Annotated[float, Says("For one request, in seconds.", above=0)] = 60.0
    retries: Annotated[int, Says("How often one that failed is repeated.", at_least=0)] = 4
    bytes_per_token: Annotated[float, Says("For estimates of cost.", at_least=1)] = 4.0
    tokenizer: Annotated[
        str | None,
        Says(
            "Folder or hub id of a tokenizer, for servers that do not count tokens.",
            example="models/receiver",
        ),
    ] = None
    length_field: Annotated[
        LengthField, Says("max_tokens, or max_completion_tokens where a model wants that.")
    ] = "max_tokens"
    unsent: Annotated[
        tuple[str, ...], Says("temperature, seed or both, where a model refuses them.")
    ] = ()
    extra: Annotated[
        Mapping[str, bool | int | float | str], Says("What else goes with every request.")
    ] = field(default_factory=dict, hash=False)

    @property
    def probed(self) -> bool:
        """Whether there are settings of a request that the server may ignore."""
        return "temperature" not in self.unsent

    def __post_init__(self) -> None:
        if (self.price_prompt is None) != (self.price_completion is None):
            raise PersuasionError(
                "`price_prompt` and `price_completion` go together; got "
                f"{self.price_prompt} and {self.price_completion}"
            )
        if self.max_money is not None and self.price_prompt is None:
            raise PersuasionError(
                f"`max_money` needs `price_prompt` and `price_completion`; got {self.max_money} "
                "without them"
            )


@dataclass(frozen=True)
class ReplaySection:
    """Answers recorded earlier."""

    path: Annotated[
        str,
        Says(
            "JSON lines with prompt, text and n_tokens, or a file of requests that a run with an "
            "`api` left."
        ),
    ]
    tokenizer: Annotated[
        str | None,
        Says(
            "Folder or hub id of a tokenizer, where the requests do not say how many tokens.",
            example="models/receiver",
        ),
    ] = None


@dataclass(frozen=True)
class ReceiverSection:
    """The Receiver: a model given, one behind a server, recorded answers, or one trained here."""

    path: Annotated[
        str | None,
        Says(
            "Folder or hub id of a model; else one is trained here (or `config --receiver api`).",
            example="models/receiver",
        ),
    ] = None
    api: Annotated[ApiSection | None, Says("Or: a model behind a server.")] = None
    replay: Annotated[ReplaySection | None, Says("Or: recorded answers.")] = None
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
        given = [n for n in ("path", "api", "replay") if getattr(self, n) is not None]
        if len(given) > 1:
            raise PersuasionError(
                f"the Receiver comes from one of `path`, `api` and `replay`; got {_and(given)}"
            )

    @property
    def trained_here(self) -> bool:
        """Whether she is made by this experiment."""
        return self.path is None and self.api is None and self.replay is None

    @property
    def name(self) -> str:
        """What tables call her."""
        if self.api is not None:
            last = self.api.model.rstrip("/").rpartition("/")[2]
        elif self.replay is not None:
            last = Path(self.replay.path).stem
        elif self.path is not None:
            last = Path(self.path).expanduser().resolve().name
        else:
            return "embedded"
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
    api: Annotated[ApiSection | None, Says("Or: a model behind a server.")] = None
    replay: Annotated[ReplaySection | None, Says("Or: recorded answers.")] = None

    def __post_init__(self) -> None:
        legal = ("path", "checkpoint", "training", "api", "replay")
        given = [n for n in legal if getattr(self, n) is not None]
        if len(given) != 1:
            raise PersuasionError(
                f"the other Receiver {self.name!r} needs exactly one of {', '.join(legal)}; got "
                f"{_and(given) or 'none'}"
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
class BaselinesSection:
    """Other ways of using what the Advisor knows, for the same budget."""

    names: Annotated[
        tuple[str, ...],
        Says(
            "all_items, best_of_n, corrector, fine_tuned; none are tried where the list is empty."
        ),
    ] = ()
    receivers: Annotated[
        tuple[str, ...],
        Says("Other Receivers with whom they are tried too, by their names."),
    ] = ()


def _and(names: Sequence[str]) -> str:
    return " and ".join(f"`{name}`" for name in names)
