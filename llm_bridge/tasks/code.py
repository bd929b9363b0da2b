"""Python expressions about a visible string and number; what they should do is hidden."""

from __future__ import annotations

import ast
import string
import warnings
from collections.abc import Callable, Iterable, Mapping, Sequence
from keyword import iskeyword
from pathlib import Path
from random import Random
from typing import TYPE_CHECKING, ClassVar, Protocol

import numpy as np

from llm_bridge.reply import Reply
from llm_bridge.task import Example, Utilities
from llm_bridge.tasks._synthetic import SyntheticTask, answer_line

if TYPE_CHECKING:
    from llm_bridge.sandbox import Run

__all__ = ["TASK", "TEST_STRINGS", "Code", "Evaluator", "program_of"]

TEST_STRINGS = ("", "x", "level", "river bank", string.ascii_lowercase)
"""What a generated expression is run on. The last one alone tells all right answers apart."""

_WRITTEN = {
    "take": "{v}[:{n}]",
    "drop": "{v}[{n}:]",
    "last": "{v}[-{n}:]",
    "rotate": "{v}[{n}:]+{v}[:{n}]",
    "every": "{v}[::{n}]",
    "repeat": "{v}*{n}",
}
_MEANT: dict[str, Callable[[str, int], str]] = {
    "take": lambda s, n: s[:n],
    "drop": lambda s, n: s[n:],
    "last": lambda s, n: s[max(len(s) - n, 0) :],
    "rotate": lambda s, n: s[n:] + s[:n],
    "every": lambda s, n: "".join(letter for at, letter in enumerate(s) if at % n == 0),
    "repeat": lambda s, n: "".join([s] * n),
}
_PLAIN = (
    ast.Expression, ast.Name, ast.Load, ast.Constant, ast.Subscript, ast.Slice,
    ast.BinOp, ast.operator, ast.UnaryOp, ast.unaryop, ast.Tuple, ast.List,
)  # fmt: skip
_LONGEST = 400


class Evaluator(Protocol):
    """What runs programs: a `llm_bridge.sandbox.Sandbox`."""

    def evaluate_many(self, jobs: Iterable[tuple[str, Sequence[str]]]) -> list[Run]:
        """Run each program, then evaluate its calls in its namespace."""
        ...


class Code(SyntheticTask):
    """The name of a string and a number are visible; the operation is hidden.

    The answer is a Python expression, the first line that the Receiver writes. It is executed on
    `TEST_STRINGS` in a sandbox and is right when it gives what was meant on all of them, however it
    is written. Different expressions are few, because the name of the string does not matter, and
    each is executed once.

    Parameters
    ----------
    sandbox : Evaluator, optional
        Runs the programs; by default a ``Sandbox`` made when the first answer is scored, which
        raises where generated programs cannot be confined.
    unsafe_exec : bool
        For the default sandbox: execute even where nothing confines the programs.
    cache : path, optional
        For the default sandbox: file in which finished runs are kept.

    Examples
    --------
    >>> task = Code()
    >>> example = task.examples("crop", "test", n=1, seed=0)[0]
    >>> example.text
    'Crop: text=er, size=7.'
    >>> [task.demonstration(example, item) for item in task.items]
    ['er[:7]', 'er[7:]', 'er[-7:]', 'er[7:]+er[:7]', 'er[::7]', 'er*7']
    """

    name = "code"
    items = tuple(_WRITTEN)
    priors: ClassVar[Mapping[str, tuple[float, ...]]] = {
        "crop": (0.4, 0.3, 0.2, 0.04, 0.03, 0.03),
        "cycle": (0.05, 0.1, 0.1, 0.5, 0.05, 0.2),
        "thin": (0.1, 0.1, 0.05, 0.05, 0.6, 0.1),
        "change": (1 / 6,) * 6,
    }

    def __init__(
        self,
        sandbox: Evaluator | None = None,
        unsafe_exec: bool = False,
        cache: Path | str | None = None,
    ) -> None:
        self._sandbox = sandbox
        self._unsafe_exec = unsafe_exec
        self._cache = cache
        self._runs: dict[str, Run] = {}

    def draw(self, template: str, rng: Random) -> Example:
        """Draw a name of two letters and a number of 2 to 9."""
        name = "as"
        while iskeyword(name):
            name = rng.choice(string.ascii_lowercase) + rng.choice(string.ascii_lowercase)
        n = rng.randrange(2, 10)
        text = f"{template.capitalize()}: text={name}, size={n}."
        return Example(self.name, template, text, (name, n))

    def held_out(self, example: Example) -> str:
        """Return name and number."""
        name, n = example.content
        return f"{name},{n}"

    def demonstration(self, example: Example, item: str) -> str:
        """Return the expression."""
        self._check_item(item)
        name, n = example.content
        return _WRITTEN[item].format(v=name, n=n)

    def utilities(self, example: Example, replies: Sequence[Reply]) -> Utilities:
        """Execute the answers and compare with what each item means."""
        return self.utilities_of_many([(example, replies)])[0]

    def utilities_of_many(self, work: Sequence[tuple[Example, Sequence[Reply]]]) -> list[Utilities]:
        """Execute every different expression once, several at a time."""
        programs = [
            [program_of(answer_line(reply) or "", str(example.content[0])) for reply in replies]
            for example, replies in work
        ]
        self._execute({program for row in programs for program in row if program is not None})
        scored = []
        for (example, _), row in zip(work, programs, strict=True):
            correct = np.zeros((len(row), len(self.items)))
            for place, program in enumerate(row):
                if program is not None:
                    correct[place] = self._right(program, example.content[1])
            scored.append(Utilities(sender=correct, receiver=correct))
        return scored

    def _execute(self, programs: set[str]) -> None:
        new = sorted(programs - self._runs.keys())
        if not new:
            return
        if self._sandbox is None:
            from llm_bridge.sandbox import Sandbox

            self._sandbox = Sandbox(unsafe=self._unsafe_exec, cache=self._cache)
        calls = [f"f({text!r})" for text in TEST_STRINGS]
        runs = self._sandbox.evaluate_many([(program, calls) for program in new])
        self._runs.update(zip(new, runs, strict=True))

    def _right(self, program: str, n: object) -> list[bool]:
        """Whether a program that was run does what each item means."""
        from llm_bridge.sandbox import judge

        assert isinstance(n, int)
        run = self._runs[program]
        return [all(judge(run, [mean(s, n) for s in TEST_STRINGS])) for mean in _MEANT.values()]


def program_of(expression: str, name: str) -> str | None:
    """Return a program that defines ``f``, the expression as a function of `name`.

    Parameters
    ----------
    expression : str
    name : str
        Of the string. Plain expressions are written with the name ``s`` instead, in one spelling,
        so that those that differ by name or spaces alone make the same program.

    Returns
    -------
    str or None
        None when the text is no Python expression, which is wrong without being run.

    Examples
    --------
    >>> print(program_of("ab[ 3: ]+ab[:3]", "ab"))
    def f(s):
        return s[3:] + s[:3]
    >>> program_of("ab[3:", "ab") is None
    True
    """
    if len(expression) > _LONGEST:
        return None
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            tree = ast.parse(expression, mode="eval")
            nodes = list(ast.walk(tree))
            if all(isinstance(node, _PLAIN) for node in nodes):
                for node in nodes:
                    if isinstance(node, ast.Name):
                        node.id = {name: "s", "s": "other_s"}.get(node.id, node.id)
                name = "s"
            return f"def f({name}):\n    return {ast.unparse(tree)}"
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None


TASK = Code
