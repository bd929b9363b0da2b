"""The Receiver behind HTTP: a real server, and one that misbehaves in every way."""

from __future__ import annotations

import json
import socket
import threading
import time
from collections.abc import Callable, Iterator
from copy import copy
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from transformers import PreTrainedTokenizerBase

from llm_bridge.measure import measure
from llm_bridge.models import fresh_gpt2
from llm_bridge.receivers import TextReceiver
from llm_bridge.receivers.local import LocalReceiver
from llm_bridge.receivers.openai_api import OpenAIReceiver, Probe
from llm_bridge.receivers.rules import rule
from llm_bridge.reply import Reply
from llm_bridge.reply_log import ask
from llm_bridge.requests import calls as http_calls
from llm_bridge.requests.budget import Budget, CapReachedError, Estimate, Meter, Prices, Usage
from llm_bridge.requests.log import RequestLog
from persuasion.errors import PersuasionError
from tests.llm.conftest import Aligned
from tests.llm.real_server import transformers_serve
from tests.llm.scripted_server import Answer, Scripted, choices, echo, serving

PLENTY = Budget(tokens=1_000_000)
Script = Callable[[dict[str, Any], int], Answer]


@pytest.fixture(autouse=True)
def _impatient(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("OPENAI_API_KEY", raising=False)
    monkeypatch.delenv("OPENAI_BASE_URL", raising=False)
    monkeypatch.setattr(http_calls, "FIRST_PAUSE_S", 0.001)


def receiver(server: Scripted | str, **changes: Any) -> OpenAIReceiver:
    url = server if isinstance(server, str) else server.url
    settings = {"budget": PLENTY, "api_key": "none", "timeout_s": 5.0, **changes}
    return OpenAIReceiver("m", base_url=url, **settings)


def texts(replies: list[Reply]) -> list[str]:
    return [reply.text for reply in replies]


# -- what is sent, what comes back -------------------------------------------------------------


def test_every_prompt_is_one_bounded_request_with_a_seed_of_its_own() -> None:
    prompts = [f"prompt {i}" for i in range(9)] + ["prompt 0"]
    with serving(echo) as server, receiver(server) as asked:
        assert isinstance(asked, TextReceiver)
        seen: list[tuple[int, int]] = []
        replies = asked.generate(
            prompts, max_new_tokens=7, progress=lambda i, n: seen.append((i, n))
        )
        assert texts(replies) == prompts
        assert replies[0] == Reply("prompt 0", n_tokens=8, finished=True)
        assert seen[-1] == (9, 9)
        bodies = server.bodies
        assert len(bodies) == 9, "the same prompt twice is asked once"
        assert {body["prompt"] for body in bodies} == set(prompts)
        assert {(body["max_tokens"], body["temperature"]) for body in bodies} == {(7, 0.0)}
        assert len({body["seed"] for body in bodies}) == 9
        assert {body["_path"] for body in bodies} == {"/v1/completions"}
        assert {body["_key"] for body in bodies} == {"Bearer none"}
        assert asked.spent == Usage(27, 72)
        assert asked.traffic.sent == asked.traffic.answered == 9


def test_chat_sends_a_message_and_an_answer_cut_at_the_limit_is_unfinished() -> None:
    script: Script = lambda body, turn: choices("yes", finish="length", chat=True)  # noqa: E731
    with serving(script) as server, receiver(server, endpoint="chat") as asked:
        assert asked.generate(["hello"], max_new_tokens=3) == [Reply("yes", 3, finished=False)]
        (body,) = server.bodies
        assert body["messages"] == [{"role": "user", "content": "hello"}]
        assert body["_path"] == "/v1/chat/completions"
        assert "prompt" not in body


def test_no_more_requests_at_once_than_asked_for() -> None:
    def script(body: dict[str, Any], turn: int) -> Answer:
        return Answer(**{**vars(echo(body, turn)), "delay_s": 0.03})

    for concurrency in (1, 3):
        with serving(script) as server, receiver(server, concurrency=concurrency) as asked:
            asked.generate([str(i) for i in range(12)], max_new_tokens=2)
            assert max(server.at_once) == concurrency


def test_respond_and_fingerprint() -> None:
    with serving(echo) as server:
        made = [
            receiver(server, **changes)
            for changes in ({}, {"rule": "best_response"}, {"temperature": 1.0}, {"seed": 1},
                            {"endpoint": "chat"})
        ]  # fmt: skip
        assert len({asked.fingerprint for asked in made}) == len(made)
        assert made[0].fingerprint == receiver(server, concurrency=2).fingerprint
        beliefs = np.array([[0.4, 0.6]])
        from persuasion import PersuasionGame

        game = PersuasionGame([0.5, 0.5], np.eye(2), np.eye(2))
        assert made[0].respond(game, beliefs).tolist() == [[0.4, 0.6]]
        assert made[1].respond(game, beliefs).tolist() == [[0.0, 1.0]]


# -- nothing is paid twice ---------------------------------------------------------------------


def test_a_second_run_asks_only_what_is_new(tmp_path: Path) -> None:
    cache = tmp_path / "cache.jsonl"
    with serving(echo) as server:
        with receiver(server, cache=cache) as first:
            first.generate(["a", "b"], max_new_tokens=4)
        kept = cache.read_bytes()
        with receiver(server, cache=cache) as again:
            assert again.spent == first.spent
            assert again.estimate(["a", "b", "c"], max_new_tokens=4).requests == 1
            assert texts(again.generate(["b", "a", "c"], max_new_tokens=4)) == ["b", "a", "c"]
            assert [body["prompt"] for body in server.bodies[2:]] == ["c"]
            again.generate(["a"], max_new_tokens=5)  # another limit is another request
            assert len(server.bodies) == 4
        with receiver(server, cache=cache, seed=1) as other:
            other.generate(["a"], max_new_tokens=4)
            assert len(server.bodies) == 5
    assert cache.read_bytes().startswith(kept), "the cache is only appended to"
    entries = [json.loads(line) for line in cache.read_text().splitlines()]
    assert "intent" in entries[0]
    entry = next(entry for entry in entries if "answer" in entry)
    assert entry["request"]["body"]["prompt"] in "ab"
    assert entry["answer"]["choices"][0]["text"] in "ab"
    assert "none" not in cache.read_text(), "the key is not kept"


def test_a_reply_log_above_it_needs_no_second_look() -> None:
    with serving(echo) as server, receiver(server) as asked:
        assert texts(ask(asked, ["x", "y"], max_new_tokens=3)) == ["x", "y"]


# -- money -------------------------------------------------------------------------------------


def test_estimate_before_the_first_call() -> None:
    prices = Prices(prompt=1.0, completion=10.0)
    budget = Budget(tokens=10_000, money=1.0, prices=prices)
    with serving(echo) as server, receiver(server, budget=budget) as asked:
        found = asked.estimate(["x" * 39, "y" * 39, "x" * 39], max_new_tokens=100)
        assert (found.requests, found.cached) == (2, 0)
        assert found.most == Usage(80, 200)
        assert found.likely == Usage(22, 200)
        assert found.most_cost == pytest.approx((80 + 2000) / 1e6)
        assert "2 requests (0 more are answered already): likely 222 tokens, at most 280" in str(
            found
        )
        assert not server.bodies


def test_estimates_of_several_stages_add_up_to_that_of_the_whole(tmp_path: Path) -> None:
    stages = [["a", "b"], ["b", "c", "b"], ["c"]]
    with serving(echo) as server, receiver(server, cache=tmp_path / "c") as asked:
        asked.generate(["a"], max_new_tokens=4)
        seen: set[str] = set()
        parts = [asked.estimate(some, max_new_tokens=4, seen=seen) for some in stages]
        assert [(part.requests, part.cached) for part in parts] == [(1, 1), (1, 0), (0, 0)]
        whole = asked.estimate(["a", "b", "c"], max_new_tokens=4)
        assert sum(parts, Estimate()) == whole
        # negative control: without the set, what occurs twice is counted twice
        alone = [asked.estimate(some, max_new_tokens=4) for some in stages]
        assert sum(alone, Estimate()).requests == 4
        assert len(server.bodies) == 1


def test_check_refuses_what_does_not_fit_into_the_rest() -> None:
    budget = Budget(tokens=100)
    with serving(echo) as server, receiver(server, budget=budget) as asked:
        assert asked.budget is budget
        fits = asked.estimate(["a" * 40], max_new_tokens=50)
        asked.check(fits)
        with pytest.raises(CapReachedError, match=r"cap on tokens .* 0 of 100 tokens are spent"):
            asked.check(fits + fits)
        asked.check(Estimate())
        asked.generate(["b" * 40], max_new_tokens=50)  # leaves 57
        with pytest.raises(CapReachedError, match="43 of 100 tokens are spent"):
            asked.check(fits)


@pytest.mark.parametrize("at_most", [1, 2, 5])
def test_estimate_of_samples_is_what_is_asked_next(at_most: int) -> None:
    def few(body: dict[str, Any], turn: int) -> Answer:
        return choices(*"x" * min(body.get("n", 1), at_most))

    with serving(few) as server, receiver(server, count_tokens=len, temperature=1.0) as asked:
        first = asked.estimate(["hi", "ho"], n=5, max_new_tokens=3)
        assert (first.requests, first.cached) == (2, 0)
        assert first.most == Usage(2 * 3, 2 * 15)
        asked.sample("hi", 5, max_new_tokens=3)
        assert server.bodies[0]["n"] == 5
        n_sent = len(server.bodies)
        assert n_sent == -(-5 // at_most)
        after = asked.estimate(["hi", "ho"], n=5, max_new_tokens=3)
        assert (after.requests, after.cached) == (1, n_sent)
        assert len(asked.sample("hi", 5, max_new_tokens=3)) == 5
        assert len(server.bodies) == n_sent, "samples are kept as well"
        single = asked.estimate(["new"], max_new_tokens=3)
        assert single == asked.estimate(["new"], n=1, max_new_tokens=3)
        asked.generate(["new"], max_new_tokens=3)
        assert asked.estimate(["new"], max_new_tokens=3).requests == 0
        assert asked.estimate(["new"], n=1, max_new_tokens=3).requests == 1
        with pytest.raises(PersuasionError, match="`n` must be at least 1"):
            asked.estimate(["new"], n=0, max_new_tokens=3)


def test_a_shallow_copy_shares_cache_budget_and_report() -> None:
    with serving(echo) as server, receiver(server) as asked:
        other = copy(asked)
        other.rule = rule("best_response")
        other.generate(["a"], max_new_tokens=3)
        other.probe("a")
        asked.generate(["a"], max_new_tokens=3)
        assert asked.spent == other.spent
        assert asked.report() == other.report()
        assert len(server.bodies) == 1 + 7


@pytest.mark.parametrize(
    ("budget", "cap"),
    [
        (Budget(tokens=500), "tokens"),
        (Budget(tokens=10**6, money=2e-4, prices=Prices(0.1, 1.0)), "money"),
    ],
)
def test_work_beyond_the_cap_is_refused_before_the_first_call(budget: Budget, cap: str) -> None:
    with serving(echo) as server, receiver(server, budget=budget) as asked:
        with pytest.raises(CapReachedError, match=f"cap on {cap} .* 10 requests .* are spent"):
            asked.generate([f"{i}" for i in range(10)], max_new_tokens=100)
        assert not server.bodies
        asked.generate(["0"], max_new_tokens=100)


def test_cap_is_never_exceeded_even_by_a_server_that_says_too_little(tmp_path: Path) -> None:
    """Long prompts: the estimate fits, but prompts turn out to be a token a byte."""

    def script(body: dict[str, Any], turn: int) -> Answer:
        answer = json.loads(choices("z" * body["max_tokens"]).body)
        answer["usage"]["prompt_tokens"] = len(body["prompt"])
        return Answer(body=json.dumps(answer))

    cache, budget = tmp_path / "cache.jsonl", Budget(tokens=1000)
    prompts = [f"{i:0100}" for i in range(20)]
    with serving(script) as server:
        with receiver(server, budget=budget, cache=cache) as asked:
            with pytest.raises(CapReachedError, match="next request may use up to 111 tokens"):
                asked.generate(prompts, max_new_tokens=10)
            assert asked.spent.tokens == 990
        assert len(server.bodies) == 9
        with receiver(server, budget=budget, cache=cache) as again:
            assert again.spent.tokens == 990, "the cap outlives the process"
            with pytest.raises(CapReachedError):
                again.generate(prompts, max_new_tokens=10)
            assert len(server.bodies) == 9
        with receiver(server, budget=Budget(tokens=10_000), cache=cache) as richer:
            assert len(richer.generate(prompts, max_new_tokens=10)) == 20
        assert len(server.bodies) == 20


def test_meter_waits_for_what_others_set_aside() -> None:
    meter = Meter(Budget(tokens=10))
    meter.reserve(Usage(4, 4))
    threading.Timer(0.05, meter.settle, (Usage(4, 4), Usage(1, 1))).start()
    meter.reserve(Usage(4, 4))
    assert meter.spent == Usage(1, 1)
    meter.settle(Usage(4, 4), None)
    with pytest.raises(CapReachedError, match="2 of 10 tokens are spent"):
        meter.reserve(Usage(5, 4))


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Budget(tokens=0), "`tokens` must be an integer >= 1; got 0"),
        (lambda: Budget(tokens=1, money=1.0), "needs `prices`"),
        (lambda: Budget(tokens=1, money=0.0, prices=Prices(1, 1)), "above 0; got 0"),
        (lambda: Prices(-1, 1), "price `prompt` must be"),
    ],
)
def test_wrong_budgets(make: Callable[[], object], message: str) -> None:
    with pytest.raises(PersuasionError, match=message):
        make()


# -- servers that misbehave --------------------------------------------------------------------

DOWN = Answer(status=500, body='{"error": "boom"}')
BUSY = Answer(status=429, body='{"error": "slow down"}', headers={"retry-after": "0.05"})
CUT = Answer(body='{"choices": [{"text": "he')
SHORT = Answer(body='{"choices": [', cut=50)
DOWN_SHORT = Answer(status=500, body='{"error": "bo', cut=50)
GARBLED = Answer(body="\x00\x01 no JSON \x02")
PAGE = Answer(body="<html>gateway</html>", headers={"content-type": "text/html"})
BARE = Answer(body='"hello"')
NO_TEXT = Answer(body='{"choices": [{"finish_reason": "stop"}]}')
NONE = choices()


@pytest.mark.parametrize(
    ("bad", "counted"),
    [
        (DOWN, "refused"), (BUSY, "refused"), (CUT, "malformed"), (PAGE, "malformed"),
        (BARE, "malformed"), (NO_TEXT, "malformed"), (NONE, "malformed"), (SHORT, "lost"),
        (DOWN_SHORT, "lost"), (GARBLED, "malformed"),
    ],
    ids=["500", "429", "cut JSON", "HTML", "bare JSON", "no text", "no choice", "cut body",
         "500 and a cut body", "bytes"],
)  # fmt: skip
def test_what_passes_is_tried_again_and_what_stays_is_told(bad: Answer, counted: str) -> None:
    def for_a_while(body: dict[str, Any], turn: int) -> Answer:
        return bad if turn < 2 else echo(body, turn)

    with serving(for_a_while) as server, receiver(server, concurrency=1) as asked:
        assert texts(asked.generate(["hello"], max_new_tokens=9)) == ["hello"]
        assert getattr(asked.traffic, counted) == 2
        assert asked.traffic.sent == 3
    with serving(lambda body, turn: bad) as server, receiver(server, retries=1) as asked:
        with pytest.raises(PersuasionError, match=r"did not answer, 2 attempts: .*are kept"):
            asked.generate(["hello"], max_new_tokens=9)
        assert len(server.bodies) == 2


def test_malformed_answers_count_as_paid_and_are_kept_on_record(tmp_path: Path) -> None:
    def script(body: dict[str, Any], turn: int) -> Answer:
        return CUT if turn == 0 else echo(body, turn)

    with serving(script) as server:
        with receiver(server, cache=tmp_path / "c.jsonl") as asked:
            asked.generate(["hello"], max_new_tokens=9)
            assert asked.spent == Usage(3 + 6, 5 + 9)  # at most: a token a byte, one more, 9
        with RequestLog(tmp_path / "c.jsonl") as log:
            (failure,) = log.failures
            assert failure["problem"].startswith("malformed answer: no JSON, or cut short")
        with receiver(server, cache=tmp_path / "c.jsonl") as again:
            assert again.spent == asked.spent


def test_a_gateway_that_gave_up_may_be_paid_for() -> None:
    gave_up = Answer(status=504, body="gateway timeout")
    script: Script = lambda body, turn: gave_up if turn == 0 else echo(body, turn)  # noqa: E731
    with serving(script) as server, receiver(server) as asked:
        asked.generate(["hello"], max_new_tokens=9)
        assert asked.spent == Usage(3 + 6, 5 + 9)


def test_refusals_cost_nothing_and_429_makes_everybody_wait() -> None:
    began: list[float] = []

    def script(body: dict[str, Any], turn: int) -> Answer:
        began.append(time.monotonic())
        if turn == 0:
            return Answer(status=429, body="{}", headers={"retry-after": "0.4"})
        return Answer(body=echo(body, turn).body, delay_s=0.1)

    with serving(script) as server, receiver(server, concurrency=3) as asked:
        asked.generate([str(k) for k in range(8)], max_new_tokens=3)
        assert asked.spent == Usage(8 * 3, 8)
        assert asked.traffic.refused == 1
    after = [moment - began[0] for moment in sorted(began)]
    assert len([moment for moment in after if moment < 0.35]) <= 3, "those already on their way"
    assert len(after) == 9


def test_slow_server_times_out() -> None:
    slow = Answer(delay_s=0.5, body=choices("late").body)
    with (
        serving(lambda body, turn: slow) as server,
        receiver(server, timeout_s=0.1, retries=1) as asked,
    ):
        with pytest.raises(PersuasionError, match="2 attempts: timed out"):
            asked.generate(["a"], max_new_tokens=3)
        assert asked.traffic.lost == 2
        assert asked.spent.tokens == 2 * 5, "it may have been paid for"


def test_server_that_is_not_there_costs_nothing() -> None:
    with socket.socket() as free:
        free.bind(("127.0.0.1", 0))
        url = f"http://127.0.0.1:{free.getsockname()[1]}/v1"
    with receiver(url, retries=1) as asked:
        with pytest.raises(PersuasionError, match=r"2 attempts: connection failed .*refused"):
            asked.generate(["a"], max_new_tokens=3)
        assert asked.spent == Usage()


@pytest.mark.parametrize(
    ("status", "message"),
    [
        (401, "does not accept the API key"), (404, "check `model`, `base_url` and `endpoint`"),
        (400, "refused a request, status 400: bad"),
    ],
)  # fmt: skip
def test_what_will_not_pass_is_not_tried_again(status: int, message: str) -> None:
    with (
        serving(lambda body, turn: Answer(status=status, body="bad")) as server,
        receiver(server, concurrency=2) as asked,
    ):
        with pytest.raises(PersuasionError, match=message):
            asked.generate([str(i) for i in range(50)], max_new_tokens=3)
        assert len(server.bodies) <= 4, "the rest of the work is not begun"


def test_one_failure_keeps_what_was_answered(tmp_path: Path) -> None:
    def script(body: dict[str, Any], turn: int) -> Answer:
        return Answer(status=400, body="bad") if body["prompt"] == "5" else echo(body, turn)

    with serving(script) as server:
        with receiver(server, cache=tmp_path / "c", concurrency=1) as asked:
            with pytest.raises(PersuasionError, match="status 400"):
                asked.generate([str(i) for i in range(10)], max_new_tokens=3)
            assert texts(asked.generate(["0", "4"], max_new_tokens=3)) == ["0", "4"]
        assert len(server.bodies) == 6


def test_fewer_choices_than_asked_are_asked_for_again() -> None:
    def two_at_most(body: dict[str, Any], turn: int) -> Answer:
        return choices(*(f"{turn}.{k}" for k in range(min(body.get("n", 1), 2))))

    with (
        serving(two_at_most) as server,
        receiver(server, temperature=1.0, count_tokens=len) as asked,
    ):
        replies = asked.sample("hi", 5, max_new_tokens=3)
        assert len(set(texts(replies))) == 5
        assert [body.get("n", 1) for body in server.bodies] == [5, 3, 1]
        assert len({body["seed"] for body in server.bodies}) == 3
        assert asked.traffic.choices_missing == 3 + 1


@pytest.mark.parametrize("unsent", [(), ("seed",)])
def test_one_answer_drawn_is_not_the_plain_one(unsent: tuple[str, ...]) -> None:
    script: Script = lambda body, turn: choices(f"answer {turn}")  # noqa: E731
    with serving(script) as server, receiver(server, temperature=1.0, unsent=unsent) as asked:
        plain = asked.generate(["hi"], max_new_tokens=8)
        drawn = asked.sample("hi", 1, max_new_tokens=8)
        assert texts(plain + drawn) == ["answer 0", "answer 1"]
        assert asked.generate(["hi"], max_new_tokens=8) == plain
        assert asked.sample("hi", 1, max_new_tokens=8) == drawn


def test_several_prompts_are_drawn_for_at_once_and_as_one_by_one(tmp_path: Path) -> None:
    def one_at_a_time(body: dict[str, Any], turn: int) -> Answer:
        return replace(choices(f"{body['prompt']} {body['seed']}"), delay_s=0.05)

    prompts = ["a", "b", "c"]
    with serving(one_at_a_time) as server, receiver(server, temperature=1.0) as asked:
        drawn = [texts(some) for some in asked.samples(prompts, 2, max_new_tokens=8)]
        assert max(server.at_once) == 3
    with serving(one_at_a_time) as server, receiver(server, temperature=1.0) as asked:
        assert drawn == [texts(asked.sample(p, 2, max_new_tokens=8)) for p in prompts]
        assert max(server.at_once) == 1
    assert all(len(set(some)) == 2 for some in drawn)


def test_answers_are_drawn_anew_also_where_no_seed_is_sent(tmp_path: Path) -> None:
    def counting(body: dict[str, Any], turn: int) -> Answer:
        return choices(f"answer {turn}")

    cache, plain = tmp_path / "cache", {"temperature": 1.0, "unsent": ("seed",)}
    with serving(counting) as server:
        with receiver(server, cache=cache, **plain) as asked:
            drawn = texts(asked.sample("hi", 3, max_new_tokens=8))
        assert drawn == ["answer 0", "answer 1", "answer 2"]
        assert not any("seed" in body for body in server.bodies)
        with receiver(server, cache=cache, **plain) as asked:
            assert texts(asked.sample("hi", 3, max_new_tokens=8)) == drawn
        assert len(server.bodies) == 3


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"length_field": "length"}, "`length_field` must be one of max_tokens, max_completion_t"),
        ({"unsent": ("n",)}, "`unsent` may name temperature and seed; got 'n'"),
        ({"extra": {"seed": 3}}, "`extra` holds what requests have beside .* got 'seed'"),
        ({"extra": {"max_tokens": 3}}, "and their length; got 'max_tokens'"),
        ({"extra": {"best_of": 3}}, "got 'best_of'"),  # written and paid, beyond any bound
    ],
)
def test_fields_that_are_not_legal(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(PersuasionError, match=message):
        receiver("http://127.0.0.1:9/v1", **changes)


@pytest.mark.parametrize("endpoint", ["chat", "completions"])
def test_fields_that_the_client_does_not_know_are_sent(endpoint: str) -> None:
    script: Script = lambda body, turn: choices("yes", chat=endpoint == "chat")  # noqa: E731
    extra = {"top_k": 5, "timeout": 0.001, "extra_headers": "no"}
    unsent = ("seed", "seed")
    with (
        serving(script) as server,
        receiver(server, endpoint=endpoint, extra=extra, unsent=unsent) as asked,
    ):
        asked.generate(["a"], max_new_tokens=3)
        (body,) = server.bodies
        assert {name: body[name] for name in extra} == extra
        assert "seed" not in body
        assert asked.spent == Usage(3, 3)


# -- keys --------------------------------------------------------------------------------------

SECRET = "sk-0123456789"


@pytest.mark.parametrize(
    "answer",
    [
        Answer(status=400, body=f"no such key: {SECRET}"),
        Answer(status=401, body=f"no such key: {SECRET}"),
        Answer(body=f"<p>{SECRET}</p>"),
    ],
)
def test_a_key_that_a_server_repeats_stands_nowhere(
    answer: Answer, tmp_path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    cache = tmp_path / "cache"
    with (
        serving(lambda body, turn: answer) as server,
        receiver(server, api_key=SECRET, cache=cache, retries=1) as asked,
    ):
        with pytest.raises(PersuasionError) as told:
            asked.generate(["a"], max_new_tokens=3)
        assert server.bodies[0]["_key"] == f"Bearer {SECRET}"
        said = (str(told.value), cache.read_text(), caplog.text, str(asked.report()))
    assert "(the key)" in said[0]
    assert not [text for text in (*said, repr(asked.server)) if SECRET in text]


def test_the_line_end_of_a_key_is_cut_off() -> None:
    with serving(echo) as server, receiver(server, api_key=f"{SECRET}\r\n") as asked:
        asked.generate(["a"], max_new_tokens=3)
        assert server.bodies[0]["_key"] == f"Bearer {SECRET}"


@pytest.mark.parametrize("key", [f"{SECRET}\nx", f"{SECRET} x", f"{SECRET}…"])
def test_what_is_no_key_is_not_repeated(key: str) -> None:
    with pytest.raises(PersuasionError, match="character that no key has") as told:
        receiver("http://127.0.0.1:9/v1", api_key=key)
    assert SECRET not in str(told.value)


def test_a_password_in_an_address_is_refused() -> None:
    with pytest.raises(PersuasionError, match="before an @") as told:
        receiver(f"http://me:{SECRET}@127.0.0.1:9/v1")
    assert SECRET not in str(told.value)


def test_server_without_token_counts_needs_a_counter() -> None:
    with serving(lambda body, turn: choices("four", usage=False)) as server:
        with receiver(server) as asked, pytest.raises(PersuasionError, match="pass `count_tokens`"):
            asked.generate(["a"], max_new_tokens=9)
        with receiver(server, count_tokens=len) as asked:
            assert asked.generate(["a"], max_new_tokens=9)[0].n_tokens == 4
            assert asked.spent == Usage(2, 9), "what nobody says counts as the most it can be"


def test_server_without_token_counts_is_found_out_by_the_first_answers(tmp_path: Path) -> None:
    cache, prompts = tmp_path / "cache.jsonl", [str(i) for i in range(50)]
    with serving(lambda body, turn: choices("four", usage=False)) as server:
        with (
            receiver(server, concurrency=2, cache=cache) as asked,
            pytest.raises(PersuasionError, match="name a `tokenizer`"),
        ):
            asked.generate(prompts, max_new_tokens=9)
        before = len(server.bodies)
        assert before <= 4, "the others may be paid for in vain"
        with receiver(server, cache=cache, count_tokens=len) as asked:
            asked.generate(prompts, max_new_tokens=9)
        assert len(server.bodies) == 50, "what was answered is not asked again"


def test_empty_address_is_not_the_one_of_openai() -> None:
    with pytest.raises(PersuasionError, match="`base_url` must begin with http"):
        receiver("")


@pytest.mark.parametrize(
    ("told", "hint"),
    [
        ("'temperature' does not support 0.0", "left out by `unsent`, here temperature"),
        ("use max_completion_tokens", "`length_field = "),
    ],
)
def test_a_setting_that_a_model_refuses_is_named(told: str, hint: str) -> None:
    with (
        serving(lambda body, turn: Answer(status=400, body=told)) as server,
        receiver(server) as asked,
        pytest.raises(PersuasionError, match=hint),
    ):
        asked.generate(["a"], max_new_tokens=3)


def test_probe_sees_what_is_ignored() -> None:
    def deaf(body: dict[str, Any], turn: int) -> Answer:
        return choices("always")

    def random(body: dict[str, Any], turn: int) -> Answer:
        return choices(*(f"{body['seed']}{k}" for k in range(body.get("n", 1))))

    def good(body: dict[str, Any], turn: int) -> Answer:
        return random(body, turn) if body["temperature"] else choices("greedy")

    found = []
    for script in (deaf, random, good):
        with serving(script) as server, receiver(server) as asked:
            found.append(asked.probe("hi"))
    assert found == [Probe(4, 1, True, False), Probe(4, 4, False, True), Probe(4, 4, True, True)]
    assert [len(probe.warnings) for probe in found] == [2, 1, 0]
    assert "may ignore the temperature" in found[0].warnings[1]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"api_key": None}, "no API key: pass `api_key` or set .*OPENAI_API_KEY"),
        ({"api_key": ""}, "no API key"),
        ({"base_url": "localhost:8000"}, "must begin with http:// or https://"),
        ({"endpoint": "responses"}, "must be 'completions' or 'chat'"),
        ({"temperature": -1}, "`temperature` must be at least 0"),
        ({"concurrency": 0}, "`concurrency` must be at least 1"),
        ({"timeout_s": 0}, "positive seconds"),
        ({"rule": "guess"}, "no rule is called 'guess'"),
    ],
)
def test_wrong_settings_are_told_before_any_work(changes: dict[str, Any], message: str) -> None:
    settings = {"base_url": "http://127.0.0.1:9/v1", "api_key": "k", "budget": PLENTY, **changes}
    with pytest.raises(PersuasionError, match=message):
        OpenAIReceiver("m", **settings)


def test_wrong_prompts_are_told_before_any_work() -> None:
    with receiver("http://127.0.0.1:9/v1") as asked:
        for prompts, n, message in ((["a", ""], 3, "empty"), ("a", 3, "one text"), (["a"], 0, "1")):
            with pytest.raises(PersuasionError, match=message):
                asked.generate(prompts, max_new_tokens=n)
        assert asked.traffic.sent == 0
        assert asked.generate([], max_new_tokens=3) == []


def test_missing_client_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_bridge.receivers.openai_api.missing", lambda *names: list(names))
    with pytest.raises(PersuasionError, match=r"pip install 'persuasion\[http\]'"):
        receiver("http://127.0.0.1:9/v1")


# -- a real server -----------------------------------------------------------------------------


@pytest.fixture(scope="module")
def checkpoint(
    tmp_path_factory: pytest.TempPathFactory, tokenizer: PreTrainedTokenizerBase
) -> Path:
    """A tiny model that is far from certain of anything, saved so that sampling works."""
    folder = tmp_path_factory.mktemp("served")
    model = fresh_gpt2(tokenizer, n_layer=1, n_embd=32, n_head=2, n_positions=64, seed=3)
    model.generation_config.do_sample = True
    model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def real_server(checkpoint: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[str]:
    with transformers_serve(checkpoint, tmp_path_factory.mktemp("hub")) as url:
        yield url


def test_real_server_writes_what_the_model_writes_here(checkpoint: Path, real_server: str) -> None:
    prompts = ["even 17 hint red:", "tilted 4 hint none:", "even 99"]
    with OpenAIReceiver(
        str(checkpoint), base_url=real_server, api_key="none", budget=PLENTY, concurrency=2
    ) as asked:
        over_http = asked.generate(prompts, max_new_tokens=12)
        here = LocalReceiver.from_pretrained(checkpoint).generate(prompts, max_new_tokens=12)
        assert over_http == here
        assert asked.spent.completion == sum(reply.n_tokens for reply in here)


def test_real_server_ignores_n_and_samples(checkpoint: Path, real_server: str) -> None:
    with OpenAIReceiver(
        str(checkpoint), base_url=real_server, api_key="none", budget=PLENTY, temperature=1.0
    ) as asked:
        probe = asked.probe("even 17 hint red:", max_new_tokens=12)
        assert probe == Probe(asked=4, came=1, greedy_repeats=True, sampling_varies=True)
        assert len(set(texts(asked.sample("even 3", 4, max_new_tokens=12)))) > 1
        assert asked.traffic.choices_missing == 3 + 3 + 2 + 1


def test_real_server_measures_the_same_game(
    checkpoint: Path, real_server: str, aligned: Aligned, tmp_path: Path
) -> None:
    here = measure(aligned, LocalReceiver.from_pretrained(checkpoint), n_inputs=2)
    with OpenAIReceiver(
        str(checkpoint), base_url=real_server, api_key="none", budget=PLENTY,
        cache=tmp_path / "cache.jsonl", concurrency=2,
    ) as asked:  # fmt: skip
        examples = [x for t in aligned.priors for x in aligned.examples(t, "measure", 2, 0)]
        prompts = [aligned.receiver_prompt(x, h) for x in examples for h in (*aligned.items, None)]
        estimate = asked.estimate(prompts, max_new_tokens=aligned.max_new_tokens)
        assert estimate.requests == len(prompts) == 16
        there = measure(aligned, asked, n_inputs=2)
        assert asked.spent.tokens <= estimate.most.tokens
        assert asked.estimate(prompts, max_new_tokens=aligned.max_new_tokens).requests == 0
    for template, game in here.games.items():
        assert there.games[template] == game
        np.testing.assert_array_equal(there.tokens[template], here.tokens[template])
