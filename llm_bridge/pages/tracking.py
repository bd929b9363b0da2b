"""Learning curves for the trackers that accelerate knows: TensorBoard and others, or none.

Curves are handed over once they are whole. A tracker's folder therefore holds every curve of an
experiment, also those of stages that an earlier call had finished.
"""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from pathlib import Path
from typing import Any

from llm_bridge.commands.requirements import need
from persuasion.commands.arguments import did_you_mean
from persuasion.errors import PersuasionError

__all__ = ["NONE", "Curve", "check_tracker", "track"]

NONE = "none"

Curve = tuple[str, Iterable[tuple[int, float]]]
"""A name such as ``math/value`` and (step, number) pairs."""


def check_tracker(report_to: str) -> None:
    """Fail now, not after the work, when a tracker cannot be had.

    Raises
    ------
    PersuasionError
        When accelerate knows no such tracker, or its package is not installed.
    """
    if report_to == NONE:
        return
    need("accelerate")
    from accelerate.tracking import LOGGER_TYPE_TO_CLASS, get_available_trackers

    known = sorted(str(name) for name in LOGGER_TYPE_TO_CLASS)
    if report_to not in known:
        raise PersuasionError(
            f"no tracker is called {report_to!r}{did_you_mean(report_to, known)} "
            f"(legal are {NONE}, {', '.join(known)})"
        )
    if report_to not in [str(name) for name in get_available_trackers()]:
        package = "'persuasion[track]'" if report_to == "tensorboard" else report_to
        raise PersuasionError(
            f"the tracker {report_to!r} is not installed; pip install {package}, or leave "
            "report_to at none"
        )


def track(
    report_to: str, folder: Path, name: str, settings: Mapping[str, Any], curves: Iterable[Curve]
) -> None:
    """Hand curves to a tracker.

    Parameters
    ----------
    report_to : str
        A tracker of accelerate, or "none".
    folder : Path
        Where trackers that write files write them.
    name : str
        Of the experiment.
    settings : mapping
        Plain numbers, texts and truth values, for trackers that list them.
    curves : iterable of Curve
    """
    if report_to == NONE:
        return
    check_tracker(report_to)
    from accelerate import Accelerator

    accelerator = Accelerator(log_with=report_to, project_dir=str(folder))
    accelerator.init_trackers(name, config=dict(settings))
    try:
        for title, points in curves:
            for step, value in points:
                accelerator.log({title: value}, step=step)
    finally:
        for tracker in accelerator.trackers:  # end_training would part this process from others
            tracker.finish()
