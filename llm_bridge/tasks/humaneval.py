"""HumanEval: a function is described, how its published solution goes about it is hidden."""

from __future__ import annotations

import ast
import os
import re
import warnings
from collections.abc import Iterable, Iterator, Sequence
from pathlib import Path
from typing import TYPE_CHECKING, Any, NamedTuple, Protocol

from llm_bridge.reply import Reply
from llm_bridge.rows import read_rows
from llm_bridge.task import Example
from llm_bridge.tasks._asserts import Check, checks_of, passes
from llm_bridge.tasks._stored import StoredTask
from persuasion.errors import PersuasionError

if TYPE_CHECKING:
    from llm_bridge.sandbox import Run

__all__ = ["TASK", "Checker", "HumanEval", "approach_of", "program_of"]

_COLUMNS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
_TOLD = {
    "loop": "Use a loop or recursion.",
    "comprehension": "Use a comprehension or a generator expression, and no loop.",
    "expression": "Use built-in functions and plain expressions; no loop, no comprehension.",
}
_BRIEF = 400
_ITEM_OF = {"recursion": "loop"}
_FENCE = re.compile(r"```(?:python|py)?[^\n]*\n(.*?)(?:```|\Z)", re.DOTALL)


class Checker(Protocol):
    """What runs programs: a `llm_bridge.sandbox.Sandbox`."""

    def evaluate_many(self, jobs: Iterable[tuple[str, Sequence[str]]]) -> list[Run]:
        """Run each program, then evaluate its calls in its namespace."""
        ...

    def evaluate_check(self, program: str, check_source: str, entry_point: str) -> Run:
        """Run a test function inside the child."""
        ...


class _Problem(NamedTuple):
    """What the task knows of a problem beside its text."""

    task_id: str
    entry_point: str
    solution: str
    test: str
    checks: tuple[Check, ...] | None


class HumanEval(StoredTask):
    """The head of a function and what it must do are visible; the approach is hidden.

    Items are what the published solution consists of: a loop (or recursion), a comprehension, or
    neither. An answer is right when the program passes all published tests, whatever its approach.
    A problem determines its item; what the Receiver believes without being told are the shares of
    the items in the problem's cluster (see `StoredTask`): descriptions of at most 400 letters, and
    longer ones.

    Parameters
    ----------
    path : str or path
        JSON lines, gzipped or not, or a hub id such as "openai/openai_humaneval".
    config, split : str
        For the hub.
    sandbox : Checker, optional
        Runs the programs; by default a ``Sandbox`` made when the first answer is scored, which
        raises where generated programs cannot be confined.
    unsafe_exec : bool
        For the default sandbox: execute even where nothing confines the programs.
    cache : path, optional
        For the default sandbox: file in which finished runs are kept.

    Attributes
    ----------
    weaker : tuple of str
        Ids of problems whose tests run beside the program, where one made for the purpose could
        forge the verdict; those of all others are compared here.
    """

    items = tuple(_TOLD)
    rule = "best_response"
    max_new_tokens = 400

    def __init__(
        self,
        path: str | os.PathLike[str],
        *,
        config: str | None = None,
        split: str = "test",
        sandbox: Checker | None = None,
        unsafe_exec: bool = False,
        cache: Path | str | None = None,
    ) -> None:
        self._sandbox, self._unsafe_exec, self._cache = sandbox, unsafe_exec, cache
        self._verdicts: dict[tuple[str, str], bool] = {}
        rows = read_rows(path, _COLUMNS, config=config, split=split)
        inputs = list(_inputs(rows))
        self.weaker = tuple(_of(x).task_id for x, _ in inputs if _of(x).checks is None)
        super().__init__("humaneval", tuple(_TOLD), inputs)

    def receiver_prompt(self, example: Example, hint: str | None) -> str:
        """Return the head of the function, after what the Receiver is led to believe."""
        if hint is None:
            return f"# Complete the function.\n{example.text}"
        self.check_item(hint)
        return f"# Complete the function. {_TOLD[hint]}\n{example.text}"

    def advisor_prompt(self, example: Example, item: str) -> str:
        """Return the head of the function and the item."""
        self.check_item(item)
        return f"{example.text}\nitem {item}:"

    def demonstration(self, example: Example, item: str) -> str:
        """Return the published solution; there is none for other approaches."""
        self.check_item(item)
        return _of(example).solution

    def read(self, work: Sequence[tuple[Example, Reply]]) -> list[Sequence[bool] | None]:
        """Run every different program once, several at a time."""
        programs = [program_of(x.text, _of(x).entry_point, reply.text) for x, reply in work]
        todo = {
            (p, _of(x).task_id): _of(x)
            for p, (x, _) in zip(programs, work, strict=True)
            if p is not None and (p, _of(x).task_id) not in self._verdicts
        }
        self._run(todo)
        return [
            None if p is None else [self._verdicts[p, _of(x).task_id]]
            for p, (x, _) in zip(programs, work, strict=True)
        ]

    def _run(self, todo: dict[tuple[str, str], _Problem]) -> None:
        if not todo:
            return
        if self._sandbox is None:
            from llm_bridge.sandbox import Sandbox

            self._sandbox = Sandbox(unsafe=self._unsafe_exec, cache=self._cache)
        outside = [(key, problem.checks) for key, problem in todo.items() if problem.checks]
        runs = self._sandbox.evaluate_many(
            [(key[0], [check.call for check in checks]) for key, checks in outside]
        )
        for (key, checks), run in zip(outside, runs, strict=True):
            self._verdicts[key] = passes(run, checks)
        for key, problem in todo.items():
            if not problem.checks:
                run = self._sandbox.evaluate_check(key[0], problem.test, problem.entry_point)
                self._verdicts[key] = run.ok and [o.literal for o in run.outputs] == ["True"]


def _of(example: Example) -> _Problem:
    assert isinstance(example.content, _Problem)
    return example.content


def _inputs(rows: list[dict[str, Any]]) -> Iterator[tuple[Example, int | None]]:
    items = tuple(_TOLD)
    for row in rows:
        found = approach_of(row["prompt"] + row["canonical_solution"], row["entry_point"])
        checks = checks_of(row["test"], row["entry_point"])
        problem = _Problem(
            row["task_id"], row["entry_point"], row["canonical_solution"], row["test"], checks
        )
        template = "brief" if len(row["prompt"]) <= _BRIEF else "detailed"
        example = Example("humaneval", template, row["prompt"], problem)
        yield example, items.index(_ITEM_OF.get(found, found))


def approach_of(program: str, entry_point: str) -> str:
    r"""Return how a function goes about it: "recursion", "loop", "comprehension" or "expression".

    The first of these that occurs in the function, functions inside it included.

    Examples
    --------
    >>> approach_of("def f(x):\n    return [y for y in x]", "f")
    'comprehension'
    >>> approach_of("def f(x):\n    return x and f(x[1:])", "f")
    'recursion'
    """
    try:
        tree = ast.parse(program)
    except (SyntaxError, ValueError) as cause:
        raise PersuasionError(f"the solution of {entry_point} is no Python: {cause}") from cause
    body = [n for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == entry_point]
    if not body:
        raise PersuasionError(f"the solution of {entry_point} does not define it")
    nodes = list(ast.walk(body[-1]))
    called = {n.func.id for n in nodes if isinstance(n, ast.Call) and isinstance(n.func, ast.Name)}
    if entry_point in called:
        return "recursion"
    if any(isinstance(node, ast.For | ast.While) for node in nodes):
        return "loop"
    if any(isinstance(n, ast.ListComp | ast.SetComp | ast.DictComp | ast.GeneratorExp)
           for n in nodes):  # fmt: skip
        return "comprehension"
    return "expression"


def program_of(prompt: str, entry_point: str, answer: str) -> str | None:
    r"""Return the program that an answer makes, or None when it is no Python.

    Parameters
    ----------
    prompt : str
        Imports, helpers, and the head of the function with its description.
    entry_point : str
    answer : str
        The rest of the function, which ends where a line is no longer indented; or the whole
        function; either may stand in a fenced block.

    Examples
    --------
    >>> print(program_of("def f(x):\n", "f", "    return x\nprint(f(1))"))
    def f(x):
        return x
    >>> program_of("def f(x):\n", "f", "    return (") is None
    True
    """
    fenced = _FENCE.search(answer)
    code = fenced[1] if fenced else answer
    if re.search(rf"^def {re.escape(entry_point)}\(", code, re.MULTILINE):
        program = f"{prompt}\n{code}"
    else:
        lines = code.split("\n")
        inside = [i for i, line in enumerate(lines) if not line[:1].strip()]
        end = next((i for i in range(len(lines)) if i not in inside and i > 0), len(lines))
        program = prompt + "\n".join(lines[:end]).rstrip()
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore", SyntaxWarning)
            ast.parse(program)
    except (SyntaxError, ValueError, RecursionError, MemoryError):
        return None
    return program


TASK = HumanEval
