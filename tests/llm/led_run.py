"""``persuasion bridge run`` as one of the processes that torchrun starts: notes what it does.

Leaves ``process-N.json`` in the folder NOTES: how many processes there were, how many answers this
one gave for all, which files below OUT it opened to write.
"""

from __future__ import annotations

import argparse
import json
import os
import sys
from collections.abc import Sequence
from pathlib import Path
from typing import Any

from accelerate import Accelerator

from llm_bridge.receivers.local import LocalReceiver
from llm_bridge.reply import Reply
from persuasion.cli import main
from persuasion.errors import PersuasionError

NUMBER = int(os.environ.get("RANK", "0"))
whole_share = LocalReceiver.generate_share


def watch(out: Path, found: dict[str, Any], fail: bool) -> None:
    """Note what is opened to write and what is answered; where told to, the second fails."""
    root = str(out.absolute())

    def hook(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "open" and isinstance(arguments[0], str) and isinstance(arguments[2], int):
            path, _, flags = arguments
            if os.path.abspath(path).startswith(root) and flags & (os.O_WRONLY | os.O_RDWR):
                found["written"].append(path)

    def noted(
        self: LocalReceiver, prompts: Sequence[str], number: int, count: int, **options: Any
    ) -> dict[int, Reply]:
        if fail and NUMBER == 1:
            raise PersuasionError("fails on purpose")
        share = whole_share(self, prompts, number, count, **options)
        found["answers"] += len(share)
        return share

    sys.addaudithook(hook)
    LocalReceiver.generate_share = noted  # type: ignore[method-assign]


if __name__ == "__main__":
    parser = argparse.ArgumentParser()
    parser.add_argument("config", type=Path)
    parser.add_argument("out", type=Path)
    parser.add_argument("notes", type=Path)
    parser.add_argument("--fail", action="store_true")
    given = parser.parse_args()
    found: dict[str, Any] = {"answers": 0, "written": []}
    watch(given.out, found, given.fail)
    found["count"] = Accelerator(cpu=True).num_processes
    sys.argv = ["persuasion", "bridge", "run", str(given.config), "--out", str(given.out)]
    try:
        main()
    finally:
        (given.notes / f"process-{NUMBER}.json").write_text(json.dumps(found))
