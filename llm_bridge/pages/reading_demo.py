"""The part of ``make demo`` in which a small language model reads questions and advises."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np

from llm_bridge.commands.requirements import missing
from llm_bridge.pages.price_plot import PriceCurve, plot_prices
from persuasion.demo import Progress
from persuasion.report import Block, Paragraph, Picture, Section, Table
from persuasion.zoo.gsm8k_replay import questions

if TYPE_CHECKING:
    from matplotlib.axes import Axes

    from llm_bridge.pages.price_plot import Kind
    from llm_bridge.replay.reading import HeldOutReading

__all__ = ["sections"]

_NEEDED = ("torch", "transformers", "tokenizers")
_PRICES = ("0.335", "0.34", "0.345", "0.35", "0.36", "0.37")
_SPLITS = 8
_TITLE = "Real questions: an advisor who has to read"
_KINDS: dict[int, Kind] = {
    0: "baseline",
    1: "disclosure",
    2: "optimum",
    4: "labels",
    5: "persuaded",
    6: "control",
}
"""How arms are drawn, by their place among `reading.READ_ARMS`."""


def sections(progress: Progress) -> list[Section]:
    """Train the reader, let her learn to recommend, and count at several prices."""
    if missing(*_NEEDED):
        words = "This part needs language models: pip install 'persuasion[llm]' and call it again."
        return [Section(_TITLE, [Paragraph(words)])]
    from llm_bridge.replay.reading import held_out_reading, read_questions
    from llm_bridge.replay.texts import question_texts

    read = read_questions(progress=lambda i, n: progress(f"reading questions: step {i} of {n}"))
    found = held_out_reading(
        read,
        prices=_PRICES,
        n_splits=_SPLITS,
        progress=lambda i, n: progress(f"advice from what was read: split {i} of {n}"),
    )
    level, n_learnt = questions().levels(3), len(question_texts().train) - len(read.fresh)
    seen = float((read.likeliest(3) == level).mean())
    commonest = float(np.bincount(level).max() / len(level))
    words = (
        f"Now the advisor is not told the level. A GPT-2 of one layer reads {n_learnt} questions "
        "whose solutions are published and learns how many steps these take; on the 1319 graded "
        f"questions the level that seems likeliest to her is right for {100 * seen:.0f} % (the "
        f"commonest level: {100 * commonest:.0f} %). Then two codewords learn from "
        f"{len(read.fresh)} other questions when to be written: not for what is true but for what "
        "the user will do. What the user believes after a codeword is part of what is "
        "differentiated, and her answer to it grows sharp as they learn. She knows how often each "
        "codeword follows each level on questions that are not held out, and best-responds."
    )
    honest = (
        "Words tell a level in part, and levels differ little in what the large model gains. So "
        "advice from text is worth most where the user is nearly willing to pay by herself; where "
        "the price is further off, nothing that can be read would persuade her, and she is told "
        "in vain. As a control readings are dealt out to other questions."
    )
    blocks: list[Block] = [
        Paragraph(words),
        _table(found),
        Picture.of(
            _picture(found),
            "Share of held-out questions answered right against the price of the large model: "
            "silence, telling the level, the optimal schemes, and advice from text.",
            f"Right answers per held-out question, {_SPLITS} splits; band: 95 % bootstrap limits "
            "over questions for advice from text.",
        ),
        Paragraph(honest),
    ]
    return [Section(_TITLE, blocks)]


def _table(found: HeldOutReading) -> Table:
    from llm_bridge.replay.reading import READ_ARMS

    means = found.accuracy.mean(axis=0)
    asked = found.followed.mean(axis=0)
    rows = [
        [f"{float(price):.3f}", *(f"{x:.3f}" for x in row), f"{100 * share:.0f} %"]
        for price, row, share in zip(found.prices, means, asked, strict=True)
    ]
    columns = ["price", *READ_ARMS, "large model asked"]
    caption = (
        "Share of held-out questions answered right, and how often the user asks the large model "
        "on a recommendation from text"
    )
    return Table(columns, rows, caption)


def _picture(found: HeldOutReading) -> Axes:
    from llm_bridge.replay.reading import READ_ARMS

    means = found.accuracy.mean(axis=0)
    bands = [found.limits(place) for place in range(len(found.prices))]
    curves = []
    for arm, kind in _KINDS.items():
        limits = None
        if kind == "persuaded":
            ends = [band.interval(arm) for band in bands]
            limits = (np.array([x.lower for x in ends]), np.array([x.upper for x in ends]))
        curves.append(PriceCurve(READ_ARMS[arm], means[:, arm], limits, kind))
    return plot_prices([float(x) for x in found.prices], curves, unit="right answers")
