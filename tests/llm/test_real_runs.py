"""Experiments on data sets, with Receivers behind servers or recorded: asked once, in budget."""

from __future__ import annotations

import json
import os
import re
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any
from zlib import crc32

import pytest

from llm_bridge import tasks
from llm_bridge.codebook import Codebook
from llm_bridge.commands.baselines import conduct_baselines
from llm_bridge.config import (
    AdvisorSection,
    BaselinesSection,
    EvaluateSection,
    ExperimentConfig,
    MeasureSection,
    read_config,
    real_config,
)
from llm_bridge.experiment import Outcome, run
from llm_bridge.models import fresh_gpt2
from llm_bridge.pages.report import report_on
from llm_bridge.pages.results import write_results
from llm_bridge.receivers.openai_api import OpenAIReceiver
from llm_bridge.requests import calls
from llm_bridge.requests.budget import CapReachedError
from llm_bridge.sections import ApiSection
from llm_bridge.staging.ahead import ahead_of
from llm_bridge.staging.local_workshop import LocalWorkshop
from llm_bridge.staging.sources import label_of
from llm_bridge.tasks.gsm8k import level_of
from llm_bridge.vocabulary import build_tokenizer
from persuasion.errors import PersuasionError
from persuasion.store import key_of
from tests.llm.real_server import transformers_serve
from tests.llm.scripted_server import Answer, Scripted, choices, serving
from tests.llm.test_cli_bridge import call, done, refused

DATA = Path(__file__).parents[3] / "shared/data"
PROMPTS, PROBES = 192, 7
LEVELS = ("short", "medium", "long")
TOLD = {"short": "one or two steps", "medium": "three or four steps", "long": "five steps or more"}


def problem(k: int) -> dict[str, str]:
    """A made-up word problem whose solution takes one to six steps."""
    value, lines = k + 2, []
    for step in range(1, k % 6 + 2):
        lines.append(f"Now {value}+{step}=<<{value}+{step}={value + step}>>{value + step} eggs.")
        value += step
    more = " Hens lay 5, 6 and 7." if k % 2 else ""
    return {
        "question": f"Farm {k} has {k + 2} eggs.{more} How many eggs?",
        "answer": "\n".join([*lines, f"#### {value}"]),
    }


PROBLEMS = {row["question"]: row["answer"] for row in map(problem, range(600))}


def reply_to(prompt: str) -> str:
    """What the model behind the server writes: led to believe the level, she is mostly right."""
    question = re.search(r"Question: (.*)\n", prompt)
    assert question is not None
    answer = PROBLEMS[question[1]]
    hint = next((level for level in LEVELS if TOLD[level] in prompt), None)
    skill = 0.9 if hint == level_of(answer) else 0.2 if hint else 0.4
    luck = crc32(prompt.encode()) % 1000 / 1000
    if luck > 0.97:
        return "I cannot tell."
    return f"#### {answer.rpartition('#### ')[2] if luck < skill else 0}"


def model(body: dict[str, Any], turn: int) -> Answer:
    return choices(reply_to(body["messages"][0]["content"]), chat=True)


@pytest.fixture(autouse=True)
def _alone(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    monkeypatch.setenv("HF_HUB_OFFLINE", "1")
    monkeypatch.setattr(calls, "FIRST_PAUSE_S", 0.001)
    lines = [json.dumps({"question": q, "answer": a}) for q, a in PROBLEMS.items()]
    (tmp_path / "test.jsonl").write_text("\n".join(lines) + "\n")


def small(url: str, **changes: Any) -> ExperimentConfig:
    """The experiment that `config --receiver api` prints, small."""
    config = real_config("api")
    assert config.receiver.api is not None
    api = replace(config.receiver.api, base_url=url, model="clerk", concurrency=3, **changes)
    return replace(
        config,
        receiver=replace(config.receiver, api=api),
        advisor=replace(
            config.advisor, n_layer=1, n_embd=16, n_head=2, warm_steps=3, steps=3, n_inputs=8,
            signals={"gsm8k": (3,)}, margin=0.0,
        ),
        measure=replace(config.measure, n_inputs=12),
        evaluate=replace(config.evaluate, n_inputs=12),
    )  # fmt: skip


def carried_out(config: ExperimentConfig, folder: Path, notes: list[str] | None = None) -> Outcome:
    heard = [] if notes is None else notes
    workshop = LocalWorkshop(config)
    return run(config, folder, workshop, note=heard.append,
               then=lambda o: write_results(o, o.folder))  # fmt: skip


def asked_of(server: Scripted) -> Counter[str]:
    """How often each prompt was put, beside the probing of what the server ignores."""
    asked = Counter(body["messages"][0]["content"] for body in server.bodies)
    probed = max(asked, key=lambda prompt: asked[prompt])
    asked[probed] -= PROBES
    return asked


# -- a server ----------------------------------------------------------------------------------


def test_every_prompt_foreseen_is_asked_once_and_no_other(tmp_path: Path) -> None:
    notes: list[str] = []
    with serving(model) as server:
        config = small(server.url)
        outcome = carried_out(config, tmp_path / "run", notes)
        foreseen = {one.prompt for a in ahead_of(config, config.load_tasks()) for one in a.asked}
        assert asked_of(server) == Counter(dict.fromkeys(foreseen, 1))
        assert len(foreseen) == 2 * 2 * 12 * 4 == PROMPTS
        again = carried_out(config, tmp_path / "run", notes)
        assert len(server.bodies) == PROMPTS + PROBES
    assert "199 requests (0 more are answered already)" in notes[0]
    assert "0 requests (199 more are answered already)" in notes[1]
    assert all(stage.reused for stage in again.stages)
    evaluation = outcome.evaluations["gsm8k"]
    assert evaluation.value("oracle").mean > evaluation.value("none").mean + 0.2
    unreadable = outcome.tallies["measure-gsm8k-clerk"]
    assert unreadable.scored == 96
    assert 0 < unreadable.unreadable < 20
    assert any("199" in line for line in outcome.reports)
    ignored = [
        "clerk: the server returns 1 of 4 choices",
        "clerk: answers at temperature 1 are all",
    ]
    for seen in (outcome, again):
        assert [any(line.startswith(x) for line in seen.reports) for x in ignored] == [True, True]
    page = str(report_on(outcome))
    assert "Requests and answers" in page
    assert json.loads((tmp_path / "run/results.json").read_text())["answers"]


def test_a_cache_that_is_named_serves_other_runs_too(tmp_path: Path) -> None:
    with serving(model) as server:
        config = small(server.url, cache="shared/clerk.jsonl")
        carried_out(config, tmp_path / "one")
        asked = len(server.bodies)
        carried_out(config, tmp_path / "two")
        assert len(server.bodies) == asked
        assert (tmp_path / "shared/clerk.jsonl").exists()
        assert not (tmp_path / "one/requests").exists()
        carried_out(small(server.url), tmp_path / "three")  # negative control: a cache of its own
        assert len(server.bodies) == 2 * asked


def test_what_cannot_be_tried_with_a_server_is_not_foreseen_either(tmp_path: Path) -> None:
    """At temperature 0 nothing is drawn, and nobody else's weights are tuned."""
    notes: list[str] = []
    with serving(model) as server:
        config = replace(
            small(server.url), baselines=BaselinesSection(("best_of_n", "fine_tuned", "all_items"))
        )
        outcome = carried_out(config, tmp_path / "run", notes)
        asked = len(server.bodies)
    assert f"{asked} requests (0 more are answered already)" in notes[0]
    comparison = outcome.comparisons["gsm8k"]["clerk"]
    assert comparison.baselines == ["all_items"]
    assert set(comparison.left_out) == {"best_of_n", "fine_tuned"}


def test_answers_that_are_drawn_are_foreseen_too(tmp_path: Path) -> None:
    """A Receiver at temperature 1 and best of n: one request for the plain answer, one for n."""

    def drawing(body: dict[str, Any], turn: int) -> Answer:
        plain = reply_to(body["messages"][0]["content"])
        return choices(*[plain] * body.get("n", 1), chat=True)

    build_tokenizer(list(PROBLEMS), 262).save_pretrained(tmp_path / "tokenizer")
    notes: list[str] = []
    with serving(drawing) as server:
        config = small(server.url, temperature=1.0, tokenizer=str(tmp_path / "tokenizer"))
        config = replace(config, baselines=BaselinesSection(("best_of_n",)))
        outcome = carried_out(config, tmp_path / "run", notes)
        asked = len(server.bodies)
        heard: list[str] = []
        conduct_baselines(config, tmp_path / "run", names=["all_items"], tell=heard.append)
        assert "24 requests" in heard[0]
        assert "24 requests sent" in heard[1]
        assert len(server.bodies) == asked + 24
    drawn = 2 * 12
    assert asked == PROMPTS + PROBES + drawn
    assert f"{asked} requests (0 more are answered already)" in notes[0]
    assert outcome.comparisons["gsm8k"]["clerk"].baselines == ["best_of_n"]
    code = {
        stage.name.partition("-")[0]: json.loads((stage.folder / "done.json").read_bytes())["code"]
        for stage in outcome.stages
    }
    module = "llm_bridge.receivers.openai_api"
    asking = {name for name, modules in code.items() if module in modules}
    assert asking == {"probe", "measure", "evaluate", "baselines"}


def test_models_with_other_fields_get_them_and_are_not_probed(tmp_path: Path) -> None:
    with serving(model) as server:
        config = small(
            server.url, length_field="max_completion_tokens", unsent=("temperature", "seed"),
            extra={"reasoning_effort": "low"},
        )  # fmt: skip
        outcome = carried_out(config, tmp_path / "run")
        assert len(server.bodies) == PROMPTS
        for body in server.bodies:
            assert body["max_completion_tokens"] == 320
            assert body["reasoning_effort"] == "low"
            assert not {"max_tokens", "temperature", "seed"} & set(body)
    assert not any(stage.name.startswith("probe") for stage in outcome.stages)


def test_a_server_that_refuses_the_probe_is_asked_all_the_same(tmp_path: Path) -> None:
    def strict(body: dict[str, Any], turn: int) -> Answer:
        return Answer(status=400, body="n must be 1") if body.get("n") else model(body, turn)

    with serving(strict) as server:
        outcome = carried_out(small(server.url), tmp_path / "run")
    assert "clerk: some settings are refused" in outcome.reports[0]
    assert "n must be 1" in outcome.reports[0]


def test_a_model_that_is_not_there_yet_is_no_refused_probe(tmp_path: Path) -> None:
    with (
        serving(lambda body, turn: Answer(status=404, body="no such model")) as server,
        pytest.raises(PersuasionError, match="404: no such model; check `model`"),
    ):
        carried_out(small(server.url), tmp_path / "run")
    assert not [f for f in (tmp_path / "run/stages").iterdir() if f.name.startswith("probe")]


def test_other_counting_of_tokens_is_another_receiver(tmp_path: Path) -> None:
    config = small("http://127.0.0.1:9/v1")
    assert config.receiver.api is not None
    labels = [label_of(config.receiver.api)]
    for name, size in (("one", 262), ("two", 270), ("three", 262)):
        build_tokenizer(list(PROBLEMS), size).save_pretrained(tmp_path / name)
        labels.append(label_of(replace(config.receiver.api, tokenizer=str(tmp_path / name))))
    assert labels[1] == labels[3]
    assert len(set(labels)) == 3


def test_other_data_or_parameters_are_other_stages_and_another_path_is_none(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def reused(config: ExperimentConfig) -> set[bool]:
        return {stage.reused for stage in carried_out(config, tmp_path / "run").stages}

    def given(**parameters: Any) -> ExperimentConfig:
        return replace(config, task={"gsm8k": {**config.task["gsm8k"], **parameters}})

    with serving(model) as server:
        config = small(server.url)
        assert reused(config) == {False}
        data = (tmp_path / "test.jsonl").read_text()
        (tmp_path / "same.jsonl").write_text(data)
        assert reused(given(path="same.jsonl")) == {True}
        assert reused(given(cost_per_token=0.001)) == {False}
        one_more = json.dumps(problem(600))
        (tmp_path / "same.jsonl").write_text(f"{data}{one_more}\n")
        monkeypatch.setitem(PROBLEMS, problem(600)["question"], problem(600)["answer"])
        assert reused(given(path="same.jsonl")) == {False}
        assert reused(config) == {True}


def test_one_more_setting_asks_only_what_is_new(tmp_path: Path) -> None:
    with serving(model) as server:
        config = small(server.url)
        carried_out(config, tmp_path / "run")
        seen = asked_of(server)
        more = replace(config, measure=replace(config.measure, n_inputs=14))
        carried_out(more, tmp_path / "run")
        assert len(asked_of(server) - seen) == 2 * 2 * 4
        assert max(asked_of(server).values()) == 1


def test_a_run_that_ends_badly_repeats_no_call(tmp_path: Path) -> None:
    def failing(body: dict[str, Any], turn: int) -> Answer:
        return model(body, turn) if turn < 50 else Answer(status=400, body="enough")

    with serving(failing) as server:
        config = small(server.url)
        with pytest.raises(PersuasionError, match="status 400: enough"):
            carried_out(config, tmp_path / "run")
        answered = 50
    url = config.receiver.api.base_url if config.receiver.api else None
    with serving(model) as server:
        moved = small(server.url)
        cache = tmp_path / "run/requests/clerk.jsonl"
        cache.write_text(cache.read_text().replace(str(url), server.url))
        rekeyed(cache)
        carried_out(moved, tmp_path / "run")
        assert len(server.bodies) == PROMPTS + PROBES - answered


def rekeyed(cache: Path) -> None:
    """Give entries the keys that go with another address: each test server has its own."""
    entries = [json.loads(line) for line in cache.read_text().splitlines()]
    for entry in entries:
        if "request" in entry:
            entry["key"] = key_of(entry["request"])
    cache.write_text("".join(json.dumps(entry) + "\n" for entry in entries))


def test_a_cap_that_will_not_do_is_told_before_the_first_call(tmp_path: Path) -> None:
    with serving(model) as server:
        config = small(server.url, max_tokens=10_000)
        with pytest.raises(CapReachedError, match="the cap on tokens would be exceeded"):
            carried_out(config, tmp_path / "run")
        assert not server.bodies
    assert not list((tmp_path / "run/stages").iterdir())


def test_the_whole_is_estimated_and_not_the_next_stage_alone(tmp_path: Path) -> None:
    """A cap that measuring fits into, but not evaluating, is refused at once."""
    with serving(model) as server:
        config = small(server.url)
        with OpenAIReceiver(
            "clerk", base_url=server.url, budget=_plenty(), endpoint="chat"
        ) as alone:
            first = next(ahead_of(config, config.load_tasks()))
            part = alone.estimate([a.prompt for a in first.asked], max_new_tokens=320).likely.tokens
        with pytest.raises(CapReachedError):
            carried_out(small(server.url, max_tokens=part + 1000), tmp_path / "run")
        assert not server.bodies


def _plenty() -> Any:
    from llm_bridge.requests.budget import Budget

    return Budget(tokens=10**9)


def test_missing_key_and_wrong_data_are_told_before_any_work(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    config = small("http://127.0.0.1:9/v1")
    monkeypatch.delenv("OPENAI_API_KEY")
    with pytest.raises(PersuasionError, match=r"'clerk' needs an API key: set .* OPENAI_API_KEY"):
        carried_out(config, tmp_path / "run")
    monkeypatch.setenv("OPENAI_API_KEY", "none")
    empty = tmp_path / "empty.jsonl"
    empty.write_text("\n")
    with pytest.raises(PersuasionError, match="holds no rows"):
        carried_out(replace(config, task={"gsm8k": {"path": str(empty)}}), tmp_path / "run")
    many = replace(config, measure=replace(config.measure, n_inputs=500))
    with pytest.raises(PersuasionError, match="ask for fewer"):
        carried_out(many, tmp_path / "run")


@pytest.mark.slow
def test_a_run_over_http_has_the_table_of_the_same_model_here(tmp_path: Path) -> None:
    """The checkpoint is loaded in one run, and asked through ``transformers serve`` in another."""
    task = tasks.load("math")
    examples = [x for t in task.priors for x in task.examples(t, "train", 40, 0)]
    prompts = [task.receiver_prompt(x, h) for x in examples for h in (*task.items, None)]
    tokenizer = build_tokenizer(prompts, 300)
    model = fresh_gpt2(tokenizer, n_layer=1, n_embd=32, n_head=2, n_positions=96, seed=3)
    folder = tmp_path / "clerk"
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    base = small("http://127.0.0.1:9/v1")
    config = replace(
        base, tasks=("math",), task={}, advisor=replace(base.advisor, signals={}),
        measure=replace(base.measure, n_inputs=4), evaluate=replace(base.evaluate, n_inputs=4),
        receiver=replace(base.receiver, api=None, path=str(folder)),
    )  # fmt: skip
    here = carried_out(config, tmp_path / "here").evaluations["math"]
    (tmp_path / "home").mkdir()
    with transformers_serve(folder, tmp_path / "home") as url:
        api = ApiSection(str(folder), 10**6, url, endpoint="completions", concurrency=2)
        served = replace(config, receiver=replace(config.receiver, path=None, api=api))
        outcome = carried_out(served, tmp_path / "served")
    there = outcome.evaluations["math"]
    assert there.receiver == here.receiver == "clerk"
    for arm in here.arms:
        assert there.value(arm) == here.value(arm)
    assert [row["response"] for row in there.rows] == [row["response"] for row in here.rows]


def test_an_advisor_with_too_short_a_context_is_told_before_anything_is_paid(
    tmp_path: Path,
) -> None:
    tokenizer = build_tokenizer(list(PROBLEMS), 300, whole=Codebook.default(3).words)
    fresh_gpt2(
        tokenizer, n_layer=1, n_embd=16, n_head=2, n_positions=16, seed=0
    ).save_pretrained(tmp_path / "short")  # fmt: skip
    tokenizer.save_pretrained(tmp_path / "short")
    with serving(model) as server:
        config = small(server.url)
        given = replace(config.advisor, path=str(tmp_path / "short"))
        with pytest.raises(PersuasionError, match="but the model reads 16"):
            carried_out(replace(config, advisor=given), tmp_path / "run")
        assert not server.bodies


# -- recorded answers ----------------------------------------------------------------------------


@pytest.fixture
def recorded(tmp_path: Path) -> tuple[ExperimentConfig, Path]:
    """An experiment whose Receiver's answers were got elsewhere, from its list of prompts."""
    config = small("http://127.0.0.1:9/v1")
    receiver = replace(real_config("replay").receiver, batch_size=1)
    config = replace(config, receiver=receiver)
    (tmp_path / "mine.toml").write_text(config.to_toml())
    done("persuasion bridge prompts mine.toml --out prompts.jsonl --quiet")
    rows = [json.loads(line) for line in (tmp_path / "prompts.jsonl").read_text().splitlines()]
    assert len(rows) == 192
    answers = [{"prompt": r["prompt"], "text": reply_to(r["prompt"]), "n_tokens": 4} for r in rows]
    file = tmp_path / "answers.jsonl"
    file.write_text("".join(json.dumps(row) + "\n" for row in answers))
    return config, file


def test_answers_got_elsewhere_give_the_table_of_the_server(
    recorded: tuple[ExperimentConfig, Path], tmp_path: Path
) -> None:
    config, _ = recorded
    replayed = carried_out(config, tmp_path / "replayed")
    with serving(model) as server:
        served = carried_out(small(server.url), tmp_path / "served")
    for arm in ("none", "prior", "full", "oracle"):
        one, two = (o.evaluations["gsm8k"].value(arm) for o in (replayed, served))
        assert one.mean == two.mean


def test_a_paid_run_is_repeated_from_its_requests(tmp_path: Path) -> None:
    with serving(model) as server:
        served = carried_out(small(server.url), tmp_path / "served")
    config = small("http://127.0.0.1:9/v1")
    replay = real_config("replay").receiver.replay
    assert replay is not None
    kept = replace(replay, path=str(tmp_path / "served/requests/clerk.jsonl"))
    config = replace(config, receiver=replace(config.receiver, api=None, replay=kept))
    again = carried_out(config, tmp_path / "again")
    assert again.evaluations["gsm8k"].value("oracle") == served.evaluations["gsm8k"].value("oracle")


def test_a_recording_of_something_else_is_told_before_any_work(
    recorded: tuple[ExperimentConfig, Path], tmp_path: Path
) -> None:
    config, file = recorded
    lines = file.read_text().splitlines(keepends=True)
    file.write_text("".join(lines[:-7]))
    with pytest.raises(PersuasionError, match="has no answer to 7 of 96 prompts"):
        carried_out(config, tmp_path / "run")
    assert not list((tmp_path / "run/stages").iterdir())


# -- published data ----------------------------------------------------------------------------


@pytest.mark.slow
def test_programs_of_humaneval_are_run_and_judged_in_a_whole_experiment(tmp_path: Path) -> None:
    """She writes the published solution when told how it goes about it, else a wrong one."""
    file = DATA / "humaneval" / "HumanEval.jsonl.gz"
    if not file.exists():
        pytest.skip("the data set is not beside the checkout")
    config = ExperimentConfig(
        name="programs",
        tasks=("humaneval",),
        task={"humaneval": {"path": str(file)}},
        receiver=real_config("replay").receiver,
        advisor=AdvisorSection(
            n_layer=1, n_embd=16, n_head=2, warm_steps=3, steps=3, n_inputs=6, margin=0.0
        ),
        measure=MeasureSection(n_inputs=4),
        evaluate=EvaluateSection(n_inputs=4),
    )
    (task,) = config.load_tasks().values()
    told = {
        task.receiver_prompt(example, hint): task.demonstration(example, hint)
        if hint == task.item_of(example)  # type: ignore[attr-defined]
        else "    return None\n"
        for template in task.priors
        for split in ("measure", "test")
        for example in task.examples(template, split, 4, 0)
        for hint in (*task.items, None)
        if hint is not None
    }
    rows = [
        {"prompt": one.prompt, "text": told.get(one.prompt, "    return None\n"), "n_tokens": 4}
        for ahead in ahead_of(config, config.load_tasks())
        for one in ahead.asked
    ]
    (tmp_path / "answers.jsonl").write_text("".join(json.dumps(row) + "\n" for row in rows))
    evaluation = carried_out(config, tmp_path / "run").evaluations["humaneval"]
    assert evaluation.value("oracle").mean == pytest.approx(1.0)
    assert evaluation.value("none").mean == 0
    assert 0 < evaluation.value("prior").mean < 1


# -- the command line ----------------------------------------------------------------------------


def test_estimate_says_what_it_costs_and_sends_nothing(tmp_path: Path) -> None:
    with serving(model) as server:
        (tmp_path / "mine.toml").write_text(small(server.url).to_toml())
        shown = done("persuasion bridge estimate mine.toml")
        assert re.search(r"measure-gsm8k-clerk +96 +0 ", shown)
        assert re.search(r"in all +199 +0 ", shown)
        found = json.loads(done("persuasion bridge estimate mine.toml --json"))
        assert found["receivers"]["clerk"]["total"]["requests"] == 199
        assert not server.bodies
        assert not (tmp_path / "out").exists()
        (tmp_path / "mine.toml").write_text(small(server.url, max_tokens=10_000).to_toml())
        result = call("persuasion bridge estimate mine.toml")
        assert result.exit_code == 1
        assert "the cap on tokens would be exceeded" in result.stderr


def test_run_shows_costs_before_and_what_came_of_them_after(tmp_path: Path) -> None:
    with serving(model) as server:
        (tmp_path / "mine.toml").write_text(small(server.url).to_toml())
        result = call("persuasion bridge run mine.toml --out run")
        assert result.exit_code in (0, 1), result.output
        assert "clerk: 199 requests (0 more are answered already)" in result.stderr
        assert "unreadable" in result.stdout
        assert re.search(r"clerk: .*199", result.stdout)
        shown = done("persuasion bridge estimate mine.toml --out run")
        assert re.search(r"in all +0 +199 ", shown)


def test_estimate_and_prompts_refuse_what_they_cannot_answer(tmp_path: Path) -> None:
    (tmp_path / "local.toml").write_text("tasks = ['math']\n")
    refused("persuasion bridge estimate local.toml", "names no Receiver behind a server")
    refused("persuasion bridge prompts local.toml --receiver embeded", "did you mean 'embedded'")
    rows = done("persuasion bridge prompts local.toml").splitlines()
    assert set(json.loads(rows[0])) == {"prompt", "max_new_tokens"}


@pytest.mark.parametrize("kind", ["api", "replay", "path"])
def test_the_file_to_start_from_is_legal(kind: str, tmp_path: Path) -> None:
    (tmp_path / "mine.toml").write_text(done(f"persuasion bridge config --receiver {kind}"))
    assert read_config(tmp_path / "mine.toml") == real_config(kind)


# -- killed ----------------------------------------------------------------------------------


@pytest.mark.slow
def test_killed_run_asks_for_nothing_that_was_answered(tmp_path: Path) -> None:
    """The process dies while a stage is asking; the next one asks for the rest alone."""
    sent: list[float] = []
    gate = threading.Event()

    def slowly(body: dict[str, Any], turn: int) -> Answer:
        sent.append(time.monotonic())
        if turn >= 40 and not gate.is_set():
            gate.wait(20)
        return model(body, turn)

    with serving(slowly) as server:
        (tmp_path / "mine.toml").write_text(small(server.url).to_toml())
        command = [sys.executable, "-m", "persuasion", "bridge", "run", "mine.toml", "--out", "run"]
        child = subprocess.Popen(
            command, cwd=tmp_path, env=dict(os.environ), stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL, start_new_session=True,
        )  # fmt: skip
        try:
            _wait_until(lambda: len(sent) > 40)
        finally:
            os.killpg(child.pid, signal.SIGKILL)
            child.wait()
        gate.set()
        done_before = asked_of(server)
        result = call("persuasion bridge run mine.toml --out run")
        assert result.exit_code in (0, 1), result.output
        repeated = sum(asked_of(server).values()) - len(asked_of(server))
        assert repeated <= 3  # those on their way when it was killed
        assert len(asked_of(server)) == PROMPTS
        assert len(done_before) >= 40 - PROBES


def _wait_until(what: Callable[[], bool], seconds: float = 60.0) -> None:
    end = time.monotonic() + seconds
    while not what():
        assert time.monotonic() < end
        time.sleep(0.02)
