"""The table of settings in docs/bridge.md is that of the code."""

from __future__ import annotations

import re
from pathlib import Path

from llm_bridge.config import (
    ApiSection,
    ExperimentConfig,
    OtherSection,
    ReceiverSection,
    ReplaySection,
    commented,
)

PAGE = Path(__file__).parents[2] / "docs" / "bridge.md"
BEGIN = "<!-- settings: made by tests/repo/test_docs_bridge.py -->\n"
END = "<!-- end of settings -->"


def reference() -> str:
    """Return the settings as Markdown: one table per section of the file that users start from."""
    other = (OtherSection(name="early", checkpoint=0.25),)
    lines: list[str] = []
    about: str | None = None
    text = commented(ExperimentConfig(other=other)).split("\n\n", 1)[1]
    sources = (
        ReceiverSection(api=ApiSection("some-model", 1_000_000)),
        ReceiverSection(replay=ReplaySection("answers.jsonl")),
    )
    for name, source in zip(("api", "replay"), sources, strict=True):
        table = commented(ExperimentConfig(receiver=source))
        text += f"[receiver.{name}]" + table.split(f"[receiver.{name}]")[1].split("\n\n")[0] + "\n"
    for line in f"[top]\n{text}".splitlines():
        key, equal, value = line.removeprefix("# ").partition(" = ")
        if line.startswith("["):
            name = f"`{line}`" if line != "[top]" else "At the top"
            lines += [
                f"\n**{name}**{'. ' + about if about else ''}\n",
                "| setting | default | meaning |",
                "|---|---|---|",
            ]
            about = None
        elif equal and re.fullmatch(r"[a-z_]+", key) and about is not None:
            unset = line.startswith("# ")
            default = f"unset, for example `{value}`" if unset else f"`{value}`"
            lines.append(f"| `{key}` | {default} | {about.replace('|', chr(92) + '|')} |")
            about = None
        elif line.startswith("# "):
            about = line.removeprefix("# ")
    return "\n".join([*lines, "", ""])


def with_reference(page: str) -> str:
    """Return the page with the table of settings of the code."""
    before, rest = page.split(BEGIN)
    return before + BEGIN + reference() + END + rest.split(END)[1]


def test_the_settings_are_those_of_the_code() -> None:
    page = PAGE.read_text(encoding="utf-8")
    assert page == with_reference(page), "python tests/repo/test_docs_bridge.py writes them anew"


def test_every_setting_is_listed_and_a_changed_default_is_seen() -> None:
    table = reference()
    for name in ("tasks", "path", "warm_steps", "n_inputs", "hintless", "checkpoint", "signals",
                 "max_tokens", "key_variable"):  # fmt: skip
        assert f"| `{name}` |" in table, name
    assert table.count("| `lr` | `0.001` |") == 1
    page = PAGE.read_text(encoding="utf-8")
    old = page.replace("| `lr` | `0.001` |", "| `lr` | `0.002` |")
    assert old != with_reference(old)


if __name__ == "__main__":
    PAGE.write_text(with_reference(PAGE.read_text(encoding="utf-8")), encoding="utf-8")
