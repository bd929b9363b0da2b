"""HumanEval as a task: approaches, tests turned into calls, programs, verdicts."""

from __future__ import annotations

import json
from collections import Counter
from collections.abc import Iterable, Sequence
from pathlib import Path
from typing import Any

import pytest

from llm_bridge import tasks
from llm_bridge.reply import Reply
from llm_bridge.rows import read_rows
from llm_bridge.sandbox import Output, Run, Sandbox, layers
from llm_bridge.task import SPLITS, Example
from llm_bridge.tasks._asserts import Check, checks_of, passes
from llm_bridge.tasks.humaneval import HumanEval, approach_of, program_of
from persuasion.errors import PersuasionError

DATA = Path(__file__).parents[3] / "shared/data/humaneval/HumanEval.jsonl.gz"
COLUMNS = ("task_id", "prompt", "entry_point", "canonical_solution", "test")
BODIES = {
    "loop": "    out = []\n    for y in x:\n        out.append(y + {k})\n    return out\n",
    "comprehension": "    return [y + {k} for y in x]\n",
    "expression": "    return list(map(lambda y: y + {k}, x))\n",
}


@pytest.fixture(scope="module")
def real() -> Path:
    if not DATA.exists():
        pytest.skip("the data set is not beside the checkout")
    return DATA


def problem(k: int, approach: str, *, inside: bool = False) -> dict[str, str]:
    """Add k to every member of a list."""
    story = "It matters. " * 40 if k % 2 else ""
    test = f"    assert candidate([1, 2]) == [{k + 1}, {k + 2}]\n    assert candidate([]) == []\n"
    if inside:
        test = f"    for n in range(3):\n        assert candidate([n]) == [n + {k}]\n"
    return {
        "task_id": f"Made/{k}",
        "prompt": f'def add_{k}(x):\n    """Add {k}. {story}"""\n',
        "entry_point": f"add_{k}",
        "canonical_solution": BODIES[approach].format(k=k),
        "test": f"METADATA = {{}}\n\ndef check(candidate):\n{test}",
    }


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    rows = [problem(k, list(BODIES)[k // 2 % 3], inside=k % 10 == 0) for k in range(120)]
    file = tmp_path_factory.mktemp("data") / "made.jsonl"
    file.write_text("\n".join(map(json.dumps, rows)))
    return file


@pytest.fixture
def task(path: Path) -> HumanEval:
    # what is executed here are our own programs, so that any machine will do
    return HumanEval(path, unsafe_exec=True)


def reply(text: str, finished: bool = True) -> Reply:
    return Reply(text, 10, finished)


def inputs(task: HumanEval, n: int = 3) -> list[Example]:
    return [x for t in task.priors for x in task.examples(t, "train", n, 0)]


# -- tests turned into calls -------------------------------------------------------------------


def converted(*lines: str) -> list[Check] | None:
    body = "".join(f"    {line}\n" for line in lines)
    found = checks_of(f"def check(candidate):\n{body}", "f")
    return None if found is None else list(found)


def test_asserts_become_calls() -> None:
    assert converted(
        "assert True, 'fine'",
        "assert candidate(1, [-2.5], x={'a': (1,)}) == -3, 'message'",
        "assert candidate(1) is None",
        "assert candidate('a')",
        "assert not candidate('b')",
        "assert abs(candidate(2) - 1.5) < 1e-6",
        "assert tuple(candidate(3)) == (1, 2)",
        "print",
    ) == [
        Check("f(1, [-2.5], x={'a': (1,)})", "equal", -3),
        Check("f(1)", "same", None),
        Check("f('a')", "true"),
        Check("f('b')", "false"),
        Check("f(2)", "near", 1.5, 1e-6),
        Check("f(3)", "equal", (1, 2), wrapper="tuple"),
    ]


@pytest.mark.parametrize(
    "line",
    [
        "assert candidate(x) == 3",
        "assert candidate(1) == str(3)",
        "assert candidate(1) == candidate(2)",
        "assert candidate(1) > 3",
        "assert candidate(1) == 3 == 3",
        "assert other(1) == 3",
        "assert abs(candidate(1)) < 3",
        "assert abs(candidate(1) - 2) < eps",
        "for x in range(3): assert candidate(x)",
        "candidate(1)",
        "x = 3",
        "import math",
        "assert True",
    ],
)
def test_what_is_not_understood_is_left_to_the_child(line: str) -> None:
    assert converted(line) is None
    if line != "assert True":
        assert converted("assert candidate(1) == 1", line) is None


@pytest.mark.parametrize("test", ["def check(", "x = 1", "def check(c): pass\ndef check(d): pass"])
def test_no_test_function(test: str) -> None:
    with pytest.raises(PersuasionError, match="the test of f"):
        checks_of(test, "f")


@pytest.mark.parametrize(
    ("check", "right", "wrong"),
    [
        (Check("", "equal", 3), [3, 3.0], [4, "3", None, [3]]),
        (Check("", "equal", True), [True, 1], [False, 2]),
        (Check("", "same", True), [True], [1, False]),
        (Check("", "same", None), [None], [False, 0]),
        (Check("", "true"), [1, "a", [0]], [0, "", []]),
        (Check("", "false"), [0, None], [1]),
        (Check("", "near", 1.5, 0.1), [1.55, 1.5], [1.61, "1.5", None, 10**400]),
        (Check("", "equal", (1, 2), wrapper="tuple"), [[1, 2], (1, 2)], [[2, 1], 12]),
    ],
)
def test_what_holds(check: Check, right: list[Any], wrong: list[Any]) -> None:
    assert all(check.holds(value) for value in right)
    assert not any(check.holds(value) for value in wrong)


def test_all_calls_must_answer() -> None:
    checks = (Check("f(1)", "equal", 1), Check("f(2)", "equal", 2))
    one, two, error = Output("value", "1"), Output("value", "2"), Output("error", None, "no")
    for outputs, passed in (((one, two), True), ((one, one), False), ((one, error), False),
                            ((one,), False), ((), False)):  # fmt: skip
        assert passes(Run("ok", outputs, "", 0.0, ()), checks) is passed


# -- programs ----------------------------------------------------------------------------------

HEAD = 'import math\n\ndef f(x):\n    """Double."""\n'


@pytest.mark.parametrize(
    "answer",
    [
        "    return 2 * x",
        "    return 2 * x\n\ndef g():\n    pass\n",
        "\n    y = x\n\n    return 2 * y\nprint(f(3))",
        "```python\n    return 2 * x\n```\nThat is all.",
        "def f(x):\n    return 2 * x",
        "Here it is:\n```python\nimport os\ndef f(x):\n    return 2 * x\n```\n",
        "```\ndef f(x):\n    return 2 * x",
    ],
)
def test_an_answer_makes_a_program(answer: str) -> None:
    program = program_of(HEAD, "f", answer)
    assert program is not None
    names: dict[str, Any] = {}
    exec(program, names)
    assert names["f"](4) == 8


@pytest.mark.parametrize("answer", ["    return (", "  what", "\0", "    return 1\n   return 2"])
def test_what_is_no_python_is_unreadable(answer: str) -> None:
    assert program_of(HEAD, "f", answer) is None


@pytest.mark.parametrize(
    ("body", "approach"),
    [
        ("return f(x - 1) if [y for y in x] else 0", "recursion"),
        ("while x: x = [y for y in x]", "loop"),
        ("return sum(y for y in x)", "comprehension"),
        ("return {y: 1 for y in x}", "comprehension"),
        ("return sum(x)", "expression"),
    ],
)
def test_approaches(body: str, approach: str) -> None:
    other = "def g(x):\n    for y in x: pass\n"
    assert approach_of(f"{other}def f(x):\n    {body}\n", "f") == approach
    with pytest.raises(PersuasionError, match="does not define it"):
        approach_of(other, "f")
    with pytest.raises(PersuasionError, match="no Python"):
        approach_of("def f(", "f")


# -- the task ----------------------------------------------------------------------------------


def test_items_and_clusters(task: HumanEval) -> None:
    assert task.items == ("loop", "comprehension", "expression")
    assert set(task.priors) == {"brief", "detailed"}
    assert set(task.weaker) == {f"Made/{k}" for k in range(0, 120, 10)}
    for x in inputs(task):
        solution = x.content[2]
        assert task.item_of(x) == approach_of(x.text + str(solution), str(x.content[1]))
        told = {task.receiver_prompt(x, hint) for hint in (*task.items, None)}
        assert len(told) == 4
        assert all(x.text in prompt for prompt in told)


def test_right_and_wrong_programs(task: HumanEval) -> None:
    for x in inputs(task, 4):
        k = int(str(x.content[1]).removeprefix("add_"))
        answers = [
            *(BODIES[name].format(k=k) for name in BODIES),
            BODIES["loop"].format(k=k + 1),
            "    return x",
            "    raise SystemExit(0)",
            "    return (",
        ]
        scored = task.utilities(x, [reply(answer) for answer in answers])
        assert task.item_of(x) is not None
        place = task.items.index(str(task.item_of(x)))
        weight = 1 / task.prior(x.template)[place]
        assert scored.sender[:, place].tolist() == pytest.approx([weight] * 3 + [0] * 4)
        assert scored.sender.sum() == pytest.approx(3 * weight)
    assert task.tally.unreadable == len(inputs(task, 4)), "one each is no Python"


FORGERIES = {
    "an __eq__ that says yes": (
        "    class Yes(list):\n        def __eq__(self, other):\n            return True\n"
        "    return Yes()\n"
    ),
    "leaving early": "    import os\n    os._exit(0)\n",
    "leaving politely": "    raise SystemExit(0)\n",
}


@pytest.mark.parametrize("forgery", FORGERIES)
def test_forged_verdicts_fail(task: HumanEval, forgery: str) -> None:
    for x in inputs(task, 4):
        assert task.utilities(x, [reply(FORGERIES[forgery])]).sender.max() == 0


def test_a_program_is_run_once(path: Path) -> None:
    class Counting:
        def __init__(self) -> None:
            self.box, self.ran = Sandbox(unsafe=True), 0

        def evaluate_many(self, jobs: Iterable[tuple[str, Sequence[str]]]) -> list[Run]:
            todo = list(jobs)
            self.ran += len(todo)
            return self.box.evaluate_many(todo)

        def evaluate_check(self, program: str, check_source: str, entry_point: str) -> Run:
            self.ran += 1
            return self.box.evaluate_check(program, check_source, entry_point)

    box = Counting()
    task = HumanEval(path, sandbox=box)
    x = inputs(task)[0]
    for _ in range(3):
        task.utilities(x, [reply("    return x"), reply("    return x\n\n"), reply("    return 1")])
    assert box.ran == 2


def test_loading(path: Path, tmp_path: Path) -> None:
    assert tasks.load("humaneval", path=path).items[0] == "loop"
    with pytest.raises(PersuasionError, match="reads a data set; pass `path`"):
        tasks.load("humaneval")
    (empty := tmp_path / "empty.jsonl").write_text("\n")
    with pytest.raises(PersuasionError, match="holds no rows"):
        HumanEval(empty)
    row = problem(1, "loop")
    del row["test"]
    (bad := tmp_path / "bad.jsonl").write_text(json.dumps(row))
    with pytest.raises(PersuasionError, match=r"line 1 of .* lacks the text 'test'"):
        HumanEval(bad)


# -- the published problems --------------------------------------------------------------------


def test_published_approaches_and_tests(real: Path) -> None:
    rows = read_rows(real, COLUMNS)
    found = Counter(approach_of(r["prompt"] + r["canonical_solution"], r["entry_point"])
                    for r in rows)  # fmt: skip
    assert found == {"loop": 87, "expression": 39, "comprehension": 36, "recursion": 2}
    task = HumanEval(real)
    assert len(task.weaker) == 16, "148 of 164 are judged outside the child"
    for template in task.priors:
        assert all(min(task.n_available(template, split)) >= 2 for split in SPLITS)


@pytest.mark.slow
def test_all_published_solutions_pass_and_none_of_them_broken(real: Path) -> None:
    if not layers().safe:
        pytest.skip("this machine cannot confine programs that are not our own")
    task = HumanEval(real)
    everything = [Example("humaneval", "", row["prompt"]) for row in read_rows(real, ["prompt"])]
    known = {x.text: x for cell in task._cells.values() for x in cell}
    examples = [known[x.text] for x in everything]
    assert len(examples) == 164
    right = task.read([(x, reply(task.demonstration(x, "loop"))) for x in examples])
    assert right == [[True]] * 164
    for broken in ("    return None", "    raise SystemExit(0)", "    pass"):
        wrong = task.read([(x, reply(broken)) for x in examples])
        assert wrong == [[False]] * 164
