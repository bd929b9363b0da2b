"""`import llm_bridge` offers nouns and verbs and loads neither torch nor transformers."""

from __future__ import annotations

import subprocess
import sys
from types import ModuleType

import pytest

import llm_bridge


def fresh(code: str) -> str:
    shown = subprocess.run(
        [sys.executable, "-W", "error", "-c", code], capture_output=True, text=True, check=False
    )
    assert shown.returncode == 0, shown.stderr
    return shown.stdout.strip()


LOADED = "import sys; print([m for m in ('torch', 'transformers', 'numpy') if m in sys.modules])"


def test_importing_loads_nothing_heavy() -> None:
    assert fresh(f"import llm_bridge; dir(llm_bridge); {LOADED}") == "[]"
    light = "llm_bridge.measure, llm_bridge.optimum, llm_bridge.evaluate, llm_bridge.Measurement"
    assert fresh(f"import llm_bridge; {light}; {LOADED}") == "['numpy']"
    assert "'torch'" in fresh(f"import llm_bridge; llm_bridge.Advisor; {LOADED}")


def test_every_name_is_there_and_listed() -> None:
    assert dir(llm_bridge) == sorted(llm_bridge.__all__) == sorted(llm_bridge._HOMES)
    for name in llm_bridge.__all__:
        found = getattr(llm_bridge, name)
        assert not isinstance(found, ModuleType)
        assert found.__name__ == name
        assert found.__module__.startswith("llm_bridge.")


@pytest.mark.parametrize("verb", ["measure", "evaluate", "optimum"])
def test_verbs_stay_verbs_whatever_is_imported_first(verb: str) -> None:
    code = "from importlib import import_module\n"
    code += f"first = import_module('llm_bridge.{verb}')\nimport llm_bridge\n"
    code += f"from llm_bridge.{verb} import {verb} as same\n"
    code += f"print(same is llm_bridge.{verb} is first.{verb})"
    assert fresh(code) == "True"


def test_an_unknown_name_is_named() -> None:
    with pytest.raises(AttributeError, match="has no attribute 'Adviser'"):
        _ = llm_bridge.Adviser
