"""The fast scores equal the naive ones, and the law that is scored is the law that is sampled."""

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
import torch
from scipy import stats
from torch import Tensor

from llm_bridge.codebook import TokenIds
from llm_bridge.scoring import (
    CodeTree,
    Rows,
    draw,
    position_ids,
    sample_signals,
    sequence_log_probs,
    signal_log_probs,
)
from persuasion.errors import PersuasionError

PROMPTS = [[5, 9, 11, 30, 31, 17], [40], [3, 3, 8], [12, 13, 14, 15, 16, 17, 18, 19, 20]]
CODES: dict[str, TokenIds] = {
    "one token each": ((7,), (21,), (35,)),
    "several tokens": ((7, 8), (7, 9, 10), (7, 9, 11), (21,), (22, 7, 8, 5)),
    "two deep": ((1, 2), (1, 3), (4, 5), (4, 6)),
}
TOLERANCE = {torch.float64: 1e-12, torch.float32: 2e-5, torch.bfloat16: 0.15}
"""In nats. bfloat16 keeps 8 bits: logits near 4 are rounded by 2**-6, anew for each batch shape."""


def sharp_model(dtype: torch.dtype) -> Any:
    """A model whose laws are far from uniform."""
    from transformers import GPT2Config, GPT2LMHeadModel

    config = GPT2Config(
        vocab_size=48, n_layer=2, n_embd=32, n_head=2, n_positions=32,
        resid_pdrop=0.0, embd_pdrop=0.0, attn_pdrop=0.0,
    )  # fmt: skip
    with torch.random.fork_rng():
        torch.manual_seed(3)
        model = GPT2LMHeadModel(config)
        with torch.no_grad():
            for weight in model.parameters():
                weight.mul_(8.0 if weight.dim() == 2 else 1.0)
    return model.eval().to(dtype)


@torch.no_grad()
def naive(model: Any, prompts: Sequence[list[int]], codes: TokenIds, temperature: float) -> Tensor:
    """Token by token and prompt by prompt, nothing padded, nothing shared."""
    table = []
    for prompt in prompts:
        row = []
        for word in codes:
            total = 0.0
            for depth, token in enumerate(word):
                beginning = word[:depth]
                legal = sorted({w[depth] for w in codes if w[:depth] == beginning})
                logits = model(torch.tensor([[*prompt, *beginning]])).logits[0, -1].double()
                law = torch.softmax(logits[legal] / temperature, dim=0)
                total += float(torch.log(law[legal.index(token)]))
            row.append(total)
        table.append(row)
    return torch.tensor(table, dtype=torch.float64)


def agrees(scores: Tensor, right: Tensor, dtype: torch.dtype) -> bool:
    close = torch.allclose(scores.double(), right, rtol=0, atol=TOLERANCE[dtype])
    return close and bool(((scores.double().exp().sum(dim=1) - 1).abs() < 1e-5).all())


@pytest.mark.parametrize("dtype", TOLERANCE, ids=str)
@pytest.mark.parametrize("codes", CODES.values(), ids=CODES)
@pytest.mark.parametrize("temperature", [1.0, 0.4])
def test_fast_equals_naive(codes: TokenIds, dtype: torch.dtype, temperature: float) -> None:
    if dtype is torch.bfloat16 and temperature < 1:
        temperature = 2.0  # a low temperature magnifies rounding, a high one must do as well
    model = sharp_model(dtype)
    right = naive(model, PROMPTS, codes, temperature)
    with torch.no_grad():
        scores = signal_log_probs(
            model, Rows.padded(PROMPTS, 0), CodeTree.of(codes), temperature=temperature
        )
    assert agrees(scores, right, dtype)
    if temperature <= 1:  # far from uniform, or this would say little
        assert float(right.exp().max()) > 0.6


@pytest.mark.parametrize("codes", CODES.values(), ids=CODES)
def test_wrong_scores_are_caught(codes: TokenIds) -> None:
    model, tree = sharp_model(torch.float32), CodeTree.of(codes)
    right = naive(model, PROMPTS, codes, 1.0)
    longest = max(map(len, PROMPTS))
    padded = Rows.padded(PROMPTS, 0)
    with torch.no_grad():
        good = signal_log_probs(model, padded, tree)
        to_the_right = Rows(
            torch.tensor([row + [0] * (longest - len(row)) for row in PROMPTS]),
            torch.tensor([[1] * len(row) + [0] * (longest - len(row)) for row in PROMPTS]),
        )
        unmasked = Rows(padded.ids, torch.ones_like(padded.mask))
        free = torch.stack(
            [sequence_log_probs(model, padded, [word] * len(PROMPTS)) for word in codes], dim=1
        )
        assert agrees(good, right, torch.float32)
        assert not agrees(signal_log_probs(model, to_the_right, tree), right, torch.float32)
        assert not agrees(signal_log_probs(model, unmasked, tree), right, torch.float32)
        assert not agrees(free, right, torch.float32)  # not normalised over the codebook
        assert not agrees(good.flip(1), right, torch.float32)


def fits(counts: np.ndarray, log_law: Tensor) -> bool:
    """Chi-square test at level 1e-4; the seeds are fixed, so that it does not fail by chance."""
    law = log_law.double().exp().numpy()
    return bool(stats.chisquare(counts, counts.sum() * law / law.sum()).pvalue > 1e-4)


@pytest.mark.parametrize("codes", CODES.values(), ids=CODES)
def test_sampled_law_is_the_scored_law(codes: TokenIds) -> None:
    model, tree = sharp_model(torch.float32), CodeTree.of(codes)
    n, prompt = 1500, PROMPTS[0]
    rows = Rows.padded([prompt] * n, 0)
    generator = torch.Generator().manual_seed(11)
    temperature = 2.0
    with torch.no_grad():
        law = signal_log_probs(model, Rows.padded([prompt], 0), tree, temperature=temperature)[0]
        cold = signal_log_probs(model, Rows.padded([prompt], 0), tree)[0]
    written = sample_signals(model, rows, tree, temperature=temperature, generator=generator)
    drawn = draw(law.expand(n, -1), generator)
    for signals in (written, drawn):
        counts = np.bincount(signals.numpy(), minlength=len(codes))
        assert fits(counts, law)
        assert not fits(counts, cold)  # another temperature is another law


def test_neighbours_in_the_batch_do_not_matter() -> None:
    model, tree = sharp_model(torch.float64), CodeTree.of(CODES["several tokens"])
    with torch.no_grad():
        together = signal_log_probs(model, Rows.padded(PROMPTS, 0), tree)
        alone = torch.cat([signal_log_probs(model, Rows.padded([p], 0), tree) for p in PROMPTS])
    torch.testing.assert_close(together, alone, rtol=0, atol=1e-12)


@pytest.mark.parametrize("codes", CODES.values(), ids=CODES)
def test_gradient_is_that_of_the_naive_way(codes: TokenIds) -> None:
    model, tree = sharp_model(torch.float64), CodeTree.of(codes)
    weights = torch.linspace(-1, 1, len(PROMPTS) * len(codes)).view(len(PROMPTS), -1).double()

    def gradient(total: Tensor) -> Tensor:
        model.zero_grad()
        total.backward()
        return torch.cat([weight.grad.flatten() for weight in model.parameters()])

    fast = gradient((weights * signal_log_probs(model, Rows.padded(PROMPTS, 0), tree)).sum())
    slow = torch.zeros((), dtype=torch.float64)
    for i, prompt in enumerate(PROMPTS):
        for j, word in enumerate(codes):
            for depth, token in enumerate(word):
                legal = sorted({w[depth] for w in codes if w[:depth] == word[:depth]})
                logits = model(torch.tensor([[*prompt, *word[:depth]]])).logits[0, -1]
                log_law = torch.log_softmax(logits[legal], dim=0)
                slow = slow + weights[i, j] * log_law[legal.index(token)]
    torch.testing.assert_close(fast, gradient(slow), rtol=1e-9, atol=1e-9)


def test_sequence_log_probs_equal_the_naive_ones() -> None:
    model = sharp_model(torch.float64)
    texts = [[4, 5, 6], [], [7], [9, 9]]
    with torch.no_grad():
        fast = sequence_log_probs(model, Rows.padded(PROMPTS, 0), texts)
        slow = []
        for prompt, text in zip(PROMPTS, texts, strict=True):
            logits = model(torch.tensor([prompt + text])).logits[0].log_softmax(dim=-1)
            slow.append(sum(float(logits[len(prompt) - 1 + k, t]) for k, t in enumerate(text)))
    torch.testing.assert_close(fast, torch.tensor(slow, dtype=torch.float64), rtol=0, atol=1e-12)


def test_positions_count_from_the_first_token() -> None:
    mask = torch.tensor([[0, 0, 1, 1], [1, 1, 1, 1]])
    assert position_ids(mask).tolist() == [[0, 0, 0, 1], [0, 1, 2, 3]]


def test_empty_rows_are_refused() -> None:
    for rows in ([], [[1], []]):
        with pytest.raises(PersuasionError, match="at least one token"):
            Rows.padded(rows, 0)


def test_as_many_texts_as_prompts() -> None:
    with pytest.raises(PersuasionError, match="1 texts for 4 prompts"):
        sequence_log_probs(sharp_model(torch.float32), Rows.padded(PROMPTS, 0), [[1]])
