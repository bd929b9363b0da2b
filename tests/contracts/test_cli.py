"""Every command: what it prints and refuses; the examples of its help and of docs/cli.md."""

import doctest
import inspect
import json
import re
import shlex
from fractions import Fraction
from pathlib import Path

import numpy as np
import pytest
from typer.testing import CliRunner, Result

import persuasion
from persuasion import PersuasionGame, SignalingScheme, cli, demo, solvers, zoo
from persuasion.commands import output
from persuasion.commands.check import report_on
from persuasion.errors import NotSolvedError
from persuasion.io import read_game, read_scheme, write_game, write_scheme

ROOT = Path(__file__).parents[2]
COMMANDS = ("solve", "zoo", "methods", "check", "convert", "simulate", "learners", "demo")
PLUGINS = ("verify", "theorems")
"""Commands of the package `theory`, on the same page of the documentation."""
ANSI = "\x1b["


@pytest.fixture(autouse=True)
def _in_an_empty_folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    monkeypatch.setattr(demo, "producers", lambda: iter(()))  # other packages test their own


def run(line: str, stdin: str | None = None) -> Result:
    """Run a line such as `persuasion zoo --json | persuasion solve -`; a crash fails the test."""
    for part in line.split(" | "):
        name, *arguments = shlex.split(part)
        assert name == "persuasion"
        result = CliRunner().invoke(cli.app, arguments, input=stdin, prog_name=name)
        assert result.exception is None or isinstance(result.exception, SystemExit), line
        assert "Traceback" not in result.output
        assert ANSI not in result.output
        stdin = result.stdout
    return result


def done(line: str) -> str:
    """Run a line that must succeed; return its stdout."""
    result = run(line)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def refused(line: str, *words: str, code: int = 2) -> None:
    """Run a line that must fail with a message on stderr and nothing on stdout."""
    result = run(line)
    assert result.exit_code == code, result.output
    assert result.stdout == ""
    for word in words:
        assert word in result.stderr, result.stderr


# -- help, version, examples -------------------------------------------------------------------


def test_version() -> None:
    assert done("persuasion --version") == f"persuasion {persuasion.__version__}\n"


def test_help_lists_every_command_file() -> None:
    folder = Path(inspect.getfile(output)).parent
    files = {path.stem for path in folder.glob("*.py") if "def register(" in path.read_text()}
    assert files == set(COMMANDS)
    listed = re.findall(r"^  (\w+)  +\S", done("persuasion --help").partition("Commands:")[2], re.M)
    assert files <= set(listed)


def examples_in(text: str) -> list[str]:
    return re.findall(r"^ +\$ (.*)$", text, re.MULTILINE)


@pytest.mark.parametrize("command", COMMANDS)
def test_examples_of_the_help_run(command: str) -> None:
    lines = examples_in(done(f"persuasion {command} --help"))
    assert any(line.startswith(f"persuasion {command}") for line in lines)
    for line in lines:
        done(line)


def console_blocks(text: str) -> list[tuple[str, str]]:
    """Pairs (command line, expected output) of the console blocks of a page."""
    blocks = re.findall(r"^```console\n(.*?)^```", text, re.MULTILINE | re.DOTALL)
    steps = [step for block in blocks for step in re.split(r"^\$ ", block, flags=re.M)[1:]]
    return [tuple(step.split("\n", 1)) for step in steps]  # type: ignore[misc]


def shows(expected: str, got: str) -> bool:
    flags = doctest.ELLIPSIS | doctest.NORMALIZE_WHITESPACE
    return doctest.OutputChecker().check_output(expected, got, flags)


def test_page_shows_what_the_commands_print() -> None:
    steps = console_blocks((ROOT / "docs/cli.md").read_text())
    assert {shlex.split(line)[1] for line, _ in steps} == set(COMMANDS) - {"demo"} | set(PLUGINS)
    for line, expected in steps:
        result = run(line)
        assert shows(expected, result.output), f"{line}\n{result.output}"


def test_wrong_page_is_caught() -> None:
    ((line, expected),) = console_blocks("```console\n$ persuasion solve prosecutor -q\n0.7\n```\n")
    assert not shows(expected, run(line).output)


# -- solve -------------------------------------------------------------------------------------


def test_solve_prints_value_scheme_and_certificate() -> None:
    text = done("persuasion solve prosecutor")
    assert shows("...value            0.6 (optimal, ...certificate ...", text)
    assert shows("...innocent 7/10 0.571429 0.428571\nguilty 3/10 0 1", text)


@pytest.mark.parametrize("name", zoo.names())
def test_exact_value_of_each_zoo_game(name: str) -> None:
    assert done(f"persuasion solve {name} --exact --quiet") == f"{zoo.entry(name).value_at()}\n"


def test_json_is_the_solution_and_nothing_else() -> None:
    data = json.loads(done("persuasion solve grading --json --exact"))
    solution = persuasion.solve(zoo.load("grading"), exact=True)
    expected = json.loads(json.dumps(solution.to_dict()))
    assert {**data, "seconds": 0} == {**expected, "seconds": 0}


def test_file_stdin_and_zoo_name_agree() -> None:
    write_game(zoo.load("lobbying"), "game.json")
    assert done("persuasion solve game.json --exact -q") == "-29/224\n"
    assert done("persuasion zoo lobbying --json | persuasion solve - --exact -q") == "-29/224\n"


def test_random_game_is_that_of_the_zoo() -> None:
    line = "persuasion solve random:integer --param n_states=5 --param n_actions=2 --seed 3"
    value = persuasion.solve(zoo.random_game("integer", 5, 2, 3), exact=True).value
    assert done(f"{line} --exact -q") == f"{value}\n"
    assert done(f"{line} --json") != done(f"{line.replace('--seed 3', '--seed 4')} --json")


@pytest.mark.parametrize(
    ("options", "value"),
    [
        ("--receiver biased:1/4", Fraction(9, 17)),  # belief 17/30 is needed: 3/10 * 30/17
        ("--receiver biased:1", 0),
        ("--margin 1/10", Fraction(6, 11)),  # belief 11/20 is needed
        ("--max-signals 1", 0),
        ("--param p=1/5", Fraction(2, 5)),
    ],
)
def test_options_reach_the_solver(options: str, value: Fraction) -> None:
    assert done(f"persuasion solve prosecutor {options} --exact -q") == f"{value}\n"


def test_quantal_receiver_gets_an_interval() -> None:
    data = json.loads(done("persuasion solve prosecutor --receiver quantal:4 --json"))
    assert data["value"] <= data["upper_bound"]
    assert "Quantal" in str(data["receiver"])


@pytest.mark.parametrize("game", ["prosecutor", "three_state_sale", "f1", "real_estate"])
def test_plot_is_an_image(game: str) -> None:
    done(f"persuasion solve {game} --plot game.png")
    assert Path("game.png").read_bytes().startswith(b"\x89PNG")


def test_written_scheme_is_the_solution() -> None:
    done("persuasion solve prosecutor --exact --write scheme.json")
    kernel = ((Fraction(4, 7), Fraction(3, 7)), (0, 1))
    assert read_scheme("scheme.json").exact_kernel == kernel
    refused("persuasion solve lobbying --write scheme.json", "--force")
    assert read_scheme("scheme.json").exact_kernel == kernel
    done("persuasion solve prosecutor --param p=1/2 --write scheme.json --force")
    assert read_scheme("scheme.json").n_signals < 3
    assert read_scheme("scheme.json").exact_kernel != kernel


def test_time_limit_prints_what_it_has_and_exits_with_3() -> None:
    sizes = "--param n_states=300 --param n_actions=40"
    result = run(f"persuasion solve random:uniform {sizes} --time-limit 0.02 --json")
    assert result.exit_code == 3
    assert json.loads(result.stdout)["status"] == "time limit"
    assert "time limit reached" in result.stderr


def test_not_solved_exits_with_3(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise NotSolvedError("no answer passed the certificate; try exact=True", (("lp", "why"),))

    monkeypatch.setattr(persuasion, "solve", fail)
    refused("persuasion solve prosecutor", "no answer passed", "try --exact", code=3)


@pytest.mark.parametrize(
    ("line", "words"),
    [
        ("solve prosecuter", ["prosecuter", "did you mean 'prosecutor'?"]),
        ("solve zzzzz", ["`persuasion zoo` lists them", ".json"]),
        ("solve uniform", ["random:uniform"]),
        ("solve random:unifrom", ["did you mean 'uniform'?"]),
        ("solve random:uniform --param n_state=3", ["n_state", "n_states, n_actions"]),
        ("solve random:uniform --param n_states=x", ["n_states", "x"]),
        ("solve random:uniform --seed -1", ["--seed"]),
        ("solve prosecutor --seed 1", ["--seed", "random"]),
        ("solve prosecutor --param q=1", ["'q'", "p"]),
        ("solve prosecutor --param p", ["name=value"]),
        ("solve prosecutor --param p=1 --param p=1", ["twice"]),
        ("solve prosecutor --param p=2", ["`p`", "between 0 and 1"]),
        ("solve none.json", ["none.json", "no such file"]),
        ("solve ./", ["suffix"]),
        ("solve folder.json", ["folder.json", "cannot be read"]),
        ("solve broken.json", ["broken.json", "not JSON"]),
        ("solve unknown_key.json", ["'priro'", "sender_utility"]),
        ("solve prior.json", ["`prior`", "sum to 1"]),
        ("solve prior.json --param p=1", ["--param"]),
        ("solve prosecutor --method simplexx", ["simplexx", "knapsack"]),
        ("solve lobbying --method knapsack", ["two actions", "--method lp"]),
        ("solve prosecutor --receiver bayes", ["bayesian, biased:ALPHA"]),
        ("solve prosecutor --receiver biased", ["biased:0.25"]),
        ("solve prosecutor --receiver biased:x", ["'x' is not a number"]),
        ("solve prosecutor --receiver biased:2", ["between 0 and 1"]),
        ("solve prosecutor --receiver quantal:nan", ["'nan' is not a number"]),
        ("solve prosecutor --margin inf", ["'inf' is not a number"]),
        ("solve prosecutor --margin 1/0", ["'1/0' is not a number"]),
        ("solve prosecutor --margin -1", ["margin", ">= 0"]),
        ("solve prosecutor --margin 5", ["margin"]),
        ("solve prosecutor --max-signals 0", ["--max-signals"]),
        ("solve prosecutor --max-signals two", ["--max-signals"]),
        ("solve prosecutor --time-limit 0", ["time_limit", "positive"]),
        ("solve prosecutor --plot nowhere/x.png", ["nowhere"]),
        ("solve prosecutor --plot picture", [".png"]),
        ("solve prosecutor --plot picture.doc", ["--plot", ".png"]),
        ("solve prosecutor --write scheme.txt", ["legal endings are .json and .npz"]),
        ("solve prosecutor --write .", ["legal endings are .json and .npz"]),
        ("solve prosecutor --write nowhere/x.json", ["nowhere"]),
        ("solve", ["GAME"]),
        ("solve prosecutor --exacd", ["--exacd"]),
        ("sovle prosecutor", ["'sovle'", "'solve'"]),
        ("zoo prosecuter", ["did you mean 'prosecutor'?"]),
        ("zoo none.json", ["none.json"]),
        ("zoo --write game.json", ["NAME"]),
        ("zoo prosecutor --write game.txt", [".json and .npz"]),
        ("zoo prosecutor --write folder.json", ["folder"]),
        ("methods prosecuter", ["did you mean 'prosecutor'?"]),
        ("methods prosecutor --receiver bayes", ["bayesian"]),
        ("check prosecutor none.json", ["none.json"]),
        ("check prosecutor broken.json", ["not JSON"]),
        ("check prosecutor prior.json", ["kernel"]),
        ("check prosecutor three_states.json", ["3 states", "2"]),
        ("check prosecutor full.json --recommend acquit", ["2 signals", "got 1"]),
        ("check prosecutor full.json --recommend acquit,convikt", ["did you mean 'convict'?"]),
        ("check prosecutor full.json --recommend 0,2", ["positions 0 to 1"]),
        ("check prosecutor full.json --tolerance -1", ["--tolerance"]),
        ("convert none.json game.npz", ["none.json"]),
        ("convert broken.json game.npz", ["not JSON"]),
        ("convert full.json game.txt", [".json and .npz"]),
        ("convert thirds.json game.npz", ["2/3", "--float"]),
        ("demo --nonsense", ["--nonsense"]),
        ("demo --out broken.json", ["broken.json"]),
    ],
)
def test_wrong_input_gets_a_message_and_exit_code_2(line: str, words: list[str]) -> None:
    Path("folder.json").mkdir()
    Path("broken.json").write_text('{"prior": [1,')
    game = zoo.load("prosecutor").to_dict()
    Path("unknown_key.json").write_text(json.dumps({**game, "priro": 1}))
    Path("prior.json").write_text(json.dumps({**game, "prior": [0.7, 0.2]}))
    write_game(zoo.load("prosecutor", p="1/3"), "thirds.json")
    write_scheme(SignalingScheme.full_disclosure(3), "three_states.json")
    write_scheme(SignalingScheme.full_disclosure(2), "full.json")
    refused(f"persuasion {line}", *words)


def test_too_large_a_game_gets_a_message(monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_: object, **__: object) -> None:
        raise MemoryError

    monkeypatch.setattr(zoo, "random_game", fail)
    refused("persuasion solve random:uniform", "not enough memory")


# -- zoo ---------------------------------------------------------------------------------------


def test_zoo_table_names_every_game_with_its_value() -> None:
    lines = done("persuasion zoo").splitlines()
    for entry in zoo.entries():
        (line,) = [line for line in lines if line.split()[:1] == [entry.name]]
        game = entry.load()
        sizes = [str(game.n_states), str(game.n_actions), str(entry.value_at())]
        assert line.split()[1:4] == sizes
        assert line.endswith(entry.source)  # however long: nothing is cut when piped
    assert all(any(f"random:{family} " in line for line in lines) for family in zoo.families())


def test_zoo_json_and_quiet() -> None:
    rows = json.loads(done("persuasion zoo --json"))
    assert [row["name"] for row in rows] == list(zoo.names())
    assert {row["name"]: row["value"] for row in rows}["lobbying"] == "-29/224"
    assert done("persuasion zoo --quiet").split() == list(zoo.names())
    assert done("persuasion zoo investment --quiet") == "31/40\n"
    assert done("persuasion zoo random:uniform --quiet") == ""


@pytest.mark.parametrize("name", [*zoo.names(), "random:uniform"])
def test_zoo_shows_one(name: str) -> None:
    assert shows("game: ...sizes: ...about: ...", done(f"persuasion zoo {name}"))


def test_zoo_writes_a_game_file_once() -> None:
    line = "persuasion zoo prosecutor --param p=1/3 --write game.json"
    assert done(line) == ""
    assert read_game("game.json") == zoo.load("prosecutor", p="1/3")
    refused(line.replace("1/3", "1/4"), "game.json", "--force")
    assert read_game("game.json") == zoo.load("prosecutor", p="1/3")
    done(line.replace("1/3", "1/4") + " --force")
    assert read_game("game.json") == zoo.load("prosecutor", p="1/4")


def test_game_too_large_to_show_says_so() -> None:
    assert "--json" in done("persuasion zoo f1 --param m=200")
    assert "--json" in done("persuasion solve f1 --param m=200")


# -- methods -----------------------------------------------------------------------------------


def test_methods_are_the_files_of_the_folder() -> None:
    files = {p.stem for p in Path(inspect.getfile(solvers)).parent.glob("[!_]*.py")}
    assert set(done("persuasion methods --quiet").split()) == files
    rows = json.loads(done("persuasion methods --json"))
    assert {row["method"] for row in rows} == files
    assert all(row["supports"] and row["about"] for row in rows)


@pytest.mark.parametrize("game", ["prosecutor", "lobbying", "grading"])
def test_methods_that_apply_solve_and_the_others_refuse(game: str) -> None:
    value = float(zoo.entry(game).value_at() or np.nan)
    for row in json.loads(done(f"persuasion methods {game} --json")):
        line = f"persuasion solve {game} --method {row['method']} --quiet"
        if row["applies"]:
            assert float(Fraction(done(line))) == pytest.approx(value, abs=1e-6)
        else:
            refused(line, row["reason"])


# -- check -------------------------------------------------------------------------------------


def scheme_file(kernel: object, **options: object) -> str:
    write_scheme(SignalingScheme(kernel, **options), "scheme.json", overwrite=True)  # type: ignore[arg-type]
    return "scheme.json"


def test_optimal_scheme_is_fine() -> None:
    for game in ("prosecutor", "grading", "lobbying"):
        done(f"persuasion solve {game} --write scheme.json --force")
        report = json.loads(done(f"persuasion check {game} scheme.json --json"))
        assert report["obedient"]
        assert report["plausible"]
        assert report["relative_gap"] == pytest.approx(0, abs=1e-9)
        assert done(f"persuasion check {game} scheme.json --quiet") == ""


def test_full_disclosure_is_obeyed_and_half_as_good() -> None:
    scheme_file([[1, 0], [0, 1]])
    report = json.loads(done("persuasion check prosecutor scheme.json --recommend 0,1 --json"))
    assert report["value"] == report["value_if_obeyed"] == pytest.approx(0.3)
    assert report["gap"] == report["relative_gap"] == pytest.approx(0.3)
    assert [s["probability"] for s in report["signals"]] == pytest.approx([0.7, 0.3])


@pytest.mark.parametrize(
    ("lie", "code"), [("3/7", 0), ("42857143/100000000", 1), ("0.44", 1), ("1", 1)]
)
def test_lying_too_often_is_caught(lie: str, code: int) -> None:
    share = Fraction(lie)
    scheme_file([[str(1 - share), str(share)], [0, 1]], signals=["acquit", "convict"])
    result = run("persuasion check prosecutor scheme.json")
    assert result.exit_code == code
    assert ("violated: after 'convict'" in result.stdout) == (code == 1)
    assert run("persuasion check prosecutor scheme.json -q").exit_code == code
    assert run("persuasion check prosecutor scheme.json --tolerance 1").exit_code == 0


def test_violation_in_words() -> None:
    scheme_file([[0, 1], [0, 1]], signals=["acquit", "convict"])
    result = run("persuasion check prosecutor scheme.json")
    assert result.exit_code == 1
    assert (
        "violated: after 'convict' (probability 1) the Receiver should take 'convict' "
        "for 0.3 utils but expects 0.7 from 'acquit'"
    ) in result.stdout


def test_signal_that_is_never_sent_is_not_disobeyed() -> None:
    scheme_file([[1, 0], [1, 0]], signals=["acquit", "convict"])
    done("persuasion check prosecutor scheme.json")


def test_labels_with_commas_are_given_one_by_one() -> None:
    game = PersuasionGame([0.5, 0.5], [[0, 1]] * 2, [[1, 0], [0, 1]], actions=["no, never", "yes"])
    write_game(game, "game.json")
    scheme_file([[1, 0], [0, 1]])
    done("persuasion check game.json scheme.json --recommend 'no, never' --recommend yes")
    refused("persuasion check game.json scheme.json --recommend 'no, never,yes'", "got 3")


@pytest.mark.parametrize("factor", [1e-6, 1e6])
def test_relative_gap_has_no_unit(factor: float) -> None:
    game = zoo.random_game("uniform", 4, 3, seed=5)
    scaled = PersuasionGame(game.prior, factor * game.sender_utility + 5, game.receiver_utility)
    scheme = SignalingScheme.no_disclosure(4)
    gap, same = (report_on(g, scheme, None, 1e-9).relative_gap for g in (game, scaled))
    assert gap > 0.01
    assert same == pytest.approx(gap, rel=1e-6)


# -- convert -----------------------------------------------------------------------------------


def test_convert_there_and_back() -> None:
    game = zoo.random_game("uniform", 3, 2, seed=0)
    write_game(game, "game.json")
    done("persuasion convert game.json game.npz --quiet")
    done("persuasion convert game.npz back.json")
    assert read_game("game.npz") == read_game("back.json") == game


def test_convert_rounds_or_keeps_fractions() -> None:
    write_game(zoo.load("prosecutor", p="1/3"), "game.json")
    done("persuasion convert game.json same.json")
    assert read_game("same.json").exact.prior == (Fraction(2, 3), Fraction(1, 3))
    done("persuasion convert game.json rounded.json --float")
    assert read_game("rounded.json").prior.tolist() == [2 / 3, 1 / 3]
    assert "2/3" not in Path("rounded.json").read_text()


def test_convert_refuses_to_overwrite() -> None:
    write_game(zoo.load("prosecutor"), "game.json")
    write_game(zoo.load("lobbying"), "other.json")
    refused("persuasion convert game.json other.json", "other.json", "--force")
    assert read_game("other.json") == zoo.load("lobbying")
    done("persuasion convert game.json other.json --force")
    assert read_game("other.json") == zoo.load("prosecutor")


# -- demo --------------------------------------------------------------------------------------


def test_demo_writes_where_it_is_told() -> None:
    done("persuasion demo --out here")
    assert any(Path("here").iterdir())
    assert done("persuasion demo --out there --quiet") == ""
    assert any(Path("there").iterdir())


# -- what is printed ---------------------------------------------------------------------------


def test_labels_are_shown_as_they_are_but_cannot_move_the_cursor() -> None:
    states = ["[bold]x[/bold]", "\x1b[31mred\nline", ":smile:"]
    third = ["1/3"] * 3
    game = PersuasionGame(third, [[0, 1]] * 3, [[1, 0], [0, 1], [0, 1]], states=states)
    write_game(game, "game.json")
    text = done("persuasion solve game.json")
    assert "[bold]x[/bold]" in text
    assert r"\x1b[31mred\nline" in text
    assert ":smile:" in text


def test_narrow_terminal_folds_words_and_cuts_no_number(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setenv("COLUMNS", "30")
    monkeypatch.setattr("sys.stdout.isatty", lambda: True)
    words = "a source of many words, longer than the window is wide"
    output.print_table(
        ("name", "value", "source"), [["game", "1234567/7654321", words]], fold=(2,), right=(1,)
    )
    text = capsys.readouterr().out
    assert "1234567/7654321" in text
    assert words not in text
    assert set(words.split()) <= set(text.split())
