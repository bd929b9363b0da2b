"""GSM8K as a task: reading answers, the three hidden items, weights, what is unreadable."""

from __future__ import annotations

import gzip
import json
import logging
import re
from collections.abc import Callable
from decimal import Decimal
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm_bridge import tasks
from llm_bridge.measure import measure
from llm_bridge.receivers.replay import ReplayReceiver
from llm_bridge.receivers.rules import RULES
from llm_bridge.reply import Reply
from llm_bridge.rows import read_rows
from llm_bridge.task import SPLITS, Example
from llm_bridge.tasks.gsm8k import (
    Gsm8k,
    gold_answer,
    level_of,
    operators_of,
    read_answer,
    steps_of,
)
from persuasion.errors import PersuasionError

DATA = Path(__file__).parents[3] / "shared/data/gsm8k"
HIDDEN = ("difficulty", "operators", "step")


@pytest.fixture(scope="module")
def real() -> Path:
    if not DATA.exists():
        pytest.skip("the data set is not beside the checkout")
    return DATA


def problem(k: int, operators: str = "+*") -> dict[str, str]:
    """A made-up problem whose solution has one step for each operator."""
    value, lines = k + 2, []
    for step, sign in enumerate(operators, start=2):
        new = value + step if sign == "+" else value * step
        lines.append(f"Now {value}{sign}{step}=<<{value}{sign}{step}={new}>>{new} eggs.")
        value = new
    more = " Hens lay 5, 6 and 7." if k % 2 else ""
    return {
        "question": f"Farm {k} has {k + 2} eggs and {len(operators)} days.{more} How many eggs?",
        "answer": "\n".join([*lines, f"#### {value:,}"]),
    }


@pytest.fixture(scope="module")
def path(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Enough problems of all kinds."""
    kinds = ("+", "**", "+*+", "+++", "+*+*+", "*****")
    rows = [problem(k, kinds[k % 6] if k % 12 < 6 else kinds[5 - k % 6]) for k in range(360)]
    file = tmp_path_factory.mktemp("data") / "farm.jsonl.gz"
    file.write_bytes(gzip.compress("\n".join(map(json.dumps, rows)).encode()))
    return file


@pytest.fixture(params=HIDDEN)
def task(request: pytest.FixtureRequest, path: Path) -> Gsm8k:
    return Gsm8k(path, request.param)


def reply(text: str, finished: bool = True) -> Reply:
    return Reply(text, len(text), finished)


def inputs(task: Gsm8k, split: str = "measure", n: int = 6) -> list[Example]:
    return [x for t in task.priors for x in task.examples(t, split, n, 3)]  # type: ignore[arg-type]


# -- reading answers ---------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("text", "number"),
    [
        ("#### 18", "18"),
        ("2 + 3 = 5\n####5", "5"),
        ("#### $1,234.50 a year", "1234.5"),
        ("#### -7", "-7"),
        ("It is 4.\n#### 5\n\nQuestion: 6 eggs and 7 hens\n#### 13", "5"),
        ("#### I think\n8 or 9", "9"),
        ("so she has 1,250,000 eggs", "1250000"),
        ("1,2,3", "3"),
        ("A: 18.", "18"),
        ("A: 18.00", "18"),
        ("<<3*4=12>>12 and then 15", "15"),
        ("9" * 60, "9" * 60),
    ],
)
def test_reading_an_answer(text: str, number: str) -> None:
    assert read_answer(text) == Decimal(number)


@pytest.mark.parametrize("text", ["", "no idea", "####", "∞", "٣", "\0"])
def test_an_answer_without_a_number_is_unreadable(text: str) -> None:
    assert read_answer(text) is None


def test_an_answer_that_was_cut_is_trusted_only_behind_the_mark() -> None:
    assert read_answer("3 + 4 = 7", finished=False) is None
    assert read_answer("#### 12", finished=False) is None, "it may have become 123"
    assert read_answer("#### 12\nQuestion", finished=False) == 12


def test_gold() -> None:
    assert gold_answer("<<1+1=2>>2\n#### 1,002") == 1002
    for answer in ("<<1+1=2>>2", "#### two"):
        with pytest.raises(PersuasionError, match="no number after ####"):
            gold_answer(answer)


def test_what_a_solution_is_made_of() -> None:
    assert [level_of("<<1+1=2>>" * n) for n in (0, 2, 3, 4, 5, 9)] == [
        "short", "short", "medium", "medium", "long", "long",
    ]  # fmt: skip
    assert steps_of("<<1+1=2>> and <<2+2=4>>") == 2
    for left, kind in (("3+4-1", "sums"), ("3*4/2", "products"), ("3*4+1", "mixed"), ("-3", None)):
        assert operators_of(f"<<{left}=7>>") == kind


def test_reading_agrees_with_every_published_grade(real: Path) -> None:
    """Four models, 5276 answers, graded by those who published them."""
    golds = [gold_answer(row["answer"]) for row in read_rows(real / "test.jsonl", ["answer"])]
    models = ("6b_finetuning", "6b_verification", "175b_finetuning", "175b_verification")
    graded = read_rows(real / "example_model_solutions.jsonl", ["question"])
    wrong = [
        row[model]["solution"]
        for row, gold in zip(graded, golds, strict=True)
        for model in models
        if (read_answer(row[model]["solution"]) == gold) != row[model]["is_correct"]
    ]
    assert wrong == []


def test_the_last_calculation_is_not_the_gold_answer(real: Path) -> None:
    answers = [row["answer"] for row in read_rows(real / "test.jsonl", ["answer"])]
    last = [(re.findall(r"<<[^>]*=([^>]*)>>", a) or ["none"])[-1] for a in answers]
    agree = np.mean([read_answer(n) == gold_answer(a) for n, a in zip(last, answers, strict=True)])
    assert 0.85 < agree < 0.95
    assert np.mean([read_answer(a) == gold_answer(a) for a in answers]) == 1


# -- the task ----------------------------------------------------------------------------------


def test_items_priors_and_rule(task: Gsm8k) -> None:
    assert task.rule in RULES
    assert set(task.priors) == {"few numbers", "many numbers"}
    for template in task.priors:
        prior = task.prior(template)
        assert prior.shape == (3,)
        assert (prior > 0).all()
        assert prior.sum() == pytest.approx(1)


def test_inputs_are_distinct_repeatable_and_split(task: Gsm8k) -> None:
    for template in task.priors:
        seen: set[str] = set()
        for split in SPLITS:
            found = task.examples(template, split, 8, seed=1)
            assert len({x.text for x in found}) == 8
            assert {(x.task, x.template) for x in found} == {("gsm8k", template)}
            assert found[:4] == task.examples(template, split, 4, seed=1)
            assert found != task.examples(template, split, 8, seed=2)
            assert not seen & {x.text for x in found}
            seen |= {x.text for x in found}


def test_items_come_in_the_shares_of_the_prior(path: Path) -> None:
    task = Gsm8k(path)
    for template in task.priors:
        for n in (5, 10, 20, 30):
            found = [task.item_of(x) for x in task.examples(template, "train", n, 0)]
            counts = np.array([found.count(item) for item in task.items])
            assert np.abs(counts - n * task.prior(template)).max() <= 1


def test_published_solutions_are_right(task: Gsm8k) -> None:
    for x in inputs(task):
        own = task.item_of(x)
        for place, item in enumerate(task.items):
            told = task.utilities(x, [reply(task.demonstration(x, item))])
            weight = 1 / task.prior(x.template)[place] if own else 1
            expected = np.zeros(3)
            if own in (item, None):
                expected[place] = weight
            if own is None or own == item:
                assert told.sender[0].tolist() == pytest.approx(expected.tolist())
            assert told.sender.max() <= task.sender_range[1]
    assert task.tally.unreadable == 0


def test_weights_make_means_conditional_and_sums_plain(path: Path) -> None:
    """Two out of three answers right, by a rule that the item does not know."""
    task = Gsm8k(path, cost_per_token=0.001)
    examples = task.examples("few numbers", "train", 40, 0)
    right = [k % 3 != 0 for k in range(40)]
    work = [
        (x, [reply(task.demonstration(x, task.items[0]) if good else "0")])
        for x, good in zip(examples, right, strict=True)
    ]
    scored = task.utilities_of_many(work)
    prior = task.prior("few numbers")
    plain = [float(s.sender[0] @ prior) for s in scored]
    assert plain == pytest.approx([float(good) for good in right])
    paid = [float((s.sender - s.receiver)[0] @ prior) for s in scored]
    assert paid == pytest.approx([0.001 * min(r.n_tokens, 320) for _, (r,) in work])
    means = np.mean([s.sender[0] for s in scored], axis=0)
    own = [task.item_of(x) for x in examples]
    for place, item in enumerate(task.items):
        hits = [good for good, mine in zip(right, own, strict=True) if mine == item]
        share = len(hits) / 40 / prior[place]  # 1 up to one input
        assert means[place] == pytest.approx(np.mean(hits) * share)


def test_scores_stay_in_the_range_whatever_is_written(task: Gsm8k) -> None:
    garbage = [
        reply(text, done) for text in ("", "?", "9" * 60, "\0", "٣") for done in (True, False)
    ]
    for x in inputs(task, n=2):
        scored = task.utilities(x, garbage)
        for table, (low, high) in (
            (scored.sender, task.sender_range),
            (scored.receiver, task.receiver_range),
        ):
            assert table.shape == (len(garbage), 3)
            assert ((table >= low) & (table <= high)).all()
        assert (scored.sender == 0).all()
        assert task.utilities(x, []).sender.shape == (0, 3)


def test_unreadable_answers_are_counted_and_shown(
    path: Path, caplog: pytest.LogCaptureFixture
) -> None:
    task = Gsm8k(path)
    x, *_ = inputs(task)
    with caplog.at_level(logging.WARNING):
        task.utilities(x, [reply("no idea"), reply("#### 0"), reply("5 and", finished=False)])
    assert str(task.tally) == "3 answers scored, 2 unreadable (1 of them cut at the limit)"
    (record,) = caplog.records
    assert "2 of 3 answers could not be read and count as wrong (1 were cut)" in record.message


def test_prompts(task: Gsm8k) -> None:
    for x in inputs(task):
        told = [task.receiver_prompt(x, hint) for hint in (*task.items, None)]
        signals = [task.advisor_prompt(x, item) for item in task.items]
        assert len({*told, *signals}) == 7
        assert all(x.text in prompt for prompt in (*told, *signals))
        assert ("How many" in x.text) == (task.hidden != "step")


def test_sub_questions_become_hints(tmp_path: Path) -> None:
    answer = (
        "How many in May? ** In May 4/2=<<4/2=2>>2.\nAnd in all? ** In all 4+2=<<4+2=6>>6.\n"
        "And with June? ** 6*3=<<6*3=18>>18.\n#### 18"
    )
    row = {"question": "Ann sold 4 clips, half as many in May. How many?", "answer": answer}
    rows = [{**row, "question": f"{k}. {row['question']}"} for k in range(40)]
    (path := tmp_path / "s.jsonl").write_text("\n".join(map(json.dumps, rows)))
    task = Gsm8k(path, "step")
    x = task.examples("few numbers", "train", 1, 0)[0]
    assert "And in all?" in task.receiver_prompt(x, "second")
    assert task.demonstration(x, "second") == "In May 4/2=2.\nIn all 4+2=6.\n#### 6"
    scored = task.utilities(x, [reply("#### 6"), reply("18"), reply("2")]).sender
    assert scored.tolist() == [[0, 1, 0], [0, 0, 1], [1, 0, 0]]


@pytest.mark.parametrize("hidden", HIDDEN)
def test_real_problems(real: Path, hidden: str) -> None:
    task = tasks.load("gsm8k", path=real / "test.jsonl", hidden=hidden)
    n = {t: min(task.n_available(t, "test")) for t in task.priors}  # type: ignore[attr-defined]
    for template in task.priors:
        for x in task.examples(template, "test", min(n[template], 20), 0):
            for place, item in enumerate(task.items):
                if task.item_of(x) in (item, None):  # type: ignore[attr-defined]
                    score = task.utilities(x, [reply(task.demonstration(x, item))])
                    assert score.sender[0, place] > 0


def test_levels_are_those_of_the_replay_game(real: Path) -> None:
    levels = [level_of(row["answer"]) for row in read_rows(real / "test.jsonl", ["answer"])]
    assert [levels.count(k) for k in ("short", "medium", "long")] == [440, 654, 225]


def test_recorded_models_are_measured(real: Path) -> None:
    """She asks the large model when led to believe that it takes 3 or 4 steps, else the small."""
    task = Gsm8k(real / "test.jsonl")
    graded = {
        row["question"].strip(): row
        for row in read_rows(real / "example_model_solutions.jsonl", ["question"])
    }

    def answer(x: Example, hint: str | None) -> Reply:
        model = "175b_verification" if hint == "medium" else "6b_finetuning"
        return reply(graded[x.text][model]["solution"])

    examples = [x for t in task.priors for x in task.examples(t, "train", 200, 0)]
    measured = measure(
        task, ReplayReceiver.of(task, examples, lambda x, h: cut(answer(x, h))),
        n_inputs=200, split="train",
    )  # fmt: skip
    for template, game in measured.games.items():
        pool = [x for x in examples if x.template == template]
        for i, item in enumerate(task.items):
            own = [graded[x.text] for x in pool if task.item_of(x) == item]
            small = np.mean([row["6b_finetuning"]["is_correct"] for row in own])
            large = np.mean([row["175b_verification"]["is_correct"] for row in own])
            weight = len(own) / 200 / game.prior[i]
            expected = [small * weight, large * weight, small * weight]
            assert game.sender_utility[i].tolist() == pytest.approx(expected)


def cut(given: Reply) -> Reply:
    return Reply(given.text, min(given.n_tokens, 320), given.finished)


# -- files -------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda p: p.write_text(""), "holds no rows"),
        (lambda p: p.write_text("{}\n"), "line 1 of .* lacks the text 'question'"),
        (lambda p: p.write_text("[]\n"), "must be a JSON object"),
        (lambda p: p.write_text("{\n"), "line 1 of .* is no JSON"),
        (lambda p: p.write_bytes(b"\x1f\x8bxx"), "cannot be read"),
        (lambda p: p.write_bytes(b"\xff"), "cannot be read"),
        (lambda p: None, "there is no file"),
        (
            lambda p: p.write_text(json.dumps({"question": "?", "answer": "#### 3"})),
            "has no input for training|found no input",
        ),
        (lambda p: p.write_text(json.dumps({"question": "?", "answer": "3"})), "no number after"),
    ],
)
def test_faulty_data(make: Callable[[Path], Any], message: str, tmp_path: Path) -> None:
    make(path := tmp_path / "rows.jsonl")
    with pytest.raises(PersuasionError, match=message):
        Gsm8k(path, "operators")


def test_wrong_parameters(path: Path) -> None:
    with pytest.raises(PersuasionError, match="one of difficulty, operators, step; got 'colour'"):
        Gsm8k(path, "colour")  # type: ignore[arg-type]
    with pytest.raises(PersuasionError, match="`cost_per_token` must be a number >= 0"):
        Gsm8k(path, cost_per_token=-1)
    with pytest.raises(PersuasionError, match="reads a data set; pass `path`"):
        tasks.load("gsm8k")
    task = tasks.load("gsm8k", path=path)
    x = task.examples("few numbers", "test", 1, 0)[0]
    for ask in (task.receiver_prompt, task.advisor_prompt, task.demonstration):
        with pytest.raises(PersuasionError, match="no item 'hard'; it has short, medium, long"):
            ask(x, "hard")
    with pytest.raises(PersuasionError, match=r"has \d+ inputs .* for want of .*; got n=5000"):
        task.examples("few numbers", "test", 5000, 0)
    with pytest.raises(PersuasionError, match="train, measure, test; got 'dev'"):
        task.examples("few numbers", "dev", 1, 0)  # type: ignore[arg-type]
    with pytest.raises(PersuasionError, match="no input 'unheard of'"):
        task.utilities(Example("gsm8k", "few numbers", "unheard of"), [])


def test_listing() -> None:
    assert tasks.stored() == ("gsm8k", "humaneval")
    assert not set(tasks.stored()) & set(tasks.names())


def test_a_folder_is_read_through_datasets(tmp_path: Path) -> None:
    rows = [problem(k) for k in range(5)]
    (tmp_path / "test.jsonl").write_text("\n".join(map(json.dumps, rows)))
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("huggingface_hub.constants.HF_HUB_OFFLINE", True)
        patch.setattr("datasets.config.HF_HUB_OFFLINE", True)
        found = read_rows(tmp_path, ["question", "answer"])
        assert [row["question"] for row in found] == [row["question"] for row in rows]
        with pytest.raises(PersuasionError, match="could not be loaded: "):
            read_rows(tmp_path, ["question"], split="dev")
        with pytest.raises(PersuasionError, match=r"'no/where' .* could not be loaded"):
            read_rows("no/where", ["question"])


def test_an_empty_folder_is_no_data_set(tmp_path: Path) -> None:
    with pytest.raises(PersuasionError, match="is an empty folder; name a file"):
        read_rows(tmp_path, ["question"])


def test_hub_without_its_extra_says_what_to_install(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("llm_bridge.rows.missing", lambda *names: list(names))
    with pytest.raises(PersuasionError, match=r"pip install 'persuasion\[data\]'"):
        read_rows("openai/gsm8k", ["question"])
