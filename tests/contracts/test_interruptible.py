"""Ctrl-C during compiled code is Ctrl-C."""

import os
import signal
import threading

import numpy as np
import pytest

from persuasion import PersuasionGame, solve, solve_batch
from persuasion.interruptible import interruptible

RNG = np.random.default_rng(0)
MU, V, U = RNG.dirichlet(np.ones(400)), RNG.random((400, 30)), RNG.random((400, 30))
GAME = PersuasionGame(MU, V, U)


def for_ever(work):
    while True:
        work()


@pytest.mark.parametrize(
    "work",
    [lambda: solve(GAME, method="structured"), lambda: solve_batch(MU[None], V[None], U[None])],
    ids=["solve", "solve_batch"],
)
def test_an_interruption_comes_out_as_one(work):
    work()  # compiled and loaded
    threading.Timer(0.2, os.kill, (os.getpid(), signal.SIGINT)).start()
    with pytest.raises(KeyboardInterrupt):
        for_ever(work)


def test_other_failures_stay_what_they_are():
    def broken():
        raise SystemError("something else")

    with pytest.raises(SystemError, match="something else"):
        interruptible(broken)
