"""Keeping finished runs on disk, so that a killed simulation goes on where it stopped.

A store is a folder with ``store.json``, which says by which code it was written, and one ``.npz``
file per finished run, named by a hash of everything that determines it.

Several processes, also of several machines that share a disk, may read and write one store. A file
appears whole or not at all, for readers too; two who play the same run write the same file; and of
two who found a store at once, one writes the label and both read it.
"""

from __future__ import annotations

import hashlib
import io
import json
import os
import zipfile
from collections.abc import Mapping
from functools import cache
from pathlib import Path
from typing import Any

import numpy as np

from persuasion.errors import PersuasionError
from persuasion.whole_file import write_first, write_whole

__all__ = ["Store", "code_versions", "difference_of_versions", "key_of"]

_FORMAT = 1
_MATTERING = ("numpy", "scipy", "highspy", "numba")


@cache
def _source_hash() -> str:
    """Return a hash of the package's own source files."""
    root = Path(__file__).parent
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        digest.update(str(path.relative_to(root)).encode())
        digest.update(path.read_bytes())
    return digest.hexdigest()[:16]


@cache
def code_versions() -> dict[str, str]:
    """Versions of the package and of the libraries that its numbers depend on."""
    from importlib import metadata  # brings the package email

    from persuasion import __version__

    versions = {"persuasion": __version__, "source": _source_hash()}
    for name in _MATTERING:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return versions


def key_of(description: Mapping[str, Any]) -> str:
    """Return a hash that stands for `description` (JSON-ready) and can name a file.

    Examples
    --------
    >>> key_of({"prompt": "a", "seed": 1}) == key_of({"seed": 1, "prompt": "a"})
    True
    """
    text = json.dumps(description, sort_keys=True, default=str)
    return hashlib.sha256(text.encode()).hexdigest()[:32]


class Store:
    """A folder of finished runs.

    Parameters
    ----------
    folder : path
        Created when missing.

    Raises
    ------
    PersuasionError
        When the folder holds a store of other code or other library versions, or something else.
    """

    def __init__(self, folder: str | os.PathLike[str]) -> None:
        self.folder = Path(folder)
        label = self.folder / "store.json"
        current = {"format": _FORMAT, "versions": code_versions()}
        if not label.exists():
            if self.folder.exists() and not self.folder.is_dir():
                raise PersuasionError(f"{self.folder} is a file; a store is a folder, name another")
            self.folder.mkdir(parents=True, exist_ok=True)
            others = [p.name for p in self.folder.iterdir() if p.name[0] != "."]
            if others and not label.exists():  # else somebody has just founded it
                raise PersuasionError(
                    f"{self.folder} is not empty and not a store; name a new or empty folder"
                )
            write_first(label, json.dumps(current, indent=1).encode())
        try:
            found = json.loads(label.read_text())
        except ValueError as cause:
            raise PersuasionError(f"{label} is not a store label; use another folder") from cause
        if found != current:
            raise PersuasionError(
                f"the store {self.folder} was written by other code: "
                f"{_difference(found, current)}. Results of different code are not mixed; "
                "use a new folder, or delete this one"
            )

    def get(self, key: str) -> dict[str, Any] | None:
        """Return the arrays kept under `key`, or None; a damaged file counts as absent."""
        path = self.folder / f"{key}.npz"
        if not path.exists():
            return None
        try:
            with path.open("rb") as file, np.load(file, allow_pickle=False) as arrays:
                return {name: arrays[name] for name in arrays.files}
        except (OSError, ValueError, EOFError, KeyError, zipfile.BadZipFile):
            return None  # to be replaced by `put`; who deletes it may hit one that just was

    def put(self, key: str, arrays: Mapping[str, Any]) -> None:
        """Keep `arrays` under `key`: all of it or, when killed, nothing."""
        buffer = io.BytesIO()
        np.savez(buffer, **arrays)
        write_whole(self.folder / f"{key}.npz", buffer.getvalue())


def _difference(found: Any, current: dict[str, Any]) -> str:
    if not isinstance(found, dict) or found.get("format") != current["format"]:
        return f"format {found.get('format') if isinstance(found, dict) else found!r}"
    return difference_of_versions(found.get("versions", {}), current["versions"])


def difference_of_versions(theirs: Mapping[str, str], ours: Mapping[str, str]) -> str:
    """Say in which versions two sides differ.

    Examples
    --------
    >>> difference_of_versions({"numpy": "1.26"}, {"numpy": "2.4", "scipy": "1.17"})
    'numpy 1.26 instead of 2.4, scipy None instead of 1.17'
    """
    return ", ".join(
        f"{name} {theirs.get(name)} instead of {ours.get(name)}"
        for name in sorted(set(theirs) | set(ours))
        if theirs.get(name) != ours.get(name)
    )
