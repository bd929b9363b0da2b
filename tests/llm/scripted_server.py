"""A tiny OpenAI-compatible server that misbehaves on demand."""

from __future__ import annotations

import json
import threading
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import dataclass, field
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from typing import Any


@dataclass
class Answer:
    """What is sent back."""

    status: int = 200
    body: str = ""
    headers: dict[str, str] = field(default_factory=dict)
    delay_s: float = 0.0
    cut: int = 0
    """Bytes announced but not sent."""
    drip_s: float = 0.0
    """Pause after every byte."""


def choices(*texts: str, finish: str = "stop", usage: bool = True, chat: bool = False) -> Answer:
    """A well-formed answer; each text counts one token per character."""
    made = [
        {"index": i, "finish_reason": finish,
         **({"message": {"role": "assistant", "content": t}} if chat else {"text": t})}
        for i, t in enumerate(texts)
    ]  # fmt: skip
    body: dict[str, Any] = {"id": "x", "object": "text_completion", "choices": made}
    if usage:
        body["usage"] = {"prompt_tokens": 3, "completion_tokens": sum(map(len, texts))}
    return Answer(body=json.dumps(body))


def echo(body: dict[str, Any], turn: int) -> Answer:
    """Answer every prompt with the prompt."""
    return choices(body["prompt"])


@dataclass
class Scripted:
    """The server while it runs."""

    url: str
    bodies: list[dict[str, Any]]
    at_once: list[int]


@contextmanager
def serving(script: Callable[[dict[str, Any], int], Answer]) -> Iterator[Scripted]:
    """Answer request number ``turn`` with ``script(body, turn)`` until left."""
    lock = threading.Lock()
    seen: list[dict[str, Any]] = []
    at_once: list[int] = []
    open_now = 0

    class Handler(BaseHTTPRequestHandler):
        def do_POST(self) -> None:
            nonlocal open_now
            body = json.loads(self.rfile.read(int(self.headers["content-length"])))
            with lock:
                turn = len(seen)
                seen.append({**body, "_path": self.path, "_key": self.headers["authorization"]})
                open_now += 1
                at_once.append(open_now)
            try:
                answer = script(body, turn)
                time.sleep(answer.delay_s)
                self._send(answer)
            except (BrokenPipeError, ConnectionResetError):  # the client gave up
                pass
            finally:
                with lock:
                    open_now -= 1

        def _send(self, answer: Answer) -> None:
            content = answer.body.encode()
            self.send_response(answer.status)
            headers = {"content-type": "application/json", **answer.headers}
            for name, value in headers.items():
                self.send_header(name, value)
            self.send_header("content-length", str(len(content) + answer.cut))
            self.end_headers()
            if not answer.drip_s:
                self.wfile.write(content)
                return
            for byte in content:
                self.wfile.write(bytes([byte]))
                self.wfile.flush()
                time.sleep(answer.drip_s)

        def log_message(self, *_: object) -> None:
            pass

    server = ThreadingHTTPServer(("127.0.0.1", 0), Handler)
    thread = threading.Thread(target=server.serve_forever, kwargs={"poll_interval": 0.01})
    thread.start()
    try:
        yield Scripted(f"http://127.0.0.1:{server.server_port}/v1", seen, at_once)
    finally:
        server.shutdown()
        server.server_close()
        thread.join()
