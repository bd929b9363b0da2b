"""A causal language model in this process as the Receiver."""

from __future__ import annotations

import json
import logging
import math
from collections.abc import Callable, Iterator, Mapping, Sequence
from contextlib import contextmanager
from dataclasses import is_dataclass
from hashlib import blake2b
from pathlib import Path
from typing import Any, Self

import torch
from transformers import GenerationConfig, PreTrainedModel, PreTrainedTokenizerBase

from llm_bridge.device import best_device
from llm_bridge.meter import GENERATION, working
from llm_bridge.models import check_context, load
from llm_bridge.receivers.rules import rule as rule_named
from llm_bridge.reply import Reply
from llm_bridge.scoring import Rows
from llm_bridge.training.memory import free
from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray
from persuasion.receivers import Receiver

__all__ = ["LocalReceiver"]

_LOG = logging.getLogger(__name__)

_PROVENANCE = ("_name_or_path", "architectures", "transformers_version", "dtype", "torch_dtype")
"""Settings that say where a model comes from; tensors state their own dtype."""


class LocalReceiver:
    """Writes greedily, many prompts at a time.

    Prompts are sorted by length and padded on the left, with the padding masked: an answer does not
    depend on its neighbours. Decoding is plain greedy search whatever the checkpoint's own
    generation settings say, of which only the end tokens are kept.

    Parameters
    ----------
    model, tokenizer
        A causal language model of transformers and its tokenizer, which must have a pad and an end
        token. The weights must not change afterwards.
    rule : Receiver of `persuasion` or str
        What she believes after a posterior; a name is looked up in `receivers.rules`.
    name : str
    batch_size : int, >= 1
        Prompts answered at a time; halved for as long as the memory of the GPU does not suffice,
        which the log tells.
    device : torch.device or str, optional
        Where to run; by default where the model is.

    Attributes
    ----------
    fingerprint : str
        Hash of weights, tokenizer, end tokens, precision and rule.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        rule: Receiver | str = "posterior_sampling",
        name: str = "local",
        batch_size: int = 256,
        device: torch.device | str | None = None,
    ) -> None:
        if batch_size < 1:
            raise PersuasionError(f"`batch_size` must be at least 1; got {batch_size}")
        if tokenizer.pad_token_id is None:
            raise PersuasionError(
                "the tokenizer has no pad token, so prompts cannot be answered in batches; set "
                "tokenizer.pad_token, or use LocalReceiver.from_pretrained"
            )
        self._end = _end_tokens(model, tokenizer)
        if not self._end:
            raise PersuasionError(
                "neither tokenizer nor generation settings name an end token, so every answer "
                "would be cut at its limit; set tokenizer.eos_token"
            )
        self.name = name
        self.model = model
        if device is not None:
            model.to(device)  # type: ignore[arg-type]
        self.tokenizer = tokenizer
        self.rule = rule_named(rule) if isinstance(rule, str) else rule
        self.batch_size = batch_size
        self._fingerprint = _fingerprint(self.model, tokenizer, self._end, self.rule)

    @classmethod
    def from_pretrained(
        cls,
        path_or_id: str | Path,
        rule: Receiver | str = "posterior_sampling",
        name: str | None = None,
        batch_size: int = 256,
        device: torch.device | str | None = None,
        **options: Any,
    ) -> Self:
        """Load a checkpoint.

        Parameters
        ----------
        path_or_id : str or path
            A folder that ``save_pretrained`` wrote, or a hub id.
        rule, name, batch_size
            As for the class; the name is the last part of `path_or_id` by default.
        device : torch.device or str, optional
            By default what accelerate would choose.
        **options
            Passed to `llm_bridge.models.load`.
        """
        model, tokenizer = load(path_or_id, **options)
        return cls(
            model,
            tokenizer,
            rule,
            Path(path_or_id).name if name is None else name,
            batch_size,
            best_device() if device is None else device,
        )

    @property
    def fingerprint(self) -> str:
        """What tells this Receiver from others."""
        return self._fingerprint

    def respond(self, game: PersuasionGame, posteriors: FloatArray) -> FloatArray:
        """Probabilities ``[signal, believed item]``, by her rule."""
        return self.rule.respond(game, posteriors)

    def generate(
        self,
        prompts: Sequence[str],
        *,
        max_new_tokens: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[Reply]:
        """Answer each prompt, in order.

        Parameters
        ----------
        prompts : sequence of str
        max_new_tokens : int, >= 1
            Where answers are cut.
        progress : callable, optional
            Called with (answers, answers in all) after each batch.

        Raises
        ------
        PersuasionError
            Before any work when a prompt is empty or does not fit into the context.
        """
        return self._answers(prompts, max_new_tokens, progress, {"do_sample": False})

    def generate_share(
        self,
        prompts: Sequence[str],
        number: int,
        count: int,
        *,
        max_new_tokens: int,
        progress: Callable[[int, int], None] | None = None,
    ) -> dict[int, Reply]:
        """Answer every `count`-th batch of `generate`, from batch `number` on.

        Parameters
        ----------
        prompts : sequence of str
        number, count : int
            Which share of how many.
        max_new_tokens : int, >= 1
        progress : callable, optional
            As for `generate`, as if all shares went on alike.

        Returns
        -------
        dict of int to Reply
            By the prompt's place. Batches are what they would be for one process, so that all
            shares together are its answers, to the bit.
        """
        rows = self._read(prompts, max_new_tokens)

        def tell(done: int, mine: int) -> None:
            if progress is not None:
                progress(len(rows) if done == mine else min(done * count, len(rows)), len(rows))

        mine = self._batched(rows)[number::count]
        return self._written(rows, mine, max_new_tokens, tell, {"do_sample": False})

    def sample_many(
        self,
        prompts: Sequence[str],
        n: int,
        *,
        max_new_tokens: int,
        temperature: float = 1.0,
        seed: int = 0,
        progress: Callable[[int, int], None] | None = None,
    ) -> list[list[Reply]]:
        """Draw `n` answers to each prompt from the model's whole law.

        Parameters
        ----------
        prompts : sequence of str
        n : int, >= 1
        max_new_tokens : int, >= 1
        temperature : float, > 0
            Divides logits.
        seed : int
            The same seed, prompts and batch size give the same answers; the global random state
            is left as it was.
        progress : callable, optional
            As for `generate`.
        """
        if n < 1 or not (temperature > 0 and math.isfinite(temperature)):
            raise PersuasionError(
                "`n` must be at least 1 and `temperature` a finite number above 0; got "
                f"{n} and {temperature}"
            )
        gpus = [self.model.device] if self.model.device.type == "cuda" else []
        drawing = {"do_sample": True, "temperature": float(temperature), "top_k": 0}
        with torch.random.fork_rng(devices=gpus):
            torch.manual_seed(seed)
            asked = [prompt for prompt in prompts for _ in range(n)]
            drawn = self._answers(asked, max_new_tokens, progress, drawing)
        return [drawn[first : first + n] for first in range(0, len(drawn), n)]

    def _answers(
        self,
        prompts: Sequence[str],
        max_new_tokens: int,
        progress: Callable[[int, int], None] | None,
        decoding: Mapping[str, Any],
    ) -> list[Reply]:
        rows = self._read(prompts, max_new_tokens)
        replies = self._written(rows, self._batched(rows), max_new_tokens, progress, decoding)
        return [replies[place] for place in range(len(prompts))]

    def _read(self, prompts: Sequence[str], max_new_tokens: int) -> list[list[int]]:
        """Tokens of each prompt, checked."""
        if isinstance(prompts, str):
            raise PersuasionError("`prompts` must be a sequence of texts; got one text")
        if max_new_tokens < 1:
            raise PersuasionError(f"`max_new_tokens` must be at least 1; got {max_new_tokens}")
        if not prompts:
            return []
        rows: list[list[int]] = self.tokenizer(list(prompts))["input_ids"]
        empty = [place for place, row in enumerate(rows) if not row]
        if empty:
            raise PersuasionError(f"prompt {empty[0]} is empty: {prompts[empty[0]]!r}")
        check_context(self.model, map(len, rows), max_new_tokens, "prompts")
        return rows

    def _batched(self, rows: list[list[int]]) -> list[list[int]]:
        """Places of the rows, batch by batch."""
        # the longest come first: if memory does not suffice, it shows at once
        order = sorted(range(len(rows)), key=lambda place: -len(rows[place]))
        return [order[k : k + self.batch_size] for k in range(0, len(order), self.batch_size)]

    def _written(
        self,
        rows: list[list[int]],
        batches: list[list[int]],
        max_new_tokens: int,
        progress: Callable[[int, int], None] | None,
        decoding: Mapping[str, Any],
    ) -> dict[int, Reply]:
        """Answers to the rows at the places that `batches` lists."""
        order = [place for batch in batches for place in batch]
        total, size = len(order), self.batch_size
        replies: dict[int, Reply] = {}
        while order:
            batch = order[:size]
            written: list[Reply] | None
            try:
                with working(GENERATION) as count:
                    written = self._write(
                        [rows[place] for place in batch], max_new_tokens, decoding
                    )
                    count(sum(reply.n_tokens for reply in written))
            except torch.OutOfMemoryError:
                if len(batch) == 1:
                    raise
                written = None
            if written is None:  # out here the failed attempt's tensors are gone
                size = (len(batch) + 1) // 2
                free()
                _LOG.warning("out of memory: prompts are answered %d at a time", size)
                continue
            if len(written) != len(batch):
                raise PersuasionError(f"{len(batch)} prompts got {len(written)} answers")
            replies.update(zip(batch, written, strict=True))
            order = order[size:]
            if progress is not None:
                progress(len(replies), total)
        return replies

    def _write(
        self, rows: list[list[int]], max_new_tokens: int, decoding: Mapping[str, Any]
    ) -> list[Reply]:
        pad = self.tokenizer.pad_token_id
        batch = Rows.padded(rows, pad, device=self.model.device)
        with _plain(self.model):
            ids = self.model.generate(  # type: ignore[operator]
                batch.ids,
                attention_mask=batch.mask,
                generation_config=GenerationConfig(  # type: ignore[no-untyped-call]
                    **decoding,
                    num_beams=1,
                    max_new_tokens=max_new_tokens,
                    use_cache=True,
                    pad_token_id=self._end[0],  # fills up finished rows, nothing else
                    eos_token_id=list(self._end),
                ),
            )
        return [self._reply(row) for row in ids[:, batch.ids.shape[1] :].tolist()]

    def _reply(self, tokens: list[int]) -> Reply:
        ends = [place for place, token in enumerate(tokens) if token in self._end]
        kept = tokens[: ends[0]] if ends else tokens
        text = self.tokenizer.decode(kept, skip_special_tokens=True)
        assert isinstance(text, str)
        return Reply(text, n_tokens=len(kept) + bool(ends), finished=bool(ends))


@contextmanager
def _plain(model: PreTrainedModel) -> Iterator[None]:
    """Evaluation mode, and no generation settings of the checkpoint's own, then all as before."""
    training, settings = model.training, model.generation_config
    model.eval()  # type: ignore[no-untyped-call]
    model.generation_config = GenerationConfig()  # type: ignore[no-untyped-call]
    try:
        yield
    finally:
        model.generation_config = settings
        model.train(training)


def _end_tokens(model: PreTrainedModel, tokenizer: PreTrainedTokenizerBase) -> tuple[int, ...]:
    own = getattr(model.generation_config, "eos_token_id", None)
    several = own if isinstance(own, list) else [own]
    return tuple(sorted({int(i) for i in (*several, tokenizer.eos_token_id) if i is not None}))


def _fingerprint(
    model: PreTrainedModel,
    tokenizer: PreTrainedTokenizerBase,
    end: tuple[int, ...],
    rule: Receiver,
) -> str:
    backend = getattr(tokenizer, "backend_tokenizer", None)
    words = tokenizer.get_vocab() if backend is None else json.loads(backend.to_str())
    config = model.config.to_dict()
    settings = {
        "class": type(model).__name__,
        "config": {k: v for k, v in config.items() if k not in _PROVENANCE},
        # these two say how the tokenizer was last called
        "words": {k: v for k, v in words.items() if k not in ("padding", "truncation")},
        "end": end,
        "special": {name: str(token) for name, token in tokenizer.special_tokens_map.items()},
        "rule": repr(rule) if is_dataclass(rule) else type(rule).__qualname__,
    }
    digest = blake2b(json.dumps(settings, sort_keys=True, default=str).encode(), digest_size=16)
    for name, weight in sorted(model.state_dict().items()):
        digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
        digest.update(weight.detach().cpu().contiguous().flatten().view(torch.uint8).numpy())
    return digest.hexdigest()
