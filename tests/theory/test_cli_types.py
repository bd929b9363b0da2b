"""`persuasion verify --types`: theorems about changing types on games and types of one's own."""

import json
from pathlib import Path

import pytest

from persuasion import zoo
from persuasion.types import IID, Alternating, Blocks, LargestGap, ReceiverTypes
from tests.command_line import refused, run
from theory import statements
from theory.experiment import plan
from theory.report import command_of
from theory.type_theorem import TypeTheorem

PROSECUTOR = zoo.load("prosecutor")
TYPES = [[[1, 0], [0, 1]], [[1, 0], [0, 3]]]


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    Path("types.json").write_text(json.dumps({"utilities": TYPES}))


def test_theorem_3_on_types_of_ones_own() -> None:
    line = "verify theorem_3 --game prosecutor --types types.json --sequence adaptive"
    result = run(f"{line} --horizon 400 --n-runs 1 --out out")
    assert result.exit_code == 0, result.output
    assert "prosecutor, 2 types, LargestGap()  not refuted   REFUTED" in result.stdout.replace(
        "not refuted  REFUTED", "not refuted   REFUTED"
    )
    page = Path("out/report.html").read_text(encoding="utf-8")
    for words in ("How often each type came", "posteriors N", "entropy H*", "bound at T"):
        assert words in page
    arguments = json.loads(Path("out/verify.json").read_text())["arguments"]
    assert arguments["types"] == "types.json"
    command = command_of(arguments)
    assert "--types types.json --sequence adaptive --horizon 400" in command


@pytest.mark.parametrize(
    ("sequence", "expected"),
    [
        (IID((0.5, 0.5)), {"theorem_3", "theorem_4_adaptive"}),
        (Blocks(10), {"theorem_3", "theorem_4", "theorem_4_adaptive"}),
        (Alternating(), {"theorem_3", "theorem_4", "theorem_4_adaptive"}),
        (LargestGap(), {"theorem_3", "theorem_4_adaptive"}),
    ],
    ids=repr,
)
def test_only_theorems_that_speak_about_the_sequence_are_tried(sequence, expected) -> None:
    types = ReceiverTypes(TYPES, sequence)
    every = [statements.load(name) for name in statements.names()]
    about = [t for t in every if isinstance(t, TypeTheorem) and t.silent_about(types) is None]
    assert {theorem.id for theorem in about} == expected
    cases = plan(every, [PROSECUTOR], types=types)
    assert all(case.types is types and case.games == (PROSECUTOR,) for case in cases)
    assert all(isinstance(case.theorem, TypeTheorem) for case in cases)


@pytest.mark.parametrize(
    ("options", "words"),
    [
        ("--types types.json", ("exactly one --game",)),
        ("--game prosecutor --game grading --types types.json", ("exactly one --game",)),
        ("--game prosecutor --sequence iid", ("--types",)),
        ("theorem_4 --game prosecutor --types types.json --sequence adaptive", ("_adaptive",)),
        ("theorem_4 --game prosecutor --types types.json", ("drawn anew in every run",)),
        ("lemma_1 --game prosecutor --types types.json", ("speaks of one Receiver",)),
        ("--game grading --types types.json", ("type 0", "2 states and 2 actions")),
        ("--game prosecutor --types random:20", ("1048576 profiles", "2000")),
        ("--game prosecutor --types nothing.json", ("no such file",)),
        ("theorem_3 --game grading", ("brings games of its own",)),
    ],
)
def test_bad_types_are_refused_before_anything_is_played(options, words, monkeypatch) -> None:
    monkeypatch.setattr("theory.cli.PackageLaboratory", lambda *_, **__: pytest.fail("played"))
    refused(f"verify {options}", *words)
