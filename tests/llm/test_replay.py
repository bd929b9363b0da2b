"""Recorded answers of real models: the game, questions held out, and the Receiver that replays."""

from __future__ import annotations

import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from llm_bridge.measure import measure
from llm_bridge.pages.replay_demo import sections
from llm_bridge.receivers import TextReceiver
from llm_bridge.receivers.replay import ReplayReceiver
from llm_bridge.replay.reader import ReaderTraining, as_read, signals_of, train_reader
from llm_bridge.replay.study import answered, held_out, laws_of
from llm_bridge.reply import Reply
from persuasion import GameError, PersuasionGame, solve, zoo
from persuasion.errors import PersuasionError
from persuasion.report import Paragraph, Picture, Table
from persuasion.zoo.gsm8k_replay import COSTS, LEVELS, MODELS, Questions, questions, replay_game
from tests.llm.fakes import Arithmetic

ANSWERS = Path(__file__).parents[3] / "shared/data/gsm8k/example_model_solutions.jsonl"


# -- the game ----------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("levels", "none", "full", "optimum"),
    [
        (3, "286/1319", "548/1319", "2539209/4781375"),
        (6, "286/1319", "441/1319", "1119857/2072149"),
    ],
)
def test_two_models(levels: int, none: str, full: str, optimum: str) -> None:
    solution = solve(zoo.load("gsm8k_replay", levels=levels), exact=True)
    assert solution.no_disclosure == pytest.approx(float(Fraction(none)), abs=1e-12)
    assert solution.full_disclosure == pytest.approx(float(Fraction(full)), abs=1e-12)
    assert solution.value == Fraction(optimum)
    assert solution.recommendations == (0, 1)


def test_sizes_and_accuracies() -> None:
    game = zoo.load("gsm8k_replay", models=4)
    assert [p * 1319 for p in game.exact.prior] == [440, 654, 225]
    assert game.sender_utility.round(2).tolist() == [
        [0.36, 0.56, 0.46, 0.69],
        [0.17, 0.36, 0.35, 0.57],
        [0.07, 0.14, 0.12, 0.28],
    ]
    paid = game.sender_utility - game.receiver_utility
    assert paid == pytest.approx(np.tile([float(c) for c in COSTS[4]], (3, 1)))
    assert game.states == ("up to 2 steps", "3-4 steps", "5 steps or more")
    six = zoo.load("gsm8k_replay", levels=6)
    assert six.states[:3] == ("up to 1 step", "2 steps", "3 steps")
    assert six.states[-1] == "6 steps or more"


@pytest.mark.parametrize("levels", LEVELS)
def test_the_closed_form_rests_on_the_larger_model_being_better_everywhere(levels: int) -> None:
    accuracy = zoo.load("gsm8k_replay", levels=levels).sender_utility
    assert (accuracy[:, 1] > accuracy[:, 0]).all()


def test_value_of_four_models_at_other_costs_is_unknown_not_wrong() -> None:
    entry = zoo.entry("gsm8k_replay")
    assert entry.value_at(models=4) == Fraction(3063672537, 5911032550)
    assert entry.value_at(models=4, costs="0, 1/5, 1/5, 2/5") is None


@pytest.mark.parametrize(
    ("parameters", "message"),
    [
        ({"levels": 4}, "`levels` must be one of 3, 6; got 4"),
        ({"models": 3}, "`models` must be one of 2, 4; got 3"),
        ({"costs": "0, 1, 2"}, "`costs` must hold 2 numbers >= 0"),
        ({"costs": "0, -1"}, "`costs` must hold 2 numbers >= 0"),
        ({"costs": "0, free"}, "not a number"),
    ],
)
def test_wrong_parameters(parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(GameError, match=message):
        zoo.load("gsm8k_replay", **parameters)


def test_table_says_where_it_comes_from() -> None:
    file = resources.files("persuasion.zoo").joinpath("gsm8k_replay.json")
    table = json.loads(file.read_text())
    assert table["models"] == list(MODELS[4])
    assert "2110.14168" in table["source"]
    assert table["licence"].startswith("MIT")
    assert len(table["steps"]) == len(table["right"]) == table["questions"] == 1319


def test_table_agrees_with_the_committee() -> None:
    """Two tables made from the same file, each its own way."""
    committee = zoo.load("gsm8k_committee").exact.prior
    patterns = questions().right @ [8, 4, 2, 1]
    assert np.bincount(patterns, minlength=16).tolist() == [p * 1319 for p in committee]


def test_table_is_that_of_the_raw_file() -> None:
    if not ANSWERS.exists():
        pytest.skip("the graded answers are not beside the checkout")
    raw, shipped = Questions.read(ANSWERS), questions()
    np.testing.assert_array_equal(raw.steps, shipped.steps)
    np.testing.assert_array_equal(raw.right, shipped.right)
    tests = ANSWERS.with_name("test.jsonl").read_text(encoding="utf-8").splitlines()
    steps = [json.loads(line)["answer"].count("<<") for line in tests]
    assert steps == shipped.steps.tolist(), "both published files write the same calculations"


def graded(n: int = 1, **changes: Any) -> str:
    row = {"ground_truth": "<<1+1=2>>" * n, **{m: {"is_correct": True} for m in MODELS[4]}}
    return json.dumps({**row, **changes}) + "\n"


def test_reading_a_file(tmp_path: Path) -> None:
    (path := tmp_path / "a.jsonl").write_text(
        graded(1) + "\n" + graded(4, **{"6b_finetuning": {"is_correct": False}}) + graded(7)
    )
    asked = Questions.read(path)
    assert asked.steps.tolist() == [1, 4, 7]
    assert asked.right[:, 0].tolist() == [True, False, True]
    assert replay_game(asked).exact.prior == (Fraction(1, 3),) * 3
    with pytest.raises(GameError, match=r"numbers are \[1, 1, 0\]. Take more, or fewer levels"):
        replay_game(asked.subset([0, 1]))


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no graded answers"),
        ("?\n", "line 1 must be a JSON object"),
        (graded() + graded(ground_truth=3), "line 2 must be a JSON object"),
        (graded(**{"6b_verification": {}}), "line 1 must be a JSON object"),
        (graded(**{"6b_verification": {"is_correct": 1}}), "must be true or false"),
    ],
)
def test_faulty_files(text: str, message: str, tmp_path: Path) -> None:
    (path := tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(GameError, match=message):
        Questions.read(path)
    with pytest.raises(GameError, match="cannot be read"):
        Questions.read(tmp_path / "none.jsonl")


# -- questions held out ------------------------------------------------------------------------


def test_the_scheme_beats_both_ends_on_held_out_questions() -> None:
    """40 random splits, margin .005."""
    found = held_out()
    assert found.n_splits == 40
    assert found.best_everywhere
    means = found.accuracy.mean(axis=0)
    assert means == pytest.approx([0.219, 0.416, 0.504], abs=0.01)
    assert found.limits.interval(2, minus=1).lower > 0.05
    assert (found.margins == 0.005).all()
    assert 0 < found.still_obeyed.mean() < 1, "the Receiver is left all but indifferent"


def test_grades_that_do_not_depend_on_the_level_leave_nothing_to_gain() -> None:
    """Negative control: levels are dealt out at random."""
    asked = questions()
    dealt = np.random.default_rng(0).permutation(asked.steps)
    found = held_out(replace(asked, steps=dealt), n_splits=10)
    assert not found.best_everywhere
    assert abs(found.limits.interval(2, minus=1).mean) < 0.03


def test_splits_do_not_depend_on_their_number() -> None:
    few, many = held_out(n_splits=2, seed=3), held_out(n_splits=4, seed=3)
    np.testing.assert_array_equal(few.accuracy, many.accuracy[:2])
    assert (held_out(n_splits=2, seed=4).accuracy != few.accuracy).any()


@pytest.mark.parametrize("arguments", [{"n_splits": 0}, {"share": 0.0}, {"share": 1.0}])
def test_wrong_splits(arguments: dict[str, Any]) -> None:
    with pytest.raises(PersuasionError, match="`n_splits` must be at least 1 and `share`"):
        held_out(**arguments)


@pytest.mark.parametrize("parameters", [{}, {"levels": 6}, {"models": 4}])
def test_counting_answers_gives_the_values_of_the_game(parameters: dict[str, Any]) -> None:
    game = zoo.load("gsm8k_replay", **parameters)
    solution = solve(game)
    laws = laws_of(game, solution)
    np.testing.assert_allclose(laws.sum(axis=2), 1)
    shares = answered(questions(), laws).mean(axis=0)
    assert shares == pytest.approx([solution.no_disclosure, solution.full_disclosure,
                                    solution.value])  # fmt: skip


def test_section_of_the_demo() -> None:
    told: list[str] = []
    (section,) = sections(told.append)
    kinds = {kind: [b for b in section.blocks if isinstance(b, kind)]
             for kind in (Paragraph, Picture, Table)}  # fmt: skip
    assert len(kinds[Picture]) == 1
    game_table, arms, variants = kinds[Table]
    assert [row[1] for row in arms.rows] == ["0.217", "0.415", "0.531"]
    assert arms.echo
    assert game_table.rows[1][-2:] == ["0", "1"]
    assert "all splits" in kinds[Paragraph][1].text
    assert len(variants.rows) == 4
    assert told
    # what the words of the section say of the user
    game = zoo.load("gsm8k_replay")
    assert game.receiver_utility.argmax(axis=1).tolist() == [0, 1, 0]
    assert (game.prior @ game.receiver_utility).argmax() == 0


# -- the Receiver ------------------------------------------------------------------------------


def recorded(*rows: dict[str, Any]) -> str:
    return "".join(json.dumps(row) + "\n" for row in rows)


ROW = {"prompt": "1+1=", "text": "2", "n_tokens": 1}


def test_replay_answers_what_was_recorded(tmp_path: Path) -> None:
    (path := tmp_path / "gpt.jsonl").write_text(
        recorded(ROW, {"prompt": "2+2=", "text": "4…\u2028", "n_tokens": 2, "finished": False}, ROW)
    )
    receiver = ReplayReceiver.from_jsonl(path, "best_response")
    assert isinstance(receiver, TextReceiver)
    assert (receiver.name, len(receiver)) == ("gpt", 2)
    seen: list[tuple[int, int]] = []
    replies = receiver.generate(
        ["2+2=", "1+1=", "2+2="], max_new_tokens=2, progress=lambda i, n: seen.append((i, n))
    )
    assert replies == [Reply("4…\u2028", 2, False), Reply("2", 1), Reply("4…\u2028", 2, False)]
    assert seen == [(3, 3)]
    again = ReplayReceiver.from_jsonl(receiver.save(tmp_path / "again.jsonl"), "best_response")
    assert again.fingerprint == receiver.fingerprint
    game = PersuasionGame([0.5, 0.5], np.eye(2), np.eye(2))
    assert receiver.respond(game, np.array([[0.4, 0.6]])).tolist() == [[0.0, 1.0]]


def test_fingerprint_tells_answers_and_rules_apart() -> None:
    receivers = [
        ReplayReceiver({"a": Reply("b", 1)}),
        ReplayReceiver({"a": Reply("c", 1)}),
        ReplayReceiver({"a": Reply("b", 2)}),
        ReplayReceiver({"a": Reply("b", 1)}, "best_response"),
    ]
    assert len({receiver.fingerprint for receiver in receivers}) == 4


def test_a_question_that_was_not_recorded_is_an_error() -> None:
    receiver = ReplayReceiver({"What is 1+1?": Reply("2", 1), "Name a color.": Reply("red", 1)})
    with pytest.raises(
        PersuasionError,
        match=r"no answer to 1 of 2 prompts, the first 'What is 1 \+ 1\?'.* is 'What is 1\+1\?'",
    ):
        receiver.generate(["Name a color.", "What is 1 + 1?"], max_new_tokens=5)
    with pytest.raises(PersuasionError, match="has 1 tokens, but at most 0"):
        receiver.generate(["Name a color."], max_new_tokens=0)
    with pytest.raises(PersuasionError, match="one text"):
        receiver.generate("Name a color.", max_new_tokens=5)
    with pytest.raises(PersuasionError, match="no recorded answers"):
        ReplayReceiver({})


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no recorded answers"),
        ("[1]\n", "line 1 of .* is no recorded answer"),
        (recorded(ROW, {"prompt": "a", "text": "b"}), "line 2 of .* is no recorded answer"),
        (recorded({**ROW, "text": None}), "must be texts"),
        (recorded({**ROW, "n_tokens": -1}), "whole number >= 0"),
        (recorded({**ROW, "finished": "no"}), "true or false"),
        (recorded(ROW, {**ROW, "text": "3"}), r"line 2 of .* another answer .* '1\+1='"),
    ],
)
def test_faulty_records(text: str, message: str, tmp_path: Path) -> None:
    (path := tmp_path / "a.jsonl").write_text(text)
    with pytest.raises(PersuasionError, match=message):
        ReplayReceiver.from_jsonl(path)
    with pytest.raises(PersuasionError, match="cannot be read"):
        ReplayReceiver.from_jsonl(tmp_path / "none.jsonl")


def test_replaying_a_model_measures_the_same_game() -> None:
    task = Arithmetic()
    examples = [x for t in task.priors for x in task.examples(t, "measure", 5, 0)]

    def answer(example: Any, hint: str | None) -> Reply:
        return Reply("0" if hint is None else str(task.truth(example, hint)), 2)

    receiver = ReplayReceiver.of(task, examples, answer)
    measured = measure(task, receiver, n_inputs=5)
    for game in measured.games.values():
        assert np.diag(game.sender_utility).tolist() == [1.0, 1.0, 1.0]
    other: Callable[..., Any] = ReplayReceiver.of(task, examples[:1], answer).generate
    with pytest.raises(PersuasionError, match="no answer to 4 of 8 prompts"):
        other([task.receiver_prompt(x, h) for x in examples[:2] for h in (*task.items, None)],
              max_new_tokens=8)  # fmt: skip


# -- an Advisor who reads the question ---------------------------------------------------------


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def made_up(n: int, seed: int) -> tuple[list[str], list[int]]:
    """Questions whose level one word gives away."""
    rng = np.random.default_rng(seed)
    steps = rng.integers(1, 7, n).tolist()
    words = ["brief", "brief", "usual", "usual", "tedious", "tedious"]
    return [f"A {words[k - 1]} tale of {rng.integers(99)} eggs." for k in steps], steps


def test_reader_learns_what_is_in_the_words_and_nothing_else() -> None:
    quick = ReaderTraining(steps=60, vocabulary=300, n_positions=24)
    texts, steps = made_up(300, 0)
    reader = train_reader(texts, steps, quick)
    fresh, truth = made_up(200, 1)
    levels = np.searchsorted(LEVELS[3], truth)
    assert (signals_of(reader, fresh) == levels).mean() > 0.97
    blind = [text.replace("brief", "x").replace("usual", "x").replace("tedious", "x")
             for text in fresh]  # fmt: skip
    assert (signals_of(reader, blind) == levels).mean() < 0.5, "negative control"
    again = train_reader(texts, steps, quick)
    assert again.fingerprint == reader.fingerprint
    long = signals_of(reader, ["eggs " * 100 + fresh[0]])
    assert long.shape == (1,), "longer questions lose their beginning"


def test_signals_take_the_place_of_levels() -> None:
    asked = questions()
    levels = asked.levels(3)
    np.testing.assert_array_equal(as_read(asked, levels).levels(3), levels)
    read = as_read(asked, (levels + 1) % 3)
    np.testing.assert_array_equal(read.levels(3), (levels + 1) % 3)
    with pytest.raises(PersuasionError, match="of all 3 levels; got 2 texts, 2 numbers of 1"):
        train_reader(["a", "b"], [1, 1])


@pytest.mark.slow
def test_reading_real_questions_tells_something_of_their_level() -> None:
    """What the Advisor sees in the words is worth less than the level, and not nothing."""
    train, test = (ANSWERS.with_name(name) for name in ("train.jsonl", "test.jsonl"))
    if not train.exists():
        pytest.skip("the data set is not beside the checkout")
    rows = lines(train)
    reader = train_reader(
        [row["question"] for row in rows], [row["answer"].count("<<") for row in rows]
    )
    asked = questions()
    signals = signals_of(reader, [row["question"] for row in lines(test)])
    levels = asked.levels(3)
    assert (signals == levels).mean() > 0.53 > 654 / 1319 + 0.03, "above the commonest level"
    for costs, least in ((None, 0.0), ("0, 7/20", 0.05)):
        told = held_out(asked, costs=costs)
        read = held_out(as_read(asked, signals), costs=costs)
        shuffled = held_out(
            as_read(asked, np.random.default_rng(0).permutation(signals)), costs=costs
        )
        none, _, by_level = told.accuracy.mean(axis=0)
        _, full, scheme = read.accuracy.mean(axis=0)
        assert none + least < max(full, scheme) < by_level
        assert shuffled.accuracy[:, 2].mean() < max(full, scheme), "negative control"
