"""The bridge's sections of ``make demo``: language models that persuade and are persuaded."""

from __future__ import annotations

import tempfile
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import TYPE_CHECKING

from llm_bridge.commands.requirements import missing
from llm_bridge.config import demo_config
from persuasion.demo import Progress, kept
from persuasion.report import Paragraph, Section

if TYPE_CHECKING:
    from llm_bridge.staging.workshop import Tell

__all__ = ["sections"]

_FOLDER = "bridge"


def sections(progress: Progress) -> list[Section]:
    """Carry out the embedded experiment, or what of it an earlier demo has not done."""
    from llm_bridge.cli import NEEDED, conduct

    if missing(*NEEDED):
        words = "This part needs language models: pip install 'persuasion[llm]' and call it again."
        return [Section("Persuading language models", [Paragraph(words)])]
    from llm_bridge.pages.report import task_section
    from llm_bridge.pages.results import arms_table, claims_table, what_was_seen

    @contextmanager
    def bar(stage: str) -> Iterator[Tell]:
        progress(f"language models, {stage}")
        yield lambda done, total: progress(f"language models, {stage}: {done} of {total}")

    with _folder() as folder:
        outcome = conduct(demo_config(), folder, bar=bar)
    words = (
        "A language model advises, another one reads and writes. The Advisor sees an item that "
        "decides which answer is right; the Receiver sees a codeword, updates by Bayes' rule, and "
        "writes with what she then believes as a hint. Letting her write under every belief makes "
        "a game with a known optimum, against which the Advisor is held."
    )
    first = Section(
        "Persuading language models",
        [
            Paragraph(words),
            Paragraph(what_was_seen(outcome)),
            arms_table(outcome, echo=True),
            claims_table(outcome, echo=True),
        ],
    )
    return [first, *(task_section(outcome, task) for task in outcome.evaluations)]


@contextmanager
def _folder() -> Iterator[Path]:
    """Yield where the run is kept: beside the demo's report, or nowhere."""
    folder = kept(_FOLDER)
    if folder is not None:
        yield folder
        return
    with tempfile.TemporaryDirectory() as temporary:
        yield Path(temporary)
