"""Writing a file whole: a reader, also after a crash, finds all of the new one or the old one."""

from __future__ import annotations

import os
import secrets
from pathlib import Path

__all__ = ["write_whole"]


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
    draft = target.with_name(f".{secrets.token_hex(8)}.part")  # short, whatever the target's name
    try:
        with draft.open("xb") as file:
            file.write(content)
            file.flush()
            os.fsync(file.fileno())
        draft.replace(target)
    finally:
        draft.unlink(missing_ok=True)
    return target
