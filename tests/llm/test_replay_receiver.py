"""Replaying what was paid for, and knowing beforehand what can be answered."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pytest

from llm_bridge.measure import measure
from llm_bridge.receivers.openai_api import OpenAIReceiver
from llm_bridge.receivers.replay import ReplayReceiver
from llm_bridge.reply import Reply
from llm_bridge.requests import calls as http_calls
from llm_bridge.requests.budget import Budget
from persuasion.errors import PersuasionError
from tests.llm.conftest import Aligned
from tests.llm.scripted_server import Answer, Scripted, choices, echo, serving

PAID = Path("cache.jsonl")
RECORDED = {"prompt": "1+1=", "text": "2", "n_tokens": 1}


@pytest.fixture(autouse=True)
def _elsewhere(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(http_calls, "FIRST_PAUSE_S", 0.001)


def receiver(server: Scripted, **changes: Any) -> OpenAIReceiver:
    settings = {"budget": Budget(tokens=10**6), "api_key": "none", "cache": PAID, **changes}
    return OpenAIReceiver("m", base_url=server.url, **settings)


def written(*rows: dict[str, Any]) -> None:
    PAID.write_text("".join(json.dumps(row) + "\n" for row in rows))


# -- a paid run, repeated for nothing ----------------------------------------------------------


@pytest.mark.parametrize("endpoint", ["completions", "chat"])
def test_a_paid_run_is_repeated_without_asking(endpoint: str) -> None:
    def script(body: dict[str, Any], turn: int) -> Answer:
        if turn == 1:
            return Answer(status=500, body="boom")
        if turn == 3:
            return Answer(body="{")
        prompt = body["prompt"] if endpoint == "completions" else body["messages"][0]["content"]
        cut = "length" if "two" in prompt else "stop"
        return choices(prompt.upper(), finish=cut, chat=endpoint == "chat")

    prompts = ["one", "two…", "three\u2028"]
    with serving(script) as server, receiver(server, endpoint=endpoint) as asked:
        paid = asked.generate(prompts, max_new_tokens=9)
    kinds = {kind for line in PAID.read_text().splitlines() for kind in json.loads(line)}
    assert {"answer", "failure", "refusal", "intent"} <= kinds
    replay = ReplayReceiver.from_jsonl(PAID)
    assert (replay.name, len(replay)) == ("cache", 3)
    assert replay.generate(prompts, max_new_tokens=9) == paid
    assert [reply.finished for reply in paid] == [True, False, True]
    again = ReplayReceiver.from_jsonl(replay.save("short.jsonl"))
    assert again.fingerprint == replay.fingerprint, "the short form says the same"


def test_a_paid_measurement_is_repeated_without_asking(aligned: Aligned) -> None:
    def script(body: dict[str, Any], turn: int) -> Answer:
        return choices("even" if len(body["prompt"]) % 2 else "odd")

    with serving(script) as server, receiver(server) as asked:
        paid = measure(aligned, asked, n_inputs=2)
        n_sent = len(server.bodies)
        replayed = measure(aligned, ReplayReceiver.from_jsonl(PAID, aligned.rule), n_inputs=2)
        assert len(server.bodies) == n_sent > 0
    assert replayed.games == paid.games


def test_samples_and_probes_are_passed_over() -> None:
    """Neither what was drawn further, nor what was drawn at another temperature, is an answer."""

    def script(body: dict[str, Any], turn: int) -> Answer:
        return choices(f"{body['seed']} {body['temperature']}"[:20])

    with serving(script) as server, receiver(server) as asked:
        (plain,) = asked.generate(["hi"], max_new_tokens=30)
        asked.probe("hi", max_new_tokens=30)
        asked.sample("hi", 3, max_new_tokens=30)
        asked.sample("other", 3, max_new_tokens=30)
    replay = ReplayReceiver.from_jsonl(PAID)
    assert len(replay) == 1
    assert replay.generate(["hi"], max_new_tokens=30) == [plain]
    # negative control: without the turns the probes are taken for answers
    rows = [json.loads(line) for line in PAID.read_text().splitlines()]
    written(*({k: v for k, v in row.items() if k != "turn"} for row in rows))
    with pytest.raises(PersuasionError, match="another answer to a prompt answered before: 'hi'"):
        ReplayReceiver.from_jsonl(PAID)


def test_two_answers_to_one_prompt_are_an_error() -> None:
    def script(body: dict[str, Any], turn: int) -> Answer:
        return choices(str(body["seed"]))

    with serving(script) as server:
        for seed in (0, 1):
            with receiver(server, seed=seed) as asked:
                asked.generate(["hi"], max_new_tokens=12)
    with pytest.raises(PersuasionError, match=r"line 4 of cache.jsonl gives another answer"):
        ReplayReceiver.from_jsonl(PAID)


def test_the_tokens_of_an_answer_must_be_known() -> None:
    with (
        serving(lambda body, turn: choices("four", usage=False)) as server,
        receiver(server, count_tokens=len) as asked,
    ):
        paid = asked.generate(["a"], max_new_tokens=9)
    with pytest.raises(PersuasionError, match=r"line 2 of .* did not say how many tokens"):
        ReplayReceiver.from_jsonl(PAID)
    replay = ReplayReceiver.from_jsonl(PAID, count_tokens=len)
    assert replay.generate(["a"], max_new_tokens=9) == paid


def test_a_log_that_a_kill_left_and_files_of_both_kinds() -> None:
    with serving(echo) as server, receiver(server) as asked:
        asked.generate(["a", "b"], max_new_tokens=9)
    whole = PAID.read_text()
    PAID.write_text(whole + whole[:30])
    assert len(ReplayReceiver.from_jsonl(PAID)) == 2
    PAID.write_text(whole[:30] + "\n" + whole)
    with pytest.raises(PersuasionError, match=r"line 1 of .* is no recorded answer"):
        ReplayReceiver.from_jsonl(PAID)
    recorded = json.dumps(RECORDED) + "\n"
    PAID.write_text(whole + recorded)
    with pytest.raises(PersuasionError, match=r"line 5 .* recorded answer, but .* logged request"):
        ReplayReceiver.from_jsonl(PAID)
    PAID.write_text(recorded + whole)
    with pytest.raises(PersuasionError, match=r"line 2 .* logged request, but .* recorded answer"):
        ReplayReceiver.from_jsonl(PAID)


def test_a_log_without_answers_and_one_of_something_else() -> None:
    intent = {"key": "k", "attempt": "a", "intent": {"prompt": 1, "completion": 1}}
    written(intent)
    with pytest.raises(PersuasionError, match="holds no recorded answers"):
        ReplayReceiver.from_jsonl(PAID)
    written(intent, {"key": "k", "request": {"body": {"input": "a"}}, "answer": {"choices": []}})
    with pytest.raises(PersuasionError, match=r"line 2 of .* no answer of a server to one prompt"):
        ReplayReceiver.from_jsonl(PAID)


# -- beforehand --------------------------------------------------------------------------------


def test_check_raises_what_generate_would() -> None:
    replay = ReplayReceiver({"What is 1+1?": Reply("2", 1), "Name a color.": Reply("red", 4)})
    for prompts, most in (
        (["Name a color.", "What is 1 + 1?", "?"], 9), (["Name a color."], 3), ("What", 9),
    ):  # fmt: skip
        with pytest.raises(PersuasionError) as early:
            replay.check(prompts, max_new_tokens=most)
        with pytest.raises(PersuasionError) as late:
            replay.generate(prompts, max_new_tokens=most)
        assert str(early.value) == str(late.value)
    replay.check([], max_new_tokens=1)
    long = ReplayReceiver({"x" * 200 + "a": Reply("2", 1)})
    with pytest.raises(PersuasionError, match="They part at character 201: 'b' against 'a'"):
        long.check(["x" * 200 + "b"], max_new_tokens=1)
    replay.check(["Name a color.", "What is 1+1?"], max_new_tokens=4)
    with pytest.raises(PersuasionError, match=r"no answer to 2 of 3 prompts, the first '.* \+ 1"):
        replay.check(["Name a color.", "What is 1 + 1?", "?"], max_new_tokens=9)
