"""The two file formats, JSON and npz: from bytes to the fields of ``to_dict`` and back.

A fault of the content is a plain `ValueError`; `persuasion.io` adds the name of the file.
"""

from __future__ import annotations

import io
import json
from fractions import Fraction
from typing import Any

import numpy as np

from persuasion.rationals import LARGEST_EXACT_INT

__all__ = [
    "LABELS",
    "TABLES",
    "TEXTS",
    "Fields",
    "parse_json",
    "parse_npz",
    "render_json",
    "render_npz",
]

Fields = dict[str, Any]
TABLES = ("prior", "receiver_prior", "sender_utility", "receiver_utility", "kernel")
LABELS = ("states", "actions", "signals")
TEXTS = ("name", "source")


def parse_json(content: bytes) -> Fields:
    """Read the fields of one JSON object; integers and strings stay exact.

    Raises
    ------
    ValueError
        When it is not JSON in UTF-8, not one object, a key occurs twice, a number is NaN or
        infinite, or a label is no string.

    Examples
    --------
    >>> parse_json(b'{"prior": ["1/3", "2/3"]}')
    {'prior': ['1/3', '2/3']}
    """
    try:
        fields = json.loads(
            content.decode("utf-8-sig"),
            object_pairs_hook=_unique,
            parse_constant=_no_constant,
            parse_int=_whole,
        )
    except json.JSONDecodeError as cause:
        raise ValueError(f"not JSON: {cause}") from cause
    except UnicodeDecodeError as cause:
        raise ValueError("not JSON: not UTF-8 text") from cause
    if not isinstance(fields, dict):
        raise ValueError(f"the file must hold one JSON object; got a {type(fields).__name__}")
    for key, value in fields.items():
        if key in TEXTS and not isinstance(value, str | None):
            raise ValueError(f"`{key}` must be a string; got {value!r}")
        if key in LABELS and value is not None:
            _check_labels(key, value)
    return fields


def _check_labels(key: str, labels: Any) -> None:
    if not isinstance(labels, list):
        raise ValueError(f"`{key}` must be a list of strings; got a {type(labels).__name__}")
    wrong = [label for label in labels if not isinstance(label, str)]
    if wrong:
        raise ValueError(f"`{key}` must be a list of strings; it holds {wrong[0]!r}")


def _unique(pairs: list[tuple[str, Any]]) -> Fields:
    fields = dict(pairs)
    if len(fields) < len(pairs):
        keys = [key for key, _ in pairs]
        repeated = next(key for key in keys if keys.count(key) > 1)
        raise ValueError(f"key {repeated!r} occurs twice")
    return fields


def _no_constant(literal: str) -> float:
    raise ValueError(f"{literal} is not a number of a game; every number must be finite")


def _whole(literal: str) -> int | Fraction:
    number = int(literal)
    # a Fraction keeps its digits beside floats, where numpy would round an int
    return number if abs(number) <= LARGEST_EXACT_INT else Fraction(number)


def parse_npz(content: bytes) -> Fields:
    """Read the arrays of an npz file; nothing is unpickled.

    Raises
    ------
    ValueError
        When it is no npz file, is damaged, needs pickle, or an array has the wrong type.
    """
    try:
        archive = np.load(io.BytesIO(content), allow_pickle=False)
        if not isinstance(archive, np.lib.npyio.NpzFile):
            raise ValueError("it holds a single array")
        if len(set(archive.files)) < len(archive.files):
            raise ValueError("an array occurs twice")
        arrays = {key: archive[key] for key in archive.files}
    except Exception as cause:  # damaged bytes make zipfile and numpy raise whatever they meet
        raise ValueError(f"not a readable npz file of plain arrays: {cause}") from cause
    return {key: _field(key, array) for key, array in arrays.items()}


def _field(key: str, array: Any) -> Any:
    kind = array.dtype.kind if isinstance(array, np.ndarray) else "no array"
    if key in TEXTS and kind == "U" and array.ndim == 0:
        return array.item()
    if key in LABELS and kind == "U" and array.ndim == 1:
        return array.tolist()
    if key in LABELS + TEXTS or kind not in "fiub":
        wanted = "text" if key in LABELS + TEXTS else "real numbers"
        raise ValueError(f"`{key}` must hold {wanted}; got {getattr(array, 'dtype', kind)}")
    return array


def render_json(fields: Fields) -> bytes:
    """Write fields as JSON, one key or matrix row per line.

    Examples
    --------
    >>> print(render_json({"prior": [0.5, 0.5]}).decode(), end="")
    {
      "prior": [0.5, 0.5]
    }
    """
    lines = []
    for key, value in fields.items():
        plain = value.tolist() if isinstance(value, np.ndarray) else value
        if isinstance(plain, list) and isinstance(plain[0], list):
            rows = ",\n    ".join(json.dumps(row, allow_nan=False) for row in plain)
            text = f"[\n    {rows}\n  ]"
        else:
            text = json.dumps(plain, allow_nan=False)
        lines.append(f"  {json.dumps(key)}: {text}")
    return ("{\n" + ",\n".join(lines) + "\n}\n").encode()


def render_npz(fields: Fields) -> bytes:
    """Write tables as float64 arrays and labels as arrays of text.

    Raises
    ------
    ValueError
        When a number is no float or a label ends in a null character: neither fits.
    """
    arrays: dict[str, Any] = {}
    for key, value in fields.items():
        if key in TABLES:
            arrays[key] = _floats(key, value)
        else:
            arrays[key] = np.array(value, dtype=np.str_)
            if arrays[key].tolist() != value:
                raise ValueError(f"`{key}` ends in a null character, which npz drops; write JSON")
    buffer = io.BytesIO()
    np.savez(buffer, **arrays)
    return buffer.getvalue()


def _floats(key: str, table: Any) -> Any:
    array = np.array(table)
    if array.dtype.kind != "U":
        return array
    exact = [Fraction(x) for x in array.ravel().tolist()]
    floats = [float(x) for x in exact]
    lost = next((x for x, y in zip(exact, floats, strict=True) if x != Fraction(y)), None)
    if lost is not None:
        raise ValueError(
            f"npz stores floats, and `{key}` holds {lost}, which is none; pass exact=False to "
            "round every number to the nearest float, or write JSON"
        )
    return np.array(floats).reshape(array.shape)
