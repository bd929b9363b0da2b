"""Writing a file whole: a reader, also after a crash, finds all of the new one or the old one."""

from __future__ import annotations

import os
import secrets
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

__all__ = ["write_first", "write_whole"]


def write_whole(path: Path | str, content: bytes) -> Path:
    """Put `content` in place at once, replacing what is there.

    Parameters
    ----------
    path : path
        Its folder must exist.
    content : bytes

    Returns
    -------
    Path

    Raises
    ------
    OSError
        When it cannot be written; then everything is as it was.

    Examples
    --------
    >>> write_whole("note.txt", b"all of it").read_text()
    'all of it'
    """
    target = Path(path)
    with _draft(target, content) as draft:
        draft.replace(target)
    return target


def write_first(path: Path | str, content: bytes) -> bool:
    """Put `content` in place at once unless something is there, also when several try together.

    Parameters
    ----------
    path : path
        Its folder must exist.
    content : bytes

    Returns
    -------
    bool
        Whether it was written.

    Raises
    ------
    OSError
        When it cannot be written; then everything is as it was.

    Examples
    --------
    >>> write_first("label.txt", b"mine"), write_first("label.txt", b"yours")
    (True, False)
    """
    target = Path(path)
    with _draft(target, content) as draft:
        try:
            target.hardlink_to(draft)
        except FileExistsError:
            return False
        except OSError:  # a file system without links: the last of those who try together wins
            if target.exists():
                return False
            draft.replace(target)
    return True


@contextmanager
def _draft(target: Path, content: bytes) -> Iterator[Path]:
    """Yield a file with `content` beside `target`; gone afterwards."""
    draft = target.with_name(f".{secrets.token_hex(8)}.part")  # short, whatever the target's name
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        yield draft
    except OSError as cause:
        if str(cause.filename) == str(draft):
            cause.filename = str(target)  # nobody knows the draft by name
        raise
    finally:
        draft.unlink(missing_ok=True)
