"""Several processes train as one does; too little memory halves batches and no more."""

import json
import logging
import os
import shutil
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any

import pytest
import torch
from accelerate import Accelerator

from llm_bridge import pretrain as receiver_training
from llm_bridge import scoring
from llm_bridge.advisor import Advisor
from llm_bridge.device import accelerator
from llm_bridge.pretrain import pretrain
from llm_bridge.receivers.local import LocalReceiver
from llm_bridge.training.data_parallel import add_gradients, check_alike, share, sums
from llm_bridge.training.memory import in_parts
from persuasion.errors import PersuasionError
from tests.llm import two_processes
from tests.llm.two_processes import RECEIVER, TASKS, work

ROOT = Path(__file__).parents[2]
WHOLE_STEPS = f"step-{RECEIVER.steps:06d}"


class Fake:
    """An Accelerator in one of several processes, the others of which hold what they are told."""

    def __init__(self, index: int, n: int, others: Callable[[torch.Tensor], torch.Tensor]) -> None:
        self.process_index, self.num_processes, self._others = index, n, others
        self.device = torch.device("cpu")

    def reduce(self, tensor: torch.Tensor, how: str) -> torch.Tensor:
        assert how == "sum"
        return tensor + self._others(tensor)


# -- in one process ------------------------------------------------------------------------


def test_shares_are_disjoint_and_cover_everything() -> None:
    machines: list[Any] = [Fake(i, 3, torch.zeros_like) for i in range(3)]
    assert share("abcde", machines[1]) == [(1, "b"), (4, "e")]
    assert sorted(pair for m in machines for pair in share("abcde", m)) == list(enumerate("abcde"))
    assert share("a", machines[2]) == []


def test_gradients_are_added_up_and_missing_ones_are_zero() -> None:
    used, unused, frozen = (torch.nn.Parameter(torch.ones(2, 3)) for _ in range(3))
    frozen.requires_grad_(False)
    used.grad = torch.full((2, 3), 2.0)
    machine: Any = Fake(0, 2, torch.ones_like)
    add_gradients([used, frozen, unused], machine)
    assert used.grad.tolist() == [[3.0] * 3] * 2
    assert unused.grad is not None
    assert unused.grad.tolist() == [[1.0] * 3] * 2
    assert frozen.grad is None
    assert sums([1.0, 2.5], machine) == [2.0, 3.5]


def test_one_process_exchanges_nothing(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Accelerator, "reduce", None)
    weight = torch.nn.Parameter(torch.ones(2))
    add_gradients([weight], Accelerator())
    check_alike("this", Accelerator())
    assert weight.grad is None
    assert sums([1.0], Accelerator()) == [1.0]


def test_processes_that_begin_differently_are_stopped(monkeypatch: pytest.MonkeyPatch) -> None:
    machine: Any = Fake(0, 2, torch.zeros_like)
    monkeypatch.setattr(
        "llm_bridge.training.data_parallel.gather_object", lambda mine: [*mine, "that"]
    )
    check_alike("that", machine)
    with pytest.raises(PersuasionError, match="the 2 processes of this training do not begin"):
        check_alike("this", machine)


def test_what_is_no_training_refuses_several_processes(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(Accelerator, "num_processes", 2)
    with pytest.raises(PersuasionError, match="`train` and whole experiments divide"):
        accelerator()
    assert accelerator(several=True).num_processes == 2


# -- memory --------------------------------------------------------------------------------


def test_parts_are_doubled_until_it_fits(caplog: pytest.LogCaptureFixture) -> None:
    tried, undone = [], []

    def work(parts: int) -> str:
        tried.append(parts)
        if parts < 6:
            raise torch.OutOfMemoryError
        return "done"

    with caplog.at_level(logging.WARNING):
        assert in_parts(work, 2, 6, lambda: undone.append(len(tried))) == ("done", 6)
    assert tried == [2, 4, 6]
    assert undone == [1, 2]
    assert "batches are halved, and go through the model in 6 parts" in caplog.text
    with pytest.raises(torch.OutOfMemoryError):
        in_parts(work, 1, 4, lambda: None)


def losses(folder: Path) -> list[list[float]]:
    lines = (folder / "receiver" / "losses.csv").read_text().split()
    return [[float(loss) for loss in line.split(",")] for line in lines]


def assert_alike(one: Path, other: Path) -> None:
    """Same course, same end, up to rounding; and the same greedy words and signals."""
    for a, b in zip(losses(one), losses(other), strict=True):
        assert a == pytest.approx(b, abs=2e-5)
    said, signaled = zip(*(words_of(folder) for folder in (one, other)), strict=True)
    assert said[0] == said[1]
    torch.testing.assert_close(*signaled, rtol=0, atol=1e-5)
    assert (signaled[0].argmax(-1) == signaled[1].argmax(-1)).all()


def words_of(folder: Path) -> tuple[list[str], torch.Tensor]:
    """What the Receiver writes and how the Advisor signals, on held-out inputs."""
    task = TASKS[0]
    examples = [x for t in task.priors for x in task.examples(t, "test", 4, 0)]
    prompts = [task.receiver_prompt(x, item) for x in examples for item in task.items]
    receiver = LocalReceiver.from_pretrained(folder / "receiver" / WHOLE_STEPS, device="cpu")
    said = [reply.text for reply in receiver.generate(prompts, max_new_tokens=12)]
    advisor = Advisor.from_pretrained(folder / "advisor")
    return said, torch.tensor(advisor.kernels(task, examples))


@pytest.fixture(scope="module")
def single(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("single")
    work(folder)
    return folder


def test_too_little_memory_changes_nothing_but_the_parts(
    single: Path,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    """A GPU on which 5 demonstrations, or 12 prompts of the Advisor, fit at a time."""
    whole_loss, whole_forward = receiver_training.response_loss, scoring._forward

    def small_loss(model: Any, batch: Any, **options: Any) -> torch.Tensor:
        if len(batch) > 5:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole_loss(model, batch, **options)

    def small_forward(model: Any, rows: Any, **options: Any) -> Any:
        if torch.is_grad_enabled() and len(rows.ids) > 12:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return whole_forward(model, rows, **options)

    monkeypatch.setattr(receiver_training, "response_loss", small_loss)
    monkeypatch.setattr(scoring, "_forward", small_forward)
    with caplog.at_level(logging.WARNING):
        work(tmp_path)
    assert [r.args for r in caplog.records] == [(2,), (4,), (2,), (4,)], "said once, not each step"
    assert_alike(single, tmp_path)

    monkeypatch.setattr(receiver_training, "response_loss", lambda *a, **k: small_loss(a, "x" * 9))
    with pytest.raises(torch.OutOfMemoryError):
        pretrain(TASKS, RECEIVER, tmp_path / "hopeless")


# -- two processes -------------------------------------------------------------------------


@pytest.fixture(scope="module")
def double(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("double")
    given = {
        "ACCELERATE_USE_CPU": "true", "OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT),
        "GLOO_SOCKET_IFNAME": "lo",
    }  # fmt: skip
    command = [
        *(sys.executable, "-m", "torch.distributed.run", "--standalone", "--nproc_per_node", "2"),
        *(str(Path(two_processes.__file__)), str(folder)),
    ]
    done = subprocess.run(
        command, env={**os.environ, **given}, capture_output=True, text=True, timeout=240
    )
    assert done.returncode == 0, done.stderr[-4000:]
    for part in ("whole", "killed", "broken"):
        counts = [json.loads((folder / part / f"process-{i}.json").read_text()) for i in range(2)]
        assert counts == [2, 2]
    return folder


def gradients(folder: Path) -> dict[str, torch.Tensor]:
    found = torch.load(folder / "gradients.pt", weights_only=True)
    return {who: torch.stack(steps) for who, steps in found.items()}


@pytest.mark.slow
def test_two_processes_have_the_gradients_of_one(single: Path, double: Path) -> None:
    assert json.loads((single / "process-0.json").read_text()) == 1
    alone, together = gradients(single), gradients(double / "whole")
    broken = gradients(double / "broken")
    for who in ("receiver", "advisor"):
        assert alone[who].shape[0] == two_processes.KEPT
        assert float(alone[who].abs().max()) > 1e-3
        torch.testing.assert_close(together[who], alone[who], rtol=0, atol=1e-6)
        assert float((broken[who][0] - alone[who][0]).abs().max()) > 1e-3, "nothing was added up"
    assert_alike(single, double / "whole")


@pytest.mark.slow
def test_one_process_goes_on_with_what_two_began(single: Path, double: Path) -> None:
    folder = double / "killed"
    state = torch.load(folder / "receiver" / "training.pt", weights_only=True)
    assert state["step"] == 4
    assert not (folder / "advisor").exists()
    assert (folder / "advisor-checkpoint").exists()
    work(folder)
    assert json.loads((folder / "process-0.json").read_text()) == 1
    assert_alike(single, folder)


@pytest.mark.slow
@pytest.mark.filterwarnings("ignore:.torch.jit.script:DeprecationWarning")  # inside torch
@pytest.mark.skipif(shutil.which("c++") is None, reason="torch.compile needs a C++ compiler here")
def test_compiled_training_is_the_same_training(single: Path, tmp_path: Path) -> None:
    compiled = replace(RECEIVER, compiled=True)
    pretrain(TASKS, compiled, tmp_path / "receiver")
    for a, b in zip(losses(single), losses(tmp_path), strict=True):
        assert a == pytest.approx(b, abs=2e-5)
