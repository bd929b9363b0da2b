"""The suite on large sweeps: its sums, and that it runs."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from benchmarks import scale
from benchmarks.__main__ import main
from benchmarks.threads import SETTINGS


@pytest.fixture(autouse=True)
def _one_thread(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in SETTINGS:  # `main` sets them; here they are taken back afterwards
        monkeypatch.setenv(name, "1")


def test_the_sweep_is_added_up() -> None:
    cell = {"call_cpu": 2.0, "run_cpu": 0.5, "keep_cpu": 0.25, "bytes": 1000.0}
    assert scale.estimate(cell, 10, 4) == {
        "core_seconds": 50.0,
        "files": 40.0,
        "kept_bytes": 40_000.0,
    }


def test_the_suite_writes_its_table(tmp_path: Path) -> None:
    assert main(["scale", "--quick", "--out", str(tmp_path)]) == 0
    (numbers,) = tmp_path.glob("*-scale.json")
    result = json.loads(numbers.read_text(encoding="utf-8"))
    table = numbers.with_suffix(".md").read_text(encoding="utf-8")
    (cell,) = result["cells"]
    assert cell["core_seconds"] == scale.estimate(cell, 10_000, 1_000)["core_seconds"]
    assert 0 < cell["run_cpu"] <= cell["run_cpu_largest"]
    assert 1e3 < cell["bytes"] < 1e5
    assert cell["kept_bytes"] == 1e7 * cell["bytes"]
    assert len(result["handing_out"]) == 4
    assert all(entry["wall"] > 0 for entry in result["handing_out"].values())
    assert "added up, **not run**" in table
    assert "10,000 games, 1,000 runs of each" in table
