"""Advisors who learn while they play: the scheme played, what is learnt, verdicts, the command."""

from __future__ import annotations

import json
import shlex
from collections.abc import Callable, Sequence
from dataclasses import replace
from functools import partial
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase
from typer.testing import CliRunner

from llm_bridge import online_learner
from llm_bridge.advisor import Advisor
from llm_bridge.codebook import Codebook
from llm_bridge.commands.online import _chosen
from llm_bridge.config import ExperimentConfig
from llm_bridge.online import LEARNERS, THEOREMS, OnlineStudy, check_rule, judge
from llm_bridge.online_learner import AdvisorLearner
from llm_bridge.receivers.rules import rule
from llm_bridge.staging import local_workshop, online_stages
from llm_bridge.staging.online_stages import OnlinePlay
from llm_bridge.staging.plan import AdvisorPlan
from llm_bridge.task import Example, Task
from persuasion import PersuasionGame, report, simulate, solve
from persuasion.cli import app
from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray
from persuasion.trajectory import Trajectory
from persuasion.view import Feedback, LearnerView
from tests.llm.conftest import Aligned, Prosecutor
from tests.llm.workshops import FakeWorkshop

TASK = Prosecutor()
GAME = TASK.game("case")
INPUTS = TASK.examples("case", "train", 6, 0)
SILENT = {"disclosing_steps": 0, "warm_steps": 0, "steps": 0}
QUICK = {"disclosing_steps": 40, "warm_steps": 30, "steps": 10, "batch": 3}


class Frozen:
    """An Advisor who sends the kernels given and cannot be trained."""

    def __init__(self, *kernels: Any) -> None:
        self._kernels = [np.array(kernel, dtype=float) for kernel in kernels]

    @property
    def n_signals(self) -> int:
        return int(self._kernels[0].shape[1])

    def kernels(self, task: Task, examples: Sequence[Example]) -> FloatArray:
        return np.stack([self._kernels[x % len(self._kernels)] for x in range(len(examples))])


def frozen(*kernels: Any) -> AdvisorLearner:
    advisor: Any = Frozen(*kernels)
    return AdvisorLearner(advisor=advisor, task=TASK, examples=INPUTS, **SILENT)


def learner(advisor: Advisor, **settings: Any) -> AdvisorLearner:
    given = {**QUICK, "device": "cpu", **settings}
    return AdvisorLearner(advisor=advisor, task=TASK, examples=INPUTS[:3], **given)


# -- the scheme that is played -----------------------------------------------------------------


def test_the_optimal_kernel_has_no_regret() -> None:
    best = solve(GAME).scheme.kernel
    runs = simulate(GAME, frozen(best), horizon=10_000, n_runs=2)
    assert np.abs(runs.regret).max() < 1e-7
    assert runs.optimal_value == pytest.approx(0.6)


def test_words_may_differ_from_input_to_input() -> None:
    best = solve(GAME).scheme.kernel  # the Receiver sees the input: averaging would babble
    runs = simulate(GAME, frozen(best, best[:, ::-1]), horizon=1000)
    assert np.abs(runs.regret).max() < 1e-8


def test_babbling_loses_the_same_in_every_round() -> None:
    runs = simulate(GAME, frozen([[0.5, 0.5], [0.5, 0.5]]), horizon=10_000)
    assert runs.regret[0] == pytest.approx(0.6 * runs.checkpoints)


def test_one_disobeyed_input_is_lost_and_only_that() -> None:
    best = solve(GAME).scheme.kernel
    babbling = np.full((2, 2), 0.5)
    runs = simulate(GAME, frozen(best, babbling), horizon=100)
    assert runs.regret[0, -1] == pytest.approx(0.3 * 100)


# -- what she learns ---------------------------------------------------------------------------


def test_a_model_learns_while_it_plays(
    make_advisor: Callable[..., Advisor],
) -> None:
    advisor = make_advisor(2)
    before = advisor.fingerprint
    runs = simulate(GAME, learner(advisor), horizon=5000, seed=1)
    again = simulate(GAME, learner(advisor), horizon=5000, seed=1)
    other = simulate(GAME, learner(advisor), horizon=500, seed=2)
    assert runs.same_results(again)
    assert other.epochs.loss[-1] not in runs.epochs.loss
    assert advisor.fingerprint == before
    told = 0.3  # what telling the item loses in a round
    assert runs.epochs.loss[0] == pytest.approx(told, abs=0.1)
    assert runs.epochs.loss[-1] < 0.1
    assert np.array_equal(runs.epochs.start, [1, 2, 3, *(2**k + 1 for k in range(2, 13))])


def test_runs_do_not_influence_one_another(make_advisor: Callable[..., Advisor]) -> None:
    both = simulate(GAME, learner(make_advisor(2)), horizon=200, n_runs=2, seed=1)
    second = simulate(GAME, learner(make_advisor(2)), horizon=200, first_run=1, seed=1)
    assert np.array_equal(both.regret[1:], second.regret)


def test_a_new_run_begins_where_the_first_did(make_advisor: Callable[..., Advisor]) -> None:
    one, view = learner(make_advisor(2), caution=0), LearnerView(GAME, 100, frozenset())
    kernels = []
    for _ in range(2):
        one.reset(view, np.random.default_rng(3))
        kernels.append(one.scheme().kernel)
        one.observe(Feedback(1, 1, state_counts=np.array([1, 0])))
        assert not np.array_equal(one.scheme().kernel, kernels[-1])
    assert np.array_equal(*kernels)


class Trainings(list[SimpleNamespace]):
    """Stands in for `train` and takes notes."""

    def __call__(
        self, advisor: Any, task: Any, games: Any, examples: Any, *, settings: Any, mode: str,
        targets: Any, **_: Any,
    ) -> None:  # fmt: skip
        self.append(
            SimpleNamespace(settings=settings, mode=mode, game=games["case"], targets=targets)
        )


@pytest.fixture
def trainings(monkeypatch: pytest.MonkeyPatch) -> Trainings:
    monkeypatch.setattr(online_learner, "train", taken := Trainings())
    return taken


def test_she_sees_counts_and_no_prior(trainings: Trainings) -> None:
    assert AdvisorLearner.knows == frozenset()
    advisor: Any = Frozen(np.eye(2))
    simulate(GAME, AdvisorLearner(advisor=advisor, task=TASK, examples=INPUTS), horizon=5000)
    first, *later = trainings
    assert (first.mode, first.game.prior.tolist()) == ("distill", [0.5, 0.5])
    assert first.targets["case"].tolist() == np.eye(2).tolist()
    sizes = [64 * 2**k for k in range(-3, 7)]
    assert later
    for one in later:
        assert one.mode == "exact"
        assert one.targets is None
        assert any(np.allclose(one.game.prior * n, np.round(one.game.prior * n)) for n in sizes)
        assert not np.array_equal(one.game.prior, GAME.prior)
    assert len({float(one.game.prior[0]) for one in later}) > 3
    assert later[-1].game.prior == pytest.approx(GAME.prior, abs=0.05)


def test_the_margin_falls_as_the_radius_does(trainings: Trainings) -> None:
    advisor: Any = Frozen(np.eye(2))
    one = AdvisorLearner(advisor=advisor, task=TASK, examples=INPUTS, least_margin=0.05)
    runs = simulate(GAME, one, horizon=50_000)
    margins = [training.settings.margin for training in trainings[1:]]
    asked = 0.5 * runs.epochs.radius  # telling the item leaves room for a margin of 1
    assert margins == pytest.approx(np.maximum(asked[asked < 1.0], 0.05))
    assert margins == sorted(margins, reverse=True)
    assert margins[-1] == 0.05
    assert [t.settings.warm_steps for t in trainings[1:]] == [100] + [0] * (len(margins) - 1)
    sharp = [training.settings.beta_end for training in trainings[1:]]
    assert sharp == pytest.approx([10 / margin for margin in margins])


def test_no_caution_trains_from_the_first_item_on(trainings: Trainings) -> None:
    advisor: Any = Frozen(np.eye(2))
    one = AdvisorLearner(advisor=advisor, task=TASK, examples=INPUTS, caution=0)
    runs = simulate(GAME, one, horizon=100)
    assert len(trainings) == len(runs.epochs)


@pytest.mark.parametrize(
    ("change", "words"),
    [
        ({"examples": []}, "inputs of one template"),
        ({"examples": Aligned().examples("even", "train", 2, 0)
                      + Aligned().examples("tilted", "train", 2, 0)}, "even, tilted"),
        ({"advisor": Frozen([[1.0], [1.0]])}, "a signal for each of the 2 items"),
        ({"delta": 1.0}, "`delta` must lie between 0 and 1"),
        ({"caution": -1}, "`caution` must be 0 or more"),
        ({"steps": -1}, "`steps` must be a whole number of at least 0"),
        ({"growth": 0.5}, "`growth` must be at least 1"),
    ],
)  # fmt: skip
def test_learners_that_cannot_be(change: dict[str, Any], words: str) -> None:
    given: dict[str, Any] = {"advisor": Frozen(np.eye(2)), "task": TASK, "examples": INPUTS}
    with pytest.raises(PersuasionError, match=words):
        AdvisorLearner(**{**given, **change})


def test_a_game_of_other_size_is_refused() -> None:
    with pytest.raises(PersuasionError, match="both must be the 2 items of 'prosecutor'"):
        simulate(Aligned().game("even"), frozen(np.eye(2)), horizon=10)


# -- verdicts ----------------------------------------------------------------------------------


def measured(*games: PersuasionGame) -> Any:
    named = {f"case{i or ''}": game for i, game in enumerate(games)}
    return SimpleNamespace(games=named, task="prosecutor", receiver="perfect")


@pytest.fixture(scope="module")
def played() -> dict[str, Trajectory]:
    return {
        "robust": simulate(GAME, "robust", horizon=10**6, n_runs=4),
        "advisor": simulate(GAME, frozen(np.full((2, 2), 0.5)), horizon=10**6, n_runs=2),
        "plug_in": simulate(GAME, "plug_in", horizon=10**6, n_runs=4),
    }


def outcomes(study: OnlineStudy, learner: str) -> dict[str, str]:
    return {j.verdict.theorem: str(j.verdict.outcome) for j in study.judged if j.learner == learner}


def test_the_covered_learner_holds_and_what_is_broken_is_refuted(
    played: dict[str, Trajectory],
) -> None:
    study = judge(measured(GAME), {"case": played})
    assert outcomes(study, "robust")["theorem_1_slater"] == "NOT_REFUTED"
    assert outcomes(study, "robust")["theorem_1_pathwise"] == "NOT_REFUTED"
    assert outcomes(study, "plug_in")["theorem_1_slater"] == "REFUTED"
    assert outcomes(study, "advisor")["theorem_1_slater"] == "REFUTED"  # she babbles
    assert set(outcomes(study, "robust")) == set(THEOREMS)
    assert study.held
    assert study.control_refuted
    again = OnlineStudy.from_dict(json.loads(json.dumps(study.to_dict())))
    assert again.judged == study.judged
    assert again.verdict_table() == study.verdict_table()
    assert again.regret_table() == study.regret_table()


def test_a_broken_robust_learner_is_seen(played: dict[str, Trajectory]) -> None:
    forged = replace(played["robust"], regret=played["plug_in"].regret)
    study = judge(measured(GAME), {"case": {**played, "robust": forged}})
    assert not study.held


def test_tables_and_picture_show_all(played: dict[str, Trajectory]) -> None:
    study = judge(measured(GAME), {"case": played}, alpha=0.02)
    (row,) = study.regret_table().rows
    assert row[:2] == ["case", "0.600"]
    assert row[4:6] == ["6e+05", "100.00%"]
    assert len(study.verdict_table().rows) == len(THEOREMS)
    labels = study.plot("case").get_legend_handles_labels()[1]
    assert [label.split(",")[0] for label in labels if "mean of" in label] == [
        "robust", "language model", "plug-in",
    ]  # fmt: skip
    assert sum("Theorem 1" in label for label in labels) == 2


def test_runs_of_another_game_are_refused(played: dict[str, Trajectory]) -> None:
    other = GAME.with_prior([0.6, 0.4])
    with pytest.raises(PersuasionError, match="another game than the one measured"):
        judge(measured(other), {"case": played})
    with pytest.raises(PersuasionError, match="'tale', which was not measured"):
        judge(measured(GAME), {"tale": played})


def test_only_best_responders_are_judged() -> None:
    check_rule("grade", rule("best_response"))
    for name, settings in (("posterior_sampling", {}), ("quantal", {"beta": 20.0})):
        with pytest.raises(PersuasionError, match="a Receiver who best-responds"):
            check_rule("math", rule(name, **settings))


@pytest.mark.parametrize("change", [{"horizon": 1}, {"n_runs": 0}, {"seed": -1}, {"steps": 2.5}])
def test_plays_that_cannot_be(change: dict[str, Any]) -> None:
    with pytest.raises(PersuasionError, match="must be a whole number of at least"):
        OnlinePlay(**change)


# -- the command -------------------------------------------------------------------------------

CONFIG = """
name = "small"
tasks = ["math"]
device = "cpu"
[receiver]
rule = "best_response"
[advisor.signals]
math = [2]
[measure]
n_inputs = 20
[evaluate]
n_inputs = 20
"""


class Workshop(FakeWorkshop):
    """Without models, but for Advisors that are to be trained online."""

    tokenizer: PreTrainedTokenizerBase

    def untrained(self, plan: AdvisorPlan, task: Task) -> Any:
        if plan.n_signals < len(task.items):
            return super().untrained(plan, task)
        self.made.append("online")
        size = {"n_layer": 1, "n_embd": 16, "n_head": 2, "n_positions": 96}
        return Advisor.fresh(self.tokenizer, Codebook.default(plan.n_signals), size)


@pytest.fixture
def run_folder(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, tokenizer: PreTrainedTokenizerBase
) -> Workshop:
    """``small.toml`` was carried out in ``out/small``."""
    workshop = Workshop()
    workshop.tokenizer = tokenizer
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(local_workshop, "LocalWorkshop", lambda *_, **__: workshop)
    (tmp_path / "small.toml").write_text(CONFIG)
    assert call("bridge run small.toml --quiet")[0] in (0, 1)
    return workshop


def call(line: str) -> tuple[int, str, str]:
    result = CliRunner().invoke(app, shlex.split(line))
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    return result.exit_code, result.stdout, result.stderr


def test_the_command_plays_once_and_shows_all(
    run_folder: Workshop, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(online_learner, "train", lambda *_, **__: None)  # takes its time
    few = partial(OnlinePlay, n_other_runs=2)
    monkeypatch.setattr(online_stages, "OnlinePlay", few)
    monkeypatch.setattr(report, "svg_of", lambda ax: "<svg ></svg>")  # so does drawing
    code, out, err = call("bridge online out/small -T 50 -n 1")
    assert (code, err.splitlines()[-1]) == (
        0, "wrote out/small/online.html and online.json beside it",
    )  # fmt: skip
    assert "cumulated regret after 50 rounds" in out
    assert "none refuted" in out
    made = list(run_folder.made)
    again = call("bridge online out/small -T 50 -n 1")
    assert again[:2] == (0, out)
    assert run_folder.made == made
    page = (tmp_path / "out/small/online.html").read_text()
    content = json.loads((tmp_path / "out/small/online.json").read_text())
    (study,) = content["studies"]
    assert all(set(runs) == set(LEARNERS) for runs in study["trajectories"].values())
    assert page.count("<figure>") == len(study["trajectories"])

    call("bridge run small.toml --quiet")
    heading = "Learning while playing: math"
    assert heading in (tmp_path / "out/small/report.html").read_text()
    (tmp_path / "small.toml").write_text(CONFIG.replace("n_inputs = 20", "n_inputs = 19"))
    call("bridge run small.toml --quiet")  # measured anew: what was played is of other games
    assert heading not in (tmp_path / "out/small/report.html").read_text()


def test_other_data_is_played_anew_also_where_the_game_is_the_same(
    run_folder: Workshop, monkeypatch: pytest.MonkeyPatch
) -> None:
    """The model learns from inputs for training, which are no part of the measured game."""
    monkeypatch.setattr(online_learner, "train", lambda *_, **__: None)
    monkeypatch.setattr(online_stages, "OnlinePlay", partial(OnlinePlay, n_other_runs=2))
    monkeypatch.setattr(report, "svg_of", lambda ax: "<svg ></svg>")
    call("bridge online out/small -T 50 -n 1")
    played = run_folder.made.count("online")
    assert played > 0
    monkeypatch.setattr(type(run_folder.task("math")), "fingerprint", "other data")
    call("bridge online out/small -T 50 -n 1")
    assert run_folder.made.count("online") == 2 * played
    call("bridge online out/small -T 60 -n 1")
    assert run_folder.made.count("online") == 3 * played


def test_tasks_that_read_data_are_played_with_their_parameters(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    rows = [{"question": f"Eggs on day {k}?", "answer": "#### 4"} for k in range(40)]
    path.write_text("\n".join(map(json.dumps, rows)))
    table = {"tasks": ["gsm8k"], "task": {"gsm8k": {"path": str(path)}}}
    assert _chosen(ExperimentConfig.from_dict(table), None) == ["gsm8k"]


def test_what_cannot_be_played_is_refused(run_folder: Workshop, tmp_path: Path) -> None:
    (tmp_path / "other").mkdir()
    config = CONFIG.replace('rule = "best_response"', "")
    (tmp_path / "other/config.toml").write_text(config)
    for line, words in (
        ("out/none", "holds no finished run"),
        ("out/small --task code", "the run has no task 'code'; it has math"),
        ("out/small -T 0", "--horizon"),
        ("out/small -T 1", "`horizon` must be"),
        ("other", "in task 'math' the Receiver's rule is PosteriorSampling"),
        ("other --task math", "is about a Receiver who best-responds"),
    ):
        code, out, err = call(f"bridge online {line}")
        assert (code, out) == (2, ""), line
        assert words in err.replace("are about", "is about"), err
