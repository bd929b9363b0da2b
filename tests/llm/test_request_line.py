"""A few requests at a time: no more are begun, and an error stops the line."""

from __future__ import annotations

import threading
from collections.abc import Iterator

import pytest

from llm_bridge.requests.line import serve


@pytest.mark.parametrize("at_once", [1, 3])
def test_the_line_is_gone_through_only_as_answers_come(at_once: int) -> None:
    taken, ahead, answered = 0, [], []

    def line() -> Iterator[int]:
        nonlocal taken
        for number in range(20):
            taken += 1
            ahead.append(taken - len(answered))
            yield number

    serve(
        line(), lambda number: -number, at_once=at_once,
        told=lambda asked, answer: answered.append((asked, answer)), halt=pytest.fail,
    )  # fmt: skip
    assert sorted(answered) == [(number, -number) for number in range(20)]
    assert max(ahead) <= at_once


def test_an_error_halts_the_line_and_waits_for_those_on_their_way() -> None:
    begun, halted, finished = threading.Event(), threading.Event(), []

    def ask(number: int) -> int:
        if number == 0:
            assert begun.wait(5)
            raise ValueError("the first")
        begun.set()
        assert halted.wait(5), "those that wait are made to give up"
        finished.append(number)
        return number

    with pytest.raises(ValueError, match="the first"):
        serve(range(9), ask, at_once=2, told=lambda *_: None, halt=halted.set)
    assert finished == [1], "on its way already; the others are not begun"
