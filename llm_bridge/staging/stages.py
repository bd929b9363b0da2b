"""Stages of a long run, each in a folder that is there whole or not at all.

A stage is named by what it does and by a key, the hash of all that its outcome depends on: its own
settings, what the stages it builds on have left, its code and the libraries. A stage that was done
again and left the same bytes does not make those that build on it stale. While it works it writes
in a folder ``.part-NAME-KEY``; when it has ended, the folder gets a ``done.json`` and its final
name ``NAME-KEY`` in one step. Whatever a run is killed at, the next one finds each stage either
finished or not; stages that keep checkpoints of their own find those in the part folder again.

Stages of other settings have other keys. They are kept, so that going back to earlier settings
costs nothing; delete their folders to save space.
"""

from __future__ import annotations

import errno
import hashlib
import json
import os
import shutil
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from functools import cache
from importlib import metadata
from pathlib import Path
from time import perf_counter
from typing import Any

from llm_bridge.meter import metered
from llm_bridge.staging.source_key import only_shows, source_key
from persuasion.errors import PersuasionError
from persuasion.store import code_versions, key_of
from persuasion.whole_file import write_whole

__all__ = ["Finished", "NoSpaceError", "Stage", "Stages", "bridge_versions"]

DONE = "done.json"
_KEY_LENGTH = 12
_MATTERING = ("torch", "transformers", "tokenizers")
_GLUE = (
    "llm_bridge.staging.stages",
    "llm_bridge.staging.experiment_stages",
    "llm_bridge.staging.local_workshop",
    "llm_bridge.staging.processes",
)
"""Modules that join the parts of a stage: their own source stands in every key."""
_OF_ALL_CODE = ("persuasion", "source", "llm_bridge")
"""Versions of whole packages, whatever of them a stage runs."""
_FULL = (errno.ENOSPC, errno.EDQUOT)


class NoSpaceError(PersuasionError):
    """The disk is full; finished stages are kept."""


@cache
def bridge_versions() -> dict[str, str]:
    """Versions of the libraries and of all code that some stage's outcome may depend on."""
    root = Path(__file__).parents[1]
    digest = hashlib.sha256()
    for path in sorted(root.rglob("*.py")):
        name = ".".join(("llm_bridge", *path.relative_to(root).with_suffix("").parts))
        if not only_shows(name):
            digest.update(path.relative_to(root).as_posix().encode() + path.read_bytes())
    versions = {**code_versions(), "llm_bridge": digest.hexdigest()[:16]}
    for name in _MATTERING:
        try:
            versions[name] = metadata.version(name)
        except metadata.PackageNotFoundError:
            versions[name] = "absent"
    return versions


@cache
def _code(roots: tuple[str, ...]) -> dict[str, str]:
    """What tells the code that a stage runs from other code: all of it, where no roots are said."""
    versions = bridge_versions()
    if not roots:
        return versions
    libraries = {k: v for k, v in versions.items() if k not in _OF_ALL_CODE}
    joining = (*_GLUE, *(name for name in roots if _joins(name)))
    glue = hashlib.sha256(b"".join(_source_of(name) for name in joining)).hexdigest()[:16]
    computing = (name for name in roots if not _joins(name))
    return {**libraries, "code": source_key(*computing), "glue": glue}


def _joins(module: str) -> bool:
    """Whether a module joins the parts of a stage: what it imports others name."""
    return module.startswith("llm_bridge.staging.")


def _source_of(module: str) -> bytes:
    return Path(__file__).with_name(f"{module.rpartition('.')[2]}.py").read_bytes()


@dataclass(frozen=True)
class Stage:
    """Something to be done once.

    Parameters
    ----------
    name : str
        Letters, digits and hyphens: the readable part of the folder's name.
    work : callable
        Called with the folder to write in.
    settings : mapping
        All of its own that the outcome depends on, ready for JSON.
    inputs : tuple of Finished
        Stages whose folders it reads.
    code : tuple of str
        Modules that compute the outcome; what they import counts too, but for those of
        `llm_bridge.staging`. All code where none is named.
    keeps_checkpoints : bool
        Whether `work` finds its way from what an earlier attempt left in the folder; otherwise the
        folder is emptied first.
    """

    name: str
    work: Callable[[Path], None]
    settings: Mapping[str, Any]
    inputs: tuple[Finished, ...] = ()
    code: tuple[str, ...] = ()
    keeps_checkpoints: bool = False

    @property
    def key(self) -> str:
        """Hash of everything that the outcome depends on."""
        described = {
            "stage": self.name,
            "settings": self.settings,
            "inputs": [(stage.name, stage.content) for stage in self.inputs],
            "versions": _code(self.code),
        }
        return key_of(described)[:_KEY_LENGTH]


@dataclass(frozen=True)
class Finished:
    """A stage that is done.

    Attributes
    ----------
    name, key : str
    folder : Path
        What it left.
    seconds : float
        Wall time of the attempt that ended well.
    reused : bool
        Whether it was found done.
    content : str
        Hash of the files it left.
    effort : mapping
        Tokens, their seconds and memory of that attempt, see `llm_bridge.meter.Effort.to_dict`.
    """

    name: str
    key: str
    folder: Path
    seconds: float
    reused: bool
    content: str
    effort: Mapping[str, Any]


class Stages:
    """The folder of a run's stages.

    Parameters
    ----------
    folder : path
        Made when missing. The caller holds its lock.

    Attributes
    ----------
    folder : Path
    finished : list of Finished
        Stages found or done, in order.
    """

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        self.finished: list[Finished] = []
        folder.mkdir(parents=True, exist_ok=True)

    def find(self, stage: Stage) -> Finished | None:
        """Return the stage if it is done and undamaged."""
        folder = self.folder / f"{stage.name}-{stage.key}"
        record = _record(folder)
        if record is None:
            return None
        return _finished(folder, record, reused=True)

    def run(self, stage: Stage) -> Finished:
        """Return the stage done: as found, or worked on now.

        Raises
        ------
        NoSpaceError
            When the disk is full.
        """
        found = self.find(stage)
        if found is None:
            try:
                found = self._worked(stage)
            except Exception as cause:  # libraries have errors of their own for a full disk
                if not _says_full(cause):
                    raise
                raise NoSpaceError(
                    f"no space left on the disk of {self.folder} while doing {stage.name!r}; "
                    f"{len(self.finished)} finished part(s) are kept. Free some space and call the "
                    "same again: it goes on from there"
                ) from cause
        self.finished.append(found)
        return found

    def others(self) -> list[Path]:
        """Folders of finished stages that this run has not used: those of other settings."""
        used = {stage.folder for stage in self.finished}
        folders = sorted(path.parent for path in self.folder.glob(f"[!.]*/{DONE}"))
        return [folder for folder in folders if folder not in used]

    def _worked(self, stage: Stage) -> Finished:
        name = f"{stage.name}-{stage.key}"
        final, draft = self.folder / name, self.folder / f".part-{name}"
        if final.exists():  # damaged, or it would have been found
            shutil.rmtree(final)
        if draft.exists() and not stage.keeps_checkpoints:
            shutil.rmtree(draft)
        draft.mkdir(exist_ok=True)
        (draft / DONE).unlink(missing_ok=True)  # killed between writing and renaming
        began = perf_counter()
        with metered() as effort:
            stage.work(draft)
        seconds = round(perf_counter() - began, 3)
        record = {
            "name": stage.name,
            "key": stage.key,
            "settings": stage.settings,
            "inputs": {one.name: one.key for one in stage.inputs},
            "code": list(stage.code),
            "versions": {**bridge_versions(), **_code(stage.code)},
            "seconds": seconds,
            "effort": effort.to_dict(),
            "content": _content(draft),
            "files": _sizes(draft),
        }
        _flush(draft)
        write_whole(draft / DONE, (json.dumps(record, indent=1, default=str) + "\n").encode())
        draft.rename(final)
        _flush_names(self.folder)
        return _finished(final, record, reused=False)


def _finished(folder: Path, record: Mapping[str, Any], reused: bool) -> Finished:
    kept = {key: record[key] for key in ("name", "key", "seconds", "content", "effort")}
    return Finished(**kept, folder=folder, reused=reused)


def _says_full(cause: Exception) -> bool:
    """Whether an error means that the disk is full."""
    full = isinstance(cause, OSError) and cause.errno in _FULL
    return full or os.strerror(errno.ENOSPC).lower() in str(cause).lower()


def _record(folder: Path) -> dict[str, Any] | None:
    """What ``done.json`` says, if every file it lists is there with its size."""
    try:
        record: dict[str, Any] = json.loads((folder / DONE).read_bytes())
        whole = all((folder / name).stat().st_size == n for name, n in record["files"].items())
        _finished(folder, record, reused=True)
    except (OSError, ValueError, KeyError, AttributeError, TypeError):
        return None
    return record if whole else None


def _sizes(folder: Path) -> dict[str, int]:
    files = sorted(path for path in folder.rglob("*") if path.is_file())
    return {path.relative_to(folder).as_posix(): path.stat().st_size for path in files}


def _content(folder: Path) -> str:
    """Hash of names and bytes of all files below `folder`."""
    digest = hashlib.sha256()
    for name in _sizes(folder):
        with (folder / name).open("rb") as file:
            digest.update(f"{name}\0".encode() + hashlib.file_digest(file, "sha256").digest())
    return digest.hexdigest()[:32]


def _flush(folder: Path) -> None:
    """Have the system write everything below `folder` before the folder is called done."""
    for path in folder.rglob("*"):
        if path.is_file():
            with path.open("rb") as file:
                os.fsync(file.fileno())
        else:
            _flush_names(path)


def _flush_names(folder: Path) -> None:
    if os.name != "posix":
        return
    file = os.open(folder, os.O_RDONLY)
    try:
        os.fsync(file)
    finally:
        os.close(file)
