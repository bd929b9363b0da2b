"""A picture of a game that is drawn again as sliders move; still where there are no sliders."""

from __future__ import annotations

from collections.abc import Callable
from importlib import import_module
from typing import TYPE_CHECKING, Any

from persuasion.errors import PersuasionError
from persuasion.game import PersuasionGame

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["explore"]

_STEPS = 100
HINT = "a still picture: `pip install ipywidgets`, then run this cell again for sliders"


def explore(
    build: Callable[..., PersuasionGame],
    draw: Callable[[PersuasionGame], Axes],
    /,
    **ranges: tuple[float, float, float],
) -> Any:
    """Draw ``draw(build(...))`` in a notebook, with a slider for each parameter of `build`.

    Parameters
    ----------
    build : callable
        Makes a game of the parameters named in `ranges`; ``partial(zoo.load, "medicine")``, say.
    draw : callable
        Draws a game, as the functions of `persuasion.plot` do.
    **ranges : (low, start, high)
        Of each parameter.

    Returns
    -------
    ipywidgets.interactive, or Figure
        The figure, at the starting values, where ipywidgets is not installed; a hint is printed.

    Raises
    ------
    PersuasionError
        When a range is empty or does not contain its start.

    Examples
    --------
    >>> from functools import partial
    >>> from persuasion import zoo
    >>> from persuasion.plot import explore, plot_concavification
    >>> medicine = partial(zoo.load, "medicine")
    >>> explore(medicine, plot_concavification, p=(0, 0.7, 0.5))
    Traceback (most recent call last):
        ...
    persuasion.errors.PersuasionError: `p` must be (low, start, high), in order; got (0, 0.7, 0.5)
    """
    for name, (low, start, high) in ranges.items():
        if not (low <= start <= high and low < high):
            raise PersuasionError(
                f"`{name}` must be (low, start, high), in order; got {ranges[name]}"
            )
    try:
        ipywidgets = import_module("ipywidgets")
    except ImportError:
        print(HINT)
        return draw(build(**{name: start for name, (_, start, _) in ranges.items()})).figure

    def show(**values: float) -> None:
        import_module("IPython.display").display(draw(build(**values)).figure)

    sliders = {
        name: ipywidgets.FloatSlider(
            value=start,
            min=low,
            max=high,
            step=(high - low) / _STEPS,
            description=name,
            continuous_update=False,
        )
        for name, (low, start, high) in ranges.items()
    }
    return ipywidgets.interactive(show, **sliders)
