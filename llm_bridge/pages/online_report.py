"""What the page says about language models that learn while they play."""

from __future__ import annotations

import json
from collections.abc import Iterable, Mapping
from pathlib import Path

from llm_bridge.online import OnlineStudy
from persuasion.report import Block, Paragraph, Picture, Section
from persuasion.whole_file import write_whole

__all__ = ["online_section", "online_sections_in", "write_online"]

_FILE, _FORMAT = "online.json", 1


def online_section(study: OnlineStudy) -> Section:
    """Return regret, bounds and verdicts of a task."""
    words = (
        "The measured games, played by Senders who see which items occurred and are not told how "
        "likely they are. Regret is against the linear program at the true prior, in expectation "
        "over signals and replies. The language model tells the item until her confidence radius "
        "leaves room for more; then she is trained further whenever the sample has doubled, on the "
        "exact objective at the empirical prior, with a margin of obedience in proportion to the "
        "radius. The bounds are about the learner robust. They say nothing about a language model, "
        "nor about plug-in, which is there to break them."
    )
    control = (
        "Plug-in broke some of the bounds, so that the checks can fail here."
        if study.control_refuted
        else "Plug-in broke none of the bounds here: at this horizon, on these games, the checks "
        "have not been seen to fail."
    )
    pictures = [
        Picture.of(
            study.plot(template),
            f"Cumulated regret over rounds on template {template} of task {study.task}, with "
            "bounds.",
            f"Template {template}: cumulated regret of every run and their mean, with the bounds "
            "for the learner robust.",
        )
        for template in study.trajectories
    ]
    blocks: list[Block] = [Paragraph(words), study.regret_table(), *pictures]
    blocks += [Paragraph(control), study.verdict_table()]
    return Section(f"Learning while playing: {study.task}", blocks)


def write_online(studies: Iterable[OnlineStudy], keys: Mapping[str, str], folder: Path) -> None:
    """Write ``online.json``: all trajectories and verdicts, and of which measurements they are."""
    content = {
        "format": _FORMAT,
        "measurements": dict(keys),
        "studies": [study.to_dict() for study in studies],
    }
    write_whole(folder / _FILE, json.dumps(content).encode())


def online_sections_in(folder: Path, keys: Mapping[str, str]) -> list[Section]:
    """Return the sections on what was played online in a run's folder.

    Parameters
    ----------
    folder : path
    keys : mapping of str to str
        Keys of the run's own measurements by task; what was played on others is left out.
    """
    try:
        content = json.loads((folder / _FILE).read_bytes())
    except FileNotFoundError:
        return []
    if content.get("format") != _FORMAT:
        return []
    known: Mapping[str, str] = content["measurements"]
    return [
        online_section(OnlineStudy.from_dict(study))
        for study in content["studies"]
        if study["task"] in keys and known.get(study["task"]) == keys[study["task"]]
    ]
