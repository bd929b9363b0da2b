"""Pictures of arbitrary indirect utilities, and sliders that degrade to a still picture."""

from __future__ import annotations

import sys
from functools import partial
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest
from matplotlib.axes import Axes
from matplotlib.figure import Figure

from persuasion import PersuasionGame, concave_closure, solve, zoo
from persuasion.beliefs import indirect_utility
from persuasion.errors import PersuasionError, UnsupportedError
from persuasion.plot import explore, plot_closure, plot_concavification
from persuasion.plot.simplex import CORNERS
from persuasion.plot.sliders import HINT


def hump(beliefs: Any) -> Any:
    return np.minimum(beliefs[:, 0], beliefs[:, 1]) ** 2


def line(ax: Axes, label: str) -> Any:
    return next(x for x in ax.lines if x.get_label() == label).get_xydata()


def spots(ax: Axes, label: str) -> Any:
    return next(x for x in ax.collections if x.get_label() == label).get_offsets()


def test_two_states_show_function_closure_prices_and_split() -> None:
    closure = concave_closure(hump, [0.7, 0.3], lipschitz=0.5)
    ax = plot_closure(hump, closure, states=["calm", "alarm"])
    assert ax.get_xlabel() == "belief P(alarm)"
    t, height = line(ax, "v̂, value at this belief").T
    np.testing.assert_allclose(height, np.minimum(t, 1 - t) ** 2, atol=1e-15)
    corners = line(ax, "its concave closure")
    assert float(np.interp(0.3, *corners.T)) == pytest.approx(0.15, abs=1e-9)
    prices = line(ax, "prices of the states")
    assert (np.interp(t, *prices.T) >= height - 1e-12).all()
    assert spots(ax, "posteriors sent")[:, 0].tolist() == pytest.approx([0, 0.5])
    star = spots(ax, "value 0.15, no disclosure 0.09")
    np.testing.assert_allclose(star, [[0.3, 0.15]], atol=1e-9)


def test_a_peak_at_one_belief_is_drawn() -> None:
    game = PersuasionGame([0.8, 0.2], [[0, 0, 1]] * 2, [[1, 0, "2/3"], [0, 2, "2/3"]])
    at_a_point = partial(indirect_utility, game)
    closure = concave_closure(at_a_point, game.prior, breakpoints=[[2 / 3, 1 / 3]])
    ax = plot_closure(at_a_point, closure)
    t, height = line(ax, "v̂, value at this belief").T
    assert (t[height.argmax()], height.max()) == (pytest.approx(1 / 3, abs=1e-12), 1)
    np.testing.assert_allclose(spots(ax, "posteriors sent"), [[0, 0], [1 / 3, 1]], atol=1e-9)


def test_a_posterior_at_a_jump_is_evaluated_where_it_is() -> None:
    def step(beliefs: Any) -> Any:
        return (beliefs[:, 0] >= 0.2).astype(float)  # 1 - 0.8 is less than 0.2

    closure = concave_closure(step, [0.1, 0.9], breakpoints=[[0.2, 0.8]])
    ax = plot_closure(step, closure)
    np.testing.assert_allclose(spots(ax, "posteriors sent"), [[0.8, 1], [1, 0]])


def test_no_line_of_prices_without_a_bound() -> None:
    closure = concave_closure(hump, [0.7, 0.3])
    labels = plot_closure(hump, closure).get_legend_handles_labels()[1]
    assert "prices of the states" not in labels


def test_picture_of_a_game_is_that_of_its_indirect_utility() -> None:
    game = zoo.load("think_tank")
    utility = partial(indirect_utility, game)
    steps = [[0.75, 0.25], [0.25, 0.75]]
    own = plot_closure(utility, concave_closure(utility, game.prior, breakpoints=steps))
    usual = plot_concavification(game)
    at = np.linspace(0, 1, 51)
    expected = np.interp(at, [0, 0.75, 1], [1, 2, 2])
    for ax in (own, usual):
        corners = line(ax, "its concave closure")
        np.testing.assert_allclose(np.interp(at, *corners.T), expected)
    label = f"value {float(solve(game).value):.4g}, no disclosure 0"
    assert label in own.get_legend_handles_labels()[1]


def test_three_states_show_contours_and_split() -> None:
    def doubt(beliefs: Any) -> Any:
        return 27 * beliefs.prod(axis=1)

    closure = concave_closure(doubt, [0.2, 0.2, 0.6], curvature=13.5, tolerance=1e-3)
    ax = plot_closure(doubt, closure, states=["a", "b", "c"])
    np.testing.assert_allclose(spots(ax, "prior"), [np.array([0.2, 0.2, 0.6]) @ CORNERS])
    drawn = {text.get_text() for text in ax.texts}
    assert {"a", "b", "c", "80 %", "20 %"} <= drawn


def test_other_sizes_are_refused() -> None:
    with pytest.raises(UnsupportedError, match="two or three states"):
        plot_closure(len, SimpleNamespace(posteriors=np.eye(4)))  # type: ignore[arg-type]
    with pytest.raises(UnsupportedError, match="must hold 2 names; got 1"):
        plot_closure(hump, concave_closure(hump, [0.7, 0.3]), states=["calm"])


# -- sliders -----------------------------------------------------------------------------------


def test_without_ipywidgets_the_picture_stands_still(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setitem(sys.modules, "ipywidgets", None)
    figure = explore(partial(zoo.load, "medicine"), plot_concavification, p=(0, 0.3, 1))
    assert isinstance(figure, Figure)
    assert "value 0.6, no disclosure 0" in figure.axes[0].get_legend_handles_labels()[1]
    assert capsys.readouterr().out == HINT + "\n"


def test_sliders_redraw(
    monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    shown: list[Any] = []
    widgets, display = ModuleType("ipywidgets"), ModuleType("IPython.display")
    widgets.FloatSlider = lambda **settings: settings  # type: ignore[attr-defined]
    widgets.interactive = lambda show, **sliders: (show, sliders)  # type: ignore[attr-defined]
    display.display = shown.append  # type: ignore[attr-defined]
    monkeypatch.setitem(sys.modules, "ipywidgets", widgets)
    monkeypatch.setitem(sys.modules, "IPython.display", display)
    show, sliders = explore(
        partial(zoo.load, "medicine"), plot_concavification, p=(0, 0.3, 1), threshold=(0.1, 0.6, 1)
    )
    assert {name: s["value"] for name, s in sliders.items()} == {"p": 0.3, "threshold": 0.6}
    assert (sliders["threshold"]["min"], sliders["threshold"]["max"]) == (0.1, 1)
    show(p=0.2, threshold=0.8)
    (figure,) = shown
    assert "value 0.25, no disclosure 0" in figure.axes[0].get_legend_handles_labels()[1]
    assert capsys.readouterr().out == ""


@pytest.mark.parametrize("given", [(0, 2, 1), (1, 1, 1), (0.5, 0.2, 1)])
def test_senseless_ranges_are_refused(given: tuple[float, float, float]) -> None:
    with pytest.raises(PersuasionError, match=r"`p` must be \(low, start, high\)"):
        explore(partial(zoo.load, "medicine"), plot_concavification, p=given)
