"""The embedded experiment in full, real models and replies: what it has to show on held-out inputs.

Minutes of work. PERSUASION_BRIDGE_RUN may name a folder in which it is kept: what an earlier call
has finished there, by the same code, is judged as found.
"""

from __future__ import annotations

import os
from pathlib import Path
from time import process_time

import numpy as np
import pytest

from llm_bridge.cli import conduct
from llm_bridge.config import full_config
from llm_bridge.evaluation import Evaluation
from llm_bridge.experiment import Outcome
from llm_bridge.pages.results import controls_of, what_was_seen

pytestmark = pytest.mark.slow

SEEDS = (0, 1)
ITEMS = {"math": 4, "code": 6, "grade": 3}
CPU_MINUTES = 25


@pytest.fixture(scope="module")
def outcome(tmp_path_factory: pytest.TempPathFactory) -> Outcome:
    kept = os.environ.get("PERSUASION_BRIDGE_RUN")
    began = process_time()
    done = conduct(full_config(), Path(kept) if kept else tmp_path_factory.mktemp("full"))
    assert process_time() - began < 60 * CPU_MINUTES
    return done


def advisors(outcome: Outcome, task: str, *, most: bool = False) -> list[tuple[Evaluation, str]]:
    """Evaluation and name of each Advisor of a task; with `most`, of those with all signals."""
    found = outcome.evaluations[task]
    names = [n for n in found.advisors if not most or found.arms[n].n_signals == ITEMS[task]]
    assert len(names) == len(SEEDS) * (1 if most else len(outcome.config.signals(task)))
    return [(found, name) for name in names]


@pytest.mark.parametrize("task", ["math", "code"])
def test_persuaded_beats_the_prior_and_no_hint_and_not_the_oracle(
    task: str, outcome: Outcome
) -> None:
    for found, name in advisors(outcome, task):
        assert found.value(name, "prior").lower > 0, name
        assert found.value(name, "none").lower > 0, name
        assert found.value("oracle", name).lower >= -1e-9, name


@pytest.mark.parametrize("task", ["math", "code"])
def test_with_as_many_signals_as_items_the_optimum_is_near(task: str, outcome: Outcome) -> None:
    for found, name in advisors(outcome, task, most=True):
        assert found.value(name, f"scheme {ITEMS[task]}").lower >= -0.03, name
        assert found.optima[ITEMS[task]].value - found.value(name).mean <= 0.03, name


def test_where_interests_differ_neither_silence_nor_openness_is_as_good(outcome: Outcome) -> None:
    for found, name in advisors(outcome, "grade", most=True):
        assert found.misaligned
        assert found.value(name, "none").lower >= 0.15
        assert found.value(name, "full").lower >= 0.15
        assert found.value(name, "silent").lower > 0
        assert found.value(name, "scheme 3").lower >= -0.05
        margins = [part.margin for part in found.optima[3].templates.values()]
        assert min(margins) > 0  # of the program she is held against, as of her training


def test_what_learns_nothing_gains_nothing(outcome: Outcome) -> None:
    """Shuffled and untrained signals are worth silence, a deaf Receiver no hint."""
    for task in ITEMS:
        for found, name in advisors(outcome, task):
            for arm, same in ((f"shuffled {name}", "silent"), (f"deaf {name}", "none")):
                np.testing.assert_allclose(
                    found.arms[arm].sender, found.arms[same].sender, atol=1e-6
                )
        assert abs(found.value("untrained", "silent").mean) < 0.02
    controls = controls_of(outcome)
    assert [c.arm for c in controls if c.has_to_fail and not c.fails] == []
    assert {c.task for c in controls if c.arm.startswith("reinforce") and c.has_to_fail} == {
        "grade"
    }


def test_without_the_belief_term_she_babbles(outcome: Outcome) -> None:
    found = outcome.evaluations["grade"]
    (name,) = [arm for arm in found.arms if arm.startswith("reinforce")]
    best = max(found.value(arm).mean for arm in ("silent", "none", "full"))
    assert found.value(name).mean <= best + 0.05
    for one in found.advisors:
        assert found.value(one, name).lower >= 0.15


@pytest.mark.parametrize("task", ["math", "code"])
def test_one_advisor_persuades_receivers_she_never_met(task: str, outcome: Outcome) -> None:
    others = outcome.transfers[task]
    assert set(others) == {"early", "middle", "shallow"}
    oracles = [e.value("oracle").mean for e in (outcome.evaluations[task], *others.values())]
    assert max(oracles) - min(oracles) > 0.05  # they differ in skill, in math by far more
    for receiver, found in others.items():
        for seed in SEEDS:
            name = f"{ITEMS[task]} signals, seed {seed}"
            assert found.value(name, "prior").lower > 0, receiver
            assert found.value(name, "none").lower > 0, receiver
            assert found.value("oracle", name).upper <= 0.03, receiver
    trained = [stage.name for stage in outcome.stages if stage.name.startswith(f"advisor-{task}")]
    plans = len(SEEDS) * len(outcome.config.signals(task))
    assert len(trained) == plans + 1  # and the one that babbles: none was trained again


def test_other_ways_have_the_same_budget_and_their_controls_gain_nothing(outcome: Outcome) -> None:
    for found in outcome.comparisons.values():
        assert set(found) == {"embedded", "early"}
        for receiver, one in found.items():
            assert one.left_out == {}
            assert [control.name for control in one.controls() if control.gains] == []
            for name in ("corrector", "fine_tuned"):
                used = one.spent[name].operations / one.budget.operations
                assert used == pytest.approx(1, abs=0.01), name
            moved = receiver == "early"
            assert (one.spent["persuaded"].operations == 0) == moved, "not trained again"
            assert one.trained_for == ("embedded" if moved else None)


def test_nothing_claimed_is_refuted_and_the_page_says_what_was_seen(outcome: Outcome) -> None:
    refuted = [c.text for e in outcome.evaluations.values() for c in e.claims() if c.held is False]
    assert refuted == []
    assert "never saw the solution" in what_was_seen(outcome)
    assert "never saw the solution" in (outcome.folder / "report.html").read_text("utf-8")
