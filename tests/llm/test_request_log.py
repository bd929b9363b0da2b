"""What was asked and answered stays known, and counted, whatever kills the process that asked."""

from __future__ import annotations

import json
import os
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

from llm_bridge.receivers.openai_api import OpenAIReceiver
from llm_bridge.requests import calls as http_calls
from llm_bridge.requests.budget import Budget, CapReachedError, Usage
from llm_bridge.requests.ledger import Ledger, Outcome
from llm_bridge.requests.log import RequestLog, kind_of
from llm_bridge.requests.request import prompt_of
from llm_bridge.requests.server import Server
from persuasion.errors import PersuasionError
from persuasion.store import key_of
from tests.llm.scripted_server import Answer, Scripted, choices, echo, serving

PLENTY = Budget(tokens=10**6)


def receiver(server: Scripted, cache: Path, **changes: Any) -> OpenAIReceiver:
    settings = {"budget": PLENTY, "api_key": "none", "timeout_s": 5.0, **changes}
    return OpenAIReceiver("m", base_url=server.url, cache=cache, **settings)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text().splitlines()]


# -- killed ------------------------------------------------------------------------------------

CHILD = """
import sys
from llm_bridge.receivers.openai_api import OpenAIReceiver
from llm_bridge.requests.budget import Budget
from llm_bridge.requests.log import RequestLog
url, cache, tokens, n, intents = sys.argv[1:]
if intents == "none":
    RequestLog.intend = lambda self, request, most: "suppressed"
asked = OpenAIReceiver("m", base_url=url, api_key="none", cache=cache,
                       budget=Budget(tokens=int(tokens)), concurrency=2)
asked.generate([f"prompt {i}" for i in range(int(n))], max_new_tokens=8)
"""


def killed_run(
    server: Scripted, cache: Path, *, tokens: int, n: int, until: int, intents: str = "written"
) -> None:
    """Ask in another process; kill it when the server has seen `until` requests."""
    arguments = [server.url, str(cache), str(tokens), str(n), intents]
    child = subprocess.Popen([sys.executable, "-c", CHILD, *arguments], stderr=subprocess.DEVNULL)
    try:
        while len(server.bodies) < until and child.poll() is None:
            time.sleep(0.01)
    finally:
        child.kill()
        child.wait()


def held_after(answered: int, hold: threading.Event) -> Callable[[dict[str, Any], int], Answer]:
    def script(body: dict[str, Any], turn: int) -> Answer:
        if turn >= answered:
            hold.wait(20)
        return echo(body, turn)

    return script


def charged(server: Scripted) -> int:
    """What the server wants for all it has received, answered in time or not."""
    return sum(3 + len(body["prompt"]) for body in server.bodies)


def charged_after_two_kills(cache: Path, *, cap: int, intents: str) -> int:
    hold = threading.Event()
    with serving(held_after(0, hold)) as server:
        try:
            for until in (2, 4):
                killed_run(server, cache, tokens=cap, n=2, until=until, intents=intents)
            return charged(server)
        finally:
            hold.set()


def test_cap_holds_though_processes_are_killed(tmp_path: Path) -> None:
    """Two requests of at most 17 tokens are on their way at each kill; the server wants 11."""
    assert charged_after_two_kills(tmp_path / "a", cap=40, intents="written") == 22
    kept = lines(tmp_path / "a")
    assert [kind_of(line) for line in kept] == ["intent", "intent"]
    poor = Budget(tokens=40)
    with serving(echo) as server, receiver(server, tmp_path / "a", budget=poor) as asked:
        with pytest.raises(CapReachedError, match=r"34 of 40 .* 34 perhaps, by requests on"):
            asked.generate(["prompt 0"], max_new_tokens=8)
        assert not server.bodies
    # negative control: nothing is written ahead, and the cap is broken
    assert charged_after_two_kills(tmp_path / "b", cap=40, intents="none") == 44


def test_killed_run_repeats_no_answered_call_and_counts_those_on_their_way(tmp_path: Path) -> None:
    cache, hold = tmp_path / "cache.jsonl", threading.Event()
    with serving(held_after(10, hold)) as server:
        try:
            killed_run(server, cache, tokens=10**6, n=20, until=12)
        finally:
            hold.set()
        assert len(server.bodies) == 12
        answered = {prompt_of(x["request"]["body"]) for x in lines(cache) if "answer" in x}
        assert len(answered) == 10
        with cache.open("a") as file:
            file.write('{"key": "cut')  # as a kill in the middle of a line would leave it
        prompts = [f"prompt {i}" for i in range(20)]
        with receiver(server, cache) as again:
            unsettled = sum(len(body["prompt"]) + 1 + 8 for body in server.bodies[10:])
            told = sum(3 + len(prompt) for prompt in answered)
            assert again.spent.tokens == told + unsettled >= charged(server)
            assert again.report() == [
                f"m: 10 answers kept, {told + unsettled} of 1000000 tokens spent",
                "m: 2 requests on the way when a process was killed, counted as "
                f"{unsettled} tokens, the most that can have been used",
            ]
            assert len(again.generate(prompts, max_new_tokens=8)) == 20
            assert again.report()[0] == "m: 10 requests sent, 10 answered"
        asked_again = [body["prompt"] for body in server.bodies[12:]]
        assert len(asked_again) == 10
        assert not answered & set(asked_again)
        with receiver(server, cache) as later:
            assert later.spent == again.spent, "what nobody knows stays counted"


# -- every attempt is settled once -------------------------------------------------------------


def test_every_intent_is_settled_once_whatever_happens(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(http_calls, "FIRST_PAUSE_S", 0.001)
    bad = (
        Answer(status=500, body="boom"), Answer(status=429, body="slow down"), Answer(body="{"),
        Answer(body='{"choices": [', cut=50), Answer(delay_s=0.6),
    )  # fmt: skip

    def script(body: dict[str, Any], turn: int) -> Answer:
        return bad[turn] if turn < len(bad) else echo(body, turn)

    cache = tmp_path / "cache.jsonl"
    with serving(script) as server:
        with receiver(server, cache, timeout_s=0.3, retries=5, concurrency=2) as asked:
            asked.generate(["a", "b", "c"], max_new_tokens=4)
        kept = lines(cache)
        begun = [line["attempt"] for line in kept if kind_of(line) == "intent"]
        ended = [line["attempt"] for line in kept if kind_of(line) != "intent"]
        assert sorted(begun) == sorted(ended)
        assert len(set(begun)) == len(begun) == asked.traffic.sent == 8
        assert Counter(map(kind_of, kept)) == {
            "intent": 8, "refusal": 2, "failure": 3, "answer": 3
        }  # fmt: skip
        first = {line["attempt"]: kind_of(line) for line in reversed(kept)}
        assert set(first.values()) == {"intent"}, "written ahead, not afterwards"
        with receiver(server, cache) as again:
            assert again.spent == asked.spent
            assert "killed" not in " ".join(again.report())


def test_refused_by_the_budget_is_not_begun(tmp_path: Path) -> None:
    request = Server("m", "http://127.0.0.1/v1", "k").request("prompt", 8)
    with RequestLog(tmp_path / "log") as log:
        ledger = Ledger(log, Budget(tokens=20))
        settle = ledger.begin(request)
        settle(Outcome(None, "status 500"))
        assert ledger.meter.spent == Usage()
        ledger.begin(request)(Outcome(Usage(3, 4), answer={"used": {"prompt": 3, "completion": 4}}))
        with pytest.raises(CapReachedError):
            ledger.begin(request)
    assert len(lines(tmp_path / "log")) == 4
    with RequestLog(tmp_path / "log") as log:
        assert Ledger(log, Budget(tokens=20)).meter.spent == Usage(3, 4)
        assert not log.unsettled


def test_nothing_is_sent_once_work_is_stopped() -> None:
    """Also by a thread that waited for its share of the budget meanwhile."""
    became: list[Outcome] = []
    with serving(echo) as server:
        calls = http_calls.Calls(server.url, "k", "completions", timeout_s=5, retries=0)

        def begin() -> Callable[[Outcome], None]:
            calls.stop()
            return became.append

        with pytest.raises(PersuasionError, match="stopped"):
            calls.ask({"model": "m", "prompt": "a"}, begin, Usage(1, 1))
        calls.close()
        assert not server.bodies
        assert [outcome.used for outcome in became] == [None]


def test_nothing_is_sent_that_could_not_be_written_down(tmp_path: Path) -> None:
    with serving(echo) as server:
        asked = receiver(server, tmp_path / "cache")
        asked.close()
        with pytest.raises(PersuasionError, match="is closed"):
            asked.generate(["a"], max_new_tokens=2)
        assert not server.bodies
        assert asked.spent == Usage()


# -- the file ----------------------------------------------------------------------------------


def test_files_without_intents_are_read(tmp_path: Path) -> None:
    request = {"url": "u", "endpoint": "completions", "body": {"prompt": "a", "max_tokens": 3}}
    old = [
        {"key": key_of(request), "request": request,
         "failure": {"problem": "malformed", "used": {"prompt": 2, "completion": 3}}},
        {"key": key_of(request), "request": request,
         "answer": {"choices": [{"text": "b", "finish": "stop"}], "usage": None,
                    "used": {"prompt": 2, "completion": 1}}},
    ]  # fmt: skip
    path = tmp_path / "cache.jsonl"
    path.write_text("".join(json.dumps(line) + "\n" for line in old))
    with RequestLog(path) as log:
        assert Ledger(log, PLENTY).meter.spent == Usage(4, 4)
        assert len(log) == len(log.failures) == 1
        log.add({"new": 1}, {"used": {"prompt": 1, "completion": 1}}, attempt=log.intend({}, {}))
    assert lines(path)[:2] == old


def test_an_intent_cut_short_was_never_sent(tmp_path: Path) -> None:
    path = tmp_path / "log"
    with RequestLog(path) as log:
        log.intend({"a": 1}, {"prompt": 5, "completion": 6})
        log.intend({"b": 1}, {"prompt": 5, "completion": 6})
    path.write_bytes(path.read_bytes()[:-1])
    with RequestLog(path) as log:
        assert [entry["key"] for entry in log.unsettled] == [key_of({"a": 1})]
        assert Ledger(log, PLENTY).unsettled == Usage(5, 6)


def test_a_full_disk_spoils_no_line(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path, write = tmp_path / "log", os.write
    with RequestLog(path) as log:
        log.add({"a": 1}, {"b": 1})
        with monkeypatch.context() as full:
            full.setattr(os, "write", lambda file, line: write(file, line[: len(line) // 2]))
            with pytest.raises(OSError, match="disk may be full"):
                log.add({"a": 2}, {"b": 2})
        assert log.answer({"a": 2}) is None
        log.add({"a": 3}, {"b": 3})
    with RequestLog(path) as log:
        assert len(log) == 2
        assert log.answer({"a": 3}) == {"b": 3}


def test_a_log_of_another_process_or_kind_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "cache.jsonl"
    with RequestLog(path), pytest.raises(PersuasionError, match="in use"):
        RequestLog(path)
    with RequestLog(path) as log:  # the refusal left it as it was
        log.add({"a": 1}, {"b": 2})
    with RequestLog(path) as log:
        assert log.answer({"a": 1}) == {"b": 2}
    with pytest.raises(PersuasionError, match="folder must exist"):
        RequestLog(tmp_path / "none" / "cache.jsonl")


def test_a_receiver_that_cannot_be_made_lets_go_of_her_cache(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "cache.jsonl"
    with RequestLog(path) as log:
        log.add({"a": 1}, {"choices": []})
    nowhere = Scripted("http://127.0.0.1:9/v1", [], [])
    with pytest.raises(PersuasionError, match="does not say what it used"):
        receiver(nowhere, path)
    RequestLog(path).close()
    monkeypatch.setenv("HTTP_PROXY", "foo://nowhere")
    with pytest.raises(ValueError, match="Unknown scheme"):
        receiver(nowhere, tmp_path / "other")
    RequestLog(tmp_path / "other").close()


@pytest.mark.parametrize(
    "line",
    [
        {"key": "x"},
        {"key": key_of({"a": 1}), "request": {"a": 2}, "answer": {}},
        {"key": "x", "attempt": "y", "intent": {"prompt": 1}},
        {"key": "x", "attempt": "y", "intent": {"prompt": 1, "completion": -1}},
        {"key": "x", "attempt": 3, "refusal": {"problem": "z"}},
        {"prompt": "a", "text": "b", "n_tokens": 1},
    ],
)
def test_lines_that_are_none_of_its_own(line: dict[str, Any], tmp_path: Path) -> None:
    (path := tmp_path / "log").write_text(json.dumps(line) + "\n")
    with pytest.raises(PersuasionError, match=r"line 1 of .* no logged request"):
        RequestLog(path)


def test_half_characters_are_written_and_read(tmp_path: Path) -> None:
    body = choices("x").body.replace('"x", "object"', '"y", "object"')
    cut = body.replace('"text": "x"', '"text": "x\\ud83d"')
    assert cut != body
    with (
        serving(lambda _, turn: Answer(body=cut)) as server,
        receiver(server, tmp_path / "c") as asked,
    ):
        (reply,) = asked.generate(["a"], max_new_tokens=3)
        assert reply.text == "x\ufffd"
