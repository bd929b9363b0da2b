"""Every task keeps the shared promises; the three tasks mean what they say."""

import string
from collections.abc import Iterable, Sequence
from random import Random

import numpy as np
import pytest

from llm_bridge import tasks
from llm_bridge.receivers.rules import RULES
from llm_bridge.reply import Reply
from llm_bridge.sandbox import Layers, Run, Sandbox, UnsafeError
from llm_bridge.task import SPLITS, Example, Task
from llm_bridge.tasks._synthetic import SyntheticTask, answer_line, split_of
from llm_bridge.tasks.code import Code, program_of
from llm_bridge.tasks.grade import COST_PER_DIGIT, Grade
from llm_bridge.tasks.math import Math
from persuasion import PersuasionGame, SignalingScheme, sender_value, solve
from persuasion.errors import PersuasionError

GARBAGE = ("", "?", "\n", "9" * 60, "1,2,3", "no idea", "٣", "x[", "1 if", "\0", "(" * 300, "'" * 7)


@pytest.fixture(scope="module", params=tasks.names())
def task(request: pytest.FixtureRequest) -> Task:
    # what is executed here are our own expressions, so that any machine will do
    unsafe = {"unsafe_exec": True} if request.param == "code" else {}
    return tasks.load(request.param, **unsafe)


def inputs(task: Task, n: int = 5, split: str = "measure", seed: int = 3) -> list[Example]:
    return [x for t in task.priors for x in task.examples(t, split, n, seed)]  # type: ignore[arg-type]


def reply(text: str, finished: bool = True) -> Reply:
    return Reply(text, n_tokens=len(text), finished=finished)


# -- every task -------------------------------------------------------------------------------


def test_items_priors_and_rule(task: Task) -> None:
    assert len(set(task.items)) == len(task.items) >= 2
    assert task.rule in RULES
    assert len(task.priors) >= 2
    for template in task.priors:
        prior = task.prior(template)
        assert prior.shape == (len(task.items),)
        assert (prior > 0).all()
        assert prior.sum() == pytest.approx(1)
    assert len(set(task.priors.values())) == len(task.priors)


def test_inputs_are_distinct_repeatable_and_of_their_template(task: Task) -> None:
    for template in task.priors:
        for split in SPLITS:
            found = task.examples(template, split, 200, seed=1)
            assert len({x.text for x in found}) == len(found) == 200
            assert {(x.task, x.template) for x in found} == {(task.name, template)}
            assert found == task.examples(template, split, 200, seed=1)
            assert found[:50] == task.examples(template, split, 50, seed=1)
            assert found != task.examples(template, split, 200, seed=2)


def test_splits_share_nothing_that_must_be_generalised(task: Task) -> None:
    assert isinstance(task, SyntheticTask)
    keys = {split: {task.held_out(x) for x in inputs(task, 300, split)} for split in SPLITS}
    assert all(len(found) > 100 for found in keys.values())
    assert not keys["train"] & keys["measure"]
    assert not keys["train"] & keys["test"]
    assert not keys["measure"] & keys["test"]


def test_prompts_tell_what_they_should_and_no_more(task: Task) -> None:
    for x in inputs(task):
        told = [task.receiver_prompt(x, hint) for hint in (*task.items, None)]
        signals = [task.advisor_prompt(x, item) for item in task.items]
        assert len({*told, *signals}) == 2 * len(task.items) + 1
        assert all(x.text in prompt for prompt in (*told, *signals))
        assert not any(item in task.receiver_prompt(x, None) for item in task.items)


def test_demonstrations_are_best_for_the_receiver(task: Task) -> None:
    examples = inputs(task)
    work = [(x, [reply(task.demonstration(x, item)) for item in task.items]) for x in examples]
    assert all(len(r.text) <= task.max_new_tokens for _, written in work for r in written)
    scored = task.utilities_of_many(work)
    receiver = np.mean([s.receiver for s in scored], axis=0)  # of single inputs ties are legal
    best_other = np.array([np.delete(receiver[:, i], i).max() for i in range(len(receiver))])
    assert (np.diag(receiver) > best_other).all()


def test_scores_have_shape_and_range_whatever_is_written(task: Task) -> None:
    for x in inputs(task, 1):
        replies = [reply(text, finished) for text in GARBAGE for finished in (True, False)]
        scored = task.utilities(x, replies)
        for table, (low, high) in (
            (scored.sender, task.sender_range),
            (scored.receiver, task.receiver_range),
        ):
            assert table.shape == (len(replies), len(task.items))
            assert table.dtype == float
            assert ((table >= low) & (table <= high)).all()
        assert (scored.sender == 0).all(), "garbage earns nothing"
        assert task.utilities(x, []).sender.shape == (0, len(task.items))


def test_an_answer_cut_at_the_limit_is_wrong(task: Task) -> None:
    x, *_ = inputs(task)
    right = task.demonstration(x, task.items[-1])
    whole, cut, closed = task.utilities(
        x, [reply(right), reply(right, False), reply(right + "\nand so on", False)]
    ).sender
    assert whole[-1] == closed[-1] == 1
    assert cut[-1] == 0


def test_many_are_scored_like_one(task: Task) -> None:
    work = [
        (x, [reply(task.demonstration(x, i)) for i in task.items] + [reply("7")])
        for x in inputs(task, 2)
    ]
    for (x, replies), scored in zip(work, task.utilities_of_many(work), strict=True):
        alone = task.utilities(x, replies)
        np.testing.assert_array_equal(alone.sender, scored.sender)
        np.testing.assert_array_equal(alone.receiver, scored.receiver)


def test_wrong_arguments_say_what_is_legal(task: Task) -> None:
    template = next(iter(task.priors))
    x, *_ = inputs(task)
    with pytest.raises(PersuasionError, match=f"no template 'nonsense'; it has {template}"):
        task.examples("nonsense", "train", 1, 0)
    with pytest.raises(PersuasionError, match="train, measure, test; got 'validation'"):
        task.examples(template, "validation", 1, 0)  # type: ignore[arg-type]
    with pytest.raises(PersuasionError, match=">= 0; got n=-1"):
        task.examples(template, "train", -1, 0)
    for ask in (task.receiver_prompt, task.advisor_prompt, task.demonstration):
        with pytest.raises(PersuasionError, match=f"no item 'nonsense'; it has {task.items[0]}"):
            ask(x, "nonsense")


def test_loading() -> None:
    assert tasks.names() == ("code", "grade", "math")
    with pytest.raises(PersuasionError, match="legal are code, grade, math"):
        tasks.load("maths")
    with pytest.raises(PersuasionError, match="cannot be built with difficulty"):
        tasks.load("math", difficulty=3)


# -- splits -----------------------------------------------------------------------------------


def last_digits(split: Sequence[str], of_digits: bool = False) -> np.ndarray:
    """How often each last digit occurs among the sums of held-out operands, or of their digits."""
    parts = [[*key.replace(",", "")] if of_digits else key.split(",") for key in split]
    return np.bincount([sum(map(int, part)) % 10 for part in parts], minlength=10)


def test_a_hash_holds_out_nothing_in_particular() -> None:
    keys = [f"{a},{b}" for a in range(10, 100) for b in range(10, 100)]
    for split, share in zip(SPLITS, (0.6, 0.2, 0.2), strict=True):
        held = [key for key in keys if split_of(key) == split]
        # five standard deviations of a binomial
        assert abs(len(held) - share * 8100) < 5 * (8100 * share * (1 - share)) ** 0.5
        for of_digits in (False, True):
            counts = last_digits(held, of_digits)
            expected = last_digits(keys, of_digits) * len(held) / len(keys)
            assert (np.abs(counts - expected) < 5 * expected**0.5).all()
    for of_digits in (False, True):  # arithmetic rules would be seen
        by_rule = [key for key in keys if last_digits([key], of_digits)[0]]
        assert (last_digits(by_rule, of_digits)[1:] == 0).all()


def test_too_many_inputs_are_refused() -> None:
    class Tiny(Math):
        def draw(self, template: str, rng: Random) -> Example:
            n = rng.randrange(10)
            return Example("tiny", template, f"{n}", (n, 2))

    with pytest.raises(PersuasionError, match=r"hardly more than [1-9] different .* got n=10"):
        Tiny().examples("notes", "train", 10, 0)


def test_answer_line() -> None:
    assert answer_line(Reply(" 12 \nrest", 3)) == "12"
    assert answer_line(Reply("12", 3, finished=False)) is None
    assert answer_line(Reply("12\n3", 3, finished=False)) == "12"


# -- math -------------------------------------------------------------------------------------


def test_math_scores_the_last_number() -> None:
    x = Example("math", "notes", "Notes: 12 pens, then 3.", (12, 3))
    texts = ["15", "12+3=15", "9", "0012", "it is 36.", "15 or 16", "-9"]
    # a sign is no part of a whole number, and nothing here is negative
    rows = [[1, 0, 0, 0], [1, 0, 0, 0], [0, 1, 0, 0], [0, 0, 1, 0], [0, 0, 0, 1], [0] * 4]
    got = Math().utilities(x, [reply(text) for text in texts]).sender
    assert got.tolist() == [*rows, [0, 1, 0, 0]]


def test_math_sees_when_two_items_agree() -> None:
    x = Example("math", "notes", "Notes: 2 pens, then 2.", (2, 2))
    assert Math().utilities(x, [reply("4")]).sender.tolist() == [[1, 0, 0, 1]]


# -- code -------------------------------------------------------------------------------------

X = Example("code", "crop", "Crop: text=oe, size=6.", ("oe", 6))


class CountingSandbox:
    """Runs programs and counts them."""

    def __init__(self) -> None:
        self.programs: list[str] = []
        self.box = Sandbox(unsafe=True)

    def evaluate_many(self, jobs: Iterable[tuple[str, Sequence[str]]]) -> list[Run]:
        work = list(jobs)
        self.programs += [program for program, _ in work]
        return self.box.evaluate_many(work)


def test_code_is_judged_by_what_it_does() -> None:
    right = ["oe[:6]", "oe[0:6:1]", "''.join(list(oe)[:6])", "oe[:min(6,len(oe))]", " oe[ :6]  "]
    wrong = [
        "oe[:5]", "ab[:6]", "s[:6]", "oe[6:]", "list(oe[:6])", "(lambda oe: oe[:6])('zz')",
        "oe[:6] or ' '", "print(oe[:6])", "oe[:6]; oe", "return oe[:6]", "1/0",
    ]  # fmt: skip
    scored = Code(unsafe_exec=True).utilities(X, [reply(text) for text in (*right, *wrong)]).sender
    assert scored[: len(right), 0].tolist() == [1.0] * len(right)
    assert scored[len(right) :, 0].tolist() == [0.0] * len(wrong)
    assert scored[len(right) + 3].tolist() == [0, 1, 0, 0, 0, 0], "drop"


def test_code_runs_each_expression_once_whatever_the_name() -> None:
    box = CountingSandbox()
    task = Code(sandbox=box)
    other = Example("code", "crop", "Crop: text=ab, size=6.", ("ab", 6))
    work = [(X, [reply("oe[:6]"), reply("oe[ : 6]")]), (other, [reply("ab[:6]"), reply("ab[")])]
    for _ in range(2):
        first, second = task.utilities_of_many(work)
        assert first.sender[:, 0].tolist() == [1, 1]
        assert second.sender[:, 0].tolist() == [1, 0]
    assert box.programs == ["def f(s):\n    return s[:6]"]


def test_code_tells_all_right_answers_apart() -> None:
    task = Code(unsafe_exec=True)
    for n in range(2, 10):
        x = Example("code", "crop", "", ("ab", n))
        others = [x] + [Example("code", "crop", "", ("ab", m)) for m in range(2, 10) if m != n]
        replies = [reply(task.demonstration(y, item)) for y in others for item in task.items]
        scored = task.utilities(x, replies).sender
        assert scored[:6].tolist() == np.eye(6).tolist()
        assert (scored[6:] == 0).all()


def test_names_are_unified_only_where_that_is_harmless() -> None:
    assert program_of("oe[1:]", "oe") == program_of("ab[ 1 : ]", "ab")
    assert program_of("s+oe", "oe") == "def f(s):\n    return other_s + s"
    assert program_of("[oe for oe in oe]", "oe") == "def f(oe):\n    return [oe for oe in oe]"
    assert program_of("eval('oe')", "oe") == "def f(oe):\n    return eval('oe')"


def test_code_refuses_where_nothing_confines_programs(monkeypatch: pytest.MonkeyPatch) -> None:
    bare = Layers(landlock=0, seccomp=False, rlimits=True, session=True, bwrap=None, notes=())
    monkeypatch.setattr("llm_bridge.sandbox.sandbox.layers", lambda: bare)
    with pytest.raises(UnsafeError, match="landlock"):
        Code().utilities(X, [reply("oe[:6]")])


def test_code_without_any_program_needs_no_sandbox(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_bridge.sandbox.Sandbox", None)
    assert (Code().utilities(X, [reply("no idea"), reply("")]).sender == 0).all()


def test_names_are_never_keywords() -> None:
    names = {str(x.content[0]) for x in inputs(Code(), 300, "train")}
    assert not names & {"as", "if", "in", "is", "or"}
    assert {letter for name in names for letter in name} == set(string.ascii_lowercase)


# -- grade ------------------------------------------------------------------------------------


def test_grade_tolerances_and_costs() -> None:
    x = Example("grade", "quiz", "Quiz:47+38.", (47, 38))
    answers = ["85", "76", "75", "66", "65", "15,70,85", "about 8.5e1: 85"]
    got = Grade().utilities(x, [reply(text) for text in answers])
    assert got.sender[:, 0].tolist() == [1, 0, 0, 0, 0, 1, 1]
    digits = np.array([2, 2, 2, 2, 2, 6, 5])
    passed = got.receiver + COST_PER_DIGIT * digits[:, None]
    expected = [[1, 1, 1], [1, 1, 0], [1, 0, 0], [1, 0, 0], [0, 0, 0], [1, 1, 1], [1, 1, 1]]
    np.testing.assert_allclose(passed, expected, atol=1e-12)


def ideal_game(template: str, n: int = 300) -> PersuasionGame:
    """What a Receiver who always writes the demonstration would make of a template."""
    task = Grade()
    scored = [
        task.utilities(x, [reply(task.demonstration(x, item)) for item in task.items])
        for x in task.examples(template, "measure", n, 0)
    ]
    sender = np.mean([s.sender.T for s in scored], axis=0)
    receiver = np.mean([s.receiver.T for s in scored], axis=0)
    return PersuasionGame(task.prior(template), sender, receiver)


def test_grade_rewards_persuasion() -> None:
    values = {}
    for template in Grade.priors:
        game = ideal_game(template)
        none = sender_value(game, SignalingScheme(np.ones((3, 1))))
        full = sender_value(game, SignalingScheme(np.eye(3)))
        values[template] = (none, full, solve(game).value, solve(game, margin=0.02).value)
    for template in ("audit", "survey"):  # reveal nothing
        assert values[template][0] == pytest.approx(values[template][2])
    for template in ("quiz", "market", "recipe"):  # reveal in part
        none, full, best, safe = values[template]
        assert best < 0.95
        assert safe > max(none, full) + 0.2
    none, full, best, safe = np.mean(list(values.values()), axis=0)
    assert min(best, safe) > max(none, full) + 0.2
