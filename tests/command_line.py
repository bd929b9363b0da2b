"""The command line within this process: a line that works, a line that is refused."""

from __future__ import annotations

import shlex

from typer.testing import CliRunner, Result

from persuasion import cli


def run(line: str) -> Result:
    """Run `persuasion LINE`; a crash fails the test."""
    result = CliRunner().invoke(cli.app, shlex.split(line), prog_name="persuasion")
    assert result.exception is None or isinstance(result.exception, SystemExit), result.exception
    assert "Traceback" not in result.output
    assert "\x1b[" not in result.output
    return result


def done(line: str) -> str:
    """Run a line that must succeed; return its stdout."""
    result = run(line)
    assert result.exit_code == 0, result.output
    return str(result.stdout)


def refused(line: str, *words: str) -> None:
    """The line must end with code 2, one message on stderr, nothing on stdout."""
    result = run(line)
    assert result.exit_code == 2, result.output
    assert result.stdout == ""
    assert result.stderr.count("rror: ") == 1, result.stderr
    for word in words:
        assert word in result.stderr, result.stderr
