"""How fast a GPU trains and writes: rates, where a step's time goes, memory."""

from __future__ import annotations

import statistics
from collections.abc import Callable, Sequence
from pathlib import Path
from time import perf_counter
from typing import Any

import torch

from llm_bridge.device import accelerator
from llm_bridge.models import fresh_gpt2
from llm_bridge.pretrain import ReceiverTraining
from llm_bridge.receivers.local import LocalReceiver
from llm_bridge.spending import n_weights
from llm_bridge.task import Task
from llm_bridge.training.demonstrations import TokenPair, streams_of
from llm_bridge.training.memory import free
from llm_bridge.training.response_loss import response_loss
from llm_bridge.vocabulary import build_tokenizer

__all__ = ["generation_speed", "halved", "matmul_rate", "training_speed"]

_PHASES = ("draw", "forward", "backward", "update")


def synchronise() -> None:
    """Wait for the GPU."""
    if torch.cuda.is_available():
        torch.cuda.synchronize()


def matmul_rate(tiny: bool) -> float:
    """Operations per second in the largest product of matrices: what utilisation is held against.

    The rate that this machine reaches in bf16 (float32 without a GPU), not one from a data sheet.
    """
    gpu = torch.cuda.is_available()
    n = 256 if tiny or not gpu else 8192
    device, kind = ("cuda", torch.bfloat16) if gpu else ("cpu", torch.float32)
    a, b = (
        torch.randn(n, n, device=device, dtype=kind),
        torch.randn(n, n, device=device, dtype=kind),
    )
    rates = []
    for _ in range(3 if tiny else 20):
        synchronise()
        began = perf_counter()
        for _ in range(5):
            a @ b
        synchronise()
        rates.append(5 * 2 * n**3 / (perf_counter() - began))
    return max(rates)


def halved(
    work: Callable[[int], dict[str, Any]], batch: int, say: Callable[[str], None]
) -> dict[str, Any]:
    """Do something with the largest of batch, batch / 2, ... that fits into memory; say which."""
    while True:
        try:
            return {**work(batch), "batch": batch}
        except torch.OutOfMemoryError:
            if batch == 1:
                raise
        batch //= 2
        free()
        say(f"out of memory: the batch is halved to {batch}")


def training_speed(
    tasks: Sequence[Task],
    settings: ReceiverTraining,
    n_steps: int,
    say: Callable[[str], None],
    loss_of: Callable[..., torch.Tensor] = response_loss,
) -> dict[str, Any]:
    """Measure training steps as `pretrain` makes them, at the largest batch that fits.

    Returns
    -------
    dict
        weights, batch, tokens_per_step (prompts and responses, no padding), tokens_per_second,
        operations_per_second (6 per weight and token, attention left out), seconds of a step by
        phase, peak memory in bytes or None.
    """
    machine = accelerator(settings.precision)
    tokenizer = build_tokenizer(
        (t for s in streams_of(tasks, 64, settings.hintless, 0) for t in s.texts()),
        settings.vocabulary,
    )

    def measured(batch: int) -> dict[str, Any]:
        model = fresh_gpt2(
            tokenizer, n_layer=settings.n_layer, n_embd=settings.n_embd, n_head=settings.n_head,
            n_positions=settings.n_positions,
        ).to(machine.device).train()  # fmt: skip
        body = torch.compile(model.base_model) if settings.compiled else model.base_model
        fused = machine.device.type == "cuda" or None
        optimizer = torch.optim.AdamW(model.parameters(), lr=settings.lr, fused=fused)
        streams = streams_of(
            tasks, batch, settings.hintless, settings.seed, ahead=machine.device.type == "cuda"
        )
        tokens: list[int] = []

        def step(number: int, clock: Callable[[str], None]) -> None:
            batches: list[list[TokenPair]] = [
                stream.batch(number, tokenizer, settings.n_positions) for stream in streams
            ]
            tokens.append(sum(len(p) + len(r) for pairs in batches for p, r in pairs))
            clock("draw")
            for pairs in batches:
                with machine.autocast():
                    loss = loss_of(model, pairs, body=body)
                clock("forward")
                (loss / len(batches)).backward()
                clock("backward")
            torch.nn.utils.clip_grad_norm_(model.parameters(), settings.clip)
            optimizer.step()
            optimizer.zero_grad()
            clock("update")

        if torch.cuda.is_available():
            torch.cuda.reset_peak_memory_stats()
        for number in range(3):  # allocations, compilations
            step(number, lambda phase: None)
        synchronise()
        tokens.clear()
        began = perf_counter()
        for number in range(3, 3 + n_steps):
            step(number, lambda phase: None)
        synchronise()
        seconds = perf_counter() - began
        rate, per_step = sum(tokens) / seconds, statistics.fmean(tokens)
        spent = dict.fromkeys(_PHASES, 0.0)
        last = perf_counter()

        def clock(phase: str) -> None:
            nonlocal last
            synchronise()
            now = perf_counter()
            spent[phase] += (now - last) / n_steps
            last = now

        for number in range(3, 3 + n_steps):
            step(number, clock)
        peak = torch.cuda.max_memory_allocated() if torch.cuda.is_available() else None
        return {
            "weights": n_weights(model),
            "tokens_per_step": per_step,
            "tokens_per_second": rate,
            "operations_per_second": 6 * n_weights(model) * rate,
            "phases": spent,
            "peak_bytes": peak,
        }

    return halved(measured, settings.batch, say)


def generation_speed(
    checkpoint: Path, prompts: Sequence[str], sizes: Sequence[int], max_new_tokens: int
) -> list[dict[str, Any]]:
    """Tokens written per second, greedily, by batch size and precision of the weights."""
    out = []
    kinds = (torch.float32, torch.bfloat16) if torch.cuda.is_available() else (torch.float32,)
    for kind in kinds:
        for size in sizes:
            receiver = LocalReceiver.from_pretrained(checkpoint, batch_size=size, dtype=kind)
            asked = [prompts[k % len(prompts)] for k in range(max(size, min(4 * size, 64)))]
            receiver.generate(asked[:size], max_new_tokens=max_new_tokens)  # not counted
            synchronise()
            began = perf_counter()
            replies = receiver.generate(asked, max_new_tokens=max_new_tokens)
            synchronise()
            seconds = perf_counter() - began
            written = sum(reply.n_tokens for reply in replies)
            out.append(
                {
                    "precision": str(kind).removeprefix("torch."),
                    "batch": size,
                    "tokens_per_second": written / seconds,
                }
            )
    return out
