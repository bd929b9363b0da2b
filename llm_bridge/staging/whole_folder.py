"""Writing a folder whole: a reader, also after a crash, finds all of the new one or the old one."""

from __future__ import annotations

import ctypes
import os
import secrets
import shutil
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from persuasion.errors import PersuasionError

__all__ = ["whole_folder"]

_HERE, _EXCHANGE = -100, 2  # AT_FDCWD and RENAME_EXCHANGE of renameat2(2)


@contextmanager
def whole_folder(path: Path | str, *, label: str) -> Iterator[Path]:
    """Give an empty folder to write in; afterwards it stands in the place of `path`.

    Parameters
    ----------
    path : path
        Its parents are made. What stands there is replaced if it is an empty folder or one that
        holds `label`: no folder of another kind is ever deleted.
    label : str
        A file that every folder of this kind holds.

    Yields
    ------
    Path
        A folder beside `path`, gone if writing fails; then everything is as it was.

    Raises
    ------
    PersuasionError
        When something of another kind stands at `path`.

    Notes
    -----
    Old and new are exchanged in one step where the system can (Linux). Elsewhere the old one is
    moved away first, and a crash between the two steps leaves it beside `path` as ``.NAME.old``.

    Examples
    --------
    >>> import tempfile
    >>> from pathlib import Path
    >>> from llm_bridge.staging.whole_folder import whole_folder
    >>> with tempfile.TemporaryDirectory() as parent:
    ...     with whole_folder(Path(parent) / "model", label="label.json") as draft:
    ...         _ = (draft / "label.json").write_text("{}")
    ...     print([file.name for file in (Path(parent) / "model").iterdir()])
    ['label.json']
    """
    target = Path(path).expanduser().absolute()
    check_replaceable(target, label)
    target.parent.mkdir(parents=True, exist_ok=True)
    draft = target.with_name(f".{secrets.token_hex(8)}.part")
    draft.mkdir()
    try:
        yield draft
        for file in draft.rglob("*"):
            if file.is_file():
                with file.open("rb") as written:
                    os.fsync(written.fileno())
        if target.exists() and not _exchanged(draft, target):
            old = target.with_name(f".{target.name}.old")
            shutil.rmtree(old, ignore_errors=True)
            target.rename(old)
            draft.rename(target)
            shutil.rmtree(old)
        elif draft.exists() and not target.exists():
            draft.rename(target)
    finally:
        shutil.rmtree(draft, ignore_errors=True)  # the draft of a failure, or the old one


def check_replaceable(target: Path, label: str) -> None:
    """Refuse to replace what is neither an empty folder nor one that holds `label`."""
    kind = target.is_dir() and (not any(target.iterdir()) or (target / label).exists())
    if target.exists() and not kind:
        raise PersuasionError(
            f"{target} exists and holds no {label}, so it is something else and is not replaced; "
            "name another folder"
        )


def _exchanged(first: Path, second: Path) -> bool:
    """Whether the two could be exchanged in one step."""
    if not sys.platform.startswith("linux"):
        return False
    rename = getattr(ctypes.CDLL(None, use_errno=True), "renameat2", None)
    if rename is None:
        return False
    failed: int = rename(_HERE, os.fsencode(first), _HERE, os.fsencode(second), _EXCHANGE)
    return failed == 0
