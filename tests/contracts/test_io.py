"""Files hold exactly what was written; every faulty file is one error that names it."""

import json
import os
import pickle
import zipfile
from fractions import Fraction
from io import BytesIO
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from persuasion import GameError, PersuasionGame, SchemeError, SignalingScheme, solve, zoo
from persuasion.io import convert, read_game, read_scheme, write_game, write_scheme

FORMATS = ["game.json", "game.npz"]
FLOATS: dict[str, Any] = {
    "prior": [0.25, 0.75],
    "sender_utility": [[0.1, 1e-300], [-3.5, 1e17]],
    "receiver_utility": [[1.0, 0.0], [0.0, 1.0]],
    "states": ["ünten", 'a "b", c'],
    "actions": ["x", ""],
    "name": "five",
    "source": "line\nbreak",
}
THIRDS: dict[str, Any] = {
    "prior": ["1/3", "2/3"],
    "sender_utility": [[0, 1], [0, 1]],
    "receiver_utility": [[1, 0], ["-1/7", 1]],
}
KERNEL = {"kernel": [["4/7", "3/7"], ["0", "1"]], "signals": ["acquit", "convict"]}


def game(fields: dict[str, Any] = FLOATS, **changes: Any) -> PersuasionGame:
    return PersuasionGame.from_dict({**fields, **changes})


def same(first: PersuasionGame, second: PersuasionGame) -> bool:
    """Equal, name and source included."""
    named = (first.name, first.source) == (second.name, second.source)
    return named and first == second and first.exact == second.exact


# -- round trips -------------------------------------------------------------------------------


@pytest.mark.parametrize("file", FORMATS)
@pytest.mark.parametrize(
    "written",
    [game(), game(name=None, source=None), game(receiver_prior=[0.5, 0.5])],
    ids=["labels", "no-name", "subjective"],
)
def test_floats_survive_both_formats(written: PersuasionGame, file: str, tmp_path: Path) -> None:
    write_game(written, tmp_path / file)
    assert same(read_game(tmp_path / file), written)
    assert read_game(str(tmp_path / file)) == written
    assert os.listdir(tmp_path) == [file]


def test_fractions_survive_json(tmp_path: Path) -> None:
    written = game(THIRDS, receiver_prior=["1/9", "8/9"])
    write_game(written, tmp_path / "game.json")
    assert same(read_game(tmp_path / "game.json"), written)
    assert read_game(tmp_path / "game.json").exact.prior == (Fraction(1, 3), Fraction(2, 3))


def test_float_prior_that_misses_one_by_rounding(tmp_path: Path) -> None:
    written = game(prior=[0.1 + 0.2, 0.7])
    for file in FORMATS:
        write_game(written, tmp_path / file)
        assert same(read_game(tmp_path / file), written)
    write_game(written, tmp_path / "exact.json", exact=True)
    assert read_game(tmp_path / "exact.json") == written


NUMBER = st.one_of(
    st.floats(-1e300, 1e300),
    st.integers(-(2**70), 2**70),
    st.fractions(-10, 10, max_denominator=99),
)


@given(
    utilities=st.lists(NUMBER, min_size=8, max_size=8),
    weight=st.fractions(0, 1, max_denominator=97),
    labels=st.lists(st.text(), min_size=2, max_size=2, unique=True),
)
def test_any_game_survives_json(
    tmp_path_factory: pytest.TempPathFactory,
    utilities: list[Any],
    weight: Fraction,
    labels: list[str],
) -> None:
    rows = [utilities[i : i + 2] for i in range(0, 8, 2)]
    written = PersuasionGame(
        [weight, 1 - weight],
        np.array(rows[:2], dtype=object),
        np.array(rows[2:], dtype=object),
        states=labels,
    )
    path = tmp_path_factory.mktemp("json") / "game.json"
    write_game(written, path)
    assert same(read_game(path), written)
    write_game(written, path, exact=True, overwrite=True)
    assert same(read_game(path), written)


@pytest.mark.parametrize("file", ["scheme.json", "scheme.npz"])
def test_schemes_survive_both_formats(file: str, tmp_path: Path) -> None:
    written = SignalingScheme([[0.25, 0.75], [1.0, 0.0]], signals=["low", "high"])
    write_scheme(written, tmp_path / file)
    assert read_scheme(tmp_path / file) == written
    write_scheme(SignalingScheme(written.kernel), tmp_path / file, overwrite=True)
    assert read_scheme(tmp_path / file).signals == ("signal 0", "signal 1")


@pytest.mark.parametrize("file", ["scheme.json", "scheme.npz"])
def test_rounded_rows_are_not_rounded_again(file: str, tmp_path: Path) -> None:
    rng = np.random.default_rng(2)
    for n_signals in (2, 3, 5, 8, 30) * 4:
        weights = rng.random((20, n_signals)) + 1e-12
        for kernel in (weights / weights.sum(axis=1, keepdims=True), rng.dirichlet(weights[0], 20)):
            written = SignalingScheme(kernel * (1 + 1e-11))
            write_scheme(written, tmp_path / file, overwrite=True)
            assert read_scheme(tmp_path / file) == written


@pytest.mark.parametrize("family", zoo.families())
def test_schemes_of_solutions_survive(family: str, tmp_path: Path) -> None:
    for solved in zoo.random_games(family, 6, 4, 10, 3):
        written = solve(solved).scheme
        write_scheme(written, tmp_path / "scheme.json", overwrite=True)
        assert read_scheme(tmp_path / "scheme.json") == written


def test_exact_scheme_survives_json(tmp_path: Path) -> None:
    written = SignalingScheme.from_dict(KERNEL)
    write_scheme(written, tmp_path / "scheme.json")
    assert read_scheme(tmp_path / "scheme.json") == written


# -- exact and float ---------------------------------------------------------------------------


def test_integers_and_strings_are_exact_and_literals_are_floats(tmp_path: Path) -> None:
    path = tmp_path / "game.json"
    path.write_text(
        '{"prior": ["1/2", "0.5"], "sender_utility": [[7, 0.1], ["0.1", "1/3"]],'
        ' "receiver_utility": [[9007199254740993, 0.1], [3, 4e0]]}'
    )
    exact = read_game(path).exact
    assert exact.sender_utility == ((7, Fraction(0.1)), (Fraction(1, 10), Fraction(1, 3)))
    assert exact.receiver_utility == ((2**53 + 1, Fraction(0.1)), (3, 4))


def test_floats_become_their_binary_values(tmp_path: Path) -> None:
    write_game(game(), tmp_path / "game.npz")
    convert(tmp_path / "game.npz", tmp_path / "game.json", exact=True)
    fields = json.loads((tmp_path / "game.json").read_text(encoding="utf-8"))
    assert fields["prior"] == ["1/4", "3/4"]
    assert Fraction(fields["sender_utility"][0][0]) == Fraction(0.1) != Fraction(1, 10)
    assert same(read_game(tmp_path / "game.json"), game())


def test_exact_numbers_go_to_npz_only_as_floats(tmp_path: Path) -> None:
    path, exact = tmp_path / "game.npz", game(THIRDS)
    for asked in (None, True):
        with pytest.raises(GameError, match=r"game\.npz.*`prior` holds 1/3.*exact=False"):
            write_game(exact, path, exact=asked)
        assert os.listdir(tmp_path) == []
    write_game(exact, path, exact=False)
    rounded = read_game(path)
    assert rounded != exact
    assert np.array_equal(rounded.receiver_utility, exact.receiver_utility)
    assert np.abs(rounded.prior - exact.prior).max() < 1e-15


def test_exact_numbers_that_are_floats_go_to_npz(tmp_path: Path) -> None:
    halves = game(THIRDS, prior=["1/2", "1/2"], receiver_utility=[[1, 0], ["-1/8", 2**60]])
    for asked in (None, True, False):
        write_game(halves, tmp_path / "game.npz", exact=asked, overwrite=True)
        assert read_game(tmp_path / "game.npz") == halves


def test_scheme_in_floats_and_fractions(tmp_path: Path) -> None:
    thirds = SignalingScheme([[1 / 3, 1 / 3, 1 / 3]])
    write_scheme(thirds, tmp_path / "scheme.json", exact=True)
    assert read_scheme(tmp_path / "scheme.json").exact_kernel == ((Fraction(1, 3),) * 3,)
    exact = SignalingScheme.from_dict(KERNEL)
    with pytest.raises(SchemeError, match=r"`kernel` holds 4/7"):
        write_scheme(exact, tmp_path / "scheme.npz")
    write_scheme(exact, tmp_path / "scheme.npz", exact=False)
    assert np.array_equal(read_scheme(tmp_path / "scheme.npz").kernel, exact.kernel)


@pytest.mark.parametrize("source", ["game.json", "game.npz"])
@pytest.mark.parametrize("target", ["copy.json", "copy.npz"])
def test_convert_between_all_formats(source: str, target: str, tmp_path: Path) -> None:
    write_game(game(), tmp_path / source)
    convert(tmp_path / source, tmp_path / target)
    assert same(read_game(tmp_path / target), game())


def test_convert_schemes(tmp_path: Path) -> None:
    write_scheme(SignalingScheme.from_dict(KERNEL), tmp_path / "a.json")
    convert(tmp_path / "a.json", tmp_path / "b.npz", exact=False)
    convert(tmp_path / "b.npz", tmp_path / "c.json")
    assert read_scheme(tmp_path / "c.json").signals == ("acquit", "convict")


def test_suffixes_in_capitals(tmp_path: Path) -> None:
    write_game(game(), tmp_path / "game.JSON")
    assert read_game(tmp_path / "game.JSON") == game()


# -- faulty files ------------------------------------------------------------------------------


def text(fields: dict[str, Any] | None = None, **changes: Any) -> str:
    return json.dumps({**(FLOATS if fields is None else fields), **changes})


def without(key: str) -> str:
    return json.dumps({k: v for k, v in FLOATS.items() if k != key})


FAULTY_JSON = {
    "empty": ("", "not JSON"),
    "cut": (text()[:-1], "not JSON"),
    "words": ("persuasion", "not JSON"),
    "list": ("[1, 2]", "one JSON object; got a list"),
    "null": ("null", "one JSON object; got a NoneType"),
    "unknown key": (text(priors=[1]), "unknown key 'priors'"),
    "missing prior": (without("prior"), "'prior' is missing"),
    "missing receiver": (without("receiver_utility"), "'receiver_utility' is missing"),
    "key twice": (text()[:-1] + ', "prior": [0.5, 0.5]}', "'prior' occurs twice"),
    "NaN": (text(prior=[float("nan"), 1.0]), "NaN is not a number"),
    "Infinity": (text(prior=[float("inf"), 1.0]), "Infinity is not a number"),
    "-Infinity": (text(prior=[float("-inf"), 1.0]), "-Infinity is not a number"),
    "overflow": (text().replace("1e+17", "1e999"), "must be finite"),
    "nan string": (text(prior=["nan", 1]), "'nan', which is not a number"),
    "word string": (text(prior=["half", "1/2"]), "'half', which is not a number"),
    "division by zero": (text(prior=["1/0", "1"]), "'1/0', which is not a number"),
    "null number": (text(prior=[None, 1.0]), "None, which is not a number"),
    "null table": (text(prior=None), r"must be a vector"),
    "too many digits": (text().replace("-3.5", "9" * 5000), "limit"),
    "wrong length": (text(prior=[0.5, 0.25, 0.25]), r"`prior` has shape \(3,\)"),
    "wrong shape": (text(receiver_utility=[[1, 0]]), r"`receiver_utility` has shape \(1, 2\)"),
    "ragged": (text(sender_utility=[[1, 0], [1]]), "ragged"),
    "flat table": (text(sender_utility=[1, 0]), "must be a matrix"),
    "object table": (text(sender_utility={"a": 1}), "must be a matrix"),
    "negative": (text(prior=[-0.5, 1.5]), "must not be negative"),
    "unnormalised floats": (text(prior=[0.5, 0.25]), "must sum to 1"),
    "unnormalised fractions": (text(prior=["1/2", "1/3"]), r"exactly \(got 5/6"),
    "no states": (text(prior=[], sender_utility=[], receiver_utility=[]), "must be a matrix"),
    "no actions": (
        text(sender_utility=[[], []], receiver_utility=[[], []]),
        "at least one state and one action",
    ),
    "too few labels": (text(states=["one"]), "`states` must hold 2 labels"),
    "label twice": (text(actions=["a", "a"]), "'a' occurs twice"),
    "labels one string": (text(states="ab"), "must be a list of strings; got a str"),
    "labels a number": (text(states=5), "must be a list of strings; got a int"),
    "label a number": (text(states=["a", 5]), "must be a list of strings; it holds 5"),
    "name a number": (text(name=5), "`name` must be a string"),
    "source a list": (text(source=["KG"]), "`source` must be a string"),
    "receiver certain": (text(receiver_prior=[0, 1]), "must be positive wherever"),
    "deep": ("[" * 100_000 + "]" * 100_000, "recursion"),
    "a scheme": (text(KERNEL), "unknown key 'kernel'"),
}


@pytest.mark.parametrize("content", ["labels", *FAULTY_JSON])
def test_faulty_json(content: str, tmp_path: Path) -> None:
    path = tmp_path / "game.json"
    if content == "labels":  # the text that the faults were put into is itself right
        path.write_text(text())
        assert read_game(path) == game()
        return
    wrong, message = FAULTY_JSON[content]
    path.write_text(wrong)
    with pytest.raises(GameError, match=f"^{path}: .*{message}"):
        read_game(path)
    with pytest.raises((GameError, SchemeError), match=f"^{path}: "):
        convert(path, tmp_path / "copy.npz") if content != "a scheme" else read_game(path)
    assert os.listdir(tmp_path) == ["game.json"]


def test_json_that_is_not_text(tmp_path: Path) -> None:
    (path := tmp_path / "game.json").write_bytes(b'{"prior": "\xff"}')
    with pytest.raises(GameError, match=r"game\.json: .*UTF-8"):
        read_game(path)


def test_json_with_a_byte_order_mark(tmp_path: Path) -> None:
    (path := tmp_path / "game.json").write_bytes(b"\xef\xbb\xbf" + text().encode())
    assert read_game(path) == game()


FAULTY_SCHEMES = {
    "row sum": ({"kernel": [[0.5, 0.4]]}, "row 0 sums to 0.9"),
    "negative": ({"kernel": [[-0.5, 1.5]]}, "must not be negative"),
    "empty": ({"kernel": [[]]}, "at least one state and one signal"),
    "a game": (FLOATS, '"kernel"'),
    "unknown key": ({**KERNEL, "prior": [1]}, "unknown key 'prior'"),
    "labels": ({**KERNEL, "signals": ["a"]}, "2 different labels"),
    "labels a number": ({**KERNEL, "signals": 7}, "must be a list of strings"),
}


@pytest.mark.parametrize("fault", FAULTY_SCHEMES)
def test_faulty_scheme(fault: str, tmp_path: Path) -> None:
    wrong, message = FAULTY_SCHEMES[fault]
    (path := tmp_path / "scheme.json").write_text(json.dumps(wrong))
    with pytest.raises(SchemeError, match=f"^{path}: .*{message}"):
        read_scheme(path)


def npz(**arrays: Any) -> bytes:
    buffer = BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


TABLES = {key: np.array(FLOATS[key]) for key in ("prior", "sender_utility", "receiver_utility")}


def twice() -> bytes:
    buffer = BytesIO(npz(**TABLES))
    with pytest.warns(UserWarning, match="Duplicate name"), zipfile.ZipFile(buffer, "a") as file:
        file.writestr("prior.npy", file.read("prior.npy"))
    return buffer.getvalue()


def npy(array: Any) -> bytes:
    buffer = BytesIO()
    np.save(buffer, array)
    return buffer.getvalue()


def header(shape: tuple[int, ...]) -> bytes:
    buffer = BytesIO()
    fields = {"descr": "<f8", "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(buffer, fields)
    return buffer.getvalue()


def member(name: str, content: bytes) -> bytes:
    buffer = BytesIO()
    with zipfile.ZipFile(buffer, "w") as file:
        file.writestr(name, content)
    return buffer.getvalue()


FAULTY_NPZ = {
    "empty": (lambda: b"", "not a readable npz file"),
    "text": (lambda: b"prior", "not a readable npz file"),
    "cut": (lambda: npz(**TABLES)[:-30], "not a readable npz file"),
    "damaged": (lambda: npz(**TABLES).replace(b"\x3f", b"\x40", 1), "not a readable npz file"),
    "pickle": (lambda: pickle.dumps(TABLES), "not a readable npz file"),
    "pickled array": (
        lambda: npz(**{**TABLES, "prior": np.array([Fraction(1, 2)] * 2, dtype=object)}),
        "not a readable npz file",
    ),
    "single array": (lambda: npy(np.eye(2)), "a single array"),
    "array twice": (twice, "occurs twice"),
    "promises too much": (
        lambda: member("prior.npy", header((10**15,))),
        "not a readable npz file",
    ),
    "bad header": (lambda: member("prior.npy", npy(np.eye(2)).replace(b"}", b"(")), "not a read"),
    "bytes": (lambda: member("prior", b"0.5"), "must hold real numbers; got no array"),
    "unknown key": (lambda: npz(**TABLES, priors=np.eye(2)), "unknown key 'priors'"),
    "missing key": (lambda: npz(prior=TABLES["prior"]), "'sender_utility' is missing"),
    "complex": (lambda: npz(**{**TABLES, "prior": np.array([0.5j, 0.5])}), "must hold real"),
    "strings": (lambda: npz(**{**TABLES, "prior": np.array(["1/2", "1/2"])}), "must hold real"),
    "numbers as labels": (lambda: npz(**TABLES, states=np.array([1, 2])), "must hold text"),
    "labels as name": (lambda: npz(**TABLES, name=np.array(["a", "b"])), "must hold text"),
    "NaN": (lambda: npz(**{**TABLES, "prior": np.array([np.nan, 1.0])}), "must be finite"),
    "sum": (lambda: npz(**{**TABLES, "prior": np.array([0.5, 0.6])}), "must sum to 1"),
    "shape": (lambda: npz(**{**TABLES, "prior": np.ones(1)}), r"`prior` has shape \(1,\)"),
}


@pytest.mark.parametrize("fault", FAULTY_NPZ)
def test_faulty_npz(fault: str, tmp_path: Path) -> None:
    build, message = FAULTY_NPZ[fault]
    (path := tmp_path / "game.npz").write_bytes(build())
    with pytest.raises(GameError, match=f"^{path}: .*({message})"):
        read_game(path)


def test_any_damage_to_npz_is_a_game_error(tmp_path: Path) -> None:
    whole = npz(**TABLES)
    path = tmp_path / "game.npz"
    rng = np.random.default_rng(5)
    refused = 0
    for _ in range(300):
        damaged = bytearray(whole)
        damaged[rng.integers(len(whole))] ^= 1 << int(rng.integers(8))
        path.write_bytes(damaged)
        try:
            read_game(path)  # some bytes (dates, say) do not matter
        except GameError:
            refused += 1
    assert refused > 150
    path.write_bytes(whole)
    assert read_game(path).prior.tolist() == FLOATS["prior"]


def test_npz_runs_no_pickle(tmp_path: Path) -> None:
    class Trap:
        def __reduce__(self) -> Any:
            return os.mkdir, (str(tmp_path / "sprung"),)

    array = np.array([Trap(), 1], dtype=object)
    (path := tmp_path / "game.npz").write_bytes(npz(**{**TABLES, "prior": array}))
    with pytest.raises(GameError):
        read_game(path)
    assert not (tmp_path / "sprung").exists()
    np.load(path, allow_pickle=True)["prior"]  # the trap works
    assert (tmp_path / "sprung").exists()


# -- paths -------------------------------------------------------------------------------------


@pytest.mark.parametrize("read", [read_game, read_scheme])
@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("missing.json", "no such file"),
        ("missing.npz", "no such file"),
        ("none/game.json", "no such file"),
        ("folder.json", "cannot be read"),
        ("game.yaml", r"legal suffixes are \.json and \.npz; got '\.yaml'"),
        ("game", "got 'none'"),
        ("nul\0.json", "cannot be read"),
    ],
)
def test_unreadable_path(read: Any, name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "folder.json").mkdir()
    error = GameError if read is read_game else SchemeError
    with pytest.raises(error, match=message) as caught:
        read(tmp_path / name)
    assert str(tmp_path / name) in str(caught.value)


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("none/game.json", "no folder"),
        ("folder.npz", "is a folder"),
        ("game.yaml", "legal suffixes"),
        ("taken.json", "overwrite=True"),
        ("n" * 300 + ".json", "cannot be written"),
    ],
)
def test_unwritable_path(name: str, message: str, tmp_path: Path) -> None:
    (tmp_path / "folder.npz").mkdir()
    (tmp_path / "taken.json").write_text("mine")
    before = sorted(os.listdir(tmp_path))
    with pytest.raises(GameError, match=message):
        write_game(game(), tmp_path / name)
    with pytest.raises(SchemeError, match=message):
        write_scheme(SignalingScheme([[1]]), tmp_path / name)
    assert sorted(os.listdir(tmp_path)) == before
    assert (tmp_path / "taken.json").read_text() == "mine"


@pytest.mark.parametrize("file", FORMATS)
def test_overwrite(file: str, tmp_path: Path) -> None:
    write_game(game(), tmp_path / file)
    with pytest.raises(GameError, match="exists already"):
        write_game(game(name="other"), tmp_path / file)
    assert read_game(tmp_path / file).name == "five"
    write_game(game(name="other"), tmp_path / file, overwrite=True)
    assert read_game(tmp_path / file).name == "other"


def test_a_failed_write_leaves_the_old_file(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    path = tmp_path / "game.json"
    write_game(game(), path)

    def full(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", full)
    with pytest.raises(GameError, match=r"game\.json: cannot be written: .*No space left"):
        write_game(game(name="other"), path, overwrite=True)
    assert os.listdir(tmp_path) == ["game.json"]
    assert read_game(path).name == "five"


def test_a_failed_conversion_leaves_the_target(tmp_path: Path) -> None:
    write_game(game(THIRDS), tmp_path / "game.json")
    write_game(game(), tmp_path / "target.npz")
    with pytest.raises(GameError, match="exact=False"):
        convert(tmp_path / "game.json", tmp_path / "target.npz", overwrite=True)
    assert read_game(tmp_path / "target.npz") == game()


def test_only_nouns_are_written(tmp_path: Path) -> None:
    with pytest.raises(GameError, match="got SignalingScheme"):
        write_game(SignalingScheme([[1]]), tmp_path / "game.json")  # type: ignore[arg-type]
    with pytest.raises(SchemeError, match=r"got PersuasionGame.*solution\.scheme"):
        write_scheme(game(), tmp_path / "scheme.json")  # type: ignore[arg-type]


def test_labels_that_npz_cannot_hold(tmp_path: Path) -> None:
    odd = game(states=["a\0", "b"])
    with pytest.raises(GameError, match="null character"):
        write_game(odd, tmp_path / "game.npz")
    write_game(odd, tmp_path / "game.json")
    assert read_game(tmp_path / "game.json") == odd


def test_written_files_obey_the_umask(tmp_path: Path) -> None:
    write_game(game(), tmp_path / "game.json")
    (tmp_path / "plain").touch()
    assert (tmp_path / "game.json").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_json_is_readable_and_stable(tmp_path: Path) -> None:
    write_game(zoo.load("prosecutor"), tmp_path / "game.json")
    lines = (tmp_path / "game.json").read_text().splitlines()
    assert lines[:4] == [
        "{",
        '  "prior": ["7/10", "3/10"],',
        '  "sender_utility": [',
        "    [0.0, 1.0],",
    ]
    write_game(game(), tmp_path / "one.npz")
    write_game(game(), tmp_path / "two.npz")
    assert (tmp_path / "one.npz").read_bytes() == (tmp_path / "two.npz").read_bytes()
