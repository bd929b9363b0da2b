"""What tab completion shows is short, and every public name says what it is."""

from __future__ import annotations

import importlib
import inspect
import re
from collections.abc import Callable, Iterator
from dataclasses import fields, is_dataclass
from pathlib import Path
from types import ModuleType
from typing import Any

import pytest

import persuasion

ROOT = Path(__file__).parents[2]
REFERENCE = ROOT / "docs" / "reference"
NOUNS_AND_VERBS = ("persuasion", "theory", "llm_bridge")


def modules() -> list[str]:
    """Return the modules whose names the reference lists."""
    text = "\n".join(path.read_text(encoding="utf-8") for path in REFERENCE.glob("*.md"))
    found = re.findall(r"(?:automodule|currentmodule):: ([\w.]+)", text)
    return sorted({*found, *NOUNS_AND_VERBS})


def own_docstring(thing: Any) -> str:
    """Return the docstring that was written for `thing`: not inherited, not made by `dataclass`."""
    text = vars(thing).get("__doc__") if inspect.isclass(thing) else thing.__doc__
    made = inspect.isclass(thing) and (text or "").startswith(f"{thing.__name__}(")
    return "" if made else inspect.cleandoc(text or "")


def undocumented(thing: Any) -> Iterator[str]:
    """Yield the parts of a class or function that say nothing."""
    if not own_docstring(thing):
        yield thing.__name__
    if inspect.isclass(thing):
        for name, member in vars(thing).items():
            if isinstance(member, property):
                member = member.fget
            elif isinstance(member, (classmethod, staticmethod)):
                member = member.__func__
            if not name.startswith("_") and inspect.isfunction(member) and not member.__doc__:
                yield f"{thing.__name__}.{name}"


def sections(text: str) -> dict[str, str]:
    """Return the sections of a docstring in NumPy's form by their titles."""
    parts = re.split(r"^([A-Z][\w ]+)\n-{3,}\n", text, flags=re.MULTILINE)
    return dict(zip(parts[1::2], parts[2::2], strict=True))


def says_of(section: str, name: str) -> bool:
    """Tell whether a section has an entry for a parameter, alone or with others."""
    return (
        re.search(rf"^(?:[*\w]+, )*\*{{0,2}}{name}\b(?:, \w+)*( :|$)", section, re.MULTILINE)
        is not None
    )


def unexplained(thing: Any) -> list[str]:
    """Return what a function's docstring leaves out: parameters, and what comes back."""
    found = sections(own_docstring(thing))
    signature = inspect.signature(thing)
    missing = [
        name for name in signature.parameters if not says_of(found.get("Parameters", ""), name)
    ]
    short = not signature.parameters  # a function without parameters says it in its first line
    if signature.return_annotation not in ("None", None) and not short:
        missing += [title for title in ("Returns",) if title not in found]
    return missing


def unexplained_fields(thing: type) -> list[str]:
    """Return the public fields of a dataclass that its docstring does not list."""
    found = sections(own_docstring(thing))
    text = found.get("Parameters", "") + "\n" + found.get("Attributes", "")
    return [
        x.name for x in fields(thing) if not x.name.startswith("_") and not says_of(text, x.name)
    ]


def listed(name: str) -> list[tuple[str, Any]]:
    module = importlib.import_module(name)
    return [(public, getattr(module, public)) for public in module.__all__]


def test_dir_is_short_and_tidy() -> None:
    names = dir(persuasion)
    assert len(names) < 50
    assert set(names) == {*persuasion.__all__, "__version__"}
    assert not [name for name in names if isinstance(getattr(persuasion, name), ModuleType)]
    assert persuasion.__all__ == sorted(persuasion.__all__), "capitals first, then verbs"
    assert {
        "PersuasionGame",
        "SignalingScheme",
        "Solution",
        "Trajectory",
        "solve",
        "simulate",
    } < set(names)


@pytest.mark.parametrize("package", NOUNS_AND_VERBS)
def test_types_are_shipped(package: str) -> None:
    assert (ROOT / package / "py.typed").exists()


@pytest.mark.parametrize("name", modules())
def test_every_public_name_is_documented(name: str) -> None:
    module = importlib.import_module(name)
    assert module.__doc__, f"{name} does not say what it is for"
    silent = [
        part
        for _, thing in listed(name)
        if inspect.isclass(thing) or inspect.isfunction(thing)
        for part in undocumented(thing)
    ]
    assert silent == []


@pytest.mark.parametrize("package", NOUNS_AND_VERBS)
def test_parameters_and_fields_are_explained(package: str) -> None:
    left_out = {}
    for name, thing in listed(package):
        if inspect.isfunction(thing):
            left_out[name] = unexplained(thing)
        elif is_dataclass(thing) and isinstance(thing, type):
            left_out[name] = unexplained_fields(thing)
    assert {name: missing for name, missing in left_out.items() if missing} == {}


def test_every_name_has_a_place_in_the_reference() -> None:
    page = (REFERENCE / "persuasion.md").read_text(encoding="utf-8")
    shown = re.findall(r"auto(?:class|function|exception):: (\w+)", page)
    assert sorted(shown) == sorted(persuasion.__all__)


# -- these checks can fail ------------------------------------------------------------------------


class Silent:
    def told(self) -> None:
        """Say something."""

    def untold(self) -> None: ...


def half(first: int, second: int, third: int) -> int:
    """Do half of it.

    Parameters
    ----------
    first, third : int
    """
    return first + second + third


def test_silence_is_caught() -> None:
    assert list(undocumented(Silent)) == ["Silent", "Silent.untold"]
    assert unexplained(half) == ["second", "Returns"]
    half_told: Callable[..., int] = half
    assert says_of(sections(own_docstring(half_told))["Parameters"], "third")
