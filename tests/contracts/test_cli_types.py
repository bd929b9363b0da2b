"""`--types` and `--sequence` on the command line, and files of types."""

import json
from pathlib import Path

import numpy as np
import pytest

from persuasion import PersuasionGame, learners, simulate, zoo
from persuasion.commands.types import find_types
from persuasion.errors import GameError, PersuasionError
from persuasion.io import read_types, write_game
from persuasion.simulate import _Play
from persuasion.types import IID, Alternating, Blocks, LargestGap, ReceiverTypes, WorstType
from tests.command_line import done, refused

PROSECUTOR = zoo.load("prosecutor")
STRICT, LENIENT = [[1, 0], [0, 1]], [[1, 0], [0, 3]]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def write(name: str, **fields: object) -> None:
    Path(name).write_text(json.dumps(fields))


# -- where types come from ---------------------------------------------------------------------


def test_random_types_are_those_of_the_zoo() -> None:
    types = find_types("random:K=3,seed=5", None, zoo.load("grading"))
    game = zoo.load("grading")
    sizes = game.n_states, game.n_actions
    expected = [zoo.random_game("uniform", *sizes, 5 + k).receiver_utility for k in range(3)]
    assert types.utilities.tolist() == np.array(expected).tolist()
    assert types.sequence == IID((1 / 3,) * 3)
    for word, n_types in (("random:4", 4), ("random:", 3), ("random:k=2", 2)):
        assert find_types(word, None, game).n_types == n_types
    other = find_types("random:K=3,seed=5,family=integer", None, game)
    assert other.utilities.tolist() != types.utilities.tolist()


def test_files_hold_several_types_or_a_game() -> None:
    write("types.json", utilities=[STRICT, [[1, 0], [0, "3"]]], weights=["1/4", 0.75])
    np.savez("types.npz", utilities=np.array([STRICT, LENIENT]))
    write_game(PROSECUTOR, "strict.json")
    found = find_types("types.json", None, PROSECUTOR)
    assert found.utilities.tolist() == [STRICT, LENIENT]
    assert found.sequence == IID((0.25, 0.75))
    assert find_types("types.json", "iid:0.5,1/2", PROSECUTOR).sequence == IID((0.5, 0.5))
    assert find_types("types.npz", None, PROSECUTOR).utilities.tolist() == [STRICT, LENIENT]
    listed = find_types("strict.json, types.npz,prosecutor", None, PROSECUTOR)
    assert listed.utilities.tolist() == [STRICT, STRICT, LENIENT, STRICT]


@pytest.mark.parametrize(
    ("word", "sequence"),
    [
        (None, IID((0.5, 0.5))),
        ("iid", IID((0.5, 0.5))),
        ("iid:0.2,0.8", IID((0.2, 0.8))),
        ("blocks", Blocks(100)),
        ("blocks:1e3", Blocks(1000)),
        ("alternating", Alternating()),
        ("adaptive", LargestGap()),
        ("adaptive:worst", WorstType()),
        ("adaptive:gap", LargestGap()),
    ],
)
def test_orders(word: str | None, sequence: object) -> None:
    assert find_types("random:2", word, PROSECUTOR).sequence == sequence


# -- what is shown -----------------------------------------------------------------------------


@pytest.mark.parametrize("order", ["iid", "blocks:20", "alternating", "adaptive"])
@pytest.mark.parametrize("learner", ["hedge", "exp3", "ucb"])
def test_it_plays_what_simulate_plays(order: str, learner: str) -> None:
    write("types.json", utilities=[STRICT, LENIENT])
    line = f"simulate prosecutor --types types.json --sequence {order} -l {learner} -T 60 -n 2"
    types = find_types("types.json", order, PROSECUTOR)
    expected = simulate(PROSECUTOR, learner, types=types, horizon=60, n_runs=2)
    assert float(done(f"{line} --quiet")) == pytest.approx(float(expected.mean_regret[-1]))
    shown = done(line)
    shares = expected.types.counts[:, -1].mean(axis=0) / 60
    assert f"receivers:   2 types, {types.sequence!r}; met " in shown
    assert ", ".join(f"{share:.1%}" for share in shares) in shown
    assert "posteriors:  4 to split the prior into (all that can matter)" in shown
    assert "receiver:  " not in shown
    assert "-0" not in shown.replace("e-0", "")


def test_where_all_posteriors_are_too_many_a_sample_is_offered_and_labelled() -> None:
    many = (
        "simulate random:uniform --param n_states=8 --param n_actions=6 --types random:3 "
        "-l hedge -T 20"
    )
    refused(many, "linear systems to list", "--sample-posteriors 200")
    shown = done(f"{many} --sample-posteriors 30")
    assert "to split the prior into (a sample: better schemes may exist)" in shown
    assert done(f"{many} --sample-posteriors 30 --quiet") != done(
        f"{many} --sample-posteriors 5 --quiet"
    )
    refused("simulate prosecutor -l hedge --sample-posteriors 5", "--types; name them")


def test_trajectory_and_picture_of_types() -> None:
    line = "simulate prosecutor --types random:2 -l hedge -T 100 --out out --plot regret.png"
    done(line)
    data = json.loads(Path("out/trajectory.json").read_text())
    assert np.array(data["types"]["counts"]).sum(axis=2)[0, -1] == 100
    assert Path("regret.png").stat().st_size > 1000


# -- refusals, before any work -----------------------------------------------------------------


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--sequence iid", ("--sequence", "--types")),
        ("--types nothing.json", ("nothing.json", "no such file")),
        ("--types nobody", ("'nobody'",)),
        ("--types random:K=0", ("--types random:K", "'0'")),
        ("--types random:K=two", ("--types random:K", "'two'")),
        ("--types random:K=2,sed=1", ("'sed=1'", "seed=1")),
        ("--types random:K=2,family=unifrm", ("did you mean 'uniform'?",)),
        ("--types lobbying", ("type 0", "2 states and 5 actions", "2 and 2")),
        ("--types ragged.json", ("shapes", "(2, 2)", "(2, 3)")),
        ("--types rows.json", ("utilities[0]", "ragged")),
        ("--types flat.json", ("utilities[0]",)),
        ("--types empty.json", ("no type",)),
        ("--types other.json", ("utilities", "this one holds letters")),
        ("--types weighted.json", ("2 probabilities that sum to 1", "0.5, 0.6")),
        ("--types random:2 --sequence daily", ("--sequence", "'daily'", "alternating")),
        ("--types random:2 --sequence adaptve", ("did you mean 'adaptive'?",)),
        ("--types random:2 --sequence iid:0.5", ("2 probabilities",)),
        ("--types random:2 --sequence iid:a,b", ("--sequence iid", "'a'")),
        ("--types random:2 --sequence blocks:0", ("--sequence blocks", "'0'")),
        ("--types random:2 --sequence alternating:3", ("'alternating:3'",)),
        ("--types random:2 --receiver biased:1/4", ("--receiver biased:1/4", "drop")),
        ("--types random:2 --learner robust --sequence daily", ("--sequence",)),
        ("", ("'hedge' needs feedback 'full'", "pass --types")),
    ],
)
def test_bad_types(options: str, words: tuple[str, ...], monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(_Play, "__call__", lambda *_: pytest.fail("played"))
    write("ragged.json", utilities=[STRICT, [[1, 0, 2], [0, 1, 2]]])
    write("rows.json", utilities=[[[1, 0], [0]]])
    write("flat.json", utilities=[[1, 0]])
    write("empty.json", utilities=[])
    write("other.json", letters=1)
    write("weighted.json", utilities=[STRICT, LENIENT], weights=[0.5, 0.6])
    learner = "" if "--learner" in options else "--learner hedge"
    refused(f"simulate prosecutor {learner} {options}", *words)


def test_types_too_many_to_list_are_refused_with_their_number() -> None:
    line = "simulate random:uniform --param n_states=9 --param n_actions=5 -l hedge"
    refused(f"{line} --types random:4", "linear systems", "at most 2000000")


def test_priors_without_full_support_are_refused_before_posteriors_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    write_game(PROSECUTOR.with_prior([1, 0]), "edge.json")
    monkeypatch.setattr(ReceiverTypes, "for_game", lambda *_: pytest.fail("listed"))
    for learner in ("hedge", "exp3"):
        line = f"simulate edge.json --types random:2 -l {learner} --store kept"
        refused(line, "positive prior probability", "restrict")
    assert not Path("kept").exists()


def test_a_learner_that_does_not_fit_is_refused_before_posteriors_are_listed(
    monkeypatch: pytest.MonkeyPatch,
) -> None:
    monkeypatch.setattr(ReceiverTypes, "for_game", lambda *_: pytest.fail("listed"))
    monkeypatch.setattr(type(learners.load("exp3")), "feedback", "thoughts")
    refused("simulate prosecutor --types random:2 -l exp3", "declares feedback 'thoughts'")


def test_files_of_types_from_python() -> None:
    write("types.json", utilities=[STRICT, LENIENT])
    utilities, weights = read_types("types.json")
    assert weights is None
    assert not utilities.flags.writeable
    write("nan.json", utilities=[[["x", 0], [0, 1]]])
    with pytest.raises(GameError, match=r"nan\.json"):
        read_types("nan.json")
    with pytest.raises(PersuasionError, match=r"type 0 of"):
        find_types("types.json", None, zoo.load("grading"))
    game = PersuasionGame([0.5, 0.5], STRICT, LENIENT)
    write_game(game, "game.npz")
    assert read_types("game.npz")[0].tolist() == [LENIENT]
