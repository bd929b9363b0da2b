"""The Advisor: a language model that is a signaling scheme.

She reads the input and the hidden item and writes a codeword. Her law over codewords, for every
item that could be, is what she has committed to: one scheme for each input.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import torch
from torch import Tensor
from transformers import PreTrainedModel, PreTrainedTokenizerBase
from transformers.utils.hub import cached_file

from llm_bridge.codebook import Codebook
from llm_bridge.models import check_context, fresh_gpt2, load, without_bars
from llm_bridge.scoring import CodeTree, Rows, signal_log_probs
from llm_bridge.staging.whole_folder import whole_folder
from llm_bridge.task import Example, Task
from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray
from persuasion.scheme import SignalingScheme

__all__ = ["LABEL", "Advisor"]

LABEL = "codebook.json"
_FORMAT = 1


class Advisor:
    """A causal language model in the Sender's chair.

    Parameters
    ----------
    model : causal language model of transformers
    tokenizer : its tokenizer
    codebook : Codebook
        Checked under this tokenizer.
    temperature : float, > 0
        Divides the model's logits.

    Attributes
    ----------
    model, tokenizer, codebook, temperature
        As given.
    tree : CodeTree
        The codewords in tokens.

    Raises
    ------
    PersuasionError
        When two codewords clash under the tokenizer, or the temperature is not positive.

    Notes
    -----
    Symbols: kernel = phi(g | x, i), signal = g, input = x, item = i.
    Source: Bai et al., arXiv 2405.18718, 2024, where the Advisor's signal is text.
    Departures: signals are the words of a codebook, so that beliefs can be computed exactly.
    """

    def __init__(
        self,
        model: PreTrainedModel,
        tokenizer: PreTrainedTokenizerBase,
        codebook: Codebook,
        temperature: float = 1.0,
    ) -> None:
        if not (temperature > 0 and np.isfinite(temperature)):
            raise PersuasionError(
                f"`temperature` must be a finite number above 0; got {temperature}"
            )
        if tokenizer.pad_token_id is None:
            raise PersuasionError(
                "the Advisor's tokenizer has no pad token; set tokenizer.pad_token, for example "
                "to tokenizer.eos_token"
            )
        self.model = model
        self.tokenizer = tokenizer
        self.codebook = codebook
        self.temperature = float(temperature)
        self.tree = CodeTree.of(codebook.check(tokenizer))

    @property
    def n_signals(self) -> int:
        """Number of signals."""
        return self.codebook.n_signals

    # -- the scheme ------------------------------------------------------------------------

    def encode(self, prompts: Sequence[str]) -> list[list[int]]:
        """Return the tokens of each prompt.

        Raises
        ------
        PersuasionError
            When one is empty, or does not fit into the model's context.
        """
        texts = list(prompts)
        if not texts:
            return []
        rows: list[list[int]] = self.tokenizer(texts)["input_ids"]
        if not all(rows):
            raise PersuasionError("the Advisor's prompts must not be empty")
        check_context(self.model, map(len, rows), self.tree.longest, "the Advisor's prompts")
        return rows

    def log_law(self, rows: Sequence[Sequence[int]], model: Any = None) -> Tensor:
        """Log-probability of each signal after prompts in tokens, shape (n_prompts, n_signals).

        Parameters
        ----------
        rows : sequence of sequences of int
            As `encode` returns them.
        model : optional
            What wraps `self.model` while it is trained.
        """
        pad = self.tokenizer.pad_token_id
        batch = Rows.padded(rows, int(pad), device=self.model.device)
        return signal_log_probs(
            self.model if model is None else model, batch, self.tree, temperature=self.temperature
        )

    def log_kernel(self, prompts: Sequence[Sequence[str]]) -> Tensor:
        """Log-probability of each signal, with gradients where they are on.

        Parameters
        ----------
        prompts : sequence of sequences of str
            ``prompts[input][item]``; as many items for each input.

        Returns
        -------
        Tensor (n_inputs, n_items, n_signals)
            In nats.
        """
        widths = {len(row) for row in prompts}
        if len(widths) != 1 or widths == {0}:
            raise PersuasionError(
                f"give one prompt per item, as many for each input; got {sorted(widths)} items"
            )
        rows = self.encode([prompt for row in prompts for prompt in row])
        return self.log_law(rows).view(len(prompts), widths.pop(), self.n_signals)

    @torch.no_grad()
    def kernels(
        self, task: Task, examples: Sequence[Example], *, batch_size: int = 256
    ) -> FloatArray:
        """Return the signaling scheme at each input.

        Parameters
        ----------
        task : Task
        examples : sequence of Example
        batch_size : int
            Prompts scored together.

        Returns
        -------
        ndarray (n_examples, n_items, n_signals)
            Rows sum to 1 up to rounding in double precision.
        """
        n_items = len(task.items)
        rows = self.encode(
            [task.advisor_prompt(example, item) for example in examples for item in task.items]
        )
        order = sorted(range(len(rows)), key=lambda i: len(rows[i]))  # little padding
        laws = torch.zeros(len(rows), self.n_signals, dtype=torch.float64)
        training = self.model.training
        self.model.train(False)
        try:
            for first in range(0, len(order), batch_size):
                chosen = order[first : first + batch_size]
                laws[chosen] = self.log_law([rows[i] for i in chosen]).double().cpu()
        finally:
            self.model.train(training)
        kernel = laws.exp()
        kernel /= kernel.sum(dim=1, keepdim=True)  # float32 logs miss 1 by some 1e-7
        out: FloatArray = kernel.numpy().reshape(len(examples), n_items, self.n_signals)
        return out

    def scheme(self, task: Task, example: Example) -> SignalingScheme:
        """Return the signaling scheme at one input: states are items, signals are codewords."""
        return SignalingScheme(self.kernels(task, [example])[0], signals=self.codebook.words)

    # -- making and keeping ----------------------------------------------------------------

    @classmethod
    def fresh(
        cls,
        tokenizer: PreTrainedTokenizerBase,
        codebook: Codebook,
        size: Mapping[str, int] | None = None,
        *,
        seed: int = 0,
        temperature: float = 1.0,
    ) -> Advisor:
        """Return an untrained Advisor.

        Parameters
        ----------
        tokenizer : tokenizer of transformers
        codebook : Codebook
        size : mapping, optional
            n_layer, n_embd, n_head, n_positions of `models.fresh_gpt2`.
        seed : int
        temperature : float
        """
        sizes = dict(size or {})
        legal = ("n_layer", "n_embd", "n_head", "n_positions")
        unknown = [name for name in sizes if name not in legal]
        if unknown:
            raise PersuasionError(f"unknown size {unknown[0]!r}; legal are {', '.join(legal)}")
        return cls(fresh_gpt2(tokenizer, **sizes, seed=seed), tokenizer, codebook, temperature)

    @classmethod
    def from_pretrained(
        cls,
        path_or_id: str | Path,
        codebook: Codebook | None = None,
        *,
        temperature: float | None = None,
        revision: str | None = None,
    ) -> Advisor:
        """Load an Advisor, or put a language model in her chair.

        Parameters
        ----------
        path_or_id : str or path
            A folder or hub id, see `models.load`.
        codebook : Codebook, optional
            Default the one saved with her; a language model that has none needs it.
        temperature : float, optional
            Default the one saved with her, else 1.
        revision : str, optional
            Branch, tag or commit of a hub id.
        """
        name = str(path_or_id)
        model, tokenizer = load(path_or_id, revision=revision)
        found = cached_file(
            str(Path(name).expanduser()) if Path(name).expanduser().is_dir() else name,
            LABEL,
            revision=revision,
            _raise_exceptions_for_missing_entries=False,
            _raise_exceptions_for_connection_errors=False,
        )
        saved: dict[str, Any] = {}
        if found is not None:
            try:
                saved = dict(json.loads(Path(found).read_text(encoding="utf-8")))
            except ValueError as cause:
                raise PersuasionError(f"{found} is damaged: it holds no JSON object") from cause
            if saved.pop("format", None) != _FORMAT:
                raise PersuasionError(f"{found} is of another version of this package")
        kept = saved.pop("temperature", 1.0)
        if codebook is None and not saved:
            raise PersuasionError(
                f"{name!r} was not saved as an Advisor (it has no {LABEL}); pass a codebook, for "
                "example Codebook.default(n_signals)"
            )
        return cls(
            model,
            tokenizer,
            codebook or Codebook.from_dict(saved),
            kept if temperature is None else temperature,
        )

    def save(self, path: str | Path) -> Path:
        """Write an ordinary checkpoint of transformers and ``codebook.json``, all or nothing.

        Parameters
        ----------
        path : path
            A folder; an Advisor that stands there is replaced, anything else is not.
        """
        label = {"format": _FORMAT, "temperature": self.temperature, **self.codebook.to_dict()}
        with whole_folder(path, label=LABEL) as draft, without_bars():
            self.model.save_pretrained(draft)
            self.tokenizer.save_pretrained(draft)
            (draft / LABEL).write_text(json.dumps(label, indent=1) + "\n", encoding="utf-8")
        return Path(path)

    @property
    def fingerprint(self) -> str:
        """Hash of weights, vocabulary, codebook and temperature."""
        digest = hashlib.sha256()
        for name, weight in sorted(self.model.state_dict().items()):
            digest.update(f"{name} {weight.dtype} {tuple(weight.shape)}".encode())
            raw = weight.detach().cpu().contiguous().flatten().view(torch.uint8)
            digest.update(raw.numpy().tobytes())
        vocabulary = sorted(self.tokenizer.get_vocab().items())
        said = [self.codebook.to_dict(), self.temperature, vocabulary]
        digest.update(json.dumps(said).encode())
        return digest.hexdigest()[:32]

    def __repr__(self) -> str:
        n_weights = sum(weight.numel() for weight in self.model.parameters())
        return f"Advisor(n_signals={self.n_signals}, {n_weights:,} weights)"
