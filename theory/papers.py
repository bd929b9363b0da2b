"""``python -m theory.papers`` writes PAPERS.md: which statement comes from where."""

from __future__ import annotations

import math
import re
from pathlib import Path
from typing import Any

from theory import statements
from theory.theorem import NegativeControl, Theorem
from theory.type_theorem import types_in_words

__all__ = ["control_in_words", "described", "entry", "papers", "power"]

TARGET = Path(__file__).parents[1] / "PAPERS.md"

_HEAD = """\
# Statements and their sources

Written by `python -m theory.papers` from `theory/statements/`; change it there.

Each is a bound with explicit constants under stated assumptions. Where a paper is named, the bound
has that paper's form; its constants and its proof are ours unless said otherwise. `persuasion
verify` holds them against simulated play: a run can refute a bound, never establish it. Each has a
negative control, an experiment that breaks the assumptions and that its check has to refute.

Regret is pseudo-regret: the optimum at the true prior minus what the scheme in force is worth when
the Receiver best-responds to it. Both utilities are scaled to [0, 1]. docs/theory.md holds the
proofs and the symbols.
"""


def described(theorem: Theorem) -> dict[str, Any]:
    """Return what a theorem says about itself and its negative control, JSON-ready."""
    return {**theorem.to_dict(), "negative_control": control_in_words(theorem.negative_control)}


def control_in_words(control: NegativeControl) -> str:
    """Say which experiment it is and what it breaks."""
    if control.learner is None:
        played = ""
    else:
        own = ", ".join(f"{key}={value}" for key, value in control.parameters.items())
        learner = f"{control.learner}({own})" if own else control.learner
        played = f"{learner}, {control.n_runs} runs of {power(control.horizon)} rounds"
    own = ", ".join(f"{key}={value}" for key, value in control.game_parameters.items())
    game = "its own pair of games" if control.game is None else f"{control.game}({own})"
    if control.types is not None:
        game += f" with {types_in_words(control.types)}"
    where = f"{played} on {game}" if played else f"on {game}"
    return f"{where}: {control.why}"


def power(number: int) -> str:
    """Write a large power of ten as one.

    Examples
    --------
    >>> power(10**7), power(250)
    ('10^7', '250')
    """
    exponent = round(math.log10(number))
    return f"10^{exponent}" if number == 10**exponent and exponent > 3 else str(number)


def papers() -> str:
    """Return the text of PAPERS.md."""
    return "\n".join([_HEAD, *map(entry, statements.theorems())])


def entry(theorem: Theorem) -> str:
    """Return the section of one statement."""
    return f"""\
## {_literal(theorem.title)} (`{theorem.id}`)

{_literal(theorem.statement)}

$${theorem.latex}$$

| | |
|---|---|
| source | {_literal(theorem.source)} |
| bounds | {theorem.quantity} ({theorem.unit}), from {_SIDES[theorem.direction]} |
| judged | {_KINDS[theorem.kind]} |
| negative control | {_literal(control_in_words(theorem.negative_control))} |
"""


def _literal(text: str) -> str:
    r"""Escape what Markdown would not print as it is.

    Examples
    --------
    >>> print(_literal("d* and V_S"))
    d\* and V\_S
    """
    return re.sub(r"([\\*_<|`$])", r"\\\1", text)


_SIDES = {"upper": "above", "lower": "below"}
_KINDS = {
    "pathwise": "at every epoch of every run, without exception",
    "high_probability": "by the share of runs that break it, against the probability allowed",
    "expectation": "by confidence limits of the mean over runs",
    "static": "without any play",
    "lower": "by confidence limits of the mean over runs, on the worse of two games",
}


if __name__ == "__main__":
    TARGET.write_text(papers(), encoding="utf-8")
