"""Property tests for your own schemes and solvers.

Three things to import:

- strategies for `hypothesis <https://hypothesis.works>`_: `games`, `priors`, `beliefs`, `schemes`
  (they need ``pip install "persuasion[testing]"``; the checks do not);
- checks: laws of finite persuasion games, each raising `InvariantError` with a counterexample in
  numbers. `check_solution` is the short list, `all_checks` is everything;
- `reference_value` and `exact_value`: slow, independent routes to the optimum.

A solver is any function of a game that returns an object with ``value`` and ``scheme`` (see
`SolutionLike`). Here is one that always tells the truth, and what a check has to say about it.

Examples
--------
>>> from types import SimpleNamespace
>>> from hypothesis import given, settings
>>> from persuasion import SignalingScheme
>>> from persuasion.testing import check_gain_criterion, check_value, games
>>> from persuasion.values import full_disclosure_value
>>> def my_solver(game):
...     scheme = SignalingScheme.full_disclosure(game.n_states)
...     return SimpleNamespace(value=full_disclosure_value(game), scheme=scheme)

Its value is honest, but there is more to be had:

>>> @settings(max_examples=20, derandomize=True, deadline=None)
... @given(games())
... def test_value(game):
...     check_value(game, my_solver(game), solve=my_solver)
>>> test_value()
>>> from persuasion import PersuasionGame
>>> prosecutor = PersuasionGame(["7/10", "3/10"], [[0, 1], [0, 1]], [[1, 0], [0, 1]])
>>> check_gain_criterion(prosecutor, my_solver(prosecutor))
Traceback (most recent call last):
    ...
persuasion.testing.invariant.InvariantError: F10 gain_criterion: ...

In a test suite, run everything that needs no more than the answer itself on many games, and the
rest on some:

>>> from persuasion import solve
>>> from persuasion.testing import all_checks
>>> for check in all_checks():
...     _ = check(prosecutor, solve(prosecutor), solve=solve)
"""

from __future__ import annotations

from typing import TYPE_CHECKING, Any

from persuasion.testing.continuity import (
    check_concave_in_prior,
    check_linear_between_posteriors,
    check_lipschitz_in_receiver,
    check_lipschitz_in_sender,
    check_prior_continuity,
)
from persuasion.testing.duality import (
    check_duality,
    check_multiplier_bound,
    check_price_function,
)
from persuasion.testing.enumeration import cell_vertices, enumeration_size, exact_value
from persuasion.testing.invariances import (
    check_duplicate_action,
    check_input_kept,
    check_inputs_unchanged,
    check_null_state,
    check_receiver_units,
    check_relabelling,
    check_sender_units,
    check_split_state,
)
from persuasion.testing.invariant import (
    TOLERANCE,
    Check,
    InvariantError,
    SolutionLike,
    Solve,
    all_checks,
    conditioning,
    receiver_stakes,
    stakes,
)
from persuasion.testing.optimality import (
    check_aligned_and_opposed,
    check_bounds,
    check_concavification,
    check_obedience,
    check_plausibility,
    check_reference,
    check_scheme,
    check_solution,
    check_value,
)
from persuasion.testing.reference_lp import (
    ReferenceSolution,
    SlaterMargin,
    margin_price,
    reference_solution,
    reference_value,
    robust_value,
    slater_margin,
    value_with_margin,
)
from persuasion.testing.robustness import (
    check_margin_price,
    check_robust_cost,
    check_robust_value,
)
from persuasion.testing.special_cases import check_binary_actions, check_two_states
from persuasion.testing.structure import (
    check_few_signals,
    check_gain_criterion,
    check_receiver_gains,
)

if TYPE_CHECKING:
    from persuasion.testing.strategies import SHAPES, beliefs, games, priors, schemes

__all__ = [
    "SHAPES",
    "TOLERANCE",
    "Check",
    "InvariantError",
    "ReferenceSolution",
    "SlaterMargin",
    "SolutionLike",
    "Solve",
    "all_checks",
    "beliefs",
    "cell_vertices",
    "check_aligned_and_opposed",
    "check_binary_actions",
    "check_bounds",
    "check_concave_in_prior",
    "check_concavification",
    "check_duality",
    "check_duplicate_action",
    "check_few_signals",
    "check_gain_criterion",
    "check_input_kept",
    "check_inputs_unchanged",
    "check_linear_between_posteriors",
    "check_lipschitz_in_receiver",
    "check_lipschitz_in_sender",
    "check_margin_price",
    "check_multiplier_bound",
    "check_null_state",
    "check_obedience",
    "check_plausibility",
    "check_price_function",
    "check_prior_continuity",
    "check_receiver_gains",
    "check_receiver_units",
    "check_reference",
    "check_relabelling",
    "check_robust_cost",
    "check_robust_value",
    "check_scheme",
    "check_sender_units",
    "check_solution",
    "check_split_state",
    "check_two_states",
    "check_value",
    "conditioning",
    "enumeration_size",
    "exact_value",
    "games",
    "margin_price",
    "priors",
    "receiver_stakes",
    "reference_solution",
    "reference_value",
    "robust_value",
    "schemes",
    "slater_margin",
    "stakes",
    "value_with_margin",
]

_STRATEGIES = ("SHAPES", "beliefs", "games", "priors", "schemes")


def __getattr__(name: str) -> Any:
    """Load the strategies, and hypothesis with them, when they are first asked for."""
    if name in _STRATEGIES:
        from persuasion.testing import strategies

        return getattr(strategies, name)
    raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
