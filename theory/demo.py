"""The theory's section of ``make demo``: two bounds, and a learner that breaks them."""

from __future__ import annotations

import os
import tempfile
from dataclasses import replace

from persuasion import zoo
from persuasion.demo import Progress
from persuasion.report import Paragraph, Section
from theory import statements
from theory.cli import PackageLaboratory
from theory.experiment import Case, control_of
from theory.pictures import picture_of
from theory.report import READING, verdict_table
from theory.verification import Verification, investigate

__all__ = ["sections"]

_THEOREMS = ("corollary_1", "theorem_1_growth", "theorem_1_slater")
_HORIZON = 10**7
_N_RUNS = 96
_N_CONTROL_RUNS = 192
"""The mean of the broken learner varies much; as many runs tell it from the bound."""


def sections(progress: Progress) -> list[Section]:
    """Hold three bounds against the robust learner on F1(4, 2), and the plug-in learner too."""
    result = _verification(progress)
    progress("drawing the regret bounds")
    words = (
        "A Sender who does not know the prior learns it while she persuades. Corollary 1 is a "
        "bound of the paper's form, m^(3/2) sqrt(T log T), with explicit constants, under stated "
        "assumptions; Theorem 1 says more about the game at hand. They are held against simulated "
        "play on a game of four states and two actions. The control is a Sender who trusts her "
        "estimate of the prior: no bound covers her, and the check refutes each when told so."
    )
    picture = picture_of(result.findings, controls=result.controls)
    assert picture is not None
    table = verdict_table(result, echo=True)
    blocks = (Paragraph(words), Paragraph(result.words()), table, picture, Paragraph(READING))
    return [Section("Learning to persuade: regret and its bounds", blocks)]


def _verification(progress: Progress) -> Verification:
    game = zoo.load("f1", m=4, beta=2)
    theorems = [statements.load(name) for name in _THEOREMS]
    cases = [Case(theorem, (game,), _HORIZON, _N_RUNS) for theorem in theorems]
    controls = [
        replace(control_of(theorem), games=(game,), horizon=_HORIZON, n_runs=_N_CONTROL_RUNS)
        for theorem in theorems
    ]
    finished = 0

    def tell(more: int) -> None:
        nonlocal finished
        finished += more
        progress(f"playing {_HORIZON} rounds, {finished} runs done")

    with tempfile.TemporaryDirectory() as folder:
        jobs = min(2, os.cpu_count() or 1)
        laboratory = PackageLaboratory(folder, jobs=jobs, tell=tell)
        return investigate(cases, controls, laboratory)
