"""Finite Bayesian persuasion: games, optimal signaling schemes, certificates."""

from __future__ import annotations

from persuasion.adversarial import AdversarialSupremum, supremum_adversarial
from persuasion.batch import BatchSolution, solve_batch
from persuasion.compare import BlackwellComparison, blackwell
from persuasion.concave_closure import ConcaveClosure, concave_closure
from persuasion.cvxpy_model import cvxpy_problem
from persuasion.errors import (
    GameError,
    InfeasibleError,
    NotSolvedError,
    PersuasionError,
    SchemeError,
    UnsupportedError,
)
from persuasion.estimate import EstimatedGame, estimate
from persuasion.game import PersuasionGame
from persuasion.many import solve_many
from persuasion.menu_program import MenuSolution, solve_menu
from persuasion.prior_sweep import PriorSweep, value_over_priors
from persuasion.receivers import Bayesian, Biased, Quantal
from persuasion.results import Solution
from persuasion.robust import solve_robust
from persuasion.scheme import SignalingScheme
from persuasion.simulate import simulate
from persuasion.solve import solve
from persuasion.trajectory import Trajectory
from persuasion.type_mixture import TypeMixture
from persuasion.type_program import solve_types
from persuasion.types import ReceiverTypes
from persuasion.uniqueness import fewest_signals
from persuasion.values import (
    first_best,
    full_disclosure_value,
    no_disclosure_value,
    receiver_value,
    sender_value,
)

__version__ = "0.1.0"
__all__ = [
    "AdversarialSupremum",
    "BatchSolution",
    "Bayesian",
    "Biased",
    "BlackwellComparison",
    "ConcaveClosure",
    "EstimatedGame",
    "GameError",
    "InfeasibleError",
    "MenuSolution",
    "NotSolvedError",
    "PersuasionError",
    "PersuasionGame",
    "PriorSweep",
    "Quantal",
    "ReceiverTypes",
    "SchemeError",
    "SignalingScheme",
    "Solution",
    "Trajectory",
    "TypeMixture",
    "UnsupportedError",
    "blackwell",
    "concave_closure",
    "cvxpy_problem",
    "estimate",
    "fewest_signals",
    "first_best",
    "full_disclosure_value",
    "no_disclosure_value",
    "receiver_value",
    "sender_value",
    "simulate",
    "solve",
    "solve_batch",
    "solve_many",
    "solve_menu",
    "solve_robust",
    "solve_types",
    "supremum_adversarial",
    "value_over_priors",
]


def __dir__() -> list[str]:
    """List the public names; submodules are reached by importing them."""
    return [*__all__, "__version__"]
