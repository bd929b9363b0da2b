"""Language models in the two chairs of a persuasion game.

An Advisor is a language model whose scores of a few codewords are a signaling scheme; a Receiver is
a language model that answers with what she believes as a hint. `measure` lets her answer under
every belief, which makes a finite `persuasion.PersuasionGame`; `optimum` solves it; `train` teaches
an Advisor on it; `evaluate` holds her against yardsticks and controls on inputs that nothing was
fitted to. ``persuasion bridge`` does all of it in one command.

What is listed here is loaded when it is first used: importing this package loads neither torch nor
transformers, and `measure`, `optimum` and `evaluate` need neither. Tasks are in `llm_bridge.tasks`,
Receivers in `llm_bridge.receivers`, training a Receiver from scratch in `llm_bridge.pretrain`, and
confined running of generated programs in `llm_bridge.sandbox`.

Examples
--------
>>> import llm_bridge
>>> llm_bridge.Codebook.default(2).words
('amber', 'cobalt')
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from llm_bridge.advisor import Advisor
    from llm_bridge.codebook import Codebook
    from llm_bridge.config import ExperimentConfig, default_config, full_config, read_config
    from llm_bridge.evaluate import evaluate
    from llm_bridge.evaluation import Evaluation
    from llm_bridge.measure import measure
    from llm_bridge.measurement import Measurement
    from llm_bridge.optimum import Optimum, optimum
    from llm_bridge.receivers import TextReceiver
    from llm_bridge.receivers.local import LocalReceiver
    from llm_bridge.reply import Reply
    from llm_bridge.task import Example, Task, Utilities
    from llm_bridge.train import train
    from llm_bridge.training.settings import AdvisorTraining

__all__ = [
    "Advisor",
    "AdvisorTraining",
    "Codebook",
    "Evaluation",
    "Example",
    "ExperimentConfig",
    "LocalReceiver",
    "Measurement",
    "Optimum",
    "Reply",
    "Task",
    "TextReceiver",
    "Utilities",
    "default_config",
    "evaluate",
    "full_config",
    "measure",
    "optimum",
    "read_config",
    "train",
]

_HOMES = {
    "Advisor": "advisor",
    "AdvisorTraining": "training.settings",
    "Codebook": "codebook",
    "Evaluation": "evaluation",
    "Example": "task",
    "ExperimentConfig": "config",
    "LocalReceiver": "receivers.local",
    "Measurement": "measurement",
    "Optimum": "optimum",
    "Reply": "reply",
    "Task": "task",
    "TextReceiver": "receivers",
    "Utilities": "task",
    "default_config": "config",
    "evaluate": "evaluate",
    "full_config": "config",
    "measure": "measure",
    "optimum": "optimum",
    "read_config": "config",
    "train": "train",
}


def __getattr__(name: str) -> Any:
    """Load a public name when it is first used."""
    if name not in _HOMES:
        raise AttributeError(f"module 'llm_bridge' has no attribute {name!r}")
    value = getattr(import_module(f"llm_bridge.{_HOMES[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    """List the public names; submodules are reached by importing them."""
    return list(__all__)


class _Package(ModuleType):
    """Keeps verbs what they are when the submodule of the same name is imported."""

    def __setattr__(self, name: str, value: Any) -> None:
        if isinstance(value, ModuleType) and _HOMES.get(name) == name:
            value = getattr(value, name)
        super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package
