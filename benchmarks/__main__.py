"""The command line, ``python -m benchmarks [static|structured|...|all]``; see README.md.

Modules that load NumPy are imported after the number of threads is set.
"""

from __future__ import annotations

import argparse
import importlib
import sys
import time
from collections.abc import Callable, Sequence
from pathlib import Path

from benchmarks.threads import hold_to_one

SUITES = ("static", "structured", "exact", "online", "types", "scale", "bridge")
_ROOT = Path(__file__).parents[1]


def main(arguments: Sequence[str] | None = None) -> int:
    """Run the suites asked for; write and print their tables."""
    given = _parser().parse_args(arguments)
    hold_to_one()
    report = importlib.import_module("benchmarks.report")
    scale = "quick" if given.quick else "full" if given.full else "standard"
    default = _ROOT / "build" / "benchmarks" if given.quick else _ROOT / "benchmarks" / "results"
    for name in SUITES if given.suite == "all" else (given.suite,):
        suite = importlib.import_module(f"benchmarks.{name}")
        paths = report.run_and_write(suite, scale, given.out or default, _progress())
        print(paths.table.read_text(encoding="utf-8"))
        print(f"written: {paths.numbers.name} and {paths.table.name}", file=sys.stderr)
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(
        prog="python -m benchmarks", description="Side-by-side timings; see benchmarks/README.md."
    )
    parser.add_argument("suite", nargs="?", default="all", choices=[*SUITES, "all"])
    scale = parser.add_mutually_exclusive_group()
    scale.add_argument(
        "--quick", action="store_true", help="tiny sizes, some seconds: a smoke test, not a result"
    )
    scale.add_argument(
        "--full", action="store_true", help="exact suite: 1000 games of each family, not 200"
    )
    parser.add_argument(
        "--out",
        type=Path,
        metavar="DIR",
        help="where to write; default benchmarks/results, with --quick build/benchmarks",
    )
    return parser


def _progress() -> Callable[[str], None]:
    started = time.perf_counter()

    def say(line: str) -> None:
        print(f"[{time.perf_counter() - started:7.1f} s] {line}", file=sys.stderr, flush=True)

    return say


if __name__ == "__main__":
    sys.exit(main())
