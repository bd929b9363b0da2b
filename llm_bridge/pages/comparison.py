"""Persuasion beside other ways on a page: bars, costs, controls; and the same as records."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from typing import Any

from llm_bridge.comparison import BLIND, Comparison
from llm_bridge.evaluation import Evaluation
from llm_bridge.pages.plots import Bar, plot_arms
from persuasion.report import Block, Paragraph, Picture, Section

__all__ = ["baseline_in_words", "comparison_blocks", "comparison_section", "record_of"]

_WORDS = {
    "all_items": "all items in the prompt",
    "best_of_n": "best of n answers",
    "corrector": "corrector",
    "fine_tuned": "fine-tuned Receiver",
    BLIND: "best answer without the item",
    "none": "no information",
    "full": "full disclosure",
    "oracle": "oracle",
    "persuaded": "persuaded",
}
_LEAD = (
    "Each baseline learns from the inputs that the Advisor learned from, with as many operations "
    "as her training took; what an answer takes is counted beside it. Those that win are shown "
    "like those that lose. Measuring the game asks the Receiver for answers too, which the "
    "operations do not hold and a column of its own counts."
)
_CONTROLS = (
    "Each control is a baseline without the source of its gain: an empty list, one answer, a "
    "corrector that saw copies alone, signals of another item. It must be worth no more than its "
    "bound: answers of a Receiver told nothing (none), or, where weights learn what the Advisor "
    "likes, the best answers that do not depend on the item (blind)."
)


def baseline_in_words(name: str) -> str:
    """Say what an arm of a comparison does.

    Examples
    --------
    >>> baseline_in_words("fine_tuned"), baseline_in_words("control fine_tuned")
    ('fine-tuned Receiver', 'control: fine-tuned Receiver')
    """
    if name.startswith("control "):
        return f"control: {baseline_in_words(name.removeprefix('control '))}"
    if name.startswith("scheme "):
        return f"best scheme, {name.removeprefix('scheme ')} signals"
    return _WORDS.get(name, name)


def comparison_section(comparisons: Mapping[str, Mapping[str, Comparison]]) -> Iterator[Section]:
    """Yield a section on all tasks and Receivers, if anything was compared."""
    blocks: list[Block] = []
    for found in comparisons.values():
        for one in found.values():
            blocks += comparison_blocks(one)
    if blocks:
        first = [Paragraph(_LEAD), Paragraph(_CONTROLS)]
        yield Section("Beside other ways", [*first, *blocks])


def comparison_blocks(comparison: Comparison) -> list[Block]:
    """Return bars, costs and controls of one task and Receiver."""
    evaluation = comparison.evaluation
    kinds = {
        "none": "baseline",
        BLIND: "baseline",
        **dict.fromkeys(comparison.baselines, "baseline"),
        comparison.advisor: "persuaded",
        comparison.scheme: "optimum",
        "full": "disclosure",
        "oracle": "disclosure",
    }
    bars = [_bar(evaluation, name, kind) for name, kind in kinds.items()]
    where = f"task {evaluation.task} with {evaluation.receiver}"
    caption = f"{evaluation.task} with {evaluation.receiver}."
    if comparison.trained_for is not None:
        caption += f" The Advisor was trained for {comparison.trained_for}, and not again."
    picture = Picture.of(
        plot_arms(bars, unit="Advisor's value in utils"),
        f"Bars of the Advisor's value in {where}: persuaded, and other ways.",
        f"{caption} {len(evaluation.inputs)} held-out inputs, real replies; whiskers: "
        f"{100 * evaluation.confidence:g}% bootstrap limits.",
    )
    return [picture, comparison.table(), comparison.controls_table()]


def _bar(evaluation: Evaluation, name: str, kind: str) -> Bar:
    value = evaluation.value(name)
    return Bar(baseline_in_words(name), value.mean, value.lower, value.upper, kind)


def record_of(comparison: Comparison) -> dict[str, Any]:
    """Return a comparison for `results.json`: values with limits, costs, controls."""
    arms = {}
    for name, spent in comparison.spent.items():
        value, ahead = comparison.evaluation.value(name), comparison.ahead(name)
        receiver = comparison.evaluation.value(name, of="receiver")
        arms[name] = {
            **{"value": value.mean, "lower": value.lower, "upper": value.upper},
            **{"ahead": ahead.mean, "ahead_lower": ahead.lower, "ahead_upper": ahead.upper},
            "receiver_value": receiver.mean,
            **spent.to_dict(),
        }
    return {
        "task": comparison.evaluation.task,
        "receiver": comparison.evaluation.receiver,
        "trained_for": comparison.trained_for,
        "budget": comparison.budget.operations,
        "arms": arms,
        "controls": [
            {
                "control": one.name,
                "bound": one.bound,
                "above": one.above.mean,
                "lower": one.above.lower,
                "upper": one.above.upper,
                "gains": one.gains,
            }
            for one in comparison.controls()
        ],
        "left_out": dict(comparison.left_out),
    }
