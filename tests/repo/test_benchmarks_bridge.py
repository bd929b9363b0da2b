"""The suite on language models runs, and its rivals compute the same."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import bridge
from benchmarks.__main__ import main
from benchmarks.bridge_naive import Problem, naive_training, vectorised_training
from benchmarks.threads import SETTINGS


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:  # `main` sets them; here they are taken back afterwards
        monkeypatch.setenv(name, "1")


def test_the_suite_writes_its_table(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    few = bridge.Plan(2, 1, 4, (1, 4), 10.0, 1, 2, 1, 2)
    monkeypatch.setitem(bridge.PLANS, "quick", few)
    assert main(["bridge", "--quick", "--out", str(tmp_path)]) == 0
    (numbers,) = tmp_path.glob("*-bridge.json")
    result = json.loads(numbers.read_text(encoding="utf-8"))
    table = numbers.with_suffix(".md").read_text(encoding="utf-8")
    ways = result["generation"]["ways"]
    assert list(ways) == [
        "batch 1", "batch 4", "model.generate, one by one", "model.generate, all at once, no cache",
    ]  # fmt: skip
    assert ways["model.generate, one by one"]["against_one_by_one"] == 1
    assert all(way["same_answers"] == 1 for way in ways.values())
    assert all(name in table for name in ways)
    assert result["advisor"]["largest_difference"] < 1e-6
    assert result["training"]["tokens"] > 2 * 96 * 10


def test_both_trainings_take_the_same_steps() -> None:
    problem = Problem.of("grade", 3, seed=1)
    ours, naive = vectorised_training(problem, 2), naive_training(problem, 2)
    assert ours == pytest.approx(naive, abs=5e-7)
    assert abs(naive[1] - naive[0]) > 1e-5  # the second value tells the first step
    assert abs(naive_training(Problem.of("grade", 3, seed=2), 1)[0] - naive[0]) > 1e-5


def test_prompts_are_distinct() -> None:
    blocks = bridge._blocks(bridge.PLANS["standard"])
    prompts = [prompt for block in blocks for prompt in block]
    assert len(set(prompts)) == len(prompts) == 5 * 256
