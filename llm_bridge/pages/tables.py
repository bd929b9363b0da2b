"""Tables of an experiment: one over all tasks, and any table as plain text or Markdown."""

from __future__ import annotations

from collections.abc import Mapping

from llm_bridge.evaluation import Evaluation
from persuasion.errors import PersuasionError
from persuasion.html import Table

__all__ = ["headline", "to_markdown", "to_text"]

_BEFORE = {
    "none": "no hint",
    "prior": "prior-sampled",
    "silent": "silence",
    "full": "full disclosure",
}
_AFTER = {"oracle": "oracle"}


def headline(evaluations: Mapping[str, Evaluation], *, limits: bool = True) -> Table:
    """Return one row per evaluation: baselines, every Advisor, the best scheme, the oracle.

    Parameters
    ----------
    evaluations : mapping of str to Evaluation
        By what the first column shall say, the task for example. An Advisor whom only some know
        leaves a gap in the others.
    limits : bool
        Whether each value comes with its limits.
    """
    if not evaluations:
        raise PersuasionError("`evaluations` is empty; give at least one")
    advisors = dict.fromkeys(name for found in evaluations.values() for name in found.advisors)
    rows = []
    for label, found in evaluations.items():
        best = f"scheme {max(found.optima)}"
        arms = [*_BEFORE, *advisors, best, *_AFTER]
        rows.append([label, *(_cell(found, arm, limits) for arm in arms)])
    columns = ["", *_BEFORE.values(), *advisors, "best scheme", *_AFTER.values()]
    confidences = {found.confidence for found in evaluations.values()}
    level = ", ".join(f"{100 * confidence:g}%" for confidence in sorted(confidences))
    caption = "Advisor's utils per held-out input"
    return Table(columns, rows, caption=f"{caption}, {level} limits" if limits else caption)


def _cell(evaluation: Evaluation, arm: str, limits: bool) -> str:
    if arm not in evaluation.arms:
        return ""
    interval = evaluation.value(arm)
    return str(interval) if limits else f"{interval.mean:.3f}"


def to_text(table: Table) -> str:
    """Return a table for the terminal, columns aligned, without the caption.

    Examples
    --------
    >>> from persuasion.html import Table
    >>> print(to_text(Table(["arm", "value"], [["none", "0.1"], ["oracle", "12.5"]])))
    arm     value
    none      0.1
    oracle   12.5
    """
    rows = [list(table.columns), *(list(row) for row in table.rows)]
    widths = [max(len(row[i]) for row in rows) for i in range(len(table.columns))]
    return "\n".join(
        "  ".join(
            cell.ljust(width) if i in table.left else cell.rjust(width)
            for i, (cell, width) in enumerate(zip(row, widths, strict=True))
        ).rstrip()
        for row in rows
    )


def to_markdown(table: Table) -> str:
    r"""Return a table in Markdown, without the caption.

    Examples
    --------
    >>> from persuasion.html import Table
    >>> print(to_markdown(Table(["arm", "a|b"], [["none", "0.1"]])))
    | arm | a\|b |
    | --- | ---: |
    | none | 0.1 |
    """
    rule = ["---" if i in table.left else "---:" for i in range(len(table.columns))]
    cells = [[cell.replace("|", "\\|") for cell in row] for row in (table.columns, *table.rows)]
    lines = [cells[0], rule, *cells[1:]]
    return "\n".join("| " + " | ".join(line) + " |" for line in lines)
