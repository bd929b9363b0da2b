"""The page of ``python -m benchmarks.gpu``."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from benchmarks.report import markdown_table, number, seconds

__all__ = ["page"]


def page(
    *,
    tiny: bool,
    conditions: Mapping[str, Any],
    rate: float,
    speed: Mapping[str, Any],
    settings: Mapping[str, Any],
    learned: list[dict[str, Any]],
    written: list[dict[str, Any]],
    persuasion: Mapping[str, Mapping[str, Any]],
    equal: Mapping[str, int],
) -> str:
    """Write what was measured as Markdown."""
    machine, versions = conditions["machine"], conditions["versions"]
    peak = speed["peak_bytes"]
    whole = sum(speed["phases"].values())
    tasks = list(learned[0]["right"])
    paragraphs = [
        f"# Large models on a GPU, {conditions['date'][:10]}",
        *(["**Smoke test on tiny models; none of its figures mean anything.**"] if tiny else []),
        "\n".join(
            [
                f"- command: `python -m benchmarks.gpu{' --tiny' if tiny else ''}`",
                f"- GPU: {conditions['gpu']}; CPU: {machine['cpu']}, {machine['cores_usable']} of "
                f"{machine['cores']} cores",
                "- " + ", ".join(f"{name} {version}" for name, version in versions.items()),
            ]
        ),
        "## Training the Receiver",
        markdown_table(
            ["quantity", "measured"],
            [
                ["weights", f"{speed['weights']:,}"],
                ["demonstrations in a step", f"{speed['batch']:,}"],
                ["tokens in a step", f"{speed['tokens_per_step']:,.0f}"],
                ["tokens per second", f"{speed['tokens_per_second']:,.0f}"],
                ["largest rate of a product of matrices", f"{rate:.3g} operations per second"],
                [
                    "share of it (MFU)",
                    f"{100 * speed['operations_per_second'] / rate:.1f} %",
                ],
                ["peak memory", "not measured" if peak is None else f"{peak / 2**30:.2f} GiB"],
                *(
                    [f"step: {phase}", f"{seconds(t)} ({100 * t / whole:.0f} %)"]
                    for phase, t in speed["phases"].items()
                ),
            ],
        ),
        "Operations are 6 per weight and token, attention and padding left out; phases are timed "
        "in steps of their own, which wait for the GPU after each.",
        "## Accuracy against tokens",
        markdown_table(
            ["step", "tokens", *tasks],
            [
                [str(row["step"]), f"{row['tokens']:,.0f}"]
                + [f"{row['right'][task]:.3f}" for task in tasks]
                for row in learned
            ],
        ),
        f"{settings['steps']:,} steps. Share of held-out prompts with a hint that are answered "
        "word for word as demonstrated.",
        "## Writing",
        markdown_table(
            ["precision", "prompts at a time", "tokens per second"],
            [
                [row["precision"], str(row["batch"]), number(row["tokens_per_second"])]
                for row in written
            ],
        ),
    ]
    for task, found in persuasion.items():
        compared, moved = found["comparison"], found["transfer"]
        controls = compared["controls"]
        paragraphs += [
            f"## Persuasion: {task}",
            f"{compared['caption']}. Optimum of the measured games: {compared['optimum']:.3f}; "
            f"optimum less persuaded: {compared['gap']:+.3f}. The Advisor was trained in "
            f"{seconds(found['seconds'])}.",
            markdown_table(compared["columns"], compared["rows"]),
            controls["caption"] + ".",
            markdown_table(controls["columns"], controls["rows"]),
            moved["caption"] + ".",
            markdown_table(moved["columns"], moved["rows"]),
        ]
    paragraphs += [
        "## CPU and GPU",
        "No GPU took part."
        if equal["n"] == 0
        else f"{equal['equal']} of {equal['n']} greedy answers in float32 are the same on both.",
    ]
    return "\n\n".join(paragraphs) + "\n"
