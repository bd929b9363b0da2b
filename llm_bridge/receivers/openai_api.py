"""A model behind an OpenAI-compatible HTTP server as the Receiver."""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import is_dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any

from llm_bridge.commands.requirements import missing
from llm_bridge.receivers.rules import rule as rule_named
from llm_bridge.reply import Reply
from llm_bridge.requests.budget import Budget, Estimate, Usage
from llm_bridge.requests.calls import Calls
from llm_bridge.requests.counting import counter
from llm_bridge.requests.ledger import Ledger
from llm_bridge.requests.line import serve
from llm_bridge.requests.log import RequestLog
from llm_bridge.requests.probe import Probe, probe_with, probing
from llm_bridge.requests.request import Request
from llm_bridge.requests.server import Endpoint, LengthField, Server
from llm_bridge.requests.traffic import Traffic
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.receivers import Receiver

__all__ = ["OpenAIReceiver", "Probe"]

_ROUNDS_WITHOUT_GAIN = 3


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
    count_tokens : callable or tokenizer, optional
        Counts the tokens of a text, for servers that do not report them; see
        `llm_bridge.requests.counting.counter`.
    length_field, unsent, extra
        For models that take other fields, see `llm_bridge.requests.server.Server`.

    Raises
    ------
    PersuasionError
        Before any work: when the client is not installed, there is no key, or an argument is not
        legal.

    Notes
    -----
    The length of answers is always bounded (``max_tokens``). A request that timed out, lost its
    connection or was on its way when the process was killed may have been paid for; it counts as if
    it had used all it might. A shallow copy shares cache, budget and connections.
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
        count_tokens: Any = None,
        length_field: LengthField = "max_tokens",
        unsent: Sequence[str] = (),
        extra: Mapping[str, Any] | None = None,
    ) -> None:
        if missing("openai"):
            raise PersuasionError(
                "openai is not installed; Receivers behind HTTP need it: pip install "
                "'persuasion[http]'"
            )
        for label, given, least in (
            ("concurrency", concurrency, 1), ("retries", retries, 0),
            ("bytes_per_token", bytes_per_token, 1),
        ):  # fmt: skip
            if not given >= least:
                raise PersuasionError(f"`{label}` must be at least {least}; got {given}")
        if not timeout_s > 0:
            raise PersuasionError(f"`timeout_s` must be positive seconds; got {timeout_s}")
        server = Server.of(
            model,
            base_url,
            api_key,
            endpoint=endpoint,
            temperature=float(temperature),
            seed=seed,
            length_field=length_field,
            unsent=tuple(unsent),
            extra=dict(extra or {}),
        )
        self.name = model if name is None else name
        self.rule = rule_named(rule) if isinstance(rule, str) else rule
        self.server, self.base_url = server, server.url
        self.concurrency, self.bytes_per_token = concurrency, float(bytes_per_token)
        self._count = None if count_tokens is None else counter(count_tokens)
        self._calls = Calls(server.url, server.key, endpoint, timeout_s=timeout_s, retries=retries)
        self._log = RequestLog(None if cache is None else Path(cache))
        try:
            self._ledger = Ledger(self._log, budget)
        except BaseException:
            self.close()  # nobody else may have the cache while it is open here
            raise
        self._probes: list[Probe] = []

    # -- what she is -------------------------------------------------------------------------

    @property
    def fingerprint(self) -> str:
        """Hash of server, model, settings and rule; the server's weights it cannot see."""
        server = self.server
        told = [server.url, server.model, server.endpoint, server.temperature, server.seed]
        told += [server.length_field, server.unsent, sorted(server.extra.items())]
        shown = repr(self.rule) if is_dataclass(self.rule) else type(self.rule).__qualname__
        return blake2b(repr([*told, shown]).encode(), digest_size=16).hexdigest()

    def respond(self, game: PersuasionGame, posteriors: FloatArray) -> FloatArray:
        """Probabilities ``[signal, believed item]``, by her rule."""
        return self.rule.respond(game, posteriors)

    @property
    def temperature(self) -> float:
        """At which she writes."""
        return self.server.temperature

    @property
    def budget(self) -> Budget:
        """The most that may be spent over the life of the cache."""
        return self._ledger.meter.budget

    @property
    def spent(self) -> Usage:
        """Tokens used over the life of the cache."""
        return self._ledger.meter.spent

    @property
    def cost(self) -> float:
        """Money spent over the life of the cache; 0 without prices."""
        return self._ledger.meter.cost

    @property
    def traffic(self) -> Traffic:
        """Requests sent by this object, and what became of them."""
        return self._calls.traffic

    def report(self) -> list[str]:
        """Say what was sent and what became of it, what was spent, and what is wrong with a server.

        Returns
        -------
        list of str
            Sentences; none where nothing was ever sent, be it by this object or by earlier ones
            with the same cache.
        """
        found = self.traffic.sentences(self._calls.problems)
        found += [warning for probe in self._probes[-1:] for warning in probe.warnings]
        if not found and self.spent == Usage() and not len(self._log):
            return []
        found += self._ledger.sentences()
        return [f"{self.name}: {sentence}" for sentence in found]

    def close(self) -> None:
        """Let go of cache and connections."""
        self._log.close()
        self._calls.close()

    def __enter__(self) -> OpenAIReceiver:
        return self

    def __exit__(self, *_: object) -> None:
        self.close()

    # -- asking ------------------------------------------------------------------------------

    def estimate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        n: int | None = None,
        seen: set[str] | None = None,
    ) -> Estimate:
        """Return what `generate`, or `sample` for each prompt, would cost; nothing is asked.

        Parameters
        ----------
        prompts : sequence of str
        max_new_tokens : int
        n : int, >= 1, optional
            None is what `generate` asks; a number what ``sample(prompt, n)`` asks next, given what
            is in the cache. A server that returns fewer choices is asked again and reads the prompt
            once more, which no estimate foresees.
        seen : set of str, optional
            Keys of requests that other estimates hold already: they are not counted again, and
            those of this one are added. One set for several estimates makes their sum that of the
            whole work.
        """
        if isinstance(prompts, str):
            raise PersuasionError("`prompts` must be a sequence of texts; got one text")
        wanted: dict[str, Request] = {}
        for prompt in prompts:
            known, open_one = self._rounds(prompt, n, max_new_tokens)
            asked = [request for request, _ in known]
            wanted |= {one.key: one for one in (asked if open_one is None else [*asked, open_one])}
        if seen is not None:
            wanted = {key: request for key, request in wanted.items() if key not in seen}
            seen.update(wanted)
        return self._estimate(wanted.values())

    def check(self, estimate: Estimate) -> None:
        """Refuse work that likely costs more than is left of the budget.

        Raises
        ------
        CapReachedError
        """
        self._ledger.meter.check(estimate)

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
        if isinstance(prompts, str):
            raise PersuasionError("`prompts` must be a sequence of texts; got one text")
        requests = [self.server.request(prompt, max_new_tokens) for prompt in prompts]
        wanted = {request.key: request for request in requests}
        self.check(self._estimate(wanted.values()))
        answers = self._answer_all(wanted.values(), progress)
        return [self._reply(answers[request.key], 0) for request in requests]

    def sample(self, prompt: str, n: int, *, max_new_tokens: int) -> list[Reply]:
        """Return `n` answers to one prompt, drawn apart from the one of `generate`.

        Asks for as many choices as are missing, counts those that come back, and asks again with
        another seed.

        Raises
        ------
        CapReachedError, PersuasionError
            As `generate`; also when the server goes on returning no choice.
        """
        return self.samples([prompt], n, max_new_tokens=max_new_tokens)[0]

    def samples(self, prompts: Sequence[str], n: int, *, max_new_tokens: int) -> list[list[Reply]]:
        """Return `n` answers to each prompt as `sample` does, several requests at a time."""
        while True:
            rounds = [self._rounds(prompt, n, max_new_tokens) for prompt in prompts]
            open_ones = [request for _, request in rounds if request is not None]
            if not open_ones:
                break
            self._answer_all(open_ones)
        found = []
        for known, _ in rounds:
            places = [(answer, i) for _, answer in known for i in range(len(answer["choices"]))]
            found.append([self._reply(answer, place) for answer, place in places[:n]])
        return found

    def probe(self, prompt: str, n: int = 4, *, max_new_tokens: int = 16) -> Probe:
        """Ask a prompt a few times and say which settings the server honours.

        Needs ``n + 3`` requests; a prompt with an open answer tells most.
        """
        self._probes.append(probe_with(self._probing(prompt, max_new_tokens), self._answer_all, n))
        return self._probes[-1]

    def estimate_probe(self, prompt: str, n: int = 4, *, max_new_tokens: int = 16) -> Estimate:
        """Return what `probe` would cost; nothing is asked."""
        return self._estimate(probing(self._probing(prompt, max_new_tokens), n))

    def _probing(self, prompt: str, max_new_tokens: int) -> Callable[[int, int, float], Request]:
        def make(turn: int, choices: int, temperature: float) -> Request:
            return self.server.request(
                prompt, max_new_tokens, turn=turn, n=choices, temperature=temperature
            )

        return make

    # -- requests ----------------------------------------------------------------------------

    def _rounds(
        self, prompt: str, n: int | None, max_new_tokens: int
    ) -> tuple[list[tuple[Request, Mapping[str, Any]]], Request | None]:
        """Return what was asked for `n` answers, with the answers, and what to ask next, if any.

        The first asking of a prompt, with the seed that goes with it, is that of its plain answer.
        """
        if n is not None and n < 1:
            raise PersuasionError(f"`n` must be at least 1; got {n}")
        known: list[tuple[Request, Mapping[str, Any]]] = []
        first, missing_ones, empty = (0, 1, 0) if n is None else (1, n, 0)
        while missing_ones > 0:
            turn = first + len(known)
            request = self.server.request(prompt, max_new_tokens, turn=turn, n=missing_ones)
            answer = self._log.answer_to(request.key)
            if answer is None:
                return known, request
            known.append((request, answer))
            came = len(answer["choices"])
            missing_ones -= came
            empty = 0 if came else empty + 1
            if empty == _ROUNDS_WITHOUT_GAIN:
                raise PersuasionError(f"{self.base_url} returned no choice {empty} times in a row")
        return known, None

    def _estimate(self, wanted: Iterable[Request]) -> Estimate:
        prices, found = self.budget.prices, Estimate()
        for request in wanted:
            if request.key in self._log:
                found += Estimate(cached=1)
                continue
            most = request.most
            likely = Usage(int(most.prompt / self.bytes_per_token) + 1, most.completion)
            found += Estimate(1, 0, likely, most, likely.cost(prices), most.cost(prices))
        return found

    def _answer_all(
        self, requests: Iterable[Request], progress: Callable[[int, int], None] | None = None
    ) -> dict[str, Mapping[str, Any]]:
        """Answer every request, from the log or the server, by its key."""
        wanted = {request.key: request for request in requests}
        answers = {key: a for key in wanted if (a := self._log.answer_to(key)) is not None}

        def told(request: Request, answer: Mapping[str, Any]) -> None:
            answers[request.key] = answer
            if progress is not None:
                progress(len(answers), len(wanted))

        if progress is not None:
            progress(len(answers), len(wanted))
        todo = [request for key, request in wanted.items() if key not in answers]
        try:
            serve(todo, self._ask, at_once=self.concurrency, told=told, halt=self._calls.stop)
        finally:
            self._calls.resume()
        return answers

    def _ask(self, request: Request) -> Mapping[str, Any]:
        answer = self._calls.ask(request.body, lambda: self._ledger.begin(request), request.most)
        if self._count is None and answer["usage"] is None:
            raise self._uncounted("its answers have")  # the first says so of all that follow
        return answer

    # -- answers -----------------------------------------------------------------------------

    def _reply(self, answer: Mapping[str, Any], place: int) -> Reply:
        choices = answer["choices"]
        if place >= len(choices):
            raise PersuasionError(f"{self.base_url} returned no choice to a request of one")
        text = choices[place]["text"]
        n_tokens = answer["usage"]["completion"] if answer["usage"] and len(choices) == 1 else None
        if n_tokens is None:
            if self._count is None:
                several = len(choices) > 1
                raise self._uncounted(
                    "each of several answers has" if several else "this answer has"
                )
            n_tokens = self._count(text)
        return Reply(text, n_tokens, choices[place]["finish"] == "stop")

    def _uncounted(self, which: str) -> PersuasionError:
        return PersuasionError(
            f"{self.base_url} does not say how many tokens {which}, and answers may be paid by the "
            "token; pass `count_tokens`, a tokenizer or a function that counts them, or name a "
            "`tokenizer` in the experiment's file. Answers so far are kept"
        )
