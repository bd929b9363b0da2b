"""Language models and their tokenizers: made afresh, or loaded from a folder or the hub."""

from __future__ import annotations

import logging
from collections.abc import Iterable, Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import torch
from transformers import (
    AutoModelForCausalLM,
    AutoTokenizer,
    GPT2Config,
    GPT2LMHeadModel,
    PreTrainedModel,
    PreTrainedTokenizerBase,
)
from transformers.utils import logging as _transformers_logging
from transformers.utils.hub import cached_file, extract_commit_hash

from persuasion.errors import PersuasionError

__all__ = [
    "check_context",
    "context_length",
    "found_revision",
    "fresh_gpt2",
    "load",
    "without_bars",
]

_LOG = logging.getLogger(__name__)


def fresh_gpt2(
    tokenizer: PreTrainedTokenizerBase,
    *,
    n_layer: int = 2,
    n_embd: int = 64,
    n_head: int = 4,
    n_positions: int = 128,
    seed: int = 0,
) -> GPT2LMHeadModel:
    """Return an untrained GPT-2 for a tokenizer; the global random state is left as it was.

    Parameters
    ----------
    tokenizer : tokenizer of transformers
        Must name its pad and eos tokens.
    n_layer, n_embd, n_head : int, >= 1
        Depth, width and heads; the heads share the width evenly.
    n_positions : int, >= 1
        Longest text, in tokens.
    seed : int
        The same seed gives the same weights.

    Notes
    -----
    Departures from GPT-2: no dropout, so that a run is a function of its seeds.
    """
    sizes = {"n_layer": n_layer, "n_embd": n_embd, "n_head": n_head, "n_positions": n_positions}
    for name, size in sizes.items():
        if size < 1:
            raise PersuasionError(f"`{name}` must be at least 1; got {size}")
    if n_embd % n_head:
        raise PersuasionError(f"`n_embd` must be a multiple of `n_head`; got {n_embd} and {n_head}")
    if tokenizer.pad_token_id is None or tokenizer.eos_token_id is None:
        raise PersuasionError(
            "the tokenizer must have a pad and an eos token; set tokenizer.pad_token and "
            "tokenizer.eos_token, or make one with llm_bridge.vocabulary.build_tokenizer"
        )
    begin = tokenizer.bos_token_id
    config = GPT2Config(
        vocab_size=len(tokenizer),
        n_layer=n_layer,
        n_embd=n_embd,
        n_head=n_head,
        n_positions=n_positions,
        activation_function="gelu_pytorch_tanh",  # GPT-2's own, computed in one go
        resid_pdrop=0.0,
        embd_pdrop=0.0,
        attn_pdrop=0.0,
        bos_token_id=tokenizer.eos_token_id if begin is None else begin,
        eos_token_id=tokenizer.eos_token_id,
        pad_token_id=tokenizer.pad_token_id,
    )
    with torch.random.fork_rng(devices=[]):
        torch.manual_seed(seed)
        model = GPT2LMHeadModel(config)
    model.train(False)
    return model


def load(
    path_or_id: str | Path,
    *,
    revision: str | None = None,
    dtype: torch.dtype | str = "auto",
) -> tuple[PreTrainedModel, PreTrainedTokenizerBase]:
    """Load a causal language model and its tokenizer.

    Parameters
    ----------
    path_or_id : str or path
        A folder as `save_pretrained` writes it, or an id of the Hugging Face hub. What is an
        existing folder is never looked for on the hub. With HF_HUB_OFFLINE=1 ids are looked for in
        the cache alone.
    revision : str, optional
        Branch, tag or commit of a hub id.
    dtype : torch.dtype or "auto"
        "auto": as saved.

    Returns
    -------
    model : PreTrainedModel
        In evaluation mode, on the CPU.
    tokenizer : PreTrainedTokenizerBase
        Padding on the left. Where it has no pad token it pads with its eos token, which the log
        says; padding is masked, so nothing depends on it.

    Raises
    ------
    PersuasionError
        When nothing is found, when the model is no causal language model or lacks weights, or when
        the tokenizer has neither pad nor eos token.
    """
    name = str(path_or_id)
    folder = Path(path_or_id).expanduser()
    local = folder.is_dir()
    if local and not (folder / "config.json").exists():
        raise PersuasionError(
            f"the folder {name} holds no model: it has no config.json. Name a folder that "
            "save_pretrained wrote"
        )
    if not local and (isinstance(path_or_id, Path) or folder.is_absolute() or name.count("/") > 1):
        raise PersuasionError(
            f"there is no folder {name}; name a folder that save_pretrained wrote, or an id of the "
            "Hugging Face hub such as 'openai-community/gpt2'"
        )
    where = str(folder) if local else name
    try:
        with without_bars():
            tokenizer = AutoTokenizer.from_pretrained(where, revision=revision)
            found: Any = AutoModelForCausalLM.from_pretrained(
                where, revision=revision, dtype=dtype, output_loading_info=True
            )
            model, loaded = found
    except (OSError, ValueError, KeyError) as cause:
        kind = "folder" if local else "hub id"
        raise PersuasionError(
            f"no causal language model could be loaded from the {kind} {name!r}: "
            f"{str(cause).strip().splitlines()[0].rstrip('.')}. "
            + (
                "It must hold the model and the tokenizer, as save_pretrained writes them"
                if local
                else "Check the spelling and the connection; without one, download the model "
                "first and give its folder"
            )
        ) from cause
    if loaded["missing_keys"]:
        raise PersuasionError(
            f"{name!r} lacks weights of a causal language model, which would be random: "
            f"{', '.join(sorted(loaded['missing_keys'])[:3])}; name another checkpoint"
        )
    if len(tokenizer) <= len(tokenizer.all_special_ids):  # made up by transformers, out of nothing
        raise PersuasionError(
            f"{name!r} holds no tokenizer; save the tokenizer that the model was trained with "
            "beside it, with save_pretrained"
        )
    _ensure_padding(tokenizer, name)
    if len(tokenizer) > model.get_input_embeddings().weight.shape[0]:
        raise PersuasionError(
            f"the tokenizer of {name!r} has {len(tokenizer)} tokens but the model only "
            f"{model.get_input_embeddings().weight.shape[0]}; resize the model's embeddings or "
            "take the tokenizer it was trained with"
        )
    model.train(False)
    return model, tokenizer


def found_revision(hub_id: str) -> str | None:
    """Look for a model on the hub, or in the cache; return the commit that it stands for now.

    Only its configuration is fetched. None where the cache does not tell commits apart.

    Raises
    ------
    PersuasionError
        When the hub has no such model, or cannot be reached and the cache has none.
    """
    try:
        with without_bars():
            file = cached_file(hub_id, "config.json")
    except (OSError, ValueError) as cause:
        raise PersuasionError(
            f"no model was found under the hub id {hub_id!r}: "
            f"{str(cause).strip().splitlines()[0].rstrip('.')}. There is no folder of that "
            "name either; check the spelling and the connection, or download the model first and "
            "give its folder"
        ) from cause
    return extract_commit_hash(file, None)


@contextmanager
def without_bars() -> Iterator[None]:
    """Keep the bars of transformers off the screen while models are read or written."""
    bars: Any = _transformers_logging
    shown = bars.is_progress_bar_enabled()
    bars.disable_progress_bar()
    try:
        yield
    finally:
        if shown:
            bars.enable_progress_bar()


def _ensure_padding(tokenizer: Any, name: str) -> None:
    tokenizer.padding_side = "left"
    if tokenizer.pad_token_id is not None:
        return
    if tokenizer.eos_token_id is None:
        raise PersuasionError(
            f"the tokenizer of {name!r} has neither a pad nor an eos token, so batches cannot be "
            "padded; set tokenizer.pad_token and save it again"
        )
    tokenizer.pad_token = tokenizer.eos_token
    _LOG.warning("%s has no pad token: padding with its eos token %r", name, tokenizer.eos_token)


def context_length(model: Any) -> int | None:
    """Longest text of a model, in tokens; None where its configuration does not say."""
    config = model.config.get_text_config()
    for name in ("max_position_embeddings", "n_positions", "max_seq_len"):
        length = getattr(config, name, None)
        if length is not None:
            return int(length)
    return None


def check_context(model: Any, lengths: Iterable[int], new_tokens: int, what: str) -> None:
    """Refuse prompts that, with what is to be written after them, do not fit into the context.

    Parameters
    ----------
    model : causal language model of transformers
    lengths : iterable of int
        Tokens of each prompt.
    new_tokens : int
        Most tokens written after one.
    what : str
        The prompts in words, for the message.
    """
    limit, longest = context_length(model), max(lengths, default=0)
    if limit is not None and longest + new_tokens > limit:
        raise PersuasionError(
            f"{what} have up to {longest} tokens and {new_tokens} more are written, but the model "
            f"reads {limit}; shorten the prompts or take a model with a longer context"
        )
