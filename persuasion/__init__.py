"""Finite Bayesian persuasion: games, optimal signaling schemes, certificates.

Public names are fetched from their files when they are first used, so that importing the package
costs next to nothing.
"""

from __future__ import annotations

import sys
from importlib import import_module
from types import ModuleType
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
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

_FILES = {
    "adversarial": "AdversarialSupremum supremum_adversarial",
    "batch": "BatchSolution solve_batch",
    "compare": "BlackwellComparison blackwell",
    "concave_closure": "ConcaveClosure concave_closure",
    "cvxpy_model": "cvxpy_problem",
    "errors": "GameError InfeasibleError NotSolvedError PersuasionError SchemeError "
    "UnsupportedError",
    "estimate": "EstimatedGame estimate",
    "game": "PersuasionGame",
    "many": "solve_many",
    "menu_program": "MenuSolution solve_menu",
    "prior_sweep": "PriorSweep value_over_priors",
    "receivers": "Bayesian Biased Quantal",
    "results": "Solution",
    "robust": "solve_robust",
    "scheme": "SignalingScheme",
    "simulate": "simulate",
    "solve": "solve",
    "trajectory": "Trajectory",
    "type_mixture": "TypeMixture",
    "type_program": "solve_types",
    "types": "ReceiverTypes",
    "uniqueness": "fewest_signals",
    "values": "first_best full_disclosure_value no_disclosure_value receiver_value sender_value",
}
_FILE_OF = {name: file for file, names in _FILES.items() for name in names.split()}


class _Package(ModuleType):
    """Where a file and what it defines share a name, as `solve` does, the latter is public."""

    def __setattr__(self, name: str, value: Any) -> None:
        """Keep `value`, unless it is the file that the import system puts over a public name."""
        if not (name in _FILE_OF and isinstance(value, ModuleType)):
            super().__setattr__(name, value)


sys.modules[__name__].__class__ = _Package

if not TYPE_CHECKING:  # or every misspelt name would count as Any

    def __getattr__(name: str) -> Any:
        """Fetch a public name."""
        if name not in _FILE_OF:
            raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
        value = getattr(import_module(f"{__name__}.{_FILE_OF[name]}"), name)
        globals()[name] = value
        return value


def __dir__() -> list[str]:
    """List the public names; submodules are reached by importing them."""
    return [*__all__, "__version__"]
