"""Rows of a data set: from a file of JSON lines, or from the Hugging Face hub."""

from __future__ import annotations

import gzip
import json
import os
from collections.abc import Iterable, Mapping, Sequence
from pathlib import Path
from typing import Any

from llm_bridge.commands.requirements import missing
from persuasion.errors import PersuasionError

__all__ = ["read_rows"]

_GZIP = b"\x1f\x8b"


def read_rows(
    source: str | os.PathLike[str],
    needed: Sequence[str],
    *,
    config: str | None = None,
    split: str = "test",
) -> list[dict[str, Any]]:
    r"""Read all rows.

    Parameters
    ----------
    source : str or path
        A file of JSON lines, gzipped or not; or an id of the Hugging Face hub such as
        ``"openai/gsm8k"``, or a folder in one of its formats, for which the extra `data` is needed.
    needed : sequence of str
        Columns that every row must have, as texts.
    config, split : str
        For the hub: which part of the data set.

    Raises
    ------
    PersuasionError
        When there is no such file or data set, a row is damaged or lacks a column, or there are
        no rows.

    Examples
    --------
    >>> from pathlib import Path
    >>> path = Path("two.jsonl")
    >>> _ = path.write_text('{"q": "1+1"}\n{"q": "2+2"}\n')
    >>> [row["q"] for row in read_rows(path, ["q"])]
    ['1+1', '2+2']
    """
    path = Path(source)
    if path.is_file():
        rows = _from_file(path)
    elif path.is_dir() and not any(path.iterdir()):
        raise PersuasionError(f"{source} is an empty folder; name a file of JSON lines in it")
    elif path.is_dir() or (isinstance(source, str) and source.count("/") == 1 and source[0] != "."):
        rows = _from_hub(str(source), config, split)
    else:
        raise PersuasionError(
            f"there is no file {source}; name a file of JSON lines (.jsonl or .jsonl.gz), or an id "
            "of the Hugging Face hub such as 'openai/gsm8k'"
        )
    checked = [_checked(row, needed, where) for where, row in rows]
    if not checked:
        raise PersuasionError(f"{source} holds no rows")
    return checked


def _from_file(path: Path) -> Iterable[tuple[str, Any]]:
    try:
        content = path.read_bytes()
        text = (gzip.decompress(content) if content[:2] == _GZIP else content).decode("utf-8")
    except (OSError, EOFError, UnicodeDecodeError, gzip.zlib.error) as cause:  # type: ignore[attr-defined]
        raise PersuasionError(f"{path} cannot be read: {cause}") from cause
    for number, line in enumerate(text.split("\n"), start=1):
        if line.strip():
            try:
                yield f"line {number} of {path}", json.loads(line)
            except (ValueError, RecursionError) as cause:
                raise PersuasionError(f"line {number} of {path} is no JSON: {cause}") from cause


def _from_hub(source: str, config: str | None, split: str) -> Iterable[tuple[str, Any]]:
    if missing("datasets"):
        raise PersuasionError(
            f"{source!r} is no file, and datasets, which reads ids of the Hugging Face hub, is not "
            "installed: pip install 'persuasion[data]', or name a file of JSON lines"
        )
    import datasets

    try:
        found: Any = datasets.load_dataset(source, config, split=split)
    except Exception as cause:  # of many kinds, by what lies behind the id
        raise PersuasionError(
            f"the data set {source!r} (config {config}, split {split!r}) could not be loaded: "
            f"{type(cause).__name__}: {str(cause).strip().splitlines()[0]}"
        ) from cause
    for number, row in enumerate(found):
        yield f"row {number} of {source}", row


def _checked(row: Any, needed: Sequence[str], where: str) -> dict[str, Any]:
    if not isinstance(row, Mapping):
        raise PersuasionError(f"{where} must be a JSON object; got {str(row)[:60]!r}")
    lacking = [name for name in needed if not isinstance(row.get(name), str)]
    if lacking:
        raise PersuasionError(
            f"{where} lacks the text {lacking[0]!r}; it has {', '.join(map(str, row))}"
        )
    return dict(row)
