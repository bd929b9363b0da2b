"""Keeping results: one JSON file with every number, one Markdown table made from it."""

from __future__ import annotations

import json
import math
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

from benchmarks.conditions import conditions, load_average

__all__ = ["Paths", "markdown_table", "number", "run_and_write", "seconds"]

_FORMAT = 1


class Suite(Protocol):
    """What a module with a suite defines."""

    NAME: str
    TITLE: str

    def run(self, scale: str, say: Callable[[str], None]) -> dict[str, Any]:
        """Measure; `scale` is "quick", "standard" or "full"."""
        ...

    def tables(self, result: dict[str, Any]) -> list[str]:
        """Write the measurements as Markdown paragraphs."""
        ...


@dataclass(frozen=True)
class Paths:
    """Where a result lies."""

    numbers: Path
    table: Path


def run_and_write(suite: Suite, scale: str, folder: Path, say: Callable[[str], None]) -> Paths:
    """Run a suite and write its result under today's date, beside earlier ones."""
    before = conditions(suite.NAME, scale)
    measured = suite.run(scale, say)
    result = {
        "format": _FORMAT,
        "suite": suite.NAME,
        "conditions": {**before, "load_average_after": load_average()},
        **measured,
    }
    folder.mkdir(parents=True, exist_ok=True)
    paths = _free_paths(folder, f"{before['date'][:10]}-{suite.NAME}")
    paths.numbers.write_text(json.dumps(result, indent=1) + "\n", encoding="utf-8")
    kept = json.loads(paths.numbers.read_text(encoding="utf-8"))
    paths.table.write_text(_page(suite, kept), encoding="utf-8")
    return paths


def _free_paths(folder: Path, stem: str) -> Paths:
    """Never overwrite: a second run on one day is called -2, and so on."""
    count = 1
    while True:
        unique = stem if count == 1 else f"{stem}-{count}"
        paths = Paths(folder / f"{unique}.json", folder / f"{unique}.md")
        if not paths.numbers.exists() and not paths.table.exists():
            return paths
        count += 1


def _page(suite: Suite, result: dict[str, Any]) -> str:
    given = result["conditions"]
    machine, versions = given["machine"], given["versions"]
    threads = ", ".join(f"{name}={value}" for name, value in given["threads"].items())
    lines = [
        f"# {suite.TITLE}, {given['date'][:10]}",
        *(
            ["**Quick run: a smoke test; sizes and repeats are too small to quote.**"]
            if given["scale"] == "quick"
            else []
        ),
        "\n".join(
            [
                f"- command: `{given['command']}`",
                f"- date: {given['date']}",
                f"- machine: {machine['cpu']}, {machine['cores_usable']} of {machine['cores']} "
                f"cores, {machine['memory_gb']} GB, {machine['system']}; {threads}; load average "
                f"{given['load_average_before']} before, {given['load_average_after']} after",
                f"- python {given['python']}, "
                + ", ".join(f"{name} {version}" for name, version in versions.items()),
            ]
        ),
        *suite.tables(result),
    ]
    return "\n\n".join(lines) + "\n"


def markdown_table(header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """Write a Markdown table; every cell after the first is right-aligned."""
    rule = ["---"] + ["---:"] * (len(header) - 1)
    return "\n".join("| " + " | ".join(row) + " |" for row in (header, rule, *rows))


def seconds(value: float) -> str:
    """Write a time with three significant digits and a fitting unit.

    Examples
    --------
    >>> seconds(0.0000421), seconds(0.0123), seconds(4.0), seconds(40000)
    ('42.1 µs', '12.3 ms', '4.00 s', '11.1 h')
    """
    for unit, name in ((1e-6, "µs"), (1e-3, "ms"), (1.0, "s")):
        if value < 1000 * unit and (unit < 1 or value < 600):
            return f"{number(value / unit)} {name}"
    return f"{number(value / 3600)} h"


def number(value: float) -> str:
    """Write three significant digits without an exponent.

    Examples
    --------
    >>> number(0.1234), number(12.34), number(1234.5)
    ('0.123', '12.3', '1234')
    """
    if value == 0:
        return "0"
    digits = max(2 - math.floor(math.log10(abs(value))), 0)
    return f"{value:.{digits}f}"
