"""Other ways of putting what the Advisor knows to use, one file each with a ``BASELINE``.

Every baseline gets the same inputs, the same Receiver and the same budget, and has a control: a
variant that is bound to gain nothing. A new baseline is one new file; it is found by listing the
folder.
"""

from __future__ import annotations

import pkgutil
from collections.abc import Sequence
from importlib import import_module
from typing import Protocol

from llm_bridge.baselines._ground import Asked, Ground, Played
from llm_bridge.task import Example, Task
from persuasion.commands.arguments import did_you_mean
from persuasion.errors import PersuasionError

__all__ = ["Asked", "Baseline", "Ground", "Played", "load", "names"]


class Baseline(Protocol):
    """One way."""

    def lacks(self, ground: Ground) -> str | None:
        """Say what is missing for it to be tried, or None."""
        ...

    def asks(
        self, task: Task, training: Sequence[Example], held_out: Sequence[Example]
    ) -> list[Asked]:
        """Say every prompt that `play` will put to the Receiver, without putting it."""
        ...

    def play(self, ground: Ground) -> Played:
        """Train what there is to train, and answer the held-out inputs."""
        ...

    def control(self) -> Baseline:
        """Return the variant that is bound to gain nothing."""
        ...

    @property
    def bound(self) -> str:
        """Arm that the control cannot be worth more than, up to chance.

        "none", answers of the Receiver told nothing, or "blind", the best answers that do not
        depend on the item.
        """
        ...


def names() -> list[str]:
    """Names of all baselines."""
    return sorted(module.name for module in pkgutil.iter_modules(__path__) if module.name[0] != "_")


def load(name: str) -> Baseline:
    """Return a baseline with its default settings."""
    if name not in names():
        raise PersuasionError(
            f"there is no baseline {name!r}{did_you_mean(name, names())} "
            f"(legal are {', '.join(names())})"
        )
    baseline: Baseline = import_module(f"{__name__}.{name}").BASELINE
    return baseline
