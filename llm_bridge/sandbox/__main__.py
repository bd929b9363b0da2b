"""``python -m llm_bridge.sandbox``: which protections work here, and a few attacks to see it."""

from __future__ import annotations

import statistics
import sys
import tempfile
import time
from pathlib import Path

from .errors import UnsafeError
from .layers import LAYERS, layers
from .sandbox import Sandbox, judge

__all__ = ["main"]

_ATTACKS = {
    "read a file outside": "open({secret!r}).read()",
    "write a file outside": "open({secret!r} + '2', 'w')",
    "change its mode": "__import__('os').chmod({secret!r}, 0o777)",
    "read the parent's environment": (
        "open('/proc/%d/environ' % __import__('os').getppid(), 'rb').read()"
    ),
    "open a socket": "__import__('socket').socket()",
    "make a process": "__import__('os').fork()",
    "start a program": "__import__('os').execv('/bin/true', ['true'])",
    "signal the parent": "__import__('os').kill(__import__('os').getppid(), 0)",
}


def main() -> int:
    """Print the layers, run the attacks, return 0 if and only if all were stopped."""
    try:
        found = layers()
    except UnsafeError as error:
        print(error)
        return 1
    for name in LAYERS:
        value = getattr(found, name)
        said = "does not work" if not value else "works" if value is True else f"works ({value})"
        print(f"{name:9} {said}")
    for note in found.notes:
        print(f"  {note}")
    if not found.safe:
        print(found.missing())
        return 1
    with tempfile.TemporaryDirectory() as folder:
        secret = Path(folder, "secret")
        secret.write_text("secret", encoding="utf-8")
        calls = ["1 + 1", *(call.format(secret=str(secret)) for call in _ATTACKS.values())]
        run = Sandbox(timeout_s=30.0).evaluate("", calls)
    box, jobs = Sandbox(timeout_s=30.0), [("x = 1", ["x"])] * 20
    alone = statistics.median(box.evaluate(*job).seconds for job in jobs)
    started = time.perf_counter()
    box.evaluate_many(jobs)
    together = (time.perf_counter() - started) / len(jobs)
    print(
        f"a program takes {1000 * alone:.0f} ms alone and {1000 * together:.0f} ms of wall time "
        f"among many, under {', '.join(run.layers)}"
    )
    works = run.ok and judge(run, [2, *[None] * len(_ATTACKS)])[0]
    refusals = ("PermissionError", "FileNotFoundError")  # the latter in bubblewrap
    stopped = [output.message.startswith(refusals) for output in run.outputs[1:]]
    for name, held, output in zip(_ATTACKS, stopped, run.outputs[1:], strict=True):
        print(f"  {name}: {'stopped' if held else f'NOT STOPPED: {output}'}")
    if works and all(stopped):
        print("every attack was stopped")
        return 0
    print("the sandbox does not hold here; do not run programs in it")
    return 1


if __name__ == "__main__":
    sys.exit(main())
