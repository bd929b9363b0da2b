"""What a language model thinks of texts: the only place with softmax, temperature and log-odds.

Rows are padded on the left and positions are counted from the first token that is no padding, so
that a prompt's score does not depend on its neighbours in the batch.

A signal's law is that of writing its codeword token by token, where at each step only tokens that
continue some codeword may be written: a softmax over those, divided by the temperature. It is
normalised by construction, needs no softmax over the vocabulary, and it is what constrained
decoding samples. For codewords of one token it is the model's own law given the codebook.
"""

from __future__ import annotations

import inspect
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import torch
from torch import Tensor

from llm_bridge.codebook import TokenIds
from persuasion.errors import PersuasionError

__all__ = [
    "CodeTree",
    "Rows",
    "draw",
    "position_ids",
    "sample_signals",
    "sequence_log_probs",
    "signal_log_probs",
]


@dataclass(frozen=True)
class Rows:
    """Token rows of one length, padded on the left.

    Attributes
    ----------
    ids : Tensor of int64 (n_rows, length)
    mask : Tensor of int64 (n_rows, length)
        0 on padding.
    """

    ids: Tensor
    mask: Tensor

    @classmethod
    def padded(
        cls,
        rows: Sequence[Sequence[int]],
        pad_id: int,
        *,
        device: torch.device | str | None = None,
    ) -> Rows:
        """Pad rows of tokens, none of them empty, on the left."""
        if not rows or min(map(len, rows)) == 0:
            raise PersuasionError(
                "rows of tokens must hold at least one token each; begin prompts with a word or "
                "with the token that opens texts"
            )
        length = max(map(len, rows))
        ids = torch.tensor([[pad_id] * (length - len(row)) + list(row) for row in rows])
        mask = torch.tensor([[0] * (length - len(row)) + [1] * len(row) for row in rows])
        return cls(ids.to(device), mask.to(device))

    def extended(self, ids: Tensor, mask: Tensor) -> Rows:
        """Append columns, shape (n_rows, n)."""
        return Rows(torch.cat([self.ids, ids], dim=1), torch.cat([self.mask, mask], dim=1))


def position_ids(mask: Tensor) -> Tensor:
    """Positions counted from the first token that is no padding, shape of `mask`."""
    return (mask.cumsum(dim=1) - 1).clamp_min(0)


@dataclass(frozen=True)
class _Node:
    """A place in the tree where more than nothing is left to write.

    `path` and `depth` say after which tokens, `tokens` what may follow.
    """

    path: int
    depth: int
    tokens: tuple[int, ...]


@dataclass(frozen=True)
class CodeTree:
    """The codewords as a tree of tokens.

    Attributes
    ----------
    paths : tuple of tuple of int
        Longest beginnings of codewords, each less its last token; every inner place of the tree
        lies on one. A single empty path when all codewords have one token.
    nodes : tuple
        The inner places, the root first.
    steps : tuple of tuple of (int, int)
        For each codeword the (node, child) pairs that write it.
    """

    paths: tuple[tuple[int, ...], ...]
    nodes: tuple[_Node, ...]
    steps: tuple[tuple[tuple[int, int], ...], ...]

    @classmethod
    def of(cls, codewords: TokenIds) -> CodeTree:
        """Build the tree of prefix-free codewords (`Codebook.check`)."""
        children: dict[tuple[int, ...], list[int]] = {}
        for word in codewords:
            for depth, token in enumerate(word):
                following = children.setdefault(word[:depth], [])
                if token not in following:
                    following.append(token)
        places = list(children)
        paths = [p for p in places if not any(q != p and q[: len(p)] == p for q in places)]
        nodes = tuple(
            _Node(
                path=next(i for i, path in enumerate(paths) if path[: len(place)] == place),
                depth=len(place),
                tokens=tuple(children[place]),
            )
            for place in places
        )
        where = {place: i for i, place in enumerate(places)}
        steps = tuple(
            tuple(
                (where[word[:depth]], children[word[:depth]].index(token))
                for depth, token in enumerate(word)
            )
            for word in codewords
        )
        return cls(tuple(paths), nodes, steps)

    @property
    def longest(self) -> int:
        """Tokens that must follow a prompt before the last choice is made."""
        return max(map(len, self.paths))


def signal_log_probs(
    model: Any, prompts: Rows, tree: CodeTree, *, temperature: float = 1.0
) -> Tensor:
    """Log-probability of each signal after each prompt.

    Parameters
    ----------
    model : causal language model of transformers
    prompts : Rows
    tree : CodeTree
    temperature : float, > 0
        Divides logits at each token.

    Returns
    -------
    Tensor (n_prompts, n_signals)
        In nats, of the model's type but at least float32; each row's probabilities sum to 1.

    Notes
    -----
    One forward pass over the prompts; when codewords have several tokens, a second one over their
    `paths`, which reads the prompts from the first one's cache. Gradients go through both.
    """
    logits = _tree_logits(model, prompts, tree)
    laws = [
        torch.log_softmax(logits[:, node.path, node.depth][:, list(node.tokens)] / temperature, 1)
        for node in tree.nodes
    ]
    if tree.longest == 0:  # one node, whose children are the codewords in order
        return laws[0]
    words = [
        torch.stack([laws[node][:, child] for node, child in steps]).sum(dim=0)
        for steps in tree.steps
    ]
    return torch.stack(words, dim=1)


def _tree_logits(model: Any, prompts: Rows, tree: CodeTree) -> Tensor:
    """Logits along the tree's paths, shape (n_prompts, n_paths, longest + 1, n_vocabulary)."""
    n_prompts, n_paths, extra = len(prompts.ids), len(tree.paths), tree.longest
    if extra == 0:
        return last_logits(model, prompts, 1)[:, None]
    first = _forward(model, prompts, n_last=1, use_cache=True)
    cache = first.past_key_values
    if not hasattr(cache, "batch_repeat_interleave"):
        raise PersuasionError(
            f"{type(model).__name__} keeps no cache that could be shared by codewords of several "
            "tokens; use codewords of one token"
        )
    cache.batch_repeat_interleave(n_paths)
    device = prompts.ids.device
    ids = torch.tensor([[*path, *[0] * (extra - len(path))] for path in tree.paths], device=device)
    real = torch.tensor([[1] * len(path) + [0] * (extra - len(path)) for path in tree.paths])
    whole = Rows(
        prompts.ids.repeat_interleave(n_paths, dim=0),
        prompts.mask.repeat_interleave(n_paths, dim=0),
    ).extended(ids.repeat(n_prompts, 1), real.to(device).repeat(n_prompts, 1))
    second = _forward(model, whole, n_last=extra, use_cache=True, past_key_values=cache)
    root = _as_float(first.logits).expand(-1, n_paths, -1)[:, :, None]
    rest = _as_float(second.logits).view(n_prompts, n_paths, extra, -1)
    return torch.cat([root, rest], dim=2)


def sequence_log_probs(model: Any, prompts: Rows, texts: Sequence[Sequence[int]]) -> Tensor:
    """Log-probability that the model, free to write anything, goes on with each text.

    Parameters
    ----------
    model : causal language model of transformers
    prompts : Rows
    texts : sequence of sequences of int
        One for each prompt.

    Returns
    -------
    Tensor (n_prompts,)
        In nats, at temperature 1; 0 for an empty text.
    """
    if len(texts) != len(prompts.ids):
        raise PersuasionError(f"{len(texts)} texts for {len(prompts.ids)} prompts; give as many")
    extra = max(map(len, texts))
    total = torch.zeros(len(texts), device=prompts.ids.device)
    if extra == 0:
        return total
    targets = torch.tensor([[*t, *[0] * (extra - len(t))] for t in texts])
    real = torch.tensor([[1] * len(t) + [0] * (extra - len(t)) for t in texts])
    targets, real = targets.to(total.device), real.to(total.device)
    logits = last_logits(model, prompts.extended(targets, real), extra + 1)[:, :-1]
    log_probs = torch.log_softmax(logits, dim=-1).gather(2, targets[:, :, None])[:, :, 0]
    return torch.where(real > 0, log_probs, 0.0).sum(dim=1)


def draw(log_probs: Tensor, generator: torch.Generator | None = None) -> Tensor:
    """Draw one signal for each row of `log_probs` (n_rows, n_signals), shape (n_rows,)."""
    return torch.multinomial(log_probs.exp(), 1, generator=generator)[:, 0]


@torch.no_grad()
def sample_signals(
    model: Any,
    prompts: Rows,
    tree: CodeTree,
    *,
    temperature: float = 1.0,
    generator: torch.Generator | None = None,
) -> Tensor:
    """Write a codeword after each prompt, token by token, shape (n_prompts,).

    The law is that of `signal_log_probs`; this is the slower way, as a server that constrains its
    decoding would go.
    """
    following: dict[tuple[int, int], tuple[int | None, int | None]] = {}
    for signal, steps in enumerate(tree.steps):
        for here, there in zip(steps, (*steps[1:], None), strict=True):
            following[here] = (None, signal) if there is None else (there[0], None)
    rows, device = prompts, prompts.ids.device
    at: list[int | None] = [0] * len(prompts.ids)
    signals = torch.zeros(len(at), dtype=torch.int64, device=device)
    while any(node is not None for node in at):
        logits = last_logits(model, rows, 1)[:, 0]
        written, real = torch.zeros_like(signals)[:, None], torch.zeros_like(signals)[:, None]
        for row, node in enumerate(at):
            if node is None:
                continue
            tokens = tree.nodes[node].tokens
            law = torch.log_softmax(logits[row, list(tokens)] / temperature, dim=0)
            child = int(draw(law[None], generator))
            written[row, 0], real[row, 0] = tokens[child], 1
            at[row], done = following[node, child]
            if done is not None:
                signals[row] = done
        rows = rows.extended(written, real)
    return signals


def last_logits(model: Any, rows: Rows, n: int) -> Tensor:
    """Logits after each of the last `n` columns, shape (n_rows, n, n_vocabulary).

    At least float32, so that a softmax of them is one.
    """
    return _as_float(_forward(model, rows, n_last=n, use_cache=False).logits[:, -n:])


def _forward(model: Any, rows: Rows, *, n_last: int, **options: Any) -> Any:
    """Run a model over rows; with a cache, over their last `n_last` columns only."""
    if "past_key_values" in options:
        ids, positions = rows.ids[:, -n_last:], position_ids(rows.mask)[:, -n_last:]
    else:
        ids, positions = rows.ids, position_ids(rows.mask)
    plain = getattr(model, "_orig_mod", model)  # what torch.compile wrapped
    if "logits_to_keep" in inspect.signature(type(plain).forward).parameters:
        options["logits_to_keep"] = n_last
    out = model(input_ids=ids, attention_mask=rows.mask, position_ids=positions, **options)
    out.logits = out.logits[:, -n_last:]
    return out


def _as_float(logits: Tensor) -> Tensor:
    return logits if logits.dtype == torch.float64 else logits.float()
