"""Where the lower bounds over a pair of priors do not apply."""

import pytest

from persuasion import PersuasionError, simulate
from theory import Outcome, check
from theory.statements import load
from theory.statements._pair import PairConstants, build_pair


def test_the_relaxed_bound_needs_strict_reluctance():
    """At p+ = 1/2, B = 1 saying nothing is optimal by a tie: no regret, whatever the bound says."""
    pair = build_pair(PairConstants(0.25, 0.25, 1.0), 2)
    silent = [simulate(game, "fixed", horizon=100, n_runs=2) for game in pair]
    verdict = check(load("theorem_2_relaxed"), silent, as_control=True)
    assert verdict.outcome is Outcome.NOT_APPLICABLE
    held = {a.name: a.holds for a in load("theorem_2_relaxed").assumptions(pair)}
    assert held == {"gap Delta": True, "B p+ / (1 - p+)": False, "a / c0": True}


def test_data_are_needed():
    with pytest.raises(PersuasionError, match="results of `simulate`"):
        check("theorem_2", None)
