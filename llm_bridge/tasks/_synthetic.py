"""Tasks whose inputs are drawn, not stored: splits by a hash, distinct inputs, reading answers."""

from __future__ import annotations

from abc import abstractmethod
from hashlib import blake2b
from random import Random

from llm_bridge.reply import Reply
from llm_bridge.task import SPLITS, Example, Split, Task
from persuasion.errors import PersuasionError

__all__ = ["SyntheticTask", "answer_line", "split_of"]

_TENTHS: dict[Split, int] = {"train": 6, "measure": 2, "test": 2}


def split_of(key: str) -> Split:
    """Return the split that the hash of `key` puts it in: 60 % train, 20 % measure, 20 % test.

    An arithmetic rule would hold out inputs that have something in common, such as the sums that
    end in 0; a hash cannot.

    Examples
    --------
    >>> [split_of(f"{a},8") for a in range(40, 47)]
    ['train', 'train', 'measure', 'measure', 'train', 'train', 'train']
    """
    tenth = int.from_bytes(blake2b(key.encode(), digest_size=8).digest(), "big") % 10
    if tenth < _TENTHS["train"]:
        return "train"
    return "measure" if tenth < _TENTHS["train"] + _TENTHS["measure"] else "test"


def answer_line(reply: Reply) -> str | None:
    """Return the first line written, or None when it was cut before its end."""
    line, _, rest = reply.text.strip().partition("\n")
    return line.strip() if reply.finished or rest else None


class SyntheticTask(Task):
    """A task that draws its inputs.

    Subclasses say how to `draw` and what is `held_out`: inputs of two templates that are alike in
    what must be generalised (operands, say) fall into the same split.
    """

    @abstractmethod
    def draw(self, template: str, rng: Random) -> Example:
        """Draw one input of a template."""

    @abstractmethod
    def held_out(self, example: Example) -> str:
        """Return the part of the text by which inputs are split."""

    def examples(self, template: str, split: Split, n: int, seed: int) -> list[Example]:
        """Return `n` distinct inputs of one split; the same arguments give the same inputs."""
        self.prior(template)  # knows the template, or says which there are
        if split not in SPLITS:
            raise PersuasionError(f"`split` must be one of {', '.join(SPLITS)}; got {split!r}")
        if n < 0 or seed < 0:
            raise PersuasionError(f"`n` and `seed` must be >= 0; got n={n}, seed={seed}")
        rng = Random(f"{self.name}/{template}/{split}/{seed}")  # far faster than numpy, one by one
        found: dict[str, Example] = {}
        draws = 0
        while len(found) < n:
            if draws > 20_000 + 200 * n:
                raise PersuasionError(
                    f"task {self.name!r}, template {template!r} has hardly more than {len(found)} "
                    f"different inputs in split {split!r}; got n={n}, ask for fewer"
                )
            draws += 1
            example = self.draw(template, rng)
            if split_of(self.held_out(example)) == split:
                found.setdefault(example.text, example)
        return list(found.values())

    def receiver_prompt(self, example: Example, hint: str | None) -> str:
        """Return the input and what the Receiver is led to believe."""
        if hint is not None:
            self._check_item(hint)
        return f"{example.text}\nhint {hint or 'none'}:"

    def advisor_prompt(self, example: Example, item: str) -> str:
        """Return the input and the item."""
        self._check_item(item)
        return f"{example.text}\nitem {item}:"

    def _check_item(self, item: str) -> None:
        if item not in self.items:
            raise PersuasionError(
                f"task {self.name!r} has no item {item!r}; it has {', '.join(self.items)}"
            )
