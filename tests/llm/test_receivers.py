"""Receivers: rules, and a local model that answers in batches as it would one by one."""

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch
from transformers import GenerationConfig, GPT2LMHeadModel, PreTrainedTokenizerBase

from llm_bridge.models import fresh_gpt2
from llm_bridge.receivers import TextReceiver
from llm_bridge.receivers.local import LocalReceiver
from llm_bridge.receivers.rules import RULES, rule
from llm_bridge.reply import Reply
from llm_bridge.vocabulary import build_tokenizer
from persuasion import Bayesian, PersuasionGame, Quantal
from persuasion.errors import PersuasionError, UnsupportedError
from persuasion.receivers import PosteriorSampling, Receiver, is_best_responder

GAME = PersuasionGame([0.7, 0.3], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
WORDS = ["one", "two", "three", "red", "green", "blue", "north", "south"]


@pytest.fixture(scope="module")
def tokenizer() -> PreTrainedTokenizerBase:
    return build_tokenizer([" ".join(WORDS)] * 9, 300)


def wild_model(tokenizer: PreTrainedTokenizerBase, seed: int = 0) -> GPT2LMHeadModel:
    """Untrained, with weights so large that every token read matters for what is written."""
    model = fresh_gpt2(tokenizer, n_layer=2, n_embd=16, n_head=2, n_positions=64, seed=seed)
    with torch.no_grad():
        for name, weight in model.named_parameters():
            if "ln_" not in name:
                weight.mul_(12.0)
    return model


@pytest.fixture
def make(tokenizer: PreTrainedTokenizerBase) -> Callable[..., LocalReceiver]:
    def build(seed: int = 0, **options: Any) -> LocalReceiver:
        return LocalReceiver(wild_model(tokenizer, seed), tokenizer, **options)

    return build


def prompts(n: int, seed: int = 0) -> list[str]:
    """Texts of one to twelve words, in no order of length."""
    rng = np.random.default_rng(seed)
    return [" ".join(rng.choice(WORDS, size=rng.integers(1, 13))) for _ in range(n)]


def naive_ids(receiver: LocalReceiver, prompt: str, n: int) -> list[int]:
    """Greedy decoding of one prompt: no cache, no padding, no batch, no `generate`."""
    ids = receiver.tokenizer(prompt)["input_ids"]
    written: list[int] = []
    while len(written) < n and receiver.tokenizer.eos_token_id not in written:
        with torch.no_grad():
            logits = receiver.model(torch.tensor([ids + written])).logits[0, -1]
        written.append(int(logits.argmax()))
    return written


def naive(receiver: LocalReceiver, prompt: str, n: int) -> Reply:
    written = naive_ids(receiver, prompt, n)
    finished = written[-1] == receiver.tokenizer.eos_token_id
    text = receiver.tokenizer.decode(written, skip_special_tokens=True)
    return Reply(text, len(written), finished)


# -- rules ------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters", "expected"),
    [
        ("best_response", {}, Bayesian()),
        ("best_response", {"ties": "first"}, Bayesian("first")),
        ("posterior_sampling", {}, PosteriorSampling()),
        ("quantal", {"beta": 3.0}, Quantal(3.0)),
    ],
)
def test_rules_are_receivers(name: str, parameters: dict[str, Any], expected: Receiver) -> None:
    made = rule(name, **parameters)
    assert made == expected
    law = made.respond(GAME, np.array([[0.5, 0.5], [0.9, 0.1]]))
    np.testing.assert_allclose(law.sum(axis=1), 1)


def test_rules_say_what_is_legal() -> None:
    with pytest.raises(PersuasionError, match=f"legal are {', '.join(RULES)}"):
        rule("softmax")
    with pytest.raises(PersuasionError, match="'quantal' cannot be built with no parameters"):
        rule("quantal")
    with pytest.raises(PersuasionError, match=r"'best_response' cannot be built with {'beta': 3}"):
        rule("best_response", beta=3)


def test_posterior_sampling_draws_the_item_from_the_belief() -> None:
    beliefs = np.array([[0.25, 0.75], [1.0, 0.0]])
    law = PosteriorSampling().respond(GAME, beliefs)
    assert law.tolist() == beliefs.tolist()
    law[:] = 0.5
    assert beliefs[1].tolist() == [1.0, 0.0], "the caller's array is left alone"
    assert not is_best_responder(PosteriorSampling())
    wide = PersuasionGame([0.7, 0.3], [[0, 1, 2]] * 2, [[1, 0, 2]] * 2)
    with pytest.raises(UnsupportedError, match="2 states and 3 actions"):
        PosteriorSampling().respond(wide, beliefs)
    with pytest.raises(PersuasionError, match="2 entries"):
        PosteriorSampling().respond(GAME, np.eye(3))


# -- answers ----------------------------------------------------------------------------------


@pytest.mark.parametrize("seed", range(2))
def test_batches_answer_like_single_prompts(make: Callable[..., LocalReceiver], seed: int) -> None:
    receiver = make(seed)
    asked = prompts(25, seed)
    together = receiver.generate(asked, max_new_tokens=12)
    assert together == [receiver.generate([p], max_new_tokens=12)[0] for p in asked]
    assert together == [naive(receiver, p, 12) for p in asked]
    receiver.batch_size = 7
    assert together == receiver.generate(asked, max_new_tokens=12)
    assert len({reply.text for reply in together}) > 15, "answers depend on prompts"


def test_padding_on_the_right_would_be_seen(make: Callable[..., LocalReceiver]) -> None:
    receiver = make()
    asked = prompts(50)
    right = receiver.generate(asked, max_new_tokens=6)
    rows = receiver.tokenizer(asked, padding=True, padding_side="right", return_tensors="pt")
    ids = receiver.model.generate(  # type: ignore[operator]
        rows["input_ids"],
        attention_mask=rows["attention_mask"],
        max_new_tokens=6,
        do_sample=False,
        pad_token_id=receiver.tokenizer.pad_token_id,
    )
    texts = receiver.tokenizer.batch_decode(
        ids[:, rows["input_ids"].shape[1] :], skip_special_tokens=True
    )
    assert sum(t != reply.text for t, reply in zip(texts, right, strict=True)) > 10


def test_padding_without_its_mask_would_be_seen(make: Callable[..., LocalReceiver]) -> None:
    receiver = make()
    asked = prompts(50)
    right = receiver.generate(asked, max_new_tokens=6)
    write = receiver.model.generate

    def deaf(ids: torch.Tensor, attention_mask: torch.Tensor, **options: Any) -> torch.Tensor:
        return write(ids, attention_mask=torch.ones_like(attention_mask), **options)  # type: ignore[no-any-return, operator]

    receiver.model.generate = deaf  # type: ignore[method-assign, assignment]
    wrong = receiver.generate(asked, max_new_tokens=6)
    assert sum(a != b for a, b in zip(wrong, right, strict=True)) > 10


def test_answers_end_at_any_end_token(make: Callable[..., LocalReceiver]) -> None:
    receiver = make()
    asked = prompts(20)
    long = receiver.generate(asked, max_new_tokens=12)
    ids = [naive_ids(receiver, prompt, 12) for prompt in asked]
    stop = max({i for row in ids for i in row}, key=lambda i: sum(i in row for row in ids))
    model = wild_model(receiver.tokenizer)
    model.generation_config.eos_token_id = [receiver.tokenizer.eos_token_id, stop]
    short = LocalReceiver(model, receiver.tokenizer).generate(asked, max_new_tokens=12)
    for before, after, row in zip(long, short, ids, strict=True):
        if stop in row:
            place = row.index(stop)
            text = receiver.tokenizer.decode(row[:place], skip_special_tokens=True)
            assert after == Reply(text, n_tokens=place + 1, finished=True)
        else:
            assert after == before
    assert 0 < sum(stop in row for row in ids) < len(ids)


def test_generation_settings_of_the_checkpoint_do_not_matter(
    make: Callable[..., LocalReceiver],
) -> None:
    plain, asked = make(), prompts(20)
    model = wild_model(plain.tokenizer)
    own = GenerationConfig(
        do_sample=True,
        temperature=5.0,
        repetition_penalty=3.0,
        max_new_tokens=2,
        no_repeat_ngram_size=1,
        eos_token_id=plain.tokenizer.eos_token_id,
    )
    model.generation_config = own
    model.train()
    other = LocalReceiver(model, plain.tokenizer)
    assert other.generate(asked, max_new_tokens=8) == plain.generate(asked, max_new_tokens=8)
    assert model.generation_config is own
    assert model.training


def test_progress_and_order(make: Callable[..., LocalReceiver]) -> None:
    receiver, seen = make(batch_size=4), []
    receiver.generate(
        prompts(10), max_new_tokens=2, progress=lambda done, of: seen.append((done, of))
    )
    assert seen == [(4, 10), (8, 10), (10, 10)]
    assert receiver.generate([], max_new_tokens=2) == []


def test_what_cannot_work_is_refused_before_any_work(make: Callable[..., LocalReceiver]) -> None:
    receiver = make()
    receiver.model.generate = None  # type: ignore[assignment, method-assign]
    long = " ".join(["one"] * 61)
    with pytest.raises(PersuasionError, match="more are written, but the model reads 64"):
        receiver.generate(["one", long], max_new_tokens=4)
    with pytest.raises(PersuasionError, match="prompt 1 is empty"):
        receiver.generate(["one", ""], max_new_tokens=4)
    with pytest.raises(PersuasionError, match="at least 1; got 0"):
        receiver.generate(["one"], max_new_tokens=0)
    with pytest.raises(PersuasionError, match="sequence of texts"):
        receiver.generate("one", max_new_tokens=4)


def test_too_little_memory_halves_the_batches(
    make: Callable[..., LocalReceiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver, asked, sizes = make(batch_size=16), prompts(20), []
    expected = receiver.generate(asked, max_new_tokens=3)
    write, limit = receiver.model.generate, 5

    def narrow(ids: torch.Tensor, **options: Any) -> torch.Tensor:
        sizes.append(len(ids))
        if len(ids) > limit:
            raise torch.OutOfMemoryError
        return write(ids, **options)  # type: ignore[no-any-return, operator]

    monkeypatch.setattr(receiver.model, "generate", narrow)
    assert receiver.generate(asked, max_new_tokens=3) == expected
    assert sizes == [16, 8, 4, 4, 4, 4, 4]
    limit = 0
    with pytest.raises(torch.OutOfMemoryError):
        receiver.generate(asked, max_new_tokens=3)


def test_answers_that_are_missing_are_an_error(
    make: Callable[..., LocalReceiver], monkeypatch: pytest.MonkeyPatch
) -> None:
    receiver = make()
    write = receiver.model.generate
    monkeypatch.setattr(
        receiver.model, "generate", lambda ids, **options: write(ids, **options)[1:]
    )
    with pytest.raises(PersuasionError, match="3 prompts got 2 answers"):
        receiver.generate(prompts(3), max_new_tokens=2)


# -- identity ---------------------------------------------------------------------------------


def test_fingerprint_survives_saving(make: Callable[..., LocalReceiver], tmp_path: Path) -> None:
    receiver, asked = make(), prompts(10)
    answers = receiver.generate(asked, max_new_tokens=5)
    for folder in (tmp_path / "first", tmp_path / "second"):
        receiver.model.save_pretrained(folder)
        receiver.tokenizer.save_pretrained(folder)
        loaded = LocalReceiver.from_pretrained(folder, batch_size=3, device="cpu")
        assert loaded.fingerprint == receiver.fingerprint
        assert loaded.name == folder.name
        assert loaded.generate(asked, max_new_tokens=5) == answers
        assert isinstance(loaded, TextReceiver)
    assert make(name="other", batch_size=2).fingerprint == receiver.fingerprint


def test_fingerprint_changes_with_all_that_matters(
    make: Callable[..., LocalReceiver], tokenizer: PreTrainedTokenizerBase
) -> None:
    found = [make().fingerprint, make(seed=1).fingerprint]
    found += [make(rule=r).fingerprint for r in ("best_response", Quantal(2.0), Quantal(3.0))]
    model = wild_model(tokenizer)
    with torch.no_grad():
        weight = model.transformer.h[0].mlp.c_fc.bias
        weight[0] = torch.nextafter(weight[0], torch.tensor(9.0))
    found.append(LocalReceiver(model, tokenizer).fingerprint)
    model = wild_model(tokenizer)
    model.generation_config.eos_token_id = [tokenizer.eos_token_id, 7]
    found.append(LocalReceiver(model, tokenizer).fingerprint)
    found.append(LocalReceiver(wild_model(tokenizer).half(), tokenizer).fingerprint)
    other = build_tokenizer([" ".join(reversed(WORDS[1:]))] * 9, 300)
    if len(other) == len(tokenizer):
        found.append(LocalReceiver(wild_model(tokenizer), other).fingerprint)
    assert len(set(found)) == len(found) >= 8


def test_what_is_missing_is_said(tokenizer: PreTrainedTokenizerBase) -> None:
    model = wild_model(tokenizer)
    with pytest.raises(PersuasionError, match="`batch_size` must be at least 1; got 0"):
        LocalReceiver(model, tokenizer, batch_size=0)
    with pytest.raises(PersuasionError, match="no rule is called 'softmax'"):
        LocalReceiver(model, tokenizer, rule="softmax")
    bare = build_tokenizer([" ".join(WORDS)] * 9, 300)
    bare.eos_token = None
    model.generation_config.eos_token_id = None
    with pytest.raises(PersuasionError, match=r"set tokenizer\.eos_token"):
        LocalReceiver(model, bare)
    bare.pad_token = None
    with pytest.raises(PersuasionError, match=r"set tokenizer\.pad_token"):
        LocalReceiver(model, bare)


def test_the_rule_answers_for_the_receiver(make: Callable[..., LocalReceiver]) -> None:
    beliefs = np.array([[0.2, 0.8]])
    assert make(rule="best_response").respond(GAME, beliefs).tolist() == [[0, 1]]
    assert make().respond(GAME, beliefs).tolist() == [[0.2, 0.8]]
