"""What a server does wrong is told: while it happens, and in a report afterwards."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
from transformers import PreTrainedTokenizerBase

from llm_bridge.receivers.openai_api import OpenAIReceiver
from llm_bridge.requests import calls as http_calls
from llm_bridge.requests.budget import Budget, Prices
from llm_bridge.requests.counting import counter
from persuasion.errors import PersuasionError
from tests.llm.scripted_server import Answer, Scripted, choices, echo, serving

Script = Callable[[dict[str, Any], int], Answer]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_calls, "FIRST_PAUSE_S", 0.001)


def receiver(server: Scripted, **changes: Any) -> OpenAIReceiver:
    settings = {"budget": Budget(tokens=10**6), "api_key": "none", "timeout_s": 5.0, **changes}
    return OpenAIReceiver("m", base_url=server.url, **settings)


def first(*bad: Answer) -> Script:
    """Give these answers first, and echo afterwards."""
    return lambda body, turn: bad[turn] if turn < len(bad) else echo(body, turn)


# -- afterwards --------------------------------------------------------------------------------


def test_nothing_sent_is_nothing_to_report(tmp_path: Path) -> None:
    with serving(echo) as server:
        with receiver(server, cache=tmp_path / "c") as asked:
            asked.estimate(["a"], max_new_tokens=3)
            assert asked.report() == []
            asked.generate(["a", "b"], max_new_tokens=3)
            assert asked.report() == [
                "m: 2 requests sent, 2 answered",
                "m: 2 answers kept, 8 of 1000000 tokens spent",
            ]
        with receiver(server, cache=tmp_path / "c", name="again") as again:
            again.generate(["a", "b"], max_new_tokens=3)
            assert again.report() == ["again: 2 answers kept, 8 of 1000000 tokens spent"]


def test_money_is_reported() -> None:
    budget = Budget(tokens=1000, money=0.5, prices=Prices(prompt=1000, completion=2000))
    with serving(echo) as server, receiver(server, budget=budget) as asked:
        asked.generate(["a"], max_new_tokens=3)
        assert asked.report()[-1] == (
            "m: 1 answer kept, 4 of 1000 tokens spent, 0.005 of 0.5 in money"
        )


@pytest.mark.parametrize(
    ("bad", "told"),
    [
        (Answer(status=500, body="boom"), "refused with an error status (status 500: boom)"),
        (Answer(status=429, body="slow down"), "error status (status 429: slow down)"),
        (Answer(body='{"choices": [{"te'), "could not be read (malformed answer: no JSON, or cut"),
        (Answer(body="<html>"), "could not be read (malformed answer: no JSON, or cut short: <h"),
        (Answer(body='{"choices": [', cut=9), "lost, by time-outs and connections that failed (co"),
        (Answer(delay_s=0.4), "lost, by time-outs and connections that failed (timed out"),
        (Answer(body=choices("ab").body, drip_s=0.02), "failed (timed out (the answer was not"),
    ],
    ids=["500", "429", "cut JSON", "HTML", "cut body", "slow", "dribbling"],
)
def test_every_fault_is_in_the_report(bad: Answer, told: str) -> None:
    with serving(first(bad, bad)) as server, receiver(server, timeout_s=0.2) as asked:
        asked.generate(["hello"], max_new_tokens=9)
        sent, fault, _ = asked.report()
        assert sent == "m: 3 requests sent, 1 answered"
        assert fault.startswith("m: 2 ")
        assert told.replace("(", "(the last: ", 1) in fault
    with serving(echo) as server, receiver(server) as asked:  # negative control
        asked.generate(["hello"], max_new_tokens=9)
        assert len(asked.report()) == 2


def test_a_run_that_gave_up_has_a_report(tmp_path: Path) -> None:
    """Who catches the error can still say what happened."""
    with (
        serving(lambda body, turn: Answer(status=503, body="down")) as server,
        receiver(server, retries=1, cache=tmp_path / "c") as asked,
    ):
        with pytest.raises(PersuasionError, match="2 attempts: status 503: down"):
            asked.generate(["hello"], max_new_tokens=9)
        assert asked.report() == [
            "m: 2 requests sent, 0 answered",
            "m: 2 refused with an error status (the last: status 503: down)",
            "m: 0 answers kept, 0 of 1000000 tokens spent",
        ]


def test_settings_that_a_server_ignores_are_in_the_report() -> None:
    def deaf(body: dict[str, Any], turn: int) -> Answer:
        return choices("always")

    with serving(deaf) as server, receiver(server, temperature=1.0) as asked:
        asked.sample("hi", 3, max_new_tokens=9)
        before = asked.report()
        assert before[1] == (
            "m: 3 choices that were asked for did not come; they were asked for again"
        )
        assert not any("temperature" in line for line in before)
        probe = asked.probe("hi")
        assert probe.warnings
        assert [f"m: {warning}" for warning in probe.warnings] == asked.report()[2:4]
        assert "may ignore the temperature" in asked.report()[3]


def test_answers_without_text_count_as_answers_and_are_told() -> None:
    """A chat model that refuses, or thinks until the limit, sends null."""
    body = choices("x", chat=True, finish="length").body.replace(
        '"content": "x"', '"content": null'
    )
    with (
        serving(lambda _, turn: Answer(body=body)) as server,
        receiver(server, endpoint="chat") as asked,
    ):
        (reply,) = asked.generate(["a"], max_new_tokens=1)
        assert (reply.text, reply.finished) == ("", False)
        assert asked.report()[1] == "m: 1 answer without any text"
        assert len(server.bodies) == 1


def test_an_answer_without_end_is_cut_off(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(http_calls, "_LARGEST", 1000)
    endless = choices("x" * 2000)
    with serving(first(endless)) as server, receiver(server) as asked:
        asked.generate(["a"], max_new_tokens=3)
        assert "could not be read (malformed answer: more than 1000 bytes)" in asked.report()[1]


# -- while it happens --------------------------------------------------------------------------


def test_patience_is_logged_ever_more_seldom(caplog: pytest.LogCaptureFixture) -> None:
    down = Answer(status=500, body="boom")
    with (
        caplog.at_level(logging.WARNING, logger="llm_bridge"),
        serving(first(*[down] * 9)) as server,
        receiver(server, retries=20, concurrency=1) as asked,
    ):
        asked.generate(["a"], max_new_tokens=3)
    told = [record.getMessage() for record in caplog.records]
    assert [line.rpartition("(")[2] for line in told] == [
        f"refused {times} so far)" for times in (1, 2, 4, 8)
    ]
    assert "status 500: boom; attempt 2 of 21 follows in 0.0 s" in told[0]


def test_a_good_server_is_not_talked_about(caplog: pytest.LogCaptureFixture) -> None:
    with serving(echo) as server, receiver(server) as asked:
        asked.generate(["a", "b"], max_new_tokens=3)
    assert not [record for record in caplog.records if record.name.startswith("llm_bridge")]


# -- counting tokens ---------------------------------------------------------------------------


class _Ids:
    ids = (1, 2, 3)


class _Rust:
    """As `tokenizers.Tokenizer`: not callable, `encode` returns an object."""

    def encode(self, text: str, add_special_tokens: bool = True) -> _Ids:
        return _Ids()


class _Plain:
    """As an encoding of tiktoken: not callable, `encode` returns a list."""

    def encode(self, text: str) -> list[int]:
        return [0] * len(text.split())


def test_tokens_are_counted_by_whatever_can(tokenizer: PreTrainedTokenizerBase) -> None:
    text = "even 17 hint red:"
    n = len(tokenizer(text, add_special_tokens=False)["input_ids"])
    assert n > 1
    assert counter(tokenizer)(text) == counter(tokenizer._tokenizer)(text) == n
    assert counter(len)("abc") == 3
    assert counter(_Rust())("abc") == 3
    assert counter(_Plain())("a b c") == 3
    assert counter(counter(len))("abc") == 3


def test_special_tokens_are_not_counted() -> None:
    def framed(text: str, add_special_tokens: bool = True) -> dict[str, list[int]]:
        return {"input_ids": [0] * (1 + 2 * add_special_tokens)}

    assert counter(framed)("a") == 1


@pytest.mark.parametrize("unfit", ["gpt2", 3, str.upper, lambda text: None, lambda text: -1.5])
def test_what_cannot_count_is_refused_before_any_work(unfit: Any) -> None:
    with pytest.raises(PersuasionError, match="tokens can be counted by a function"):
        counter(unfit)
    with pytest.raises(PersuasionError, match="tokens can be counted by a function"):
        OpenAIReceiver(
            "m", base_url="http://127.0.0.1:9/v1", api_key="k", budget=Budget(tokens=9),
            count_tokens=unfit,
        )  # fmt: skip


def test_a_tokenizer_counts_for_a_server_that_does_not(tokenizer: PreTrainedTokenizerBase) -> None:
    text = "even 17 hint red:"
    with (
        serving(lambda body, turn: choices(text, usage=False)) as server,
        receiver(server, count_tokens=tokenizer) as asked,
    ):
        (reply,) = asked.generate(["a"], max_new_tokens=30)
        assert reply.n_tokens == len(tokenizer(text, add_special_tokens=False)["input_ids"])
