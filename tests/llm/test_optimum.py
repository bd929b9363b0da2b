"""Optima and yardsticks of measured games, against closed forms and against the solvers."""

import numpy as np
import pytest

from llm_bridge.measure import measure
from llm_bridge.optimum import Optimum, optimum
from persuasion import Bayesian, Biased, PersuasionError, Quantal, SignalingScheme, sender_value
from persuasion.receivers import PosteriorSampling
from tests.llm.fakes import Arithmetic, Scripted, Tabled, best_responder, calculator, parrot

PROSECUTOR = ([[0, 1], [0, 1]], [[1, 0], [0, 1]])


def prosecutor(n_inputs: int = 16):
    v, u = (np.array(table, dtype=float) for table in PROSECUTOR)
    return measure(Tabled([0.7, 0.3], [v], [u]), best_responder(), n_inputs=n_inputs)


def guesses(prior, table, rule):
    v = np.array(table, dtype=float)
    return measure(Tabled(prior, [v], [v]), Scripted(parrot, rule), n_inputs=4)


def test_prosecutor():
    found = optimum(prosecutor(), Bayesian(), 2)
    assert found.value == pytest.approx(0.6, abs=1e-12)
    assert found.exact
    assert {
        arm: found.average(arm) for arm in ("none", "prior", "full", "oracle")
    } == pytest.approx({"none": 0.0, "prior": 0.3, "full": 0.3, "oracle": 0.3}, abs=1e-12)
    assert found.schemes["only"].kernel == pytest.approx(np.array([[4 / 7, 3 / 7], [0, 1]]))
    silent = optimum(prosecutor(), Bayesian(), 1)
    assert (silent.value, silent.exact) == (0.0, True)


def test_margin_costs_what_it_should():
    """Convicting with slack e needs posterior guilt 1/2 + e/2: value .3 / (1/2 + e/2)."""
    for margin in (0.01, 0.1):
        found = optimum(prosecutor(), Bayesian(), 2, margin=margin)
        assert found.value == pytest.approx(0.6 / (1 + margin), abs=1e-9)
        assert found.templates["only"].margin == margin
    # the rule 0.1 / sqrt(N) within [.01, .05]: 16 inputs give .025
    found = optimum(prosecutor(16), Bayesian(), 2, margin="root")
    assert found.templates["only"].margin == pytest.approx(0.025)
    assert found.value == pytest.approx(0.6 / 1.025, abs=1e-9)
    found = optimum(prosecutor(4), Bayesian(), 2, margin="root")
    assert found.templates["only"].margin == pytest.approx(0.05)


def test_margin_is_halved_until_feasible():
    found = optimum(prosecutor(), Bayesian(), 2, margin=3.0)
    assert found.templates["only"].margin == 0.75
    assert found.value == pytest.approx(0.6 / 1.75, abs=1e-9)


def test_ties_and_biases_of_the_rule():
    for rule in (Bayesian("adversarial"), Bayesian("first")):  # solved with ties her way
        assert optimum(prosecutor(), rule, 2).value == pytest.approx(0.6, abs=1e-12)
    # acts on .2 prior + .8 posterior: convicts at .2 * .3 + .8 q = .5
    assert optimum(prosecutor(), Biased(0.2), 2).value == pytest.approx(0.3 / 0.55, abs=1e-9)


def test_posterior_sampling_with_fewer_signals_than_items():
    """Guessing right is worth sum over blocks of sum p^2 / mass: the largest stays alone."""
    measurement = guesses([0.5, 0.3, 0.2], np.eye(3), PosteriorSampling())
    rule = PosteriorSampling()
    two = optimum(measurement, rule, 2)
    assert two.value == pytest.approx(max(0.5 + 0.13 / 0.5, 0.3 + 0.29 / 0.7, 0.2 + 0.34 / 0.8))
    assert two.exact
    assert "optimal" in two.templates["only"].method
    assert optimum(measurement, rule, 1).value == pytest.approx(0.25 + 0.09 + 0.04, abs=1e-12)
    for k in (3, 4):
        every = optimum(measurement, rule, k)
        assert every.value == every.average("full") == every.average("oracle") == 1.0
    assert two.average("prior") == pytest.approx(0.38, abs=1e-12)


def test_posterior_sampling_says_where_it_is_not_exact():
    apart = guesses([0.5, 0.5], [[0, 1], [1, 0]], PosteriorSampling())
    found = optimum(apart, PosteriorSampling(), 2)
    assert (found.value, found.exact) == (0.5, False)
    assert "mixing may do better" in found.templates["only"].method


def test_quantal():
    measurement = prosecutor()
    rule = Quantal(20.0)
    found = optimum(measurement, rule, 2)
    assert found.exact
    assert found.value == pytest.approx(
        sender_value(measurement.games["only"], found.schemes["only"], rule), abs=1e-9
    )
    rng = np.random.default_rng(0)
    for _ in range(300):
        scheme = SignalingScheme(rng.dirichlet([0.5, 0.5], size=2))
        assert sender_value(measurement.games["only"], scheme, rule) <= found.value + 1e-6
    silent = optimum(measurement, rule, 1)  # the closure needs two: only a partition is known
    assert not silent.exact
    assert silent.value < found.value
    table = np.eye(5)
    many = guesses([0.2] * 5, table, rule)  # too many items for the closure
    assert not optimum(many, rule, 5).exact


def test_average_over_templates():
    measurement = measure(Arithmetic(), Scripted(calculator), n_inputs=20)
    rule = PosteriorSampling()
    plain, tilted = (
        optimum(measurement, rule, 2, weights=w) for w in (None, {"shop": 3, "yard": 1})
    )
    parts = [plain.templates[t].optimum for t in ("shop", "yard")]
    assert plain.value == pytest.approx(np.mean(parts), abs=1e-12)
    assert tilted.value == pytest.approx(0.75 * parts[0] + 0.25 * parts[1], abs=1e-12)
    for template, part in plain.templates.items():
        game = measurement.games[template]
        assert part.prior == pytest.approx(game.prior @ game.sender_utility @ game.prior, abs=1e-12)
        assert part.none == pytest.approx(
            game.prior @ measurement.sender_unhinted[template].mean(axis=0), abs=1e-12
        )
        assert part.prior <= part.optimum <= part.full + 1e-12


def test_shown_and_stored():
    found = optimum(prosecutor(), Bayesian(), 2, margin="root")
    again = Optimum.from_dict(found.to_dict())
    assert again.to_dict() == found.to_dict()
    assert again.schemes == found.schemes
    assert [row[0] for row in found.table().rows] == ["only", "average"]
    assert "optimum 0.585" in found.summary()
    assert "Optimum(n_signals=2" in repr(found)


def test_errors():
    measurement = prosecutor()
    for bad in (0, True, 1.5):
        with pytest.raises(PersuasionError, match="`n_signals`"):
            optimum(measurement, Bayesian(), bad)
    with pytest.raises(PersuasionError, match="`margin`"):
        optimum(measurement, Bayesian(), 2, margin="rot")
    with pytest.raises(PersuasionError, match="`arm`"):
        optimum(measurement, Bayesian(), 2).average("best")
