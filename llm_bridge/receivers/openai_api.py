"""A model behind an OpenAI-compatible HTTP server as the Receiver."""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping, Sequence
from concurrent.futures import FIRST_COMPLETED, Future, ThreadPoolExecutor, wait
from dataclasses import asdict, dataclass, is_dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Literal
from urllib.parse import urlsplit

from llm_bridge.commands.requirements import missing
from llm_bridge.receivers.rules import rule as rule_named
from llm_bridge.reply import Reply
from llm_bridge.requests.budget import Budget, Estimate, Meter, Usage
from llm_bridge.requests.calls import Calls, Traffic
from llm_bridge.requests.log import RequestLog, key_of
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.receivers import Receiver

__all__ = ["OpenAIReceiver", "Probe"]

Endpoint = Literal["completions", "chat"]

_OPENAI = "https://api.openai.com/v1"
_KEY = "OPENAI_API_KEY"
_TEMPLATE_TOKENS = 64
"""Tokens that a chat template may add to a prompt."""
_ROUNDS_WITHOUT_GAIN = 3


@dataclass(frozen=True)
class Probe:
    """What a server does with the settings of a request.

    Attributes
    ----------
    asked, came : int
        Choices asked for in one request, and those that came back.
    greedy_repeats : bool
        Whether temperature 0 gave the same answer twice.
    sampling_varies : bool
        Whether temperature 1 gave answers that are not all the same. A model that is certain of
        its answer repeats itself too.
    """

    asked: int
    came: int
    greedy_repeats: bool
    sampling_varies: bool

    @property
    def warnings(self) -> tuple[str, ...]:
        """What to mind, in sentences."""
        found = []
        if self.came < self.asked:
            found.append(f"the server returns {self.came} of {self.asked} choices asked for")
        if not self.greedy_repeats:
            found.append("the server samples at temperature 0: answers cannot be repeated")
        if not self.sampling_varies:
            found.append(
                "answers at temperature 1 are all the same: the server may ignore the temperature "
                "(transformers serve does unless the saved generation config has do_sample true)"
            )
        return tuple(found)


class OpenAIReceiver:
    """Asks one prompt per request, several at a time, within a budget, and nothing twice.

    Parameters
    ----------
    model : str
        As the server calls it.
    budget : Budget
        Hard cap over the life of the cache.
    base_url : str, optional
        Default the environment's OPENAI_BASE_URL, else OpenAI's own.
    api_key : str, optional
        Default the environment's OPENAI_API_KEY. Servers that need none take any text.
    cache : path, optional
        File to which each request and its answer is appended as it comes; a killed run that is
        started again asks only what is not in it. None: nothing is kept.
    rule : Receiver of `persuasion` or str
        What she believes after a posterior; a name is looked up in `receivers.rules`.
    name : str, optional
        Default `model`.
    endpoint : {"completions", "chat"}
        Prompts as they are, or as a user's message, for which the model needs a chat template.
    temperature : float, >= 0
    seed : int, >= 0
        Every request gets a seed of its own that depends on this and on its prompt.
    concurrency : int, >= 1
        Requests at a time.
    timeout_s : float
        For one request.
    retries : int, >= 0
        How often a request is repeated that failed or whose answer is malformed.
    bytes_per_token : float, >= 1
        For estimates of cost; 4 fits English under the usual vocabularies.
    count_tokens : callable, optional
        Counts the tokens of a text, for servers that do not report them.

    Raises
    ------
    PersuasionError
        Before any work: when the client is not installed, there is no key, or an argument is not
        legal.

    Notes
    -----
    The length of answers is always bounded (``max_tokens``). A request that timed out or lost its
    connection may have been paid for; it counts as if it had used all it might.
    """

    def __init__(
        self,
        model: str,
        *,
        budget: Budget,
        base_url: str | None = None,
        api_key: str | None = None,
        cache: str | os.PathLike[str] | None = None,
        rule: Receiver | str = "posterior_sampling",
        name: str | None = None,
        endpoint: Endpoint = "completions",
        temperature: float = 0.0,
        seed: int = 0,
        concurrency: int = 8,
        timeout_s: float = 60.0,
        retries: int = 4,
        bytes_per_token: float = 4.0,
        count_tokens: Callable[[str], int] | None = None,
    ) -> None:
        if missing("openai"):
            raise PersuasionError(
                "openai is not installed; Receivers behind HTTP need it: pip install "
                "'persuasion[http]'"
            )
        if not model:
            raise PersuasionError("`model` must name a model as the server calls it; got ''")
        if endpoint not in ("completions", "chat"):
            raise PersuasionError(f"`endpoint` must be 'completions' or 'chat'; got {endpoint!r}")
        for label, given, least in (
            ("temperature", temperature, 0), ("seed", seed, 0), ("concurrency", concurrency, 1),
            ("retries", retries, 0), ("bytes_per_token", bytes_per_token, 1),
        ):  # fmt: skip
            if not given >= least:
                raise PersuasionError(f"`{label}` must be at least {least}; got {given}")
        if not timeout_s > 0:
            raise PersuasionError(f"`timeout_s` must be positive seconds; got {timeout_s}")
        url = base_url or os.environ.get("OPENAI_BASE_URL") or _OPENAI
        if urlsplit(url).scheme not in ("http", "https"):
            raise PersuasionError(
                f"`base_url` must begin with http:// or https://, as {_OPENAI} does; got {url!r}"
            )
        key = api_key or os.environ.get(_KEY)
        if not key:
            raise PersuasionError(
                f"no API key: pass `api_key` or set the environment's {_KEY}; a server that needs "
                "none takes any text"
            )
        self.model = model
        self.name = model if name is None else name
        self.rule = rule_named(rule) if isinstance(rule, str) else rule
        self.base_url = url.rstrip("/")
        self.endpoint, self.temperature, self.seed = endpoint, float(temperature), seed
        self.concurrency, self.bytes_per_token = concurrency, float(bytes_per_token)
        self._count = count_tokens
        self._log = RequestLog(None if cache is None else Path(cache))
        self._meter = Meter(budget, self._logged())
        self._calls = Calls(self.base_url, key, endpoint, timeout_s=timeout_s, retries=retries)

    # -- what she is -------------------------------------------------------------------------

    @property
    def fingerprint(self) -> str:
        """Hash of server, model, settings and rule; the server's weights it cannot see."""
        told = [self.base_url, self.model, self.endpoint, self.temperature, self.seed]
        shown = repr(self.rule) if is_dataclass(self.rule) else type(self.rule).__qualname__
        return blake2b(repr([*told, shown]).encode(), digest_size=16).hexdigest()

    def respond(self, game: PersuasionGame, posteriors: FloatArray) -> FloatArray:
        """Probabilities ``[signal, believed item]``, by her rule."""
        return self.rule.respond(game, posteriors)

    @property
    def spent(self) -> Usage:
        """Tokens used over the life of the cache."""
        return self._meter.spent

    @property
    def cost(self) -> float:
        """Money spent over the life of the cache; 0 without prices."""
        return self._meter.cost

    @property
    def traffic(self) -> Traffic:
        """Requests sent by this object, and what became of them."""
        return self._calls.traffic

    def close(self) -> None:
        """Let go of cache and connections."""
        self._log.close()
        self._calls.close()

    def __enter__(self) -> OpenAIReceiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- asking ------------------------------------------------------------------------------

    def estimate(self, prompts: Sequence[str], *, max_new_tokens: int) -> Estimate:
        """Return what `generate` would cost, without asking anything."""
        return self._estimate(self._requests(prompts, max_new_tokens))

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Reply]:
        """Answer each prompt, in order; the same prompt twice is asked once.

        Raises
        ------
        CapReachedError
            Before the first request when the work likely exceeds the budget, or when the next
            request could.
        PersuasionError
            When a prompt is empty, or the server cannot be brought to answer. What was answered
            is in the cache.
        """
        requests = self._requests(prompts, max_new_tokens)
        self._meter.check(self._estimate(requests))
        answers = self._answer_all({key_of(r): r for r in requests}, progress)
        return [self._reply(answers[key_of(request)], 0) for request in requests]

    def sample(self, prompt: str, n: int, *, max_new_tokens: int) -> list[Reply]:
        """Return `n` answers to one prompt.

        Asks for as many choices as are missing, counts those that come back, and asks again with
        another seed.

        Raises
        ------
        CapReachedError, PersuasionError
            As `generate`; also when the server goes on returning no choice.
        """
        if n < 1:
            raise PersuasionError(f"`n` must be at least 1; got {n}")
        found: list[Reply] = []
        turn = empty = 0
        while len(found) < n:
            request = self._request(prompt, max_new_tokens, turn, n - len(found))
            answer = self._answer_all({key_of(request): request}, None)[key_of(request)]
            choices = range(min(len(answer["choices"]), n - len(found)))
            found += [self._reply(answer, place) for place in choices]
            empty = 0 if choices else empty + 1
            if empty == _ROUNDS_WITHOUT_GAIN:
                raise PersuasionError(f"{self.base_url} returned no choice {empty} times in a row")
            turn += 1
        return found

    def probe(self, prompt: str, n: int = 4, *, max_new_tokens: int = 16) -> Probe:
        """Ask a prompt a few times and say which settings the server honours.

        Needs about ``n + 3`` requests; a prompt with an open answer tells most.
        """
        several = self._request(prompt, max_new_tokens, 0, n, temperature=1.0)
        greedy = [self._request(prompt, max_new_tokens, t, 1, temperature=0.0) for t in (1, 2)]
        varied = [self._request(prompt, max_new_tokens, t, 1, temperature=1.0)
                  for t in range(3, 3 + n)]  # fmt: skip
        answers = self._answer_all({key_of(r): r for r in (several, *greedy, *varied)}, None)
        texts = [[_text_of(answers[key_of(r)], 0) for r in part] for part in (greedy, varied)]
        came = len(answers[key_of(several)]["choices"])
        return Probe(n, came, len(set(texts[0])) == 1, len(set(texts[1])) > 1)

    # -- requests ----------------------------------------------------------------------------

    def _requests(self, prompts: Sequence[str], max_new_tokens: int) -> list[dict[str, Any]]:
        if isinstance(prompts, str):
            raise PersuasionError("`prompts` must be a sequence of texts; got one text")
        return [self._request(prompt, max_new_tokens, 0, 1) for prompt in prompts]

    def _request(
        self, prompt: str, max_new_tokens: int, turn: int, n: int, temperature: float | None = None
    ) -> dict[str, Any]:
        if max_new_tokens < 1:
            raise PersuasionError(f"`max_new_tokens` must be at least 1; got {max_new_tokens}")
        if not prompt:
            raise PersuasionError("a prompt is empty; every request needs a text")
        told = f"{self.seed} {turn} {prompt}".encode()
        seed = int.from_bytes(blake2b(told, digest_size=8).digest(), "big") % 2**31
        body: dict[str, Any] = {
            "model": self.model,
            "max_tokens": max_new_tokens,
            "temperature": self.temperature if temperature is None else temperature,
            "seed": seed,
        }
        if self.endpoint == "chat":
            body["messages"] = [{"role": "user", "content": prompt}]
        else:
            body["prompt"] = prompt  # one text: servers differ in what they make of a list
        if n > 1:
            body["n"] = n
        return {"url": self.base_url, "endpoint": self.endpoint, "body": body}

    def _estimate(self, requests: Sequence[Mapping[str, Any]]) -> Estimate:
        wanted = {key_of(request): request for request in requests}
        missing_ones = [request for key, request in wanted.items() if key not in self._log]
        likely, most = Usage(), Usage()
        for request in missing_ones:
            bound = self._most(request)
            most = most + bound
            likely = likely + Usage(int(bound.prompt / self.bytes_per_token) + 1, bound.completion)
        prices = self._meter.budget.prices
        return Estimate(
            len(missing_ones),
            len(wanted) - len(missing_ones),
            likely,
            most,
            likely.cost(prices),
            most.cost(prices),
        )

    def _most(self, request: Mapping[str, Any]) -> Usage:
        """Most tokens a request can use: a token has at least one byte."""
        body = request["body"]
        prompt = body["prompt"] if "prompt" in body else body["messages"][0]["content"]
        extra = _TEMPLATE_TOKENS if self.endpoint == "chat" else 1
        return Usage(len(prompt.encode()) + extra, body["max_tokens"] * body.get("n", 1))

    def _answer_all(
        self,
        requests: Mapping[str, Mapping[str, Any]],
        progress: Callable[[int, int], None] | None,
    ) -> dict[str, Mapping[str, Any]]:
        """Answer every request, from the log or the server; a few wait in line, not all."""
        answers: dict[str, Mapping[str, Any]] = {}
        todo = []
        for key, request in requests.items():
            known = self._log.answer(request)
            if known is None:
                todo.append((key, request))
            else:
                answers[key] = known
        if progress is not None:
            progress(len(answers), len(requests))
        line = iter(todo)
        flying: dict[Future[Mapping[str, Any]], str] = {}
        with ThreadPoolExecutor(self.concurrency) as pool:
            try:
                while True:
                    while len(flying) < self.concurrency and (one := next(line, None)) is not None:
                        flying[pool.submit(self._ask, one[1])] = one[0]
                    if not flying:
                        return answers
                    done, _ = wait(flying, return_when=FIRST_COMPLETED)
                    for future in done:
                        answers[flying.pop(future)] = future.result()
                        if progress is not None:
                            progress(len(answers), len(requests))
            except BaseException:  # those on their way are still answered, paid for and kept
                self._calls.stop()
                raise
            finally:
                pool.shutdown(wait=True, cancel_futures=True)
                self._calls.resume()

    def _ask(self, request: Mapping[str, Any]) -> Mapping[str, Any]:
        most = self._most(request)

        def settle(used: Usage | None, problem: str) -> None:
            self._meter.settle(most, used)
            if used is not None and problem:
                self._log.add_failure(request, problem, asdict(used))

        answer = self._calls.ask(request["body"], lambda: self._meter.reserve(most), settle, most)
        self._log.add(request, answer)
        return answer

    def _logged(self) -> Usage:
        total = Usage()
        for kept in (*(entry["answer"] for entry in self._log), *self._log.failures):
            total = total + Usage(**kept["used"])
        return total

    # -- answers -----------------------------------------------------------------------------

    def _reply(self, answer: Mapping[str, Any], place: int) -> Reply:
        choices = answer["choices"]
        if place >= len(choices):
            raise PersuasionError(f"{self.base_url} returned no choice to a request of one")
        text = choices[place]["text"]
        n_tokens = answer["usage"]["completion"] if answer["usage"] and len(choices) == 1 else None
        if n_tokens is None:
            if self._count is None:
                raise PersuasionError(
                    f"{self.base_url} does not say how many tokens this answer has, and it may be "
                    "paid by the token; pass `count_tokens`, a function that counts them"
                )
            n_tokens = self._count(text)
        return Reply(text, n_tokens, choices[place]["finish"] == "stop")


def _text_of(answer: Mapping[str, Any], place: int) -> str | None:
    choices = answer["choices"]
    return choices[place]["text"] if place < len(choices) else None
