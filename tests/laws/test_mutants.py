"""Every check catches a planted fault, every planted fault is caught, honest solvers pass."""

from __future__ import annotations

from functools import cache

import pytest

from persuasion import solve
from persuasion.testing import InvariantError, Solve, all_checks, reference_solution
from tests.laws.mutants import GAMES, MUTANTS, fresh_games

CHECKS = {check.name: check for check in all_checks()}

PLANTED = {
    "aligned_and_opposed": ("first_best_claimed", "always_discloses", "never_persuades"),
    "binary_actions": ("state_dropped", "value_off"),
    "bounds": ("always_discloses", "never_persuades"),
    "concave_in_prior": ("never_persuades", "ties_by_index"),
    "concavification": ("value_off", "obedience_row_dropped"),
    "duality": ("obedience_price_negated", "state_price_negated", "recommendations_shuffled"),
    "duplicate_action": ("ties_averaged", "later_deviations_ignored"),
    "few_signals": ("interior_optimum",),
    "gain_criterion": ("never_persuades", "first_best_claimed"),
    "input_kept": ("input_overwritten",),
    "linear_between_posteriors": ("posteriors_off",),
    "lipschitz_in_receiver": ("payoffs_rounded",),
    "lipschitz_in_sender": ("payoffs_rounded",),
    "margin_price": ("obedience_prices_tripled", "obedience_row_dropped"),
    "multiplier_bound": ("obedience_prices_tripled",),
    "null_state": ("prior_smoothed", "prior_ignored"),
    "obedience": ("obedience_row_dropped", "recommendations_shuffled", "prior_ignored"),
    "plausibility": ("rows_short",),
    "price_function": ("state_price_negated", "sender_clipped"),
    "prior_continuity": ("never_persuades",),
    "receiver_gains": ("obedience_row_dropped", "posteriors_off"),
    "receiver_units": ("small_payoffs_dropped", "welfare_maximised"),
    "reference": ("value_off", "obedience_row_dropped"),
    "relabelling": ("later_deviations_ignored", "ties_by_index"),
    "robust_cost": ("obedience_row_dropped", "first_best_claimed"),
    "robust_value": ("value_off", "obedience_row_dropped"),
    "sender_units": ("sender_clipped", "value_off"),
    "split_state": ("prior_ignored", "prior_smoothed"),
    "two_states": ("interior_optimum", "value_off"),
    "value": ("value_off", "posteriors_off", "ties_by_index"),
}
"""Faults that each check must catch on one of the games, the most telling ones first."""


@cache
def catches(check: str, mutant: str) -> bool:
    """Whether the check raises on one of the games. A crash is not a catch."""
    solver = MUTANTS[mutant]
    for name in GAMES:
        answer = solver(fresh_games()[name])  # a mutant may spoil the game it is given
        try:
            CHECKS[check](fresh_games()[name], answer, solve=solver)
        except InvariantError:
            return True
    return False


def test_every_check_has_a_planted_fault() -> None:
    assert sorted(PLANTED) == sorted(CHECKS)


@pytest.mark.parametrize(
    ("check", "mutant"), [(check, mutant) for check in PLANTED for mutant in PLANTED[check]]
)
def test_check_catches_its_fault(check: str, mutant: str) -> None:
    assert catches(check, mutant)


@pytest.mark.parametrize("mutant", MUTANTS)
def test_mutant_is_caught(mutant: str) -> None:
    likely = [check for check, planted in PLANTED.items() if mutant in planted]
    assert any(catches(check, mutant) for check in [*likely, *CHECKS])


@pytest.mark.parametrize("solver", [solve, reference_solution], ids=["solve", "reference"])
@pytest.mark.parametrize("check", CHECKS)
def test_honest_solver_passes_and_check_speaks(check: str, solver: Solve) -> None:
    spoke = [CHECKS[check](game, solver(game), solve=solver) for game in fresh_games().values()]
    assert any(spoke), "the proviso held in none of the games: the check says nothing"


def test_interior_optimum_is_legal_unless_a_vertex_is_promised() -> None:
    game = fresh_games()["prosecutor"]
    answer = MUTANTS["interior_optimum"](game)
    answer.is_vertex = False
    for check in all_checks():
        check(game, answer, solve=solve)


def test_counterexample_can_be_pasted() -> None:
    game = fresh_games()["prosecutor"]
    with pytest.raises(InvariantError) as caught:
        CHECKS["bounds"](game, MUTANTS["never_persuades"](game), solve=solve)
    message = str(caught.value)
    assert message.startswith("F3 bounds: ")
    assert "value of full disclosure against OPT: 0.3 should be at most 0" in message
    from persuasion import PersuasionGame

    scope = {"PersuasionGame": PersuasionGame}
    assert eval(message.rsplit("\n  in ", 1)[1], scope) == game
