"""Every game of the zoo is what its entry says, and its stated value is the value."""

import json
import pickle
from collections.abc import Iterator
from dataclasses import replace
from fractions import Fraction
from importlib import resources
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from persuasion import GameError, PersuasionGame, solve, zoo
from persuasion.io import read_game, write_game
from persuasion.values import first_best, full_disclosure_value, no_disclosure_value
from persuasion.zoo.gsm8k_committee import MODELS, count_patterns, gsm8k_committee_from_file
from tests.reference.cases import CASES
from tests.reference.textbook import textbook_value

TOLERANCE = 1e-9
ANSWERS = Path(__file__).parents[3] / "shared/data/gsm8k/example_model_solutions.jsonl"

VARIANTS: dict[str, list[dict[str, Any]]] = {
    "f1": [{"m": 2, "beta": 1}, {"m": 7, "beta": "5/2"}, {"m": 5, "beta": "1/3"}],
    "grading": [],
    "gsm8k_committee": [
        {"sender": sender, "cost": cost}
        for sender in ("engagement", "commission", "correctness")
        for cost in ("1/2", "887/432", 9)
    ],
    "gsm8k_replay": [
        {"levels": 6},
        {"models": 4},
        {"levels": 6, "models": 4, "costs": "0, 18/100, 1/5, 37/100"},
        *({"levels": n, "costs": f"0, {cost}"} for n in (3, 6) for cost in ("0", "3/10", "2/5")),
        {"costs": "1/2, 1/10"},
    ],
    "investment": [{"x": 0}, {"x": "1/7"}, {"x": 3}],
    "kremer_mansour_perry": [{"grid": n} for n in (1, 2, 3, 4, 11, 25)],
    "lobbying": [],
    "medicine": [{"p": "1/5", "threshold": "4/5"}, {"p": "2/3"}, {"threshold": "1/10"}, {"p": 0}],
    "opposed_interests": [],
    "posterior_mean_threshold": [
        {"grid": 5, "threshold": "2/3"},
        {"grid": 7, "threshold": "19/20"},
        {"grid": 4, "threshold": "1/3"},
        {"grid": 1, "threshold": 1},
        {"grid": 6, "threshold": "11/12"},
    ],
    "price_discrimination": [
        {"values": (1, 2, 4), "prior": ("1/2", "1/4", "1/4")},
        {"values": "1, 3/2, 5, 7", "prior": "1/10, 2/5, 3/10, 1/5"},
        {"values": [2]},
    ],
    "prosecutor": [{"p": "1/4"}, {"p": 0.7}, {"p": 0}, {"p": 1}],
    "real_estate": [{"buyer": 2}],
    "recommendation_letter": [{"p": "1/9"}, {"p": "1/2"}],
    "security_target": [{"coverage": "1/10"}, {"coverage": "2/5"}],
    "think_tank": [{"p": "1/5"}, {"p": "4/5"}],
    "three_state_sale": [],
}
"""Parameters, beside the defaults, at which the stated value is checked."""

EACH_NAME = pytest.mark.parametrize("name", zoo.names())
EACH_FAMILY = pytest.mark.parametrize("family", zoo.families())
EACH_GAME = pytest.mark.parametrize(
    ("name", "parameters"),
    [
        pytest.param(name, parameters, id=f"{name}-{i}")
        for name in zoo.names()
        for i, parameters in enumerate([{}, *VARIANTS[name]])
    ],
)


# -- entries -----------------------------------------------------------------------------------


def entry_faults(entry: zoo.ZooEntry) -> list[str]:
    """What an entry leaves out."""
    faults = [key for key in ("source", "note") if not getattr(entry, key).strip()]
    if "\n" in entry.note or len(entry.note) > 100:
        faults.append("note longer than a line")
    if entry.value_at() is None:
        faults.append("no value at the default parameters")
    return faults


@EACH_NAME
def test_entry(name: str) -> None:
    entry = zoo.entry(name)
    assert entry.name == name
    assert entry_faults(entry) == []
    assert isinstance(entry.value_at(), Fraction)
    game = entry.load()
    assert (game.name, game.source) == (name, entry.source)
    assert game == entry.build() == zoo.load(name, **entry.parameters)


def test_incomplete_entry_is_caught() -> None:
    entry = zoo.entry("grading")
    for change in ({"source": " "}, {"note": ""}, {"note": "a\nb"}, {"value": None}):
        assert len(entry_faults(replace(entry, **change))) == 1


def test_listing() -> None:
    assert tuple(entry.name for entry in zoo.entries()) == zoo.names()
    assert set(VARIANTS) == set(zoo.names())
    assert len(zoo.names()) >= 14
    assert not set(zoo.names()) & set(zoo.families())


@EACH_GAME
def test_round_trips(name: str, parameters: dict[str, Any], tmp_path: Path) -> None:
    game = zoo.load(name, **parameters)
    write_game(game, tmp_path / "game.json")
    again = read_game(tmp_path / "game.json")
    assert again == game
    assert (again.name, again.source, again.exact) == (game.name, game.source, game.exact)
    assert pickle.loads(pickle.dumps(game)) == game


# -- values ------------------------------------------------------------------------------------


@EACH_GAME
def test_stated_value(name: str, parameters: dict[str, Any]) -> None:
    game, stated = zoo.load(name, **parameters), zoo.entry(name).value_at(**parameters)
    if stated is None:  # the closed form does not reach
        assert (name, parameters["sender"]) == ("gsm8k_committee", "commission")
        assert parameters["cost"] == "1/2"
        return
    spread = max(1.0, float(np.ptp(game.sender_utility)))
    assert textbook_value(game) == pytest.approx(float(stated), abs=TOLERANCE * spread)
    assert solve(game).value == pytest.approx(float(stated), abs=TOLERANCE * spread)
    assert solve(game, exact=True).value == stated


@EACH_NAME
def test_wrong_value_is_caught(name: str) -> None:
    game = zoo.load(name)
    stated = zoo.entry(name).value_at()
    assert stated is not None
    for wrong in (stated + Fraction(1, 10**8), stated - Fraction(1, 10**8)):
        assert textbook_value(game) != pytest.approx(float(wrong), abs=TOLERANCE)
        assert solve(game).value != pytest.approx(float(wrong), abs=TOLERANCE)


SAME_GAMES = {
    "grading": "grading_three_jobs",
    "investment": "bm_investment_055",
    "kremer_mansour_perry": "kremer_mansour_perry_grid60",
    "lobbying": "kg_lobbying_alpha_075",
    "medicine": "medicine_regulator",
    "opposed_interests": "zero_sum_3x3",
    "posterior_mean_threshold": "posterior_mean_threshold_8",
    "price_discrimination": "bbm_uniform_123",
    "prosecutor": "kg_prosecutor",
    "recommendation_letter": "recommendation_letter",
    "security_target": "security_one_target",
    "think_tank": "think_tank_transparent_motives",
    "three_state_sale": "three_state_sale",
}


@pytest.mark.parametrize("name", SAME_GAMES)
def test_default_is_the_reference_game(name: str) -> None:
    case = CASES[SAME_GAMES[name]]
    assert zoo.load(name).exact == case.game.exact
    assert zoo.entry(name).value_at() == case.value


@pytest.mark.parametrize("buyer", ["1", "2"])
def test_real_estate_is_the_reference_game_in_the_buyers_units(buyer: str) -> None:
    """The reference file writes the subjective prior q into the payoffs, as (q / p) u."""
    game, case = zoo.load("real_estate", buyer=buyer).exact, CASES[f"real_estate_{buyer}"]
    rows = zip(game.prior, game.receiver_prior, game.receiver_utility, strict=True)
    rescaled = tuple(tuple(q / p * u for u in row) for p, q, row in rows)
    assert rescaled == case.game.exact.receiver_utility
    assert game.prior == case.game.exact.prior
    assert game.sender_utility == case.game.exact.sender_utility
    assert zoo.entry("real_estate").value_at(buyer=buyer) == case.value


def test_value_of_other_parameters_is_unknown_not_wrong() -> None:
    entry = zoo.entry("lobbying")
    assert entry.value_at(alpha="3/4", n_actions="5") == Fraction(-29, 224)
    assert entry.value_at(alpha="1/2") is None


def test_lobbying_grid_trap() -> None:
    """On the grid pooling beats full disclosure, and the gain goes away as the grid is refined."""
    gains = []
    for n_actions in (5, 17, 65):
        game = zoo.load("lobbying", n_actions=n_actions)
        gains.append(solve(game).value - full_disclosure_value(game))
    assert gains[0] == pytest.approx(-29 / 224 + 5 / 32)
    assert gains[0] > 3 * gains[1] > 9 * gains[2] > 0


# -- parameters --------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("name", "parameters", "message"),
    [
        ("prosecuter", {}, r"no game is called 'prosecuter'; legal are f1, "),
        ("uniform", {}, "random family, use random_game"),
        ("prosecutor", {"q": 1}, r"prosecutor has no parameter 'q'; its parameters are: p"),
        ("grading", {"p": 1}, "its parameters are: none"),
        ("prosecutor", {"p": 2}, "`p` must be between 0 and 1; got 2"),
        ("prosecutor", {"p": "half"}, "'half', which is not a number"),
        ("prosecutor", {"p": float("nan")}, "must be finite"),
        ("f1", {"m": 1}, "`m` must be a whole number >= 2; got 1"),
        ("f1", {"m": "5/2"}, "whole number"),
        ("f1", {"beta": 0}, r"`beta` must be in \(0, m - 1\] = \(0, 3\]"),
        ("investment", {"x": -1}, "`x` must not be negative"),
        ("medicine", {"threshold": 0}, "`threshold` must be positive"),
        ("lobbying", {"n_actions": 1}, "whole number >= 2"),
        ("price_discrimination", {"values": [2, 1]}, "positive and increasing"),
        ("price_discrimination", {"values": [0, 1]}, "positive and increasing"),
        ("price_discrimination", {"values": []}, "positive and increasing"),
        ("price_discrimination", {"prior": [0.1, 0.2, 0.7]}, "sum to 1 exactly"),
        ("price_discrimination", {"prior": ["1/2", "1/2"]}, "must hold 3 probabilities"),
        ("real_estate", {"buyer": 3}, "`buyer` must be one of 1, 2"),
        ("gsm8k_committee", {"sender": "altruist"}, "`sender` must be one of engagement"),
        ("gsm8k_committee", {"cost": 0}, "`cost` must be positive"),
    ],
)
def test_wrong_parameters(name: str, parameters: dict[str, Any], message: str) -> None:
    with pytest.raises(GameError, match=message):
        zoo.load(name, **parameters)
    if name in zoo.names():
        with pytest.raises(GameError, match=message):
            zoo.entry(name).value_at(**parameters)


# -- the committee -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("sender", "none", "full", "optimum"),
    [
        ("engagement", "0", "887/1319", "3548/3957"),
        ("commission", "0", "1661/2638", "3322/3957"),
    ],
)
def test_committee_values(sender: str, none: str, full: str, optimum: str) -> None:
    game = zoo.load("gsm8k_committee", sender=sender)
    assert no_disclosure_value(game) == pytest.approx(float(Fraction(none)), abs=TOLERANCE)
    assert full_disclosure_value(game) == pytest.approx(float(Fraction(full)), abs=TOLERANCE)
    assert textbook_value(game) == pytest.approx(float(Fraction(optimum)), abs=TOLERANCE)
    assert solve(game, exact=True).value == Fraction(optimum)


def test_committee_without_gain() -> None:
    game = zoo.load("gsm8k_committee", sender="correctness")
    best = textbook_value(game)
    assert best == pytest.approx(full_disclosure_value(game), abs=TOLERANCE)
    assert best == pytest.approx(first_best(game), abs=TOLERANCE)
    assert best > no_disclosure_value(game) + 0.1


def test_committee_shape() -> None:
    game = zoo.load("gsm8k_committee")
    assert (game.n_states, game.n_actions) == (16, 5)
    assert game.prior.min() > 0
    assert game.states[0] == "none right"
    assert game.states[-1] == "all right"
    assert game.states[1] == "right: 175B verified"
    assert game.actions[0] == "submit 6B fine-tuned"
    assert game.receiver_utility[1].tolist() == [-3, -3, -3, 1, 0]


def test_committee_table_says_where_it_comes_from() -> None:
    text = resources.files("persuasion.zoo").joinpath("gsm8k_committee.json").read_text()
    table = json.loads(text)
    assert table["models"] == list(MODELS)
    assert "2110.14168" in table["source"]
    assert table["licence"].startswith("MIT")
    assert sum(table["counts"].values()) == table["questions"] == 1319


def test_committee_table_is_that_of_the_raw_file() -> None:
    if not ANSWERS.exists():
        pytest.skip("the graded answers are not beside the checkout")
    assert gsm8k_committee_from_file(ANSWERS) == zoo.load("gsm8k_committee")
    assert sum(count_patterns(ANSWERS).values()) == 1319


def graded(*grades: str) -> str:
    """Lines of a file of graded answers; "0110" means the two in the middle are right."""
    rows = [
        {model: {"is_correct": x == "1"} for model, x in zip(MODELS, g, strict=True)}
        for g in grades
    ]
    return "".join(json.dumps({"question": "?", **row}) + "\n" for row in rows)


def test_committee_from_file(tmp_path: Path) -> None:
    (path := tmp_path / "answers.jsonl").write_text(graded("0000", "0110", "0110", "1111") + "\n")
    game = gsm8k_committee_from_file(path, sender="commission", cost="1/2")
    assert (game.n_states, game.n_actions) == (16, 5)
    positive = {label: p for label, p in zip(game.states, game.prior, strict=True) if p > 0}
    middle = "right: 6B verified, 175B fine-tuned"
    assert positive == {"none right": 0.25, middle: 0.5, "all right": 0.25}
    assert solve(game).value == pytest.approx(textbook_value(game), abs=TOLERANCE)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("", "holds no graded answers"),
        ("not json\n", "line 1 must be a JSON object"),
        (graded("0000") + "[]\n", "line 2 must be a JSON object"),
        (graded("0000").replace("175b_verification", "gpt"), "line 1 must be a JSON object"),
        (graded("0000").replace("false", "0", 1), "is_correct must be true or false"),
    ],
)
def test_faulty_graded_answers(text: str, message: str, tmp_path: Path) -> None:
    (path := tmp_path / "answers.jsonl").write_text(text)
    with pytest.raises(GameError, match=rf"answers\.jsonl.*{message}"):
        gsm8k_committee_from_file(path)


def test_missing_graded_answers(tmp_path: Path) -> None:
    with pytest.raises(GameError, match="cannot be read"):
        gsm8k_committee_from_file(tmp_path / "none.jsonl")


# -- random families ---------------------------------------------------------------------------

SIZES = [(1, 1), (1, 4), (4, 1), (2, 2), (2, 5), (3, 2), (6, 4)]


@EACH_FAMILY
@pytest.mark.parametrize(("n_states", "n_actions"), SIZES)
def test_family(family: str, n_states: int, n_actions: int) -> None:
    entry = zoo.family(family)
    assert entry.name == family
    assert entry.note.strip()
    game = zoo.random_game(family, n_states, n_actions, 7)
    assert (game.n_states, game.n_actions) == (n_states, n_actions)
    assert game.prior.min() > 0
    assert game.name == f"{family} {n_states}x{n_actions}"
    assert game == zoo.random_game(family, n_states, n_actions, 7)


@EACH_FAMILY
def test_random_games_are_different_and_reproducible(family: str) -> None:
    games = list(zoo.random_games(family, 5, 4, 20, 3))
    assert len(set(games)) == 20
    assert list(zoo.random_games(family, 5, 4, 6, 3)) == games[:6]
    assert not set(zoo.random_games(family, 5, 4, 20, 4)) & set(games)


def drawn(family: str) -> Iterator[PersuasionGame]:
    return zoo.random_games(family, 6, 5, 10, 1)


def test_families_are_what_they_say() -> None:
    for game in drawn("integer"):
        assert set(game.sender_utility.ravel()) | set(game.receiver_utility.ravel()) <= {0, 1, 2, 3}
        assert game.exact.prior == (Fraction(1, 6),) * 6
    for game in drawn("binary"):
        assert set(game.sender_utility.ravel()) | set(game.receiver_utility.ravel()) == {0, 1}
        assert sum(game.exact.prior) == 1
    for game in drawn("state_independent"):
        assert (np.ptp(game.sender_utility, axis=0) == 0).all()
        assert (np.ptp(game.receiver_utility, axis=0) > 0).all()
    for game in drawn("quadratic"):
        assert game.receiver_utility.max() <= 0
        assert game.exact.receiver_utility[0][0] == -((Fraction(1, 10) - Fraction(1, 12)) ** 2)
    for game in drawn("duplicates"):
        both = np.hstack([game.sender_utility, game.receiver_utility])
        assert len(np.unique(both, axis=0)) == 3
        assert len(np.unique(game.receiver_utility, axis=1).T) == 3
    for game in drawn("near_ties"):
        gaps = np.abs(np.diff(np.sort(game.receiver_utility, axis=1), axis=1))
        assert ((gaps > 0) & (gaps < 3e-8)).any()
        assert np.abs(game.receiver_utility - game.receiver_utility.round()).max() < 2e-8
    for game in drawn("bad_scaling"):
        assert game.prior.max() / game.prior.min() == pytest.approx(1e12)
        sizes = np.abs(game.receiver_utility).max(axis=1)
        assert sizes.max() / sizes.min() > 100
    priors = np.array([game.prior for game in drawn("uniform")])
    assert len(np.unique(priors)) == priors.size


def test_duplicates_differ_for_the_sender_somewhere() -> None:
    widths = [len(np.unique(game.sender_utility, axis=1).T) for game in drawn("duplicates")]
    assert max(widths) > 3


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (("uniformly", 2, 2, 0), "no random family is called 'uniformly'; legal are bad_scaling"),
        (("uniform", 0, 2, 0), "`n_states` must be a whole number >= 1; got 0"),
        (("uniform", 2, 1.5, 0), "`n_actions` must be a whole number"),
        (("uniform", 2, 2, -1), "`seed` must be a whole number >= 0; got -1"),
        (("uniform", 2, 2, None), "`seed` holds None"),
    ],
)
def test_wrong_random_game(arguments: tuple[Any, ...], message: str) -> None:
    with pytest.raises(GameError, match=message):
        zoo.random_game(*arguments)
    with pytest.raises(GameError, match=message):
        list(zoo.random_games(*arguments[:3], 2, arguments[3]))
