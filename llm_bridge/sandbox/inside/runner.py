"""The child's main: read one job, lock up, run the program, evaluate the calls, report once.

Expected outputs never come here. All that leaves is one frame on a private pipe::

    R                      written once locked up, before the program runs
    k | x | m              the program ran | it raised | memory ran out
    LENGTH:MESSAGE         what it raised, if it did
    LENGTH:KIND TEXT ...   one per call: v literal | o no literal, reason | e exception
    .                      the end

The program can find the pipe and write there itself. It gains nothing: it would only choose its
own outputs, which every program does, and a frame that is not alone on the pipe is thrown away.
"""

from __future__ import annotations

import marshal
import os
import sys

from .encode import NotALiteralError, encode
from .lock import lock

TYPE_CHECKING = False  # `typing` and `collections.abc` would double the start-up time
if TYPE_CHECKING:
    from typing import Any

__all__ = ["main"]

MODULE = "program"
MESSAGE_LENGTH = 300


def main(result: int) -> None:
    """Do the job that waits on standard input, then leave without any clean-up."""
    job = marshal.loads(_read(0, int.from_bytes(_read(0, 8), "little")))
    nonce_pipe = os.dup(0)
    os.dup2(os.open(os.devnull, os.O_RDONLY), 0)
    os.environ.clear()
    sys.path[:] = [path for path in sys.path if path != job["home"]]
    package = __name__.rpartition(".")[0]
    for name in [name for name in sys.modules if name.partition(".")[0] == package]:
        del sys.modules[name]
    lock(job["layers"], job["readable"])
    os.write(result, b"R")
    if not job["check"]:
        os.close(nonce_pipe)
    answer = _answer(job, nonce_pipe)
    for stream in (sys.stdout, sys.stderr):
        try:  # noqa: SIM105  (`contextlib` takes 1 ms to import)
            stream.flush()
        except BaseException:
            pass
    while answer:
        answer = answer[os.write(result, answer) :]
    os._exit(0)


def _answer(job: dict[str, Any], nonce_pipe: int) -> bytes:
    module = type(sys)(MODULE)
    sys.modules[MODULE] = module
    names = vars(module)
    try:
        exec(compile(job["program"], "<program>", "exec", dont_inherit=True), names)
    except MemoryError:
        return b"m" + _string("MemoryError while the program was being run") + b"."
    except BaseException as error:
        return b"x" + _string(_message(error)) + b"."
    if job["check"]:
        return _check(job, names, nonce_pipe)
    status = b"k"
    outputs = []
    budget = job["budget"]
    for call in job["calls"]:
        try:
            text = encode(eval(compile(call, "<call>", "eval", dont_inherit=True), names), budget)
            output = "v" + text
            budget -= len(text)
        except NotALiteralError as error:
            output = f"o{error}"
        except MemoryError:
            status, output = b"m", "eMemoryError"
        except BaseException as error:
            output = "e" + _message(error)
        outputs.append(_string(output))
    return status + _string("") + b"".join(outputs) + b"."


def _check(job: dict[str, Any], names: dict[str, Any], nonce_pipe: int) -> bytes:
    """Run a test function on the program's function, in the program's own company.

    What the function returns is rebuilt from its literal first, so that an object whose `__eq__`
    says yes to everything is no answer. The nonce is read once the test has passed.
    """
    import ast

    rebuild, budget = ast.literal_eval, job["budget"]
    try:
        entry = names[job["entry_point"]]
        tests = dict(names)
        exec(compile(job["check"], "<check>", "exec", dont_inherit=True), tests)
        tests["check"](lambda *args, **named: rebuild(encode(entry(*args, **named), budget)))
    except MemoryError:
        return b"m" + _string("MemoryError") + b"."
    except BaseException as error:
        return b"k" + _string("") + _string("e" + _message(error)) + b"."
    nonce = _read(nonce_pipe, 32).decode()
    return b"k" + _string("") + _string(f"v'{nonce}'") + b"."


def _message(error: BaseException) -> str:
    """Name the exception and say its words, which a program may have written itself."""
    name = type(error).__name__
    try:
        words = str(error)
    except BaseException:
        words = ""
    return f"{name}: {words}"[:MESSAGE_LENGTH] if words else name


def _string(text: str) -> bytes:
    content = text.encode("utf-8", "backslashreplace")
    return b"%d:%s" % (len(content), content)


def _read(handle: int, count: int) -> bytes:
    content = b""
    while len(content) < count:
        piece = os.read(handle, count - len(content))
        if not piece:
            raise EOFError(f"wanted {count} bytes, got {len(content)}")
        content += piece
    return content
