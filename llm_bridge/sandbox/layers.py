"""Which protections work on this machine, found out by trying each of them in a child."""

from __future__ import annotations

import os
import shutil
import subprocess
import sys
import tempfile
from collections.abc import Sequence
from dataclasses import dataclass, field
from functools import cache
from pathlib import Path

from .child import ENVIRONMENT
from .errors import LimitError, UnsafeError
from .interpreter import HOME, bare_command, readable_paths

__all__ = ["LAYERS", "Layers", "bwrap_command", "layers"]

LAYERS = ("landlock", "seccomp", "rlimits", "session", "bwrap")
_PROBE = (
    "import sys; sys.path.insert(0, sys.argv[1]); "
    "from inside.probe import main; main(sys.argv[2], sys.argv[3:])"
)


@dataclass(frozen=True)
class Layers:
    """Protections that were seen to work.

    Attributes
    ----------
    landlock : int
        Version of the kernel interface, 0 when it does not work.
    seccomp, rlimits, session : bool
    bwrap : str or None
        Path of a `bwrap` that works.
    notes : tuple of str
        What the layers that do not work said.
    """

    landlock: int = 0
    seccomp: bool = False
    rlimits: bool = False
    session: bool = False
    bwrap: str | None = None
    notes: tuple[str, ...] = field(default=(), compare=False)

    @property
    def safe(self) -> bool:
        """Whether they suffice: Landlock or bubblewrap, and always seccomp, limits and session.

        Bubblewrap alone does not: inside its namespaces root may make processes without end.
        """
        walls = self.landlock > 0 or self.bwrap is not None
        return walls and self.seccomp and self.rlimits and self.session

    @property
    def names(self) -> tuple[str, ...]:
        """Names of those that work, in the order of `LAYERS`.

        Examples
        --------
        >>> Layers(landlock=4, seccomp=True).names
        ('landlock', 'seccomp')
        """
        return tuple(name for name in LAYERS if getattr(self, name))

    def only(self, names: Sequence[str]) -> Layers:
        """Keep the layers named, as if the others did not work.

        Raises
        ------
        LimitError
            When a name is none of `LAYERS`.
        """
        if unknown := sorted(set(names) - set(LAYERS)):
            raise LimitError(f"no such layer: {', '.join(unknown)}; there are {', '.join(LAYERS)}")
        kept = {name: getattr(self, name) for name in LAYERS if name in names}
        return Layers(**kept, notes=self.notes)

    def missing(self) -> str:
        """What is missing and what to do, in words; empty when nothing is."""
        if self.safe:
            return ""
        lacking = [name for name in LAYERS if not getattr(self, name)]
        notes = f" ({'; '.join(self.notes)})" if self.notes else ""
        return (
            f"programs cannot be run safely here: {', '.join(lacking)} do not work{notes}. "
            "Needed are seccomp, rlimits and session (any Linux on x86_64 or aarch64), and "
            "landlock (Linux 5.13 or later with `landlock` in /sys/kernel/security/lsm; in a "
            "container a seccomp profile that lets landlock_* through) or bubblewrap "
            "(`apt install bubblewrap`, and user namespaces allowed). To run "
            "programs all the same, with your files and your network open to them, ask for it: "
            "Sandbox(unsafe=True)."
        )


@cache
def layers() -> Layers:
    """Find out which protections work, by trying each of them in a child; done once.

    Raises
    ------
    UnsafeError
        On systems other than Linux, where none of them exists.
    """
    if not sys.platform.startswith("linux"):
        raise UnsafeError(
            f"generated programs can be run on Linux only (this is {sys.platform}); "
            "use a virtual machine or a container with Linux"
        )
    with tempfile.TemporaryDirectory() as folder:
        forbidden = Path(folder, "forbidden")
        forbidden.touch()
        probe = subprocess.run(
            bare_command("-c", _PROBE, str(HOME), str(forbidden), *readable_paths()),
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            start_new_session=True,
            timeout=60,
            check=False,
        )
    words = dict(line.partition(" ")[::2] for line in probe.stdout.splitlines())
    bwrap, complaint = _find_bwrap()
    return Layers(
        landlock=int(words.get("landlock", 0)),
        seccomp="seccomp" in words,
        rlimits="rlimits" in words,
        session="session" in words,
        bwrap=bwrap,
        notes=(*probe.stderr.strip().splitlines()[-3:], *complaint),
    )


def bwrap_command(bwrap: str, folder: Path) -> list[str]:
    """Begin of a command line that runs the rest in namespaces of its own.

    No network, no other process, no file but the interpreter's and, as current folder, `folder`.
    """
    command = [bwrap, "--unshare-all", "--die-with-parent", "--cap-drop", "ALL"]
    command += ["--dev-bind", os.devnull, os.devnull]
    interpreter = Path(bare_command()[0])
    for path in (str(interpreter), str(HOME), *readable_paths()):
        command += ["--ro-bind-try", path, path]
    for link in ("/lib", "/lib64"):  # the dynamic loader's fixed address
        command += ["--ro-bind-try", link, link]
    return [*command, "--ro-bind", str(folder), str(folder), "--chdir", str(folder), "--"]


def _find_bwrap() -> tuple[str | None, tuple[str, ...]]:
    bwrap = shutil.which("bwrap")
    if bwrap is None:
        return None, ("bwrap: not installed",)
    with tempfile.TemporaryDirectory() as folder:
        command = bwrap_command(bwrap, Path(folder))
        trial = subprocess.run(
            [*command, *bare_command("-c", "import ctypes, resource; print('works')")],
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            env=ENVIRONMENT,
            timeout=60,
            check=False,
        )
    if trial.stdout.strip() == "works":
        return bwrap, ()
    return None, (f"bwrap: {(trial.stderr.strip() or 'failed').splitlines()[-1]}",)
