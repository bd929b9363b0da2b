"""What the Advisor's training descends, one file per mode, each with an ``OBJECTIVE``.

An objective maps the log-probabilities of signals at a batch of inputs and what is at stake there
to one loss per input. A new mode is one new file; it is found by listing the folder.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from importlib import import_module

from torch import Generator, Tensor

from llm_bridge.training.belief_response import Stakes
from persuasion.commands.arguments import did_you_mean
from persuasion.errors import PersuasionError

__all__ = ["Objective", "load", "names"]


@dataclass(frozen=True)
class Objective:
    """A mode of training.

    Attributes
    ----------
    loss : callable
        ``loss(log_kernel, stakes, generator, n_samples) -> Tensor (n_inputs,)``, to be descended;
        log_kernel (n_inputs, n_items, n_signals) carries the gradient, in nats.
    needs_target : bool
        Whether it imitates a scheme given.
    note : str
        What its figures are not; the log says it. Empty where nothing is to be said.
    """

    loss: Callable[[Tensor, Stakes, Generator, int], Tensor]
    needs_target: bool = False
    note: str = ""


def names() -> list[str]:
    """Names of all modes."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name[0] != "_")


def load(mode: str) -> Objective:
    """Return the objective of a mode."""
    if mode not in names():
        raise PersuasionError(
            f"there is no mode {mode!r}{did_you_mean(mode, names())} "
            f"(legal are {', '.join(names())})"
        )
    objective: Objective = import_module(f"{__name__}.{mode}").OBJECTIVE
    return objective
