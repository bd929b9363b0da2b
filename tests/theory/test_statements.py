"""Promises of every theorem in the folder; its negative control must be refuted."""

from dataclasses import replace
from pathlib import Path

import numpy as np
import pytest

import theory.statements
from persuasion import PersuasionError, learners, simulate, zoo
from persuasion.ambiguity import l1_ball
from persuasion.robust import solve_robust
from theory import Outcome, RobustValue, check, statements
from theory.cli import PackageLaboratory
from theory.experiment import Case, control_of, gather
from theory.theorem import LowerBound, PathwiseTheorem, RegretBound, StaticTheorem
from theory.type_theorem import TypeTheorem

PROSECUTOR = zoo.load("prosecutor")
F1 = zoo.load("f1", m=4, beta=2)
LABORATORY = PackageLaboratory(Path("nothing is played"))
SETTINGS = ({"growth": 2.0}, {"growth": 2.0, "confidence": "box"})


@pytest.fixture(params=statements.names())
def theorem(request):
    return statements.load(request.param)


def games_of(theorem, horizon):
    return theorem.games(horizon) if isinstance(theorem, LowerBound) else PROSECUTOR


def data_of_control(theorem):
    """Carry out the experiment that a theorem's negative control describes."""
    control = theorem.negative_control
    game = zoo.load(control.game, **control.game_parameters) if control.game else None
    if isinstance(theorem, StaticTheorem):
        return list(gather(control_of(theorem), LABORATORY))
    games = [game] if game is not None else theorem.games(control.horizon)
    learner = learners.load(control.learner, **control.parameters)
    settings = {"horizon": control.horizon, "n_runs": control.n_runs, "types": control.types}
    return [simulate(g, learner, **settings) for g in games]


def test_every_file_is_found():
    files = Path(theory.statements.__file__).parent.glob("[!_]*.py")
    assert statements.names() == tuple(sorted(f.stem for f in files))
    assert len(statements.names()) >= 12
    with pytest.raises(PersuasionError, match="legal are corollary_1"):
        statements.load("theorem_0")


def test_it_says_what_it_is(theorem):
    assert theorem is statements.load(theorem.id)
    for key, value in theorem.to_dict().items():
        assert value not in ("", None), key
    assert theorem.kind in ("pathwise", "high_probability", "expectation", "static", "lower")
    assert (theorem.direction == "lower") == (theorem.kind == "lower")
    assert theorem.n_games == (2 if theorem.kind == "lower" else 1)
    assert "docs/theory.md" in theorem.source
    for attribute in ("title", "statement", "quantity", "unit", "source"):
        assert "prove" not in getattr(theorem, attribute)
    assert theorem.negative_control.why
    assert theorem.negative_control.expected == Outcome.REFUTED


def test_its_bound_is_an_array_that_grows(theorem):
    at = np.array([1, 10, 1000, 10**5])
    if isinstance(theorem, StaticTheorem) and not theorem.sizes:
        at = np.array([0.0, 0.01, 0.1, 2.0])
    bound = theorem.bound(games_of(theorem, 10**5), at, {"growth": 1.3})
    assert bound.shape == (4,)
    assert (bound >= 0).all()
    if isinstance(theorem, StaticTheorem) and theorem.sizes:
        assert (np.diff(bound) <= 0).all()  # the longer the better
    else:
        assert (np.diff(bound) >= 0).all() or isinstance(theorem, LowerBound)
    last = theorem.bound(games_of(theorem, 10**5), at[-1], {"growth": 1.3})
    assert last == pytest.approx(bound[-1:])


def test_its_bound_needs_the_right_number_of_games(theorem):
    wrong = PROSECUTOR if theorem.n_games == 2 else (PROSECUTOR, F1)
    with pytest.raises(PersuasionError, match=r"pair|one game"):
        theorem.bound(wrong, [10])


def test_its_assumptions_are_measured(theorem):
    found = theorem.assumptions(games_of(theorem, 1000))
    assert found
    for assumption in found:
        assert assumption.holds
        assert assumption.name
        assert assumption.statement


def test_its_learner_does_not_refute_it(theorem):
    if isinstance(theorem, StaticTheorem):
        games = [
            g
            for g in (PROSECUTOR, F1, zoo.load("grading"))
            if theorem.informative(g) and all(a.holds for a in theorem.assumptions(g))
        ]
        data = [e for g in games for e in gather(Case(theorem, (g,)), LABORATORY)]
        assert len(games) >= 2
        assert check(theorem, data).outcome == Outcome.NOT_REFUTED
        return
    if isinstance(theorem, TypeTheorem):
        for world in theorem.worlds(quick=True):
            settings = {"types": world.types, "horizon": theorem.horizon}
            n_runs = 1 if theorem.kind == "pathwise" else 64
            data = simulate(world.game, theorem.learner, n_runs=n_runs, **settings)
            assert check(theorem, data).outcome == Outcome.NOT_REFUTED
        return
    games = theorem.games(1000) if isinstance(theorem, LowerBound) else (PROSECUTOR,)
    horizon = 1000 if isinstance(theorem, LowerBound) else 10**5
    judged = 0
    for parameters in SETTINGS if theorem.learner == "robust" else ({},):
        learner = learners.load(theorem.learner, **parameters)
        data = [simulate(g, learner, horizon=horizon, n_runs=10, seed=1) for g in games]
        verdict = check(theorem, data)
        assert verdict.outcome != Outcome.REFUTED
        judged += verdict.outcome != Outcome.NOT_APPLICABLE
        if isinstance(theorem, PathwiseTheorem) and "confidence" not in parameters:
            assert verdict.outcome == Outcome.NOT_REFUTED
        if isinstance(theorem, RegretBound | LowerBound) and verdict.curves:
            assert verdict.curves[0].rounds[-1] == horizon
    assert judged


def test_its_negative_control_is_refuted(theorem):
    data = data_of_control(theorem)
    verdict = check(theorem, data, as_control=True)
    assert verdict.outcome == theorem.negative_control.expected == Outcome.REFUTED
    assert verdict.as_control
    assert verdict.words.startswith("control: ")
    if not isinstance(theorem, StaticTheorem):
        assert check(theorem, data).outcome == Outcome.NOT_APPLICABLE


def test_a_control_would_pass_with_its_cause_removed():
    """The same experiment with the hypothesis restored is not refuted."""
    theorem = statements.load("lemma_2")
    control = theorem.negative_control
    parameters = {**control.parameters, "radius_scale": 1.0}
    game = zoo.load(control.game, **control.game_parameters)
    learner = learners.load("robust", **parameters)
    data = simulate(game, learner, horizon=control.horizon, n_runs=control.n_runs)
    assert check(theorem, data).outcome == Outcome.NOT_REFUTED
    lemma = statements.load("lemma_1")
    game = zoo.load(lemma.negative_control.game, **lemma.negative_control.game_parameters)
    value = float(solve_robust(game, l1_ball(game.prior, 0.01)).value)
    assert check(lemma, RobustValue(game, 0.01, value)).outcome == Outcome.NOT_REFUTED
    for other in ("theorem_6", "theorem_7a", "theorem_7c"):
        honest = replace(control_of(statements.load(other)), parameters={}, control=None)
        assert check(other, list(gather(honest, LABORATORY))).outcome == Outcome.NOT_REFUTED


@pytest.mark.parametrize("id_", ["theorem_1_growth", "theorem_1_slater"])
def test_a_twentieth_of_the_radius_is_refuted(id_):
    learner = learners.load("robust", radius_scale=0.05, growth=2.0)
    data = simulate(PROSECUTOR, learner, horizon=10**8, n_runs=4)
    assert check(id_, data, as_control=True).outcome == Outcome.REFUTED
    assert check("theorem_1_obedience", data, as_control=True).outcome == Outcome.REFUTED
