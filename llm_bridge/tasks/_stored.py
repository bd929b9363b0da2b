"""Tasks whose inputs are stored, not drawn: data sets in which the input says what the item is."""

from __future__ import annotations

import logging
from abc import abstractmethod
from collections import defaultdict
from collections.abc import Iterable, Mapping, Sequence
from hashlib import blake2b
from random import Random

import numpy as np

from llm_bridge.reply import Reply
from llm_bridge.task import SPLITS, Example, Split, Tally, Task, Utilities
from llm_bridge.tasks._synthetic import split_of
from persuasion.errors import PersuasionError
from persuasion.rationals import FloatArray

__all__ = ["StoredTask", "Tally"]

_LOG = logging.getLogger(__name__)


class StoredTask(Task):
    """Inputs of a data set, in clusters by what all see of them.

    Parameters
    ----------
    name : str
    items : sequence of str
    examples : iterable of (Example, int or None)
        Each input with the place of its item; None where every item can be true of it.
    priors : mapping of str to sequence of float, optional
        p(item | template); default the shares of the items among the inputs for training, one
        added to each count.

    Attributes
    ----------
    tally : Tally
        What could not be read among the answers scored so far.

    Raises
    ------
    PersuasionError
        When there are no inputs, or a template has none for training.

    Notes
    -----
    Where an input determines its item, the belief over items *given the input* is a model: the
    Receiver is taken to know the shares of the items in the input's cluster, and not to guess more
    from the words. A score is then divided by the prior of the input's own item and stands in that
    item's column, the others are 0: means over inputs are conditional means given the item, and
    ``sum_i p(i) v(x, response, i)`` is the plain score of the response to x. Inputs are drawn so
    that items have their prior's shares, up to one input. Utilities range up to 1 / least prior.
    """

    def __init__(
        self,
        name: str,
        items: Sequence[str],
        examples: Iterable[tuple[Example, int | None]],
        priors: Mapping[str, Sequence[float]] | None = None,
    ) -> None:
        # the class declares these for all its objects; here each object has its own
        self.name = name  # type: ignore[misc]
        self.items = tuple(items)  # type: ignore[misc]
        self._item_of: dict[str, int | None] = {}
        self._cells: dict[tuple[str, Split], list[Example]] = defaultdict(list)
        templates: list[str] = []
        digest = blake2b(digest_size=16)
        for example, item in examples:
            if example.text in self._item_of:
                continue  # the same input twice
            digest.update(repr((example.template, example.text, item, example.content)).encode())
            self._item_of[example.text] = item
            self._cells[example.template, split_of(example.text)].append(example)
            if example.template not in templates:
                templates.append(example.template)
        if not templates:
            raise PersuasionError(f"the task {name!r} found no input it can use in its data")
        found = priors or {t: self._shares(t) for t in sorted(templates)}
        self.priors = {t: tuple(p) for t, p in found.items() if t in templates}  # type: ignore[misc]
        weighted = any(item is not None for item in self._item_of.values())
        top = 1 / min(map(min, self.priors.values())) if weighted else 1.0
        self.sender_range = (0.0, top)  # type: ignore[misc]
        self.receiver_range = (-self._most_paid() * top, top)  # type: ignore[misc]
        self.fingerprint = digest.hexdigest()
        self.tally = Tally()

    # -- what a data set says ----------------------------------------------------------------

    @abstractmethod
    def read(self, work: Sequence[tuple[Example, Reply]]) -> list[Sequence[bool] | None]:
        """Return for each answer whether it is right under each item; None: unreadable.

        One bool suffices where the item does not matter.
        """

    def cost(self, reply: Reply) -> float:
        """What the Receiver pays for an answer."""
        return 0.0

    def _most_paid(self) -> float:
        return 0.0

    # -- Task --------------------------------------------------------------------------------

    def n_available(self, template: str, split: Split) -> tuple[int, ...]:
        """Return the number of inputs by item; where items are free, all of them for each."""
        places = [self._item_of[x.text] for x in self._cells[template, split]]
        free = sum(place is None for place in places)
        return tuple(free + places.count(item) for item in range(len(self.items)))

    def inputs(self) -> list[Example]:
        """Return all inputs, of every template and split."""
        return [example for cell in self._cells.values() for example in cell]

    def item_of(self, example: Example) -> str | None:
        """Return the item that an input has, None where it may be any."""
        place = self._place(example)
        return None if place is None else self.items[place]

    def examples(self, template: str, split: Split, n: int, seed: int) -> list[Example]:
        """Return `n` distinct inputs, their items in the shares of the prior.

        The first of a longer list are those of a shorter one.
        """
        prior = self.prior(template)
        if split not in SPLITS:
            raise PersuasionError(f"`split` must be one of {', '.join(SPLITS)}; got {split!r}")
        if n < 0 or seed < 0:
            raise PersuasionError(f"`n` and `seed` must be >= 0; got n={n}, seed={seed}")
        pools: dict[int | None, list[Example]] = defaultdict(list)
        for example in self._cells[template, split]:
            pools[self._item_of[example.text]].append(example)
        rng = Random(f"{self.name}/{template}/{split}/{seed}")
        for _, pool in sorted(pools.items(), key=lambda pair: -1 if pair[0] is None else pair[0]):
            rng.shuffle(pool)
        if None in pools:
            return self._enough(pools[None][:n], n, template, split, None)
        taken = np.zeros(len(self.items), dtype=np.intp)
        found: list[Example] = []
        for k in range(1, n + 1):
            item = int((k * prior - taken).argmax())
            if taken[item] == len(pools[item]):
                return self._enough(found, n, template, split, item)
            found.append(pools[item][taken[item]])
            taken[item] += 1
        return found

    def utilities(self, example: Example, replies: Sequence[Reply]) -> Utilities:
        """Score answers to one input."""
        return self.utilities_of_many([(example, replies)])[0]

    def utilities_of_many(self, work: Sequence[tuple[Example, Sequence[Reply]]]) -> list[Utilities]:
        """Score many, count those that cannot be read, and say so in the log."""
        flat = [(example, reply) for example, replies in work for reply in replies]
        readings = iter(self.read(flat))
        unreadable = cut = 0
        scored = []
        for example, replies in work:
            right = np.zeros((len(replies), len(self.items)))
            for row, reply in enumerate(replies):
                reading = next(readings)
                if reading is None:
                    unreadable += 1
                    cut += not reply.finished
                else:
                    right[row] = reading
            paid = np.array([[self.cost(reply)] for reply in replies]).reshape(-1, 1)
            weights = self._weights(example)
            scored.append(Utilities(sender=right * weights, receiver=(right - paid) * weights))
        self.tally += Tally(len(flat), unreadable, cut)
        if unreadable:
            _LOG.warning(
                "task %s: %d of %d answers could not be read and count as wrong (%d were cut)",
                self.name, unreadable, len(flat), cut,
            )  # fmt: skip
        return scored

    def check_item(self, item: str) -> None:
        """Refuse what is no item."""
        if item not in self.items:
            raise PersuasionError(
                f"task {self.name!r} has no item {item!r}; it has {', '.join(self.items)}"
            )

    def _weights(self, example: Example) -> FloatArray:
        place = self._place(example)
        if place is None:
            return np.ones(len(self.items))
        weights = np.zeros(len(self.items))
        weights[place] = 1 / self.prior(example.template)[place]
        return weights

    def _place(self, example: Example) -> int | None:
        if example.text not in self._item_of:
            raise PersuasionError(f"task {self.name!r} has no input {example.text[:60]!r}")
        return self._item_of[example.text]

    def _shares(self, template: str) -> list[float]:
        counts = np.array(self.n_available(template, "train"), dtype=np.float64)
        if counts.sum() == 0:
            raise PersuasionError(
                f"template {template!r} of task {self.name!r} has no input for training, from "
                "which p(item | template) is estimated; use more data"
            )
        shares: list[float] = ((counts + 1) / (counts.sum() + len(counts))).tolist()
        return shares

    def _enough(
        self, found: list[Example], n: int, template: str, split: Split, item: int | None
    ) -> list[Example]:
        if len(found) == n:
            return found
        lack = (
            "" if item is None else f" in the shares of the prior, for want of {self.items[item]}"
        )
        raise PersuasionError(
            f"task {self.name!r}, template {template!r} has {len(found)} inputs in split {split!r}"
            f"{lack}; got n={n}, ask for fewer"
        )
