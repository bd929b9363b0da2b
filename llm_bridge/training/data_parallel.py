"""One training in several processes: each takes its share of every batch, gradients are added up.

All processes hold the whole model and draw the same batches, which are functions of seed and step;
so nothing but gradients and sums has to travel. A step in n processes is the step of one, up to the
order in which numbers are added.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any, TypeVar

import torch
from accelerate import Accelerator
from accelerate.utils import gather_object
from torch.nn import Parameter

from persuasion.errors import PersuasionError

__all__ = ["add_gradients", "check_alike", "share", "sums"]

T = TypeVar("T")


def share(parts: Sequence[T], machine: Accelerator) -> list[tuple[int, T]]:
    """Return the parts that fall to this process, every n-th, with their numbers; maybe none."""
    return list(enumerate(parts))[machine.process_index :: machine.num_processes]


def add_gradients(parameters: Iterable[Parameter], machine: Accelerator) -> None:
    """Replace gradients by their sum over all processes; a process without gradients adds 0.

    Notes
    -----
    Departures from `torch.nn.parallel.DistributedDataParallel`: sums in place of means, as losses
    here are divided by the size of the whole batch; one exchange after the backward passes, not
    during them, so that a process may go through its share in as many parts as its memory asks
    for, with several forward passes each.
    """
    if machine.num_processes == 1:
        return
    trained = [weight for weight in parameters if weight.requires_grad]
    for weight in trained:
        if weight.grad is None:
            weight.grad = torch.zeros_like(weight)
    gradients = [weight.grad for weight in trained if weight.grad is not None]
    total = machine.reduce(torch.cat([gradient.flatten() for gradient in gradients]), "sum")
    pieces = total.split([gradient.numel() for gradient in gradients])
    for gradient, piece in zip(gradients, pieces, strict=True):
        gradient.copy_(piece.view_as(gradient))


def sums(values: Sequence[float], machine: Accelerator) -> list[float]:
    """Add numbers up over all processes."""
    if machine.num_processes == 1:
        return list(values)
    kind = torch.float32 if machine.device.type == "mps" else torch.float64
    local = torch.tensor(values, dtype=kind, device=machine.device)
    total: list[float] = machine.reduce(local, "sum").tolist()
    return total


def check_alike(described: Any, machine: Accelerator) -> None:
    """Refuse to begin when the processes are not about to do the same."""
    if machine.num_processes == 1:
        return
    everybody = gather_object([described])
    if any(other != everybody[0] for other in everybody):
        raise PersuasionError(
            f"the {machine.num_processes} processes of this training do not begin alike; give all "
            "of them the same model, inputs, settings and folder, on a disk that all of them see"
        )
