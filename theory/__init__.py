"""Theorems of online persuasion as objects that a run can refute.

Examples
--------
>>> from persuasion import simulate, zoo
>>> from theory import check
>>> runs = simulate(zoo.load("f1", m=4, beta=2), "robust", horizon=10**6, n_runs=4)
>>> print(check("theorem_1_slater", runs).outcome)
NOT_REFUTED
"""

from __future__ import annotations

from theory.check import OptimumMismatchError, check
from theory.constants import InstanceConstants, constants
from theory.evidence import PlugInScheme, PolicyRun, RobustValue
from theory.fit import GrowthFit, fit_growth
from theory.theorem import NegativeControl, Theorem
from theory.verdict import Assumption, Outcome, Verdict

__all__ = [
    "Assumption",
    "GrowthFit",
    "InstanceConstants",
    "NegativeControl",
    "OptimumMismatchError",
    "Outcome",
    "PlugInScheme",
    "PolicyRun",
    "RobustValue",
    "Theorem",
    "Verdict",
    "check",
    "constants",
    "fit_growth",
]
