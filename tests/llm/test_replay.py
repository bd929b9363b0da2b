"""Recorded answers of real models: the game, questions held out, and the Receiver that replays."""

from __future__ import annotations

import gzip
import json
from collections.abc import Callable
from dataclasses import replace
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from llm_bridge.advisor import Advisor
from llm_bridge.device import threads
from llm_bridge.measure import measure
from llm_bridge.objectives.exact import expected_value
from llm_bridge.pages import reading_demo, replay_demo
from llm_bridge.pages.price_plot import plot_prices
from llm_bridge.receivers import TextReceiver
from llm_bridge.receivers.replay import ReplayReceiver
from llm_bridge.replay import reading
from llm_bridge.replay.counting import count_questions
from llm_bridge.replay.reader import (
    CLASSES,
    ReaderTraining,
    as_seen,
    codewords_of,
    readings,
    train_reader,
    with_codewords,
)
from llm_bridge.replay.reading import READ_ARMS, Read, held_out_reading, read_questions
from llm_bridge.replay.recommend import CODEWORDS, laws_after, learn_codewords
from llm_bridge.replay.study import ARMS, answered, held_out, laws_of, splits
from llm_bridge.replay.texts import QuestionTexts, question_texts
from llm_bridge.reply import Reply
from llm_bridge.training.belief_response import Stakes
from persuasion import GameError, PersuasionGame, SignalingScheme, solve, zoo
from persuasion.errors import PersuasionError
from persuasion.margin_rules import solve_with_margin
from persuasion.receivers import Bayesian
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


def test_section_of_the_demo(monkeypatch: pytest.MonkeyPatch) -> None:
    told: list[str] = []
    monkeypatch.setattr(reading_demo, "sections", lambda progress: [])
    (section,) = replay_demo.sections(told.append)
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

WORDS = ("tiny", "brief", "usual", "ample", "long", "tedious")
QUICK = ReaderTraining(steps=60, lr=1e-2, dropout=0.0, vocabulary=300, n_positions=40)


def lines(path: Path) -> list[dict[str, Any]]:
    return [json.loads(line) for line in path.read_text(encoding="utf-8").split("\n") if line]


def tale(steps: int, number: int) -> str:
    """A question in which one word gives away how long its solution is."""
    return f"A {WORDS[min(steps, CLASSES) - 1]} tale of {number} eggs."


def made_up(n: int, seed: int) -> tuple[list[str], list[int]]:
    rng = np.random.default_rng(seed)
    steps = rng.integers(1, 8, n).tolist()
    return [tale(k, int(rng.integers(99))) for k in steps], steps


@pytest.fixture(scope="module")
def reader() -> Advisor:
    return train_reader(*made_up(600, 0), QUICK)


def test_reader_learns_what_is_in_the_words_and_nothing_else(reader: Advisor) -> None:
    fresh, truth = made_up(200, 1)
    classes = np.searchsorted(LEVELS[CLASSES], truth)

    def seen(texts: list[str]) -> Any:
        return laws_after(readings(reader, texts), codewords_of(reader)[None])[0].argmax(axis=1)

    assert (seen(fresh) == classes).mean() > 0.97
    blind = [text.replace(text.split()[1], "x") for text in fresh]
    assert (seen(blind) == classes).mean() < 0.4, "negative control"
    again = train_reader(*made_up(600, 0), QUICK)
    assert again.fingerprint == reader.fingerprint
    other = train_reader(*made_up(600, 0), replace(QUICK, dropout=0.3, steps=5))
    assert other.fingerprint != reader.fingerprint
    assert readings(reader, ["eggs " * 100 + fresh[0]]).shape == (1, 32), "loses its beginning"


def test_numbers_are_seen_as_numbers() -> None:
    assert as_seen("1 egg, 2,000 eggs and 3.5 eggs.") == "# egg, # eggs and # eggs."


def test_laws_after_readings_are_those_of_the_language_model(reader: Advisor) -> None:
    """The short way, a product of readings and vectors, against the model itself."""
    texts = [text + " Or so." * (i % 4) for i, text in enumerate(made_up(20, 2)[0])]
    read = readings(reader, texts, batch_size=7)
    taught = with_codewords(reader, np.random.default_rng(0).normal(size=(2, 32)))
    assert set(taught.codebook.words).isdisjoint(reader.codebook.words)
    for advisor in (reader, taught):
        with torch.no_grad():
            rows = advisor.encode([as_seen(text) for text in texts])
            naive = advisor.log_law(rows).exp().numpy()
        short = laws_after(read, codewords_of(advisor)[None])[0]
        np.testing.assert_allclose(short, naive, atol=1e-5)
    np.testing.assert_allclose(readings(taught, texts), read, atol=1e-6)
    with pytest.raises(PersuasionError, match="1 to 2, one for each codeword; got 3"):
        with_codewords(reader, np.zeros((3, 32)))


def test_small_models_are_trained_on_one_thread_whatever_torch_is_set_to() -> None:
    """Several threads on a busy machine cost many times more."""
    seen: list[int] = []
    with threads(2):
        few = replace(QUICK, steps=3)
        train_reader(*made_up(60, 0), few, progress=lambda *_: seen.append(torch.get_num_threads()))
        assert torch.get_num_threads() == 2
    assert seen == [1, 1, 1]


def test_a_reader_needs_all_classes() -> None:
    with pytest.raises(PersuasionError, match="got 2 texts, 2 numbers in 1 classes"):
        train_reader(["a", "b"], [1, 1])


# -- codewords that persuade -------------------------------------------------------------------


def played(read: Any, levels: Any, games: list[PersuasionGame], vectors: Any) -> list[float]:
    """Sender's value of learnt codewords, if a best responder knows what they tell of levels."""
    values = []
    for game, laws in zip(games, laws_after(read, vectors), strict=True):
        kernel = np.stack([laws[levels == k].mean(axis=0) for k in range(game.n_states)])
        scheme = SignalingScheme(kernel)
        answer = Bayesian().respond(game, scheme.posteriors(game))
        law = scheme.kernel @ answer
        values.append(float(game.prior @ (law * game.sender_utility).sum(axis=1)))
    return values


@pytest.mark.parametrize("n_levels", [3, 6])
def test_codewords_reach_the_optimum_where_levels_can_be_read(n_levels: int) -> None:
    levels = np.repeat(np.arange(n_levels), 30)
    games = [replay_game(questions(), n_levels, 2, ["0", price]) for price in ("0.35", "0.37")]
    clear = np.eye(n_levels)[levels]
    found = played(clear, levels, games, learn_codewords(clear, levels, games))
    for game, value in zip(games, found, strict=True):
        best = float(solve_with_margin(game, CODEWORDS.margin_of("")).value)
        none = float(solve(game).no_disclosure)
        assert none + 0.88 * (best - none) < value < best + 0.01
    blurred = np.random.default_rng(0).permutation(clear)
    blind = played(blurred, levels, games, learn_codewords(np.ones((len(levels), 4)), levels, games)
                   [:, :, :1].repeat(n_levels, axis=2))  # fmt: skip
    assert blind == pytest.approx([float(solve(game).no_disclosure) for game in games])


def test_a_state_for_each_question_gives_the_same_value() -> None:
    """Averaging over the questions of a level loses nothing: the long way for comparison."""
    rng = np.random.default_rng(3)
    levels, kernel = np.arange(12) % 3, rng.dirichlet([1, 1], 12)
    game = replay_game(questions(), 3, 2, ["0", "0.35"])

    def value(prior: Any, chances: Any, state: Any) -> float:
        table = torch.tensor(chances)[None]
        at = [torch.tensor(x)[None] for x in (prior, game.sender_utility[state],
                                              game.receiver_utility[state])]  # fmt: skip
        stakes = Stakes(at[0], at[0], at[1], at[2], torch.tensor([0.003]).double(), beta=300.0)
        return float(expected_value(table.log(), stakes))

    by_level = np.stack([kernel[levels == k].mean(axis=0) for k in range(3)])
    short = value(game.prior, by_level, np.arange(3))
    assert value(game.prior[levels] / 4, kernel, levels) == pytest.approx(short, abs=1e-12)


@pytest.mark.parametrize(
    ("levels", "message"),
    [([0, 1, 1], r"got \[1, 2, 0\] questions by level"), ([0, 1, 2, 2], "and 3 readings")],
)
def test_codewords_need_every_level(levels: list[int], message: str) -> None:
    with pytest.raises(PersuasionError, match=message):
        learn_codewords(np.ones((3, 2)), np.array(levels), [replay_game(questions())])


# -- reading, over splits and prices -----------------------------------------------------------


def read_as(asked: Questions, share: float, seed: int = 0) -> Read:
    """Readings that say the class of a question, right for a share of them and else any."""
    rng = np.random.default_rng(seed)

    def seen(steps: Any) -> Any:
        classes = np.searchsorted(LEVELS[CLASSES], steps)
        lost = rng.random(len(steps)) >= share
        return np.eye(CLASSES)[np.where(lost, rng.permutation(classes), classes)]

    fresh = rng.choice(asked.steps, 800)
    told = seen(asked.steps)
    return Read(seen(fresh), fresh, told, told)


def test_reading_is_worth_the_level_where_it_can_be_read() -> None:
    asked = questions()
    found = held_out_reading(read_as(asked, 1.0), prices=["0.35", "0.37"], n_splits=4)
    assert found.accuracy.shape == (4, 2, len(READ_ARMS))
    by_level = found.accuracy[:, :, : len(ARMS)]
    for place, price in enumerate(("0.35", "0.37")):
        told = held_out(asked, n_splits=4, costs=f"0, {price}")
        np.testing.assert_allclose(by_level[:, place], told.accuracy, atol=1e-12)
    np.testing.assert_allclose(found.accuracy[:, :, 3:5], by_level[:, :, 1:], atol=1e-9)
    none, best, learnt, control = (found.accuracy.mean(axis=0)[:, k] for k in (0, 2, 5, 6))
    assert (learnt > none + 0.85 * (best - none)).all()
    assert (found.followed > 0.4).all()
    assert control == pytest.approx(none, abs=0.02), "negative control"
    for place in range(2):
        assert found.limits(place).interval(5, minus=0).lower > 0.1
    # at 0.35 some of the few splits persuade by themselves
    assert found.limits_over_splits(1).interval(5, minus=0).lower > 0.1


def test_reading_is_worth_nothing_where_there_is_nothing_to_read() -> None:
    for share, least, most in ((0.0, -0.02, 0.02), (0.6, 0.05, 0.3)):  # in part: seen by the test
        found = held_out_reading(read_as(questions(), share), prices=["0.36"], n_splits=3)
        none, *_, learnt, _ = found.accuracy.mean(axis=0)[0]
        assert least < learnt - none < most


def test_splits_are_shared_and_parts_must_fit() -> None:
    for out, rest in splits(10, 2, 0.2, seed=0):
        assert len(out) == 2
        assert sorted([*out, *rest]) == list(range(10))
    read = read_as(questions(), 1.0)
    with pytest.raises(PersuasionError, match="got 5 graded and 1319 read"):
        held_out_reading(read, questions().subset(slice(5)))
    with pytest.raises(PersuasionError, match="`n_splits` must be at least 1"):
        held_out_reading(read, n_splits=0)
    with pytest.raises(PersuasionError, match="`share_fresh` must leave questions on both sides"):
        read_questions(QuestionTexts(("a", "b"), np.array([1, 2]), ("c",)), share_fresh=0.0)


def test_questions_of_a_class_are_read_by_one_that_was_not_trained_on_them() -> None:
    train, steps = made_up(400, 3)
    test, truth = made_up(50, 4)
    told: list[tuple[int, int]] = []
    read = read_questions(
        QuestionTexts(tuple(train), np.array(steps), tuple(test)),
        QUICK,
        share_fresh=0.3,
        progress=lambda i, n: told.append((i, n)),
    )
    assert told[-1] == (60, 60)
    assert (len(read.fresh), len(read.fresh_steps), len(read.asked)) == (120, 120, 50)
    assert (read.likeliest(3) == np.searchsorted(LEVELS[3], truth)).mean() > 0.9
    assert (read.likeliest(6) == np.searchsorted(LEVELS[6], truth)).mean() > 0.9


def test_counting_words_reads_what_words_say() -> None:
    train, steps = made_up(400, 3)
    test, truth = made_up(50, 4)
    levels = np.searchsorted(LEVELS[3], truth)
    texts = QuestionTexts(tuple(train), np.array(steps), tuple(test))
    read = count_questions(texts, n_words=20, share_fresh=0.3)
    assert (read.likeliest(3) == levels).mean() > 0.97
    np.testing.assert_allclose(read.chances.sum(axis=1), 1)
    blind = count_questions(texts, n_words=3, share_fresh=0.3)  # "a", "tale", "of"
    assert (blind.likeliest(3) == levels).mean() < 0.6, "negative control"


def test_the_demo_shows_the_reader(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(reading_demo, "_SPLITS", 2)
    monkeypatch.setattr(reading_demo, "_PRICES", ("0.35", "0.37"))
    monkeypatch.setattr(reading, "read_questions", lambda **_: read_as(questions(), 0.7))
    (section,) = reading_demo.sections(lambda words: None)
    (table,) = (block for block in section.blocks if isinstance(block, Table))
    assert [row[0] for row in table.rows] == ["0.350", "0.370"]
    assert table.columns[1:-1] == ["no disclosure", *READ_ARMS[1:]]
    assert sum(isinstance(block, Picture) for block in section.blocks) == 1
    monkeypatch.setattr(reading_demo, "missing", lambda *names: ["torch"])
    (section,) = reading_demo.sections(lambda words: None)
    assert "pip install" in section.to_html("s")
    with pytest.raises(PersuasionError, match="at least one"):
        plot_prices([0.3], [])


def test_the_words_shipped_are_those_published() -> None:
    train, test = (ANSWERS.with_name(name) for name in ("train.jsonl", "test.jsonl"))
    if not train.exists():
        pytest.skip("the data set is not beside the checkout")
    texts, rows = question_texts(), lines(train)
    assert list(texts.train) == [row["question"] for row in rows]
    assert list(texts.test) == [row["question"] for row in lines(test)]
    steps = [min(9, row["answer"].count("<<")) for row in rows]
    assert steps == texts.train_steps.tolist()


def test_the_words_shipped_carry_their_licence() -> None:
    file = resources.files("llm_bridge.replay").joinpath("gsm8k_questions.json.gz")
    table = json.loads(gzip.decompress(file.read_bytes()))
    assert "Permission is hereby granted" in table["licence"]
    assert "2110.14168" in table["source"]
    assert len(question_texts().test) == len(questions())


@pytest.fixture(scope="module")
def read() -> Read:
    return read_questions()


@pytest.mark.slow
def test_a_reader_of_real_questions_persuades_where_the_price_is_near(read: Read) -> None:
    """Near the price at which the user pays by herself; not where it is far."""
    assert (read.likeliest(3) == questions().levels(3)).mean() > 0.51 > 654 / 1319 + 0.01
    found = held_out_reading(read, prices=["0.345", "0.35", "0.355", "0.38"])
    none, full, best, _, labels, learnt, _ = found.accuracy.mean(axis=0).T
    for place in range(3):
        over, among = found.limits(place), found.limits_over_splits(place)
        assert min(over.interval(5, minus=0).lower, among.interval(5, minus=0).lower) > 0.02
        assert max(over.interval(5, minus=2).upper, among.interval(5, minus=2).upper) < 0
        # chance makes shuffled codewords seem to tell a little, which counts where prices are near
        assert abs(among.interval(6, minus=0).mean) < 0.045, "negative control"
        assert among.interval(5, minus=6).lower > 0.05
    assert (learnt[:3] > labels[:3] + 0.03).all()
    assert learnt[3] == pytest.approx(none[3], abs=0.005)
    assert best[3] > full[3] > none[3]


@pytest.mark.slow
def test_counting_real_words_is_worth_about_as_much(read: Read) -> None:
    counted = count_questions()
    assert 0.55 < (counted.likeliest(3) == questions().levels(3)).mean() < 0.6
    means = [
        held_out_reading(one, prices=["0.345", "0.35", "0.355"], n_splits=10).accuracy.mean(axis=0)
        for one in (read, counted)
    ]
    assert means[0][:, 5] == pytest.approx(means[1][:, 5], abs=0.05)
