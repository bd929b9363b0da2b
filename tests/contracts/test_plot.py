"""Pictures: exact curves and regions, nothing overlapping, readable, no window, clear refusals."""

from __future__ import annotations

import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from itertools import combinations
from types import SimpleNamespace
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.colors import to_rgb

from persuasion import Biased, PersuasionGame, Quantal, SignalingScheme, solve, zoo
from persuasion.beliefs import best_responses, indirect_utility
from persuasion.errors import SchemeError, UnsupportedError
from persuasion.plot import (
    plot_concavification,
    plot_scheme,
    plot_simplex,
    plot_value_over_priors,
)
from persuasion.plot.canvas import place_labels, ready_axes
from persuasion.plot.concavification import FIRST, SECOND
from persuasion.plot.heatmap import legible_on, luminance
from persuasion.plot.piecewise import (
    PiecewiseLinear,
    along,
    concave_closure,
    indirect_utility_along,
)
from persuasion.plot.simplex import best_response_region

PROSECUTOR = zoo.load("prosecutor")
FAMILIES = zoo.families()


def random_games(n_states: int, sizes: tuple[int, ...] = (1, 2, 3, 5, 8)) -> list[PersuasionGame]:
    return [
        zoo.random_game(family, n_states, n, seed)
        for family in FAMILIES
        for n in sizes
        if family != "binary" or n == 2
        for seed in (0, 1)
    ]


def commuter() -> PersuasionGame:
    """Six actions, each optimal on an interval, a jump at every border."""
    sender = [[0, 0.8, 0.3, 1.2, 0.2, 0.7], [0.3, 0.2, 0.9, 0.5, 1.0, 0.1]]
    receiver = -((np.array([[0.0], [1.0]]) - np.linspace(0, 1, 6)) ** 2)
    return PersuasionGame(
        [0.45, 0.55],
        sender,
        receiver,
        states=["no $rain$", "heavy rain and storm"],
        actions=["stay at home", "walk slowly", "run", "drive", "take the bus", "wait"],
    )


# -- the indirect utility on a segment ---------------------------------------------------------


def largest_error(curve: PiecewiseLinear, game: PersuasionGame, ends: Any) -> float:
    """Distance between the curve and v-hat, at the knots, near them and in between."""
    rng = np.random.default_rng(5)
    near = np.concatenate([curve.knots + d for d in (-1e-6, 0.0, 1e-6)])
    t = np.clip(np.concatenate([near, rng.random(60)]), 0, 1)
    exact = indirect_utility(game, along(*ends, t))
    return float(np.abs([curve(x) for x in t.tolist()] - exact).max())


@pytest.mark.parametrize("game", random_games(2), ids=lambda g: g.name)
def test_two_state_curve_is_the_indirect_utility(game: PersuasionGame) -> None:
    curve = indirect_utility_along(game, FIRST, SECOND)
    assert largest_error(curve, game, (FIRST, SECOND)) < 1e-8


@pytest.mark.parametrize("game", random_games(4, (3, 6)), ids=lambda g: g.name)
def test_curve_on_a_segment_of_four_states(game: PersuasionGame) -> None:
    ends = np.random.default_rng(3).dirichlet(np.ones(4), size=2)
    assert largest_error(indirect_utility_along(game, *ends), game, ends) < 1e-8


def test_a_lost_kink_is_caught() -> None:
    game = commuter()
    curve = indirect_utility_along(game, FIRST, SECOND)
    np.testing.assert_allclose(curve.knots, [0, 0.1, 0.3, 0.5, 0.7, 0.9, 1], atol=1e-14)
    assert curve.actions == (0, 1, 2, 3, 4, 5)
    keep = np.array([0, 1, 2, 3, 5, 6])
    actions = tuple(a for a in curve.actions if a != 4)
    broken = replace(
        curve,
        knots=curve.knots[keep],
        values=curve.values[keep],
        limits=np.delete(curve.limits, 4, axis=0),
        actions=actions,
    )
    assert largest_error(broken, game, (FIRST, SECOND)) > 0.01


def test_kink_between_actions_the_receiver_never_tells_apart() -> None:
    game = PersuasionGame(["1/2", "1/2"], [[3, 0], [0, 1]], [[0, 0], [0, 0]])
    curve = indirect_utility_along(game, FIRST, SECOND)
    np.testing.assert_allclose(curve.knots, [0, 0.75, 1], atol=1e-15)
    np.testing.assert_allclose(curve.values, [3, 0.75, 1], atol=1e-15)


@pytest.mark.parametrize("game", random_games(2), ids=lambda g: g.name)
def test_concave_closure_is_the_value(game: PersuasionGame) -> None:
    corners = concave_closure(indirect_utility_along(game, FIRST, SECOND))
    spread = float(np.ptp(game.sender_utility)) or 1.0
    at_prior = float(np.interp(game.prior[1], *corners))
    assert at_prior == pytest.approx(float(solve(game).value), abs=1e-7 * spread)


# -- best-response regions ---------------------------------------------------------------------


def area(polygon: Any) -> float:
    """Share of the triangle, by the shoelace formula in two of the three coordinates."""
    if len(polygon) < 3:
        return 0.0
    x, y = polygon[:, 0], polygon[:, 1]
    return abs(float(x @ np.roll(y, 1) - y @ np.roll(x, 1)))


@pytest.mark.parametrize("seed", range(6))
def test_regions_tile_the_triangle_and_hold_best_responses(seed: int) -> None:
    game = zoo.random_game("uniform", 3, 2 + seed, seed)
    rng = np.random.default_rng(seed)
    total = 0.0
    for action in range(game.n_actions):
        region = best_response_region(game, action)
        total += area(region)
        if len(region):
            inside = rng.dirichlet(np.ones(len(region)), size=20) @ region
            assert best_responses(game, inside)[:, action].all()
    assert total == pytest.approx(1, abs=1e-12)


def test_a_region_that_forgets_one_rival_is_caught() -> None:
    game = zoo.random_game("uniform", 3, 5, 1)
    used = [a for a in range(5) if area(best_response_region(game, a)) > 0.01]
    kept = [a for a in range(5) if a != used[0]]
    forgetful = game.restrict(actions=kept)
    total = area(best_response_region(game, used[0]))
    total += sum(area(best_response_region(forgetful, i)) for i in range(len(kept)))
    assert total > 1.01


# -- every picture -----------------------------------------------------------------------------

PICTURES: dict[str, Callable[..., Axes]] = {
    "concavification": lambda **k: plot_concavification(PROSECUTOR, **k),
    "concavification, many actions": lambda **k: plot_concavification(commuter(), **k),
    "concavification, no gain": lambda **k: plot_concavification(
        PROSECUTOR.with_prior(["1/5", "4/5"]), **k
    ),
    "concavification, biased": lambda **k: plot_concavification(
        PROSECUTOR, solution=solve(PROSECUTOR, receiver=Biased(0.25)), **k
    ),
    "concavification, lobbying": lambda **k: plot_concavification(zoo.load("lobbying"), **k),
    "simplex": lambda **k: plot_simplex(zoo.load("grading"), **k),
    "simplex, two actions": lambda **k: plot_simplex(zoo.load("three_state_sale"), **k),
    "simplex, seven actions": lambda **k: plot_simplex(zoo.random_game("uniform", 3, 7, 2), **k),
    "scheme": lambda **k: plot_scheme(solve(PROSECUTOR), **k),
    "scheme, 16 states": lambda **k: plot_scheme(solve(zoo.load("gsm8k_committee")), **k),
    "scheme, 60 states": lambda **k: plot_scheme(SignalingScheme.full_disclosure(60), **k),
    "value": lambda **k: plot_value_over_priors(PROSECUTOR, **k),
    "value, segment": lambda **k: plot_value_over_priors(
        zoo.load("grading"), n_points=9, between=([1, 0, 0], [0, 0.4, 0.6]), **k
    ),
}
every_picture = pytest.mark.parametrize("draw", PICTURES.values(), ids=PICTURES.keys())


def overlapping(ax: Axes) -> list[tuple[str, str]]:
    """Pairs of texts whose boxes overlap, and texts that leave the figure."""
    figure = ax.get_figure(root=True)
    assert figure is not None
    figure.draw_without_rendering()
    texts = [*ax.texts, ax.xaxis.label, ax.yaxis.label, ax.title]
    for axis in (ax.xaxis, ax.yaxis) if ax.axison else ():
        low, high = sorted(axis.get_view_interval())
        ticks = zip(axis.get_majorticklocs(), axis.get_majorticklabels(), strict=True)
        texts += [label for at, label in ticks if low <= at <= high]
    legend = ax.get_legend()
    texts += legend.get_texts() if legend else []
    boxes = [
        (text.get_text(), text.get_window_extent(), text.get_rotation())
        for text in texts
        if text.get_text() and text.get_visible()
    ]
    page = figure.bbox.padded(1)
    outside = [
        (name, "the margin")
        for name, box, _ in boxes
        if not (page.contains(box.x0, box.y0) and page.contains(box.x1, box.y1))
    ]
    level = [(name, box) for name, box, turned in boxes if turned in (0, 90)]
    pairs = combinations(level, 2)
    return outside + [(a, b) for (a, one), (b, two) in pairs if one.padded(-0.5).overlaps(two)]


@every_picture
def test_texts_neither_overlap_nor_leave_the_figure(draw: Callable[..., Axes]) -> None:
    assert overlapping(draw()) == []


def test_overlapping_and_escaping_texts_are_caught() -> None:
    ax = ready_axes(None)
    ax.text(0.5, 0.5, "one")
    ax.text(0.51, 0.5, "two")
    ax.text(1.5, 0.5, "three").set_in_layout(False)
    assert overlapping(ax) == [("three", "the margin"), ("one", "two")]


def test_labels_of_crowded_points_are_kept_apart() -> None:
    ax = ready_axes(None)
    place_labels(ax, [(0.5, 0.5), (0.5, 0.51), (0.52, 0.5)], ["first", "second", "third"])
    assert overlapping(ax) == []


@every_picture
def test_pictures_draw_on_given_axes_and_open_no_window(draw: Callable[..., Axes]) -> None:
    plt.close("all")
    ax = draw()
    assert isinstance(ax, Axes)
    assert plt.get_fignums() == []
    figure, given = plt.subplots()
    try:
        assert draw(ax=given) is given
        figure.canvas.draw()
    finally:
        plt.close("all")


@every_picture
def test_pictures_leave_the_settings_of_matplotlib_alone(draw: Callable[..., Axes]) -> None:
    before = dict(plt.rcParams)
    draw()
    assert dict(plt.rcParams) == before


def test_importing_the_pictures_does_not_import_matplotlib() -> None:
    code = "import sys, persuasion.plot; print('matplotlib' in sys.modules)"
    out = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert out.stdout.strip() == "False"


# -- what is in the picture --------------------------------------------------------------------


def dots(ax: Axes) -> dict[str, set[tuple[float, float]]]:
    """Filled and empty dots of the curve, rounded."""
    found: dict[str, set[tuple[float, float]]] = {"filled": set(), "empty": set()}
    for line in ax.lines:
        if line.get_marker() == "o":
            filled = to_rgb(line.get_markerfacecolor()) == to_rgb(line.get_markeredgecolor())
            where = zip(*line.get_data(), strict=True)
            found["filled" if filled else "empty"] |= {
                (round(float(x), 12), round(float(y), 12)) for x, y in where
            }
    return found


def test_dots_say_which_side_of_a_jump_the_value_takes() -> None:
    assert dots(plot_concavification(PROSECUTOR)) == {"filled": {(0.5, 1.0)}, "empty": {(0.5, 0.0)}}
    aligned = PersuasionGame(["1/2", "1/2"], [[1, 0], [0, 1]], [[1, 0], [0, 1]])
    assert dots(plot_concavification(aligned)) == {"filled": set(), "empty": set()}


def test_posteriors_and_value_stand_where_they_belong() -> None:
    ax = plot_concavification(PROSECUTOR, solution=solve(PROSECUTOR, exact=True))
    posteriors, value = (c.get_offsets() for c in ax.collections if len(c.get_offsets()))
    np.testing.assert_allclose(posteriors, [[0, 0], [0.5, 1]], atol=1e-12)
    np.testing.assert_allclose(value, [[0.3, 0.6]], atol=1e-12)
    texts = [text.get_text() for text in ax.texts]
    assert {"acquit", "convict", "40 %", "60 %", "0.6", "prior 0.3"} <= set(texts)


def test_marker_area_is_proportional_to_probability() -> None:
    game = zoo.load("grading")
    solution = solve(game)
    ax = plot_simplex(game, solution=solution)
    mass = solution.scheme.signal_probabilities(game)
    (posteriors,) = (c for c in ax.collections if len(c.get_offsets()) == len(mass))
    areas = np.asarray(posteriors.get_sizes())
    np.testing.assert_allclose(areas / areas.sum(), mass / mass.sum(), rtol=1e-12)


def test_curves_over_priors_are_ordered_and_exact() -> None:
    ax = plot_value_over_priors(zoo.load("lobbying"))
    lines = {line.get_label(): line.get_data() for line in ax.lines}
    t = np.linspace(0, 1, 101)
    best = np.interp(t, *lines["optimum"])
    for p, value in zip(t.tolist()[::10], best[::10].tolist(), strict=True):
        game = zoo.load("lobbying").with_prior([1 - p, p])
        assert value == pytest.approx(float(solve(game).value))
    assert (np.interp(t, *lines["first best"]) >= best - 1e-12).all()
    assert (best >= np.interp(t, *lines["full disclosure"]) - 1e-12).all()


def test_a_segment_of_two_states_agrees_with_the_whole_range() -> None:
    game = zoo.load("lobbying")
    whole = plot_value_over_priors(game)
    solved = plot_value_over_priors(game, n_points=11, between=([1, 0], [0, 1]))
    curves = [
        next(line.get_data() for line in ax.lines if line.get_label() == "optimum")
        for ax in (whole, solved)
    ]
    t = np.linspace(0, 1, 11)
    np.testing.assert_allclose(np.interp(t, *curves[0]), np.interp(t, *curves[1]), atol=1e-12)


@pytest.mark.parametrize("share", np.linspace(0, 1, 101))
def test_numbers_in_cells_are_legible(share: float) -> None:
    ax = plot_scheme(SignalingScheme([[share, 1 - share]]))
    text, image = ax.texts[0], ax.images[0]
    background = image.to_rgba(np.array(image.get_array()))[0, 0]
    assert contrast(to_rgb(text.get_color()), background) >= 4.5


def contrast(one: Any, two: Any) -> float:
    light, dark = sorted([luminance(one), luminance(two)], reverse=True)
    return (light + 0.05) / (dark + 0.05)


def test_the_other_colour_would_not_be_legible() -> None:
    assert legible_on(to_rgb("#08406b")) == "#ffffff"
    assert contrast(to_rgb("#000000"), to_rgb("#08406b")) < 4.5


def test_labels_are_text_not_mathematics() -> None:
    states = ["a", "$\\frac$\n\x07"]
    game = PersuasionGame([0.5, 0.5], [[0, 1]] * 2, [[1, 0], [0, 1]], states=states)
    ax = plot_concavification(game)
    assert ax.get_figure(root=True) is not None
    assert ax.get_xlabel() == "belief P(\\$\\frac\\$ \ufffd)"


# -- refusals ----------------------------------------------------------------------------------

SUBJECTIVE = PersuasionGame([0.5, 0.5], [[0, 1]] * 2, [[1, 0], [0, 1]], receiver_prior=[0.4, 0.6])
GRADING = zoo.load("grading")


@pytest.mark.parametrize(
    ("draw", "message"),
    [
        (lambda: plot_concavification(GRADING), "needs two states, the game has 3; use plot_sim"),
        (lambda: plot_concavification(SUBJECTIVE), "needs a common prior"),
        (lambda: plot_simplex(PROSECUTOR), "needs three states, the game has 2; use plot_conc"),
        (lambda: plot_simplex(zoo.load("gsm8k_committee")), "has 16; use plot_scheme, or game.re"),
        (lambda: plot_simplex(GRADING, solution=solve(PROSECUTOR)), "`solution` solves"),
        (lambda: plot_value_over_priors(GRADING), "pass between="),
        (lambda: plot_value_over_priors(PROSECUTOR, n_points=1), "`n_points` must be at least 2"),
    ],
)
def test_refusals_say_what_to_do(draw: Callable[[], Axes], message: str) -> None:
    with pytest.raises(UnsupportedError, match=message):
        draw()


def test_quantal_receivers_have_no_regions() -> None:
    noisy: Any = SimpleNamespace(game=PROSECUTOR, receiver=Quantal(2.0))
    with pytest.raises(UnsupportedError, match="only best responders"):
        plot_concavification(PROSECUTOR, solution=noisy)


def test_scheme_of_another_game_is_refused() -> None:
    with pytest.raises(SchemeError, match="the scheme has 2 states but the game has 3"):
        plot_scheme(SignalingScheme.full_disclosure(2), game=GRADING)
