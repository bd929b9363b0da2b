"""The games that a task and a Receiver turned out to be, with the counts and limits behind them."""

from __future__ import annotations

import json
import os
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from pathlib import Path
from typing import Any

import numpy as np

from llm_bridge.task import Split
from persuasion.errors import PersuasionError
from persuasion.estimate import EstimatedGame
from persuasion.game import PersuasionGame
from persuasion.html import Table
from persuasion.rationals import FloatArray, frozen
from persuasion.whole_file import write_whole

__all__ = ["Measurement"]

_FORMAT = 1


@dataclass(frozen=True, eq=False)
class Measurement:
    """One measured game for each template; `measure` makes one.

    Attributes
    ----------
    task, receiver : str
        Their names.
    fingerprint : str
        Of the Receiver.
    items : tuple of str
        States and actions of every game, in this order.
    split : str
    seed : int
        Of the inputs.
    estimates : mapping of str to EstimatedGame
        By template. ``sender_samples[x, i, a]``: utils of the reply to input x under hint a when
        the item is i.
    inputs : mapping of str to tuple of str
        Texts of the inputs, in the order of the samples.
    sender_unhinted, receiver_unhinted : mapping of str to ndarray (n_inputs, n_items)
        Utils of the reply to the prompt without a hint.
    tokens : mapping of str to ndarray of int (n_inputs, n_items + 1)
        Tokens of each reply, the unhinted last.
    unfinished : int
        Replies that were cut at the limit.

    Notes
    -----
    States are items, actions are believed items, in `estimates` as in `games`.
    """

    task: str
    receiver: str
    fingerprint: str
    items: tuple[str, ...]
    split: Split
    seed: int
    estimates: Mapping[str, EstimatedGame]
    inputs: Mapping[str, tuple[str, ...]]
    sender_unhinted: Mapping[str, FloatArray]
    receiver_unhinted: Mapping[str, FloatArray]
    tokens: Mapping[str, np.ndarray[Any, np.dtype[np.int64]]]
    unfinished: int

    @cached_property
    def games(self) -> dict[str, PersuasionGame]:
        """The game of means of each template."""
        return {template: estimated.game for template, estimated in self.estimates.items()}

    @property
    def templates(self) -> tuple[str, ...]:
        """Templates, in the order of the task."""
        return tuple(self.estimates)

    @property
    def n_inputs(self) -> dict[str, int]:
        """Inputs per template."""
        return {template: len(texts) for template, texts in self.inputs.items()}

    @property
    def mean_tokens(self) -> float:
        """Tokens per reply."""
        return float(np.concatenate([t.ravel() for t in self.tokens.values()]).mean())

    def weights(self, given: Mapping[str, float] | None = None) -> dict[str, float]:
        """Return the share of each template, summing to 1; default equal shares.

        Parameters
        ----------
        given : mapping of str to float, optional
            A weight >= 0 for each template, not all 0.
        """
        if given is None:
            return dict.fromkeys(self.templates, 1 / len(self.templates))
        numbers = {template: float(weight) for template, weight in given.items()}
        legal = all(0 <= weight < np.inf for weight in numbers.values())
        if set(numbers) != set(self.templates) or not legal or sum(numbers.values()) <= 0:
            raise PersuasionError(
                f"`weights` must give each of {', '.join(self.templates)} a weight >= 0, not all "
                f"0; got {dict(given)}"
            )
        total = sum(numbers.values())
        return {template: numbers[template] / total for template in self.templates}

    # -- shown -----------------------------------------------------------------------------

    def table(self) -> Table:
        """Return one row per template: what was measured and how closely."""
        rows = []
        for template, estimated in self.estimates.items():
            game = estimated.game
            sender, receiver = estimated.widest
            rows.append(
                [
                    template,
                    str(len(self.inputs[template])),
                    f"{float(game.prior @ self.sender_unhinted[template].mean(axis=0)):.3f}",
                    f"{float(game.prior @ np.diag(game.sender_utility)):.3f}",
                    f"{sender:.3f}",
                    f"{receiver:.3f}",
                ]
            )
        columns = ["template", "inputs", "no hint", "true hint", "limits of v", "limits of u"]
        level = 100 * next(iter(self.estimates.values())).confidence
        return Table(
            columns,
            rows,
            caption=f"{self.task}, measured with {self.receiver}: Advisor's value without a hint "
            f"and with the true one, widest {level:g}% limits of a cell",
        )

    def summary(self) -> str:
        """Return a few lines that say what was measured."""
        counts = self.n_inputs.values()
        return "\n".join(
            [
                f"{self.task} with {self.receiver}: {len(self.templates)} templates, "
                f"{len(self.items)} items",
                f"inputs     {min(counts)} to {max(counts)} per template, split {self.split}, "
                f"seed {self.seed}",
                f"replies    {sum(counts) * (len(self.items) + 1)}, {self.mean_tokens:.3g} tokens "
                f"each, {self.unfinished} cut at the limit",
            ]
        )

    def __repr__(self) -> str:
        return (
            f"Measurement({self.task!r}, {self.receiver!r}, n_templates={len(self.templates)}, "
            f"n_items={len(self.items)}, n_inputs={sum(self.n_inputs.values())})"
        )

    # -- files -----------------------------------------------------------------------------

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-ready dictionary, all samples in it."""
        return {
            "format": _FORMAT,
            "task": self.task,
            "receiver": self.receiver,
            "fingerprint": self.fingerprint,
            "items": list(self.items),
            "split": self.split,
            "seed": self.seed,
            "unfinished": self.unfinished,
            "templates": {
                template: {
                    "inputs": list(self.inputs[template]),
                    "estimate": estimated.to_dict(),
                    "sender_unhinted": self.sender_unhinted[template].tolist(),
                    "receiver_unhinted": self.receiver_unhinted[template].tolist(),
                    "tokens": self.tokens[template].tolist(),
                }
                for template, estimated in self.estimates.items()
            },
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any]) -> Measurement:
        """Restore what `to_dict` wrote; means and limits are computed again."""
        if data.get("format") != _FORMAT:
            raise PersuasionError(
                f"a measurement of format {_FORMAT} was expected; got {data.get('format')!r}. "
                "Measure again"
            )
        parts: Mapping[str, Any] = data["templates"]

        def tables(key: str) -> dict[str, FloatArray]:
            return {t: frozen(np.array(part[key], dtype=np.float64)) for t, part in parts.items()}

        return cls(
            task=data["task"],
            receiver=data["receiver"],
            fingerprint=data["fingerprint"],
            items=tuple(data["items"]),
            split=data["split"],
            seed=data["seed"],
            estimates={t: EstimatedGame.from_dict(part["estimate"]) for t, part in parts.items()},
            inputs={t: tuple(part["inputs"]) for t, part in parts.items()},
            sender_unhinted=tables("sender_unhinted"),
            receiver_unhinted=tables("receiver_unhinted"),
            tokens={t: np.array(part["tokens"], dtype=np.int64) for t, part in parts.items()},
            unfinished=data["unfinished"],
        )

    def save(self, path: str | os.PathLike[str]) -> Path:
        """Write one JSON file, all of it or nothing."""
        return write_whole(Path(path), json.dumps(self.to_dict()).encode())

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Measurement:
        """Read what `save` wrote."""
        try:
            data = json.loads(Path(path).read_text(encoding="utf-8"))
            return cls.from_dict(data)
        except (ValueError, KeyError, TypeError, AttributeError) as cause:
            if isinstance(cause, PersuasionError):
                raise
            raise PersuasionError(
                f"{path} holds no measurement ({cause}); name a file that Measurement.save wrote"
            ) from cause
