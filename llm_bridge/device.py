"""Where models run, and in which precision: chosen through accelerate."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from contextvars import ContextVar
from typing import Any

import torch
from accelerate import Accelerator
from accelerate.state import AcceleratorState, is_initialized

from persuasion.errors import PersuasionError

__all__ = ["accelerator", "best_device", "set_threads", "stay_alone", "threads", "with_all"]

_ALONE: ContextVar[bool] = ContextVar("_ALONE", default=False)


class _Alone(Accelerator):  # type: ignore[misc]
    """What computes in this process by itself, whatever a launcher started."""

    num_processes = property(lambda self: 1)
    process_index = property(lambda self: 0)
    is_main_process = property(lambda self: True)

    def wait_for_everyone(self) -> None:
        """Everyone is here."""


def set_threads(n: int = 1) -> None:
    """Let torch compute with `n` threads.

    Small models are fastest with one; several on a busy machine cost many times more.
    """
    if n < 1:
        raise PersuasionError(f"the number of threads must be at least 1; got {n}")
    torch.set_num_threads(n)


@contextmanager
def threads(n: int) -> Iterator[None]:
    """Let torch compute with `n` threads inside."""
    before = torch.get_num_threads()
    set_threads(n)
    try:
        yield
    finally:
        torch.set_num_threads(before)


def best_device() -> torch.device:
    """Return the device that accelerate would use."""
    device: torch.device = accelerator().device
    return device


def stay_alone() -> None:
    """Let what this process computes from here on be its own work, whatever a launcher started."""
    _ALONE.set(True)


@contextmanager
def with_all() -> Iterator[None]:
    """Let what is computed inside be the work of all processes again."""
    token = _ALONE.set(False)
    try:
        yield
    finally:
        _ALONE.reset(token)


def accelerator(
    precision: str = "auto", device: str = "auto", *, several: bool = False, **options: Any
) -> Accelerator:
    """Return an Accelerator.

    Parameters
    ----------
    precision : {"auto", "no", "bf16", "fp16"}
        "auto": that in which this process computes already; else bf16 autocast on GPUs that have
        it, float32 elsewhere.
    device : str
        "auto": where this process computes already, else what accelerate finds; "cpu"; or what it
        finds must be of this kind, such as "cuda".
    several : bool
        Whether the caller divides its work among the processes of a launcher, see
        `llm_bridge.training.data_parallel`. After `stay_alone` it has one process.
    **options
        Passed to `accelerate.Accelerator`.

    Raises
    ------
    PersuasionError
        When another precision is in force in this process: accelerate knows one; or when a launcher
        started several processes for what is done in one.
    """
    legal = ("auto", "no", "bf16", "fp16")
    if precision not in legal:
        raise PersuasionError(f"`precision` must be one of {', '.join(legal)}; got {precision!r}")
    if precision == "auto" and is_initialized():
        precision = AcceleratorState().mixed_precision
    if precision == "auto":
        gpu = torch.cuda.is_available() and device != "cpu"
        precision = "bf16" if gpu and torch.cuda.is_bf16_supported() else "no"
    try:
        kind = _Alone if _ALONE.get() else Accelerator
        made = kind(mixed_precision=precision, cpu=device == "cpu", **options)
    except ValueError as cause:
        raise PersuasionError(
            f"this process computes in another precision or elsewhere than {precision!r} on "
            f"{device!r} already; use one throughout, or a new process "
            f"({str(cause).splitlines()[0]})"
        ) from cause
    if made.num_processes > 1 and not several:
        raise PersuasionError(
            f"of Python's calls only `pretrain`, `train` and whole experiments divide their work "
            f"among processes; got {made.num_processes}. Start this with python, not with torchrun "
            "or accelerate launch"
        )
    if device not in ("auto", "cpu") and made.device.type != torch.device(device).type:
        raise PersuasionError(
            f"`device` is {device!r}, but what was found here is {made.device}; use 'auto' or 'cpu'"
        )
    return made
