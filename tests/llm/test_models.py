"""Models and tokenizers: made the same from the same seed, loaded or refused with a remedy."""

import logging
import os
import socket
import subprocess
import sys
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest
import torch
from safetensors.torch import load_file, save_file
from transformers import AutoTokenizer, PreTrainedTokenizerBase

from llm_bridge.advisor import Advisor
from llm_bridge.device import accelerator, best_device, set_threads
from llm_bridge.models import check_context, context_length, fresh_gpt2, load
from llm_bridge.vocabulary import build_tokenizer
from persuasion.errors import PersuasionError


@pytest.fixture
def saved(
    tmp_path: Path, tokenizer: PreTrainedTokenizerBase, make_advisor: Callable[..., Advisor]
) -> Path:
    folder = tmp_path / "model"
    make_advisor().model.save_pretrained(folder)
    tokenizer.save_pretrained(folder)
    return folder


@pytest.fixture
def no_network(monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(*args: Any, **kwargs: Any) -> None:
        raise OSError("no network")

    monkeypatch.setattr(socket.socket, "connect", refuse)
    monkeypatch.setattr(socket, "getaddrinfo", refuse)


@pytest.mark.usefixtures("no_network")
def test_local_folder_needs_no_network(saved: Path, make_advisor: Callable[..., Advisor]) -> None:
    model, tokenizer = load(saved)
    assert (tokenizer.padding_side, model.training) == ("left", False)
    for name, weight in make_advisor().model.state_dict().items():
        assert torch.equal(model.state_dict()[name], weight)


@pytest.mark.parametrize(
    ("path", "message"),
    [
        (Path("nowhere"), "there is no folder nowhere"),
        ("models/of/mine", "there is no folder models/of/mine"),
        ("/nowhere/at/all", "there is no folder /nowhere/at/all"),
    ],
)
@pytest.mark.usefixtures("no_network")
def test_unknown_path(path: Path | str, message: str) -> None:
    with pytest.raises(PersuasionError, match=message):
        load(path)


@pytest.mark.usefixtures("no_network")
def test_unknown_hub_id(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)  # or it tries again
    with pytest.raises(PersuasionError, match="from the hub id 'nobody/no-such-model'"):
        load("nobody/no-such-model")


@pytest.mark.slow
def test_unknown_hub_id_offline() -> None:
    code = """
from llm_bridge.models import load
from persuasion.errors import PersuasionError
try:
    load("nobody/no-such-model")
except PersuasionError as error:
    print(error)
"""
    root = Path(__file__).parents[2]
    environment = {**os.environ, "HF_HUB_OFFLINE": "1", "PYTHONPATH": str(root)}
    done = subprocess.run(
        [sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True
    )
    assert "hub id 'nobody/no-such-model'" in done.stdout
    assert "download the model first and give its folder" in done.stdout


def test_folder_without_model(tmp_path: Path) -> None:
    with pytest.raises(PersuasionError, match=r"holds no model: it has no config\.json"):
        load(tmp_path)


def test_folder_without_tokenizer(saved: Path) -> None:
    for file in saved.glob("tokenizer*"):
        file.unlink()
    with pytest.raises(PersuasionError, match="holds no tokenizer; save the tokenizer"):
        load(saved)


def test_folder_with_damaged_model(saved: Path) -> None:
    (saved / "config.json").write_text("{")
    with pytest.raises(PersuasionError, match="It must hold the model and the tokenizer"):
        load(saved)
    (saved / "config.json").write_text('{"model_type": "no such kind"}')
    with pytest.raises(PersuasionError, match="It must hold the model and the tokenizer"):
        load(saved)


def test_missing_weights_are_not_made_up(saved: Path) -> None:
    weights = load_file(saved / "model.safetensors")
    del weights["transformer.ln_f.weight"]
    save_file(weights, saved / "model.safetensors", metadata={"format": "pt"})
    with pytest.raises(PersuasionError, match=r"lacks weights .* transformer\.ln_f\.weight"):
        load(saved)


def test_tokenizer_larger_than_the_model(saved: Path) -> None:
    bigger = AutoTokenizer.from_pretrained(saved)
    bigger.add_tokens([f"word{i}" for i in range(50)])
    bigger.save_pretrained(saved)
    with pytest.raises(PersuasionError, match="resize the model's embeddings"):
        load(saved)


def test_without_pad_token_eos_pads_and_the_log_says_so(
    saved: Path, caplog: pytest.LogCaptureFixture
) -> None:
    bare = AutoTokenizer.from_pretrained(saved)
    bare.pad_token = None
    bare.save_pretrained(saved)
    with caplog.at_level(logging.WARNING, logger="llm_bridge.models"):
        _, tokenizer = load(saved)
    assert tokenizer.pad_token == tokenizer.eos_token
    assert "has no pad token: padding with its eos token '<eos>'" in caplog.text


def test_neither_pad_nor_eos(saved: Path) -> None:
    bare = AutoTokenizer.from_pretrained(saved)
    bare.pad_token = bare.eos_token = None
    bare.save_pretrained(saved)
    with pytest.raises(PersuasionError, match="neither a pad nor an eos token"):
        load(saved)


def test_seeds_make_the_weights_and_nothing_else(tokenizer: PreTrainedTokenizerBase) -> None:
    def weights(seed: int) -> torch.Tensor:
        return fresh_gpt2(tokenizer, n_layer=1, n_embd=8, n_head=1, seed=seed).lm_head.weight

    before = torch.get_rng_state()
    assert torch.equal(weights(1), weights(1))
    assert not torch.equal(weights(1), weights(2))
    assert torch.equal(before, torch.get_rng_state())


@pytest.mark.parametrize(
    ("sizes", "message"),
    [
        ({"n_layer": 0}, "`n_layer` must be at least 1; got 0"),
        ({"n_embd": 30, "n_head": 4}, "multiple of `n_head`; got 30 and 4"),
    ],
)
def test_illegal_sizes(
    sizes: dict[str, int], message: str, tokenizer: PreTrainedTokenizerBase
) -> None:
    with pytest.raises(PersuasionError, match=message):
        fresh_gpt2(tokenizer, **sizes)


def test_fresh_model_needs_special_tokens() -> None:
    bare = build_tokenizer(["a text"], 260)
    bare.pad_token = None
    with pytest.raises(PersuasionError, match="pad and an eos token"):
        fresh_gpt2(bare)


def test_context(make_advisor: Callable[..., Advisor]) -> None:
    model = make_advisor().model
    assert context_length(model) == 48
    check_context(model, [3, 40], 8, "the prompts")
    with pytest.raises(PersuasionError, match=r"have up to 41 tokens and 8 more .* 48"):
        check_context(model, [3, 41], 8, "the prompts")


def test_vocabulary_is_the_same_again_and_keeps_every_text(tmp_path: Path) -> None:
    texts = ["add 12 and 305", "drop the last of abc", "naïve ☃"]
    tokenizer = build_tokenizer(texts, 300, whole=["amber"])
    assert tokenizer.get_vocab() == build_tokenizer(texts, 300, whole=["amber"]).get_vocab()
    assert tokenizer.tokenize("305") == ["3", "0", "5"]
    assert tokenizer.tokenize("amber") == ["amber"]
    tokenizer.save_pretrained(tmp_path)
    for text in (*texts, "what was never seen: ß 漢字 \n\t", ""):
        ids = tokenizer.encode(text)
        assert tokenizer.decode(ids) == text
        assert AutoTokenizer.from_pretrained(tmp_path).encode(text) == ids


def test_vocabulary_has_room_for_all_bytes() -> None:
    with pytest.raises(PersuasionError, match="at least 259"):
        build_tokenizer(["a"], 100)


def test_device_is_chosen_or_refused() -> None:
    assert accelerator(device="cpu").device.type == "cpu"
    with pytest.raises(PersuasionError, match="`precision` must be one of"):
        accelerator("fp8")
    with pytest.raises(PersuasionError, match="number of threads must be at least 1; got 0"):
        set_threads(0)
    if not torch.cuda.is_available():
        assert best_device().type == "cpu"
        with pytest.raises(PersuasionError, match="`device` is 'cuda', but what was found here"):
            accelerator(device="cuda")
        with pytest.raises(PersuasionError, match="another precision"):
            accelerator("bf16")  # after float32, in the same process
