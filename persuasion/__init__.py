"""Finite Bayesian persuasion: games, optimal signaling schemes, certificates."""

from __future__ import annotations

from persuasion.errors import (
    GameError,
    InfeasibleError,
    NotSolvedError,
    PersuasionError,
    SchemeError,
    UnsupportedError,
)
from persuasion.game import PersuasionGame
from persuasion.receivers import Bayesian, Biased, Quantal
from persuasion.results import Solution
from persuasion.scheme import SignalingScheme
from persuasion.simulate import simulate
from persuasion.solve import solve
from persuasion.trajectory import Trajectory

__version__ = "0.1.0"
__all__ = [
    "Bayesian",
    "Biased",
    "GameError",
    "InfeasibleError",
    "NotSolvedError",
    "PersuasionError",
    "PersuasionGame",
    "Quantal",
    "SchemeError",
    "SignalingScheme",
    "Solution",
    "Trajectory",
    "UnsupportedError",
    "simulate",
    "solve",
]
