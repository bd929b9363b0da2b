"""``python -m benchmarks.gpu``: train large models from scratch on a GPU and measure all of it.

A Receiver and Advisors of GPT-2 small's size learn the synthetic tasks. What is measured: rates,
where the time of a step goes, memory; accuracy against tokens; persuasion against its optimum and
against the baselines; the same Advisor before smaller Receivers; greedy answers on CPU and GPU.

Each part is written to the folder as soon as it is finished; the same command goes on from there,
whatever ended it. Needs torch, transformers, accelerate, numpy, scipy, typer and rich alone.
"""

from __future__ import annotations

import argparse
import json
import logging
import sys
import time
from collections.abc import Callable, Sequence
from dataclasses import asdict, dataclass, replace
from pathlib import Path
from typing import Any

__all__ = ["FULL", "TINY", "Plan", "main"]

_ROOT = Path(__file__).parents[1]
_SEED = 20261121


@dataclass(frozen=True)
class Plan:
    """Sizes and lengths; those of the full run were chosen by rule of thumb, not tuned.

    Attributes
    ----------
    size : dict of str to int
        Of the Receiver and of every Advisor: n_layer, n_embd, n_head.
    smaller : dict of str to dict
        Receivers that the Advisors meet untrained, and how many steps they learn.
    """

    size: dict[str, int]
    smaller: dict[str, dict[str, int]]
    tasks: tuple[str, ...] = ("math", "grade")
    batch: int = 1024
    lr: float = 6e-4
    warmup: int = 200
    least_steps: int = 1000
    most_steps: int = 40_000
    speed_steps: int = 30
    n_inputs: int = 200
    generation: tuple[int, ...] = (1, 16, 256, 2048)
    warm_steps: int = 150
    advisor_steps: int = 400
    advisor_lr: float = 1e-4
    tuning_lr: float = 1e-4
    minutes: float = 30.0
    compiled: bool = False


FULL = Plan(
    size={"n_layer": 13, "n_embd": 896, "n_head": 14},  # 125 M weights beside a small vocabulary
    smaller={
        "medium": {"n_layer": 6, "n_embd": 384, "n_head": 6, "steps": 4000},
        "small": {"n_layer": 2, "n_embd": 64, "n_head": 4, "steps": 4000},
    },
)
TINY = Plan(
    size={"n_layer": 1, "n_embd": 32, "n_head": 2},
    smaller={"small": {"n_layer": 1, "n_embd": 16, "n_head": 2, "steps": 10}},
    batch=16,
    lr=1e-2,
    warmup=3,
    least_steps=16,
    most_steps=16,
    speed_steps=2,
    n_inputs=6,
    generation=(1, 8),
    warm_steps=3,
    advisor_steps=4,
    advisor_lr=1e-3,
    tuning_lr=1e-3,
    minutes=0.0,
)


def main(arguments: Sequence[str] | None = None) -> int:
    """Measure, or what of it is not measured yet; print the page."""
    given = _parser().parse_args(arguments)
    logging.basicConfig(level=logging.WARNING, format="%(message)s", stream=sys.stderr)
    import torch

    if not given.tiny and not torch.cuda.is_available():
        print("no GPU is to be seen here; --tiny is a smoke test that needs none", file=sys.stderr)
        return 2
    plan = TINY if given.tiny else FULL
    plan = replace(
        plan,
        minutes=plan.minutes if given.minutes is None else given.minutes,
        batch=given.batch or plan.batch,
        compiled=given.compile,
    )
    name = "gpu-tiny" if given.tiny else "gpu"
    folder = given.out or _ROOT / "build" / "benchmarks" / name
    try:
        page = measure(plan, folder, given.tiny, _progress())
    except KeyboardInterrupt:
        print(f"interrupted; the same command goes on with {folder}", file=sys.stderr)
        return 130
    print(page)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks.gpu", description="Training and persuasion at 124 M weights."
    )
    parser.add_argument("--tiny", action="store_true", help="seconds on a CPU: a smoke test")
    parser.add_argument(
        "--minutes",
        type=float,
        help="of the whole, roughly; 30. The Receiver's training takes 40 %%",
    )
    parser.add_argument("--batch", type=int, help="demonstrations of a step; 1024")
    parser.add_argument("--compile", action="store_true", help="torch.compile the Receiver")
    parser.add_argument("--out", type=Path, metavar="DIR", help="default build/benchmarks/gpu")
    return parser


def _progress() -> Callable[[str], None]:
    started = time.perf_counter()

    def say(line: str) -> None:
        print(f"[{time.perf_counter() - started:7.1f} s] {line}", file=sys.stderr, flush=True)

    return say


class Parts:
    """Parts of a run, each a JSON file that is there whole or not at all."""

    def __init__(self, folder: Path, plan: Plan, say: Callable[[str], None]) -> None:
        self.folder, self.say = folder, say
        folder.mkdir(parents=True, exist_ok=True)
        described = json.loads(json.dumps(asdict(plan)))
        if self.once("plan", lambda: described) != described:
            raise SystemExit(
                f"{folder} holds a run with other options; repeat those, or name another --out"
            )

    def once(self, name: str, work: Callable[[], Any]) -> Any:
        """Return what a part found, working on it if that is not there yet."""
        from persuasion.whole_file import write_whole

        file = self.folder / f"{name}.json"
        if not file.exists():
            self.say(name)
            began = time.perf_counter()
            found = work()
            kept = {"seconds": time.perf_counter() - began, "found": found}
            write_whole(file, json.dumps(kept, indent=1).encode())
        return json.loads(file.read_bytes())["found"]


def measure(plan: Plan, folder: Path, tiny: bool, say: Callable[[str], None]) -> str:
    """Do all parts; return the page, which is also written to ``gpu.md`` in the folder."""
    import torch

    from benchmarks.gpu_page import page
    from benchmarks.gpu_persuasion import accuracy, equality, persuade
    from benchmarks.gpu_speed import generation_speed, matmul_rate, training_speed
    from llm_bridge import tasks as known
    from llm_bridge.pretrain import ReceiverTraining, pretrain
    from persuasion.whole_file import write_whole

    parts = Parts(folder, plan, say)
    tasks = [known.load(name) for name in plan.tasks]
    conditions = parts.once("conditions", _conditions)
    rate = parts.once("matmul", lambda: matmul_rate(tiny))
    settings = ReceiverTraining(
        **plan.size, batch=plan.batch, lr=plan.lr, warmup=plan.warmup, compiled=plan.compiled,
        marks=(0.125, 0.25, 0.5, 1.0), seed=_SEED % 1000,
    )  # fmt: skip
    speed = parts.once("speed", lambda: training_speed(tasks, settings, plan.speed_steps, say))

    def steps() -> int:
        seconds = 0.4 * 60 * plan.minutes
        fitting = seconds * speed["tokens_per_second"] / speed["tokens_per_step"]
        return round(min(max(fitting, plan.least_steps), plan.most_steps))

    settings = replace(
        settings,
        batch=speed["batch"],
        steps=parts.once("steps", steps),
        save_every=max(1, min(500, parts.once("steps", steps) // 4)),
    )
    say(f"the Receiver learns for {settings.steps} steps of {settings.batch}")
    checkpoints = pretrain(tasks, settings, folder / "receiver", progress=_every(say, "receiver"))
    receivers = {"large": checkpoints[-1].path}
    for name, size in plan.smaller.items():
        how = replace(
            settings, **size, batch=96 if not tiny else 16, lr=5e-3 if name == "small" else 1e-3,
            marks=(1.0,), compiled=False,
        )  # fmt: skip
        receivers[name] = pretrain(tasks, how, folder / f"receiver-{name}")[-1].path
    learned = parts.once(
        "accuracy",
        lambda: accuracy(tasks, checkpoints, speed["tokens_per_step"], plan.n_inputs),
    )
    prompts = [
        tasks[0].receiver_prompt(x, item)
        for t in tasks[0].priors
        for x in tasks[0].examples(t, "test", 20, 0)
        for item in tasks[0].items
    ]
    written = parts.once(
        "generation",
        lambda: generation_speed(
            receivers["large"], prompts, plan.generation, tasks[0].max_new_tokens
        ),
    )
    found = {task.name: persuade(task, receivers, plan, parts) for task in tasks}
    equal = parts.once("equality", lambda: equality(receivers["large"], prompts[: plan.n_inputs]))
    say(f"done; {torch.get_num_threads()} thread(s) on the CPU")
    text = page(
        tiny=tiny, conditions=conditions, rate=rate, speed=speed, settings=asdict(settings),
        learned=learned, written=written, persuasion=found, equal=equal,
    )  # fmt: skip
    write_whole(folder / "gpu.md", text.encode())
    return text


def _every(say: Callable[[str], None], what: str) -> Callable[[int, int], None]:
    last = time.perf_counter()

    def progress(step: int, steps: int) -> None:
        nonlocal last
        if time.perf_counter() - last > 15:
            last = time.perf_counter()
            say(f"{what}: step {step} of {steps}")

    return progress


def _conditions() -> dict[str, Any]:
    import torch

    from benchmarks.conditions import conditions
    from llm_bridge.staging.stages import bridge_versions

    gpu = torch.cuda.get_device_name() if torch.cuda.is_available() else "none"
    found = conditions("gpu", "standard")
    return {**found, "gpu": gpu, "versions": bridge_versions()}


if __name__ == "__main__":
    sys.exit(main())
