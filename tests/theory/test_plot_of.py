"""Curves and bounds read off trajectories, in the units that the picture is drawn in."""

from __future__ import annotations

from dataclasses import replace

import numpy as np

from persuasion import PersuasionGame, simulate, zoo
from theory import statements
from theory.plot import Line, Play

PROSECUTOR = zoo.load("prosecutor")


def test_play_is_scaled() -> None:
    tenfold = PersuasionGame(
        PROSECUTOR.prior, 10 * PROSECUTOR.sender_utility, PROSECUTOR.receiver_utility
    )
    plain, scaled = (
        Play.of(simulate(game, "robust", horizon=1000, n_runs=2, seed=1))
        for game in (PROSECUTOR, tenfold)
    )
    assert plain.label == "robust"
    assert plain.regret.shape == (2, len(plain.rounds))
    np.testing.assert_allclose(scaled.regret, plain.regret, rtol=1e-6)


def test_negative_regret_counts_as_zero() -> None:
    trajectory = simulate(PROSECUTOR, "robust", horizon=100)
    below = replace(trajectory, regret=trajectory.regret - 5)
    play = Play.of(below, "told", is_control=True)
    assert (play.label, play.is_control, play.regret.min()) == ("told", True, 0.0)
    np.testing.assert_allclose(play.regret[:, -1], below.regret[:, -1])


def test_line_is_the_bound_for_these_runs() -> None:
    trajectory = simulate(PROSECUTOR, "robust", horizon=1000, n_runs=1)
    theorem = statements.load("theorem_1_slater")
    by_name, by_object = (Line.of(t, trajectory, "bound") for t in ("theorem_1_slater", theorem))
    expected = theorem.bound(
        PROSECUTOR, trajectory.checkpoints, trajectory.parameters, horizon=1000
    )
    np.testing.assert_array_equal(by_name.values, expected)
    np.testing.assert_array_equal(by_object.values, expected)
    assert (by_name.label, by_name.direction) == ("bound", "upper")
