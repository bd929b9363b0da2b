"""Test functions made of asserts, turned into calls and what their results must be.

A test that runs in the child with the program can be fooled by it. Most asserts of the usual data
sets compare one call with a literal: then the call alone goes to the child, and its result, a
literal again, is compared here.
"""

from __future__ import annotations

import ast
import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any, Literal

from llm_bridge.sandbox import Run
from persuasion.errors import PersuasionError

__all__ = ["Check", "checks_of", "passes"]

Kind = Literal["equal", "same", "true", "false", "near"]
_WRAPPERS: dict[str, Callable[[Any], Any]] = {"tuple": tuple, "list": list, "sorted": sorted}
_NOTHING: Any = object()


@dataclass(frozen=True)
class Check:
    """One call, and what must be true of its result.

    Attributes
    ----------
    call : str
        A Python expression.
    kind : {"equal", "same", "true", "false", "near"}
        Equal to `expected`; equal and of its type; true; false; less than `tolerance` from it.
    expected : object
        A literal.
    tolerance : float
    wrapper : str
        "tuple", "list" or "sorted", applied to the result first; "": none.
    """

    call: str
    kind: Kind
    expected: Any = None
    tolerance: float = 0.0
    wrapper: str = ""

    def holds(self, result: Any) -> bool:
        """Say whether a result, built from a literal, is right."""
        try:
            value = _WRAPPERS[self.wrapper](result) if self.wrapper else result
            if self.kind == "near":
                return bool(abs(value - self.expected) < self.tolerance)
            if self.kind == "same":
                return type(value) is type(self.expected) and bool(value == self.expected)
            return (
                bool(value == self.expected)
                if self.kind == "equal"
                else (bool(value) == (self.kind == "true"))
            )
        except (TypeError, ValueError, OverflowError):
            return False


def checks_of(test: str, entry_point: str) -> tuple[Check, ...] | None:
    r"""Turn ``check(candidate)`` into calls.

    Parameters
    ----------
    test : str
        Python source that defines ``check``. It is read, never run.
    entry_point : str
        What the candidate is called in the program.

    Returns
    -------
    tuple of Check or None
        None when some part of the function is not an assert of a known form.

    Raises
    ------
    PersuasionError
        When there is no such function.

    Examples
    --------
    >>> test = "def check(candidate):\n    assert candidate(2) == 4\n    assert not candidate(0)"
    >>> [(check.call, check.kind, check.expected) for check in checks_of(test, "double")]
    [('double(2)', 'equal', 4), ('double(0)', 'false', None)]
    >>> checks_of("def check(candidate):\n    for i in range(3): assert candidate(i)", "f") is None
    True
    """
    try:
        tree = ast.parse(test)
    except (SyntaxError, ValueError) as cause:
        raise PersuasionError(f"the test of {entry_point} is no Python: {cause}") from cause
    bodies = [n.body for n in tree.body if isinstance(n, ast.FunctionDef) and n.name == "check"]
    if len(bodies) != 1:
        raise PersuasionError(f"the test of {entry_point} must define check(candidate) once")
    found = []
    for statement in bodies[0]:
        if isinstance(statement, ast.Assert) and isinstance(statement.test, ast.Constant):
            continue  # assert True
        if isinstance(statement, ast.Pass | ast.Expr) and not _calls(statement):
            continue
        check = _check(statement.test, entry_point) if isinstance(statement, ast.Assert) else None
        if check is None:
            return None
        found.append(check)
    return tuple(found) or None


def passes(run: Run, checks: tuple[Check, ...]) -> bool:
    """Say whether all calls gave what they must.

    Examples
    --------
    >>> from llm_bridge.sandbox import Output, Run
    >>> run = Run("ok", (Output("value", "4"),), "", 0.0, ())
    >>> passes(run, (Check("double(2)", "equal", 4),)), passes(run, (Check("f()", "equal", 5),))
    (True, False)
    """
    if len(run.outputs) != len(checks):
        return False
    return all(
        output.literal is not None and check.holds(output.value)
        for output, check in zip(run.outputs, checks, strict=True)
    )


def _check(test: ast.expr, entry_point: str) -> Check | None:
    if (call := _call(test, entry_point)) is not None:
        return Check(call, "true")
    if isinstance(test, ast.UnaryOp) and isinstance(test.op, ast.Not):
        call = _call(test.operand, entry_point)
        return None if call is None else Check(call, "false")
    if not (isinstance(test, ast.Compare) and len(test.ops) == 1):
        return None
    left, operator, expected = test.left, test.ops[0], _literal(test.comparators[0])
    if expected is _NOTHING:
        return None
    if isinstance(operator, ast.Eq | ast.Is):
        wrapper, inner = _unwrapped(left)
        call = _call(inner, entry_point)
        kind: Kind = "equal" if isinstance(operator, ast.Eq) else "same"
        return None if call is None else Check(call, kind, expected, wrapper=wrapper)
    if isinstance(operator, ast.Lt) and (off := _distance(left)) is not None:
        call, centre = _call(off.left, entry_point), _literal(off.right)
        if call is not None and _is_number(centre) and _is_number(expected):
            return Check(call, "near", centre, float(expected))
    return None


def _call(node: ast.expr, entry_point: str) -> str | None:
    """Return ``candidate(literals)`` under the name of the entry point."""
    if not (isinstance(node, ast.Call) and _name(node.func) == "candidate"):
        return None
    given = [*node.args, *(keyword.value for keyword in node.keywords)]
    if any(_literal(argument) is _NOTHING for argument in given):
        return None
    return ast.unparse(ast.Call(ast.Name(entry_point), node.args, node.keywords))


def _unwrapped(node: ast.expr) -> tuple[str, ast.expr]:
    if isinstance(node, ast.Call) and _name(node.func) in _WRAPPERS and len(node.args) == 1:
        return _name(node.func), node.args[0]
    return "", node


def _distance(node: ast.expr) -> ast.BinOp | None:
    """Return ``a - b`` of ``abs(a - b)``."""
    if isinstance(node, ast.Call) and _name(node.func) in ("abs", "fabs") and len(node.args) == 1:
        inner = node.args[0]
        if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.Sub):
            return inner
    return None


def _name(node: ast.expr) -> str:
    if isinstance(node, ast.Attribute):
        return node.attr
    return node.id if isinstance(node, ast.Name) else ""


def _literal(node: ast.expr) -> Any:
    try:
        return ast.literal_eval(node)
    except (ValueError, TypeError, SyntaxError, MemoryError, RecursionError):
        return _NOTHING


def _is_number(value: Any) -> bool:
    return type(value) in (int, float) and math.isfinite(value)


def _calls(statement: ast.stmt) -> bool:
    return any(isinstance(node, ast.Call) for node in ast.walk(statement))
