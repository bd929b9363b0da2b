"""Games, schemes and Receiver types as files: JSON for reading and exactness, npz for speed.

A JSON file is one object with the keys of ``to_dict``. Numbers are JSON numbers or rational
strings such as ``"7/10"``: an integer or a string is exact, a literal with a point or an exponent
means its float. An npz file holds one float64 array for each table and arrays of text for the
labels, nothing pickled; exact numbers that are no floats do not fit into it.

Every fault of a file is one `GameError` or `SchemeError` that names the file. A write puts a
complete file in place or leaves everything as it was.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Iterable
from fractions import Fraction
from pathlib import Path
from typing import Any

import numpy as np

from persuasion.errors import GameError, PersuasionError, SchemeError
from persuasion.formats import (
    TABLES,
    Fields,
    parse_json,
    parse_npz,
    render_json,
    render_npz,
)
from persuasion.game import PersuasionGame
from persuasion.rationals import FloatArray, frozen, read_numbers
from persuasion.scheme import SignalingScheme
from persuasion.whole_file import write_whole

__all__ = ["convert", "read_game", "read_scheme", "read_types", "write_game", "write_scheme"]

FilePath = str | os.PathLike[str]
Fault = type[PersuasionError]


def read_game(path: FilePath) -> PersuasionGame:
    """Read a game from a ``.json`` or ``.npz`` file.

    Raises
    ------
    GameError
        When the file cannot be read or does not hold a game; the message names the file.
    """
    return _game(_load(Path(path), GameError), path)


def read_scheme(path: FilePath) -> SignalingScheme:
    """Read a signaling scheme from a ``.json`` or ``.npz`` file.

    Raises
    ------
    SchemeError
        When the file cannot be read or does not hold a scheme; the message names the file.
    """
    return _scheme(_load(Path(path), SchemeError), path)


def read_types(path: FilePath) -> tuple[FloatArray, FloatArray | None]:
    """Read Receivers of several types from a ``.json`` or ``.npz`` file.

    The file holds ``utilities[type][state][action]`` and may hold ``weights``, one probability per
    type. A game file is read as one type, its Receiver.

    Parameters
    ----------
    path : path

    Returns
    -------
    utilities : ndarray (n_types, n_states, n_actions)
    weights : ndarray (n_types,) or None

    Raises
    ------
    GameError
        When the file cannot be read, holds something else, or its types differ in shape; the
        message names the file.

    Examples
    --------
    >>> from pathlib import Path
    >>> from persuasion.io import read_types
    >>> _ = Path("types.json").write_text('{"utilities": [[[1, 0], [0, 1]], [[1, 0], [0, "3/2"]]]}')
    >>> read_types("types.json")[0][1].tolist()
    [[1.0, 0.0], [0.0, 1.5]]
    """
    fields = _load(Path(path), GameError)
    if "sender_utility" in fields:
        return frozen(_game(fields, path).receiver_utility[None].copy()), None
    legal = {"utilities", "weights"}
    if "utilities" not in fields or set(fields) - legal:
        raise GameError(
            f"{path}: a file of types holds `utilities` [type][state][action] and, if you like, "
            f"`weights` [type]; this one holds {', '.join(sorted(fields)) or 'nothing'}"
        )
    try:
        tables = [
            read_numbers(table, f"utilities[{k}]", 2, GameError).floats
            for k, table in enumerate(fields["utilities"])
        ]
    except (GameError, TypeError) as cause:
        raise GameError(f"{path}: {cause}") from cause
    shapes = [table.shape for table in tables]
    if len(set(shapes)) != 1:
        raise GameError(
            f"{path}: all types need the same states and actions; their shapes are "
            f"{', '.join(map(str, shapes)) or 'none, there is no type'}"
        )
    if fields.get("weights") is None:
        return frozen(np.stack(tables)), None
    try:
        weights = read_numbers(fields["weights"], "weights", 1, GameError).floats
    except GameError as cause:
        raise GameError(f"{path}: {cause}") from cause
    return frozen(np.stack(tables)), weights


def write_game(
    game: PersuasionGame, path: FilePath, *, overwrite: bool = False, exact: bool | None = None
) -> None:
    """Write a game to a ``.json`` or ``.npz`` file.

    Parameters
    ----------
    game : PersuasionGame
    path : path
        The suffix chooses the format.
    overwrite : bool
        Whether an existing file may be replaced.
    exact : bool, optional
        True writes the exact value of every number (in JSON, as a rational string); False rounds
        every number to the nearest float; left out, numbers stay as the game was given.

    Raises
    ------
    GameError
        When the file exists, its folder does not, the suffix is unknown, or exact numbers that
        are no floats are to go into an npz file without ``exact=False``.

    Examples
    --------
    >>> from persuasion import zoo
    >>> from persuasion.io import read_game, write_game
    >>> write_game(zoo.load("prosecutor"), "prosecutor.json", overwrite=True)
    >>> read_game("prosecutor.json").exact.prior
    (Fraction(7, 10), Fraction(3, 10))
    """
    if not isinstance(game, PersuasionGame):
        raise GameError(f"write_game writes a PersuasionGame; got {type(game).__name__}")
    _store(_game_fields(game, exact), Path(path), overwrite, GameError)


def write_scheme(
    scheme: SignalingScheme, path: FilePath, *, overwrite: bool = False, exact: bool | None = None
) -> None:
    """Write a signaling scheme to a ``.json`` or ``.npz`` file; options as in `write_game`.

    With ``exact=True`` rows given in floats are divided by their exact sum, so that they are
    distributions in fractions too.

    Raises
    ------
    SchemeError
        As `write_game` raises `GameError`.
    """
    if not isinstance(scheme, SignalingScheme):
        raise SchemeError(
            f"write_scheme writes a SignalingScheme; got {type(scheme).__name__}. "
            "The scheme of a solution is solution.scheme"
        )
    _store(_scheme_fields(scheme, exact), Path(path), overwrite, SchemeError)


def convert(
    src: FilePath, dst: FilePath, *, exact: bool | None = None, overwrite: bool = False
) -> None:
    """Copy a game or a scheme into another file, in the format of its suffix.

    Parameters
    ----------
    src, dst : path
        ``.json`` or ``.npz``, each.
    exact, overwrite
        As in `write_game`.

    Raises
    ------
    GameError or SchemeError
        When `src` cannot be read or `dst` cannot be written; then `dst` is left as it was.

    Examples
    --------
    >>> from persuasion import zoo
    >>> from persuasion.io import convert, read_game, write_game
    >>> write_game(zoo.random_game("uniform", 2, 2, seed=0), "uniform.json", overwrite=True)
    >>> convert("uniform.json", "uniform.npz", overwrite=True)
    >>> read_game("uniform.npz") == read_game("uniform.json")
    True
    """
    fields = _load(Path(src), GameError)
    if "kernel" in fields:
        write_scheme(_scheme(fields, src), dst, overwrite=overwrite, exact=exact)
    else:
        write_game(_game(fields, src), dst, overwrite=overwrite, exact=exact)


# -- nouns and fields --------------------------------------------------------------------------


def _game(fields: Fields, path: FilePath) -> PersuasionGame:
    try:
        return PersuasionGame.from_dict(fields)
    except GameError as cause:
        raise GameError(f"{path}: {cause}") from cause


def _scheme(fields: Fields, path: FilePath) -> SignalingScheme:
    try:
        return SignalingScheme.from_dict(fields)
    except SchemeError as cause:
        raise SchemeError(f"{path}: {cause}") from cause


def _game_fields(game: PersuasionGame, exact: bool | None) -> Fields:
    fields = game.to_dict()
    for key in TABLES:
        if key in fields and exact is not None:
            fields[key] = _strings(getattr(game.exact, key)) if exact else getattr(game, key)
    return fields


def _scheme_fields(scheme: SignalingScheme, exact: bool | None) -> Fields:
    fields = scheme.to_dict()
    if exact is not None:
        rows = scheme.exact_kernel
        unit = [[x / sum(row) for x in row] for row in rows]
        fields["kernel"] = _strings(unit) if exact else scheme.kernel
    return fields


def _strings(table: Iterable[Any]) -> list[Any]:
    return [str(x) if isinstance(x, Fraction) else _strings(x) for x in table]


# -- reading -----------------------------------------------------------------------------------


def _format(path: Path, error: Fault) -> str:
    suffix = path.suffix.lower()
    if suffix not in (".json", ".npz"):
        raise error(f"{path}: legal suffixes are .json and .npz; got {suffix or 'none'!r}")
    return suffix


def _load(path: Path, error: Fault) -> Fields:
    parse = parse_json if _format(path, error) == ".json" else parse_npz
    try:
        content = path.read_bytes()
    except FileNotFoundError as cause:
        raise error(f"{path}: there is no such file") from cause
    except (OSError, ValueError) as cause:  # a folder, no permission, an impossible name
        raise error(f"{path}: cannot be read: {cause}") from cause
    try:
        return parse(content)
    except (ValueError, RecursionError) as cause:
        raise error(f"{path}: {cause}") from cause


# -- writing -----------------------------------------------------------------------------------


def _store(fields: Fields, path: Path, overwrite: bool, error: Fault) -> None:
    render: Callable[[Fields], bytes]
    render = render_json if _format(path, error) == ".json" else render_npz
    try:
        content = render(fields)
    except ValueError as cause:
        raise error(f"{path}: {cause}") from cause
    try:
        if path.is_dir():
            raise error(f"{path}: cannot be written: it is a folder")
        if path.exists() and not overwrite:
            raise error(f"{path}: exists already; pass overwrite=True to replace it")
        if not path.parent.is_dir():
            raise error(f"{path}: cannot be written: there is no folder {path.parent}")
        write_whole(path, content)
    except OSError as cause:
        raise error(f"{path}: cannot be written: {cause}") from cause
