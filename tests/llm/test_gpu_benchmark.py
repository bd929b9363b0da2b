"""The benchmark on a GPU: without one when tiny, with few packages, and on again when killed."""

import json
import os
import subprocess
import sys
from pathlib import Path
from typing import Any

import pytest
import torch

from benchmarks import gpu, gpu_persuasion, gpu_speed
from benchmarks.gpu import FULL, TINY, Parts, main, measure
from benchmarks.gpu_speed import halved, training_speed
from llm_bridge import tasks
from llm_bridge.models import fresh_gpt2
from llm_bridge.pretrain import ReceiverTraining
from llm_bridge.spending import n_weights
from llm_bridge.training.response_loss import response_loss
from llm_bridge.vocabulary import build_tokenizer

ROOT = Path(__file__).parents[2]
ABSENT = ("highspy", "cvxpy", "flint", "matplotlib", "numba", "joblib")
WITHOUT = """
import runpy, sys

class Hides:
    def __init__(self, finder): self.finder = finder
    def __getattr__(self, name): return getattr(self.finder, name)
    def find_spec(self, name, *rest):
        return None if name.split(".")[0] in ABSENT else self.finder.find_spec(name, *rest)

ABSENT = sys.argv.pop(1).split(",")
sys.meta_path[:] = [Hides(finder) for finder in sys.meta_path]
sys.argv[0] = "benchmarks.gpu"
try:
    runpy.run_module("benchmarks.gpu", run_name="__main__", alter_sys=True)
finally:
    print("loaded:", [name for name in ABSENT if name in sys.modules], file=sys.stderr)
"""
SPEED = ReceiverTraining(n_layer=1, n_embd=16, n_head=2, vocabulary=300, batch=8, precision="no")


def silent(line: str) -> None:
    pass


# -- parts ---------------------------------------------------------------------------------


def test_a_finished_part_is_not_done_again(tmp_path: Path) -> None:
    said: list[str] = []
    parts = Parts(tmp_path, TINY, said.append)
    assert parts.once("one", lambda: {"a": (1, 2)}) == {"a": [1, 2]}
    with pytest.raises(KeyboardInterrupt):
        parts.once("two", lambda: (_ for _ in ()).throw(KeyboardInterrupt))
    again = Parts(tmp_path, TINY, said.append)
    assert again.once("one", lambda: 1 / 0) == {"a": [1, 2]}
    assert again.once("two", lambda: 2) == 2
    assert said == ["plan", "one", "two", "two"]
    with pytest.raises(SystemExit, match="holds a run with other options"):
        Parts(tmp_path, FULL, silent)


def test_without_a_gpu_only_the_smoke_test_runs(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert main(["--out", str(tmp_path / "none")]) == 2
    assert "--tiny is a smoke test" in capsys.readouterr().err
    assert not (tmp_path / "none").exists()


def test_the_large_model_is_as_large_as_gpt2_small() -> None:
    tokenizer = build_tokenizer(["1,2"], 300)
    with torch.device("meta"):
        model = fresh_gpt2(tokenizer, **FULL.size, n_positions=96)
    assert n_weights(model) == pytest.approx(124e6, rel=0.03)


def test_a_page_without_figures_names_the_command() -> None:
    page = (ROOT / "benchmarks/results/gpu.md").read_text(encoding="utf-8")
    assert "not measured yet" in page
    assert "python -m benchmarks.gpu" in page


# -- rates ---------------------------------------------------------------------------------


def test_speed_of_a_training() -> None:
    task = tasks.load("math")
    found = training_speed([task], SPEED, 2, silent)
    assert found["batch"] == 8
    assert 8 * 10 < found["tokens_per_step"] < 8 * 60
    assert set(found["phases"]) == {"draw", "forward", "backward", "update"}
    assert all(seconds > 0 for seconds in found["phases"].values())
    assert found["operations_per_second"] == pytest.approx(
        6 * found["weights"] * found["tokens_per_second"]
    )
    assert found["peak_bytes"] is None


def test_too_little_memory_halves_the_batch_and_says_so() -> None:
    said: list[str] = []

    def small(model: Any, pairs: Any, **options: Any) -> torch.Tensor:
        if len(pairs) > 3:
            raise torch.OutOfMemoryError("CUDA out of memory")
        return response_loss(model, pairs, **options)

    found = training_speed([tasks.load("math")], SPEED, 1, said.append, small)
    assert found["batch"] == 2
    assert said == [f"out of memory: the batch is halved to {batch}" for batch in (4, 2)]

    def never(batch: int) -> dict[str, Any]:
        raise torch.OutOfMemoryError

    with pytest.raises(torch.OutOfMemoryError):
        halved(never, 4, silent)


def test_rate_of_products() -> None:
    assert 1e8 < gpu_speed.matmul_rate(tiny=True) < 1e16


def test_equality_is_not_claimed_without_a_gpu(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(torch.cuda, "is_available", lambda: False)
    assert gpu_persuasion.equality(Path("nowhere"), ["a"]) == {"n": 0, "equal": 0}


# -- the whole -----------------------------------------------------------------------------


@pytest.mark.slow
def test_the_smoke_test_runs_with_few_packages(tmp_path: Path) -> None:
    given = {"OMP_NUM_THREADS": "1", "PYTHONPATH": str(ROOT), "CUDA_VISIBLE_DEVICES": ""}
    done = subprocess.run(
        [sys.executable, "-c", WITHOUT, ",".join(ABSENT), "--tiny", "--out", str(tmp_path)],
        env={**os.environ, **given},
        capture_output=True,
        text=True,
        timeout=300,
    )
    assert done.returncode == 0, done.stderr[-4000:]
    assert "loaded: []" in done.stderr
    assert done.stdout.strip() == (tmp_path / "gpu.md").read_text(encoding="utf-8").strip()
    for words in (
        "share of it (MFU)",
        "| corrector | ",
        "above the bound",
        "| small |",
        "No GPU took part",
    ):
        assert words in done.stdout
    assert "Smoke test" in done.stdout


@pytest.mark.slow
def test_it_goes_on_wherever_it_was_stopped(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Stopped once in every part, before its file is written."""
    once, stopped = Parts.once, set[str]()

    def fragile(self: Parts, name: str, work: Any) -> Any:
        def spoiled() -> Any:
            found = work()
            if name not in stopped:
                stopped.add(name)
                raise KeyboardInterrupt
            return found

        return once(self, name, spoiled)

    monkeypatch.setattr(Parts, "once", fragile)
    for _ in range(60):
        try:
            measure(TINY, tmp_path, True, silent)
        except KeyboardInterrupt:
            continue
        break
    else:
        raise AssertionError
    assert {"speed", "accuracy", "comparison-math", "transfer-grade"} <= stopped
    kept = {file: file.read_bytes() for file in tmp_path.glob("*.json")}
    monkeypatch.setattr(gpu.Parts, "once", once)
    measure(TINY, tmp_path, True, silent)
    assert {file: file.read_bytes() for file in tmp_path.glob("*.json")} == kept
    found = json.loads((tmp_path / "comparison-math.json").read_bytes())["found"]
    arms = ["none", "prior", "blind", "full", "oracle", "persuaded"]
    assert [row[0] for row in found["rows"]][:6] == arms
    tried = {"fine_tuned", "corrector", "best_of_n", "all_items"}
    assert {row[0] for row in found["controls"]["rows"]} == tried
