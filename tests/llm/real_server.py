"""``transformers serve`` in this process, for a checkpoint of the tests."""

from __future__ import annotations

import socket
import time
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest


@contextmanager
def transformers_serve(checkpoint: Path, home: Path) -> Iterator[str]:
    """Give the address at which `checkpoint` is served; `home` is an empty folder for the hub."""
    from transformers.cli.serve import Serve

    with pytest.MonkeyPatch.context() as patch:
        (home / "hub").mkdir()
        patch.setenv("HF_HOME", str(home))
        patch.setenv("HF_HUB_OFFLINE", "1")
        with socket.socket() as free:
            free.bind(("127.0.0.1", 0))
            port = free.getsockname()[1]
        server = Serve(
            force_model=str(checkpoint), host="127.0.0.1", port=port, device="cpu",
            non_blocking=True, log_level="error",
        )  # fmt: skip
        try:
            deadline = time.monotonic() + 60
            while not server.server.started and time.monotonic() < deadline:
                time.sleep(0.05)
            yield f"http://127.0.0.1:{port}/v1"
        finally:
            server.kill_server()
