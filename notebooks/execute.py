"""Execute the notebooks of this folder and write them so that a second run changes no byte.

``python notebooks/execute.py`` rewrites each notebook with fresh outputs; ``--check`` writes
nothing and fails where the text of an output differs from the saved one.
"""

from __future__ import annotations

import argparse
import asyncio
import base64
import copy
import difflib
import io
import os
import sys
import tempfile
from collections.abc import Sequence
from pathlib import Path

import nbformat
from jupyter_client.manager import AsyncKernelManager
from nbclient import NotebookClient
from nbclient.exceptions import CellExecutionError, DeadKernelError
from nbformat import NotebookNode
from PIL import Image

FOLDER = Path(__file__).parent
TIME_LIMIT = 90.0
"""Seconds that a whole notebook may take, start of the kernel included."""
_LONGER = {"07_advisor_and_receiver": 1200.0}
"""Notebooks that train models: minutes on a quiet core, several times that on a busy one."""

_NO_SLIDERS = """\
import sys, warnings
sys.modules["ipywidgets"] = None
warnings.filterwarnings("ignore", message="IProgress not found")  # tqdm, of the missing sliders
"""
_METADATA = {
    "kernelspec": {"display_name": "Python 3", "language": "python", "name": "python3"},
    "language_info": {"name": "python"},
}


def notebooks() -> list[Path]:
    """List the notebooks of this folder in the order of their names."""
    return sorted(FOLDER.glob("*.ipynb"))


def time_limit_of(path: Path) -> float:
    """Return the seconds that a notebook may take."""
    return _LONGER.get(path.stem, TIME_LIMIT)


def read(path: Path) -> NotebookNode:
    """Read a notebook of format 4."""
    notebook: NotebookNode = nbformat.read(path, as_version=4)  # type: ignore[no-untyped-call]
    return notebook


def execute(notebook: NotebookNode, time_limit: float = TIME_LIMIT) -> NotebookNode:
    """Return a copy of `notebook` with the outputs of a fresh kernel, normalised.

    The kernel starts in an empty folder and reads no settings of the user's. What it shows does
    not depend on what else is installed: it finds neither sliders, whose pictures do not keep, nor
    compiled code, which tells when it is made.

    Raises
    ------
    CellExecutionError
        When a cell raises; the message holds the traceback.
    DeadKernelError
        When a cell kills the kernel.
    TimeoutError
        When the notebook takes more than `time_limit` seconds.
    """
    fresh = copy.deepcopy(notebook)
    with tempfile.TemporaryDirectory() as scratch:
        work = Path(scratch, "work")
        work.mkdir()
        settings = {name: value for name, value in os.environ.items() if name != "MPLBACKEND"}
        settings["IPYTHONDIR"] = scratch
        settings["PERSUASION_COMPILE"] = "0"
        startup = Path(scratch, "profile_default", "startup")
        startup.mkdir(parents=True)
        Path(startup, "no_sliders.py").write_text(_NO_SLIDERS)
        # Sockets in `scratch` instead of open ports; nothing is written to the user's home.
        manager = AsyncKernelManager(
            kernel_name="python3", transport="ipc", connection_file=f"{scratch}/kernel.json"
        )
        # Streams come in pieces that depend on timing: join them.
        client = NotebookClient(
            fresh, km=manager, coalesce_streams=True, shutdown_kernel="immediate"
        )
        asyncio.run(_execute(client, time_limit, cwd=str(work), env=settings))
    return normalised(fresh)


async def _execute(
    client: NotebookClient, time_limit: float, *, cwd: str, env: dict[str, str]
) -> None:
    limit = asyncio.timeout(time_limit)
    try:
        async with limit:
            # A manager that is handed over is left running unless asked.
            await client.async_execute(cwd=cwd, env=env, cleanup_kc=True)
    except DeadKernelError:
        if limit.expired():  # nbclient takes its cancellation for the death of the kernel
            raise TimeoutError(f"the notebook took more than {time_limit:g} s") from None
        raise


def normalised(notebook: NotebookNode) -> NotebookNode:
    """Return a copy without what varies from run to run, such as times; pictures are made small."""
    clean = copy.deepcopy(notebook)
    clean.metadata = _METADATA
    for cell in clean.cells:
        cell.metadata = {}
        for output in cell.get("outputs", ()):
            if "metadata" in output:
                output.metadata = {}
            if "image/png" in output.get("data", {}):
                output.data["image/png"] = _with_palette(output.data["image/png"])
    return clean


def _with_palette(encoded: str) -> str:
    """Store a picture with 256 colours: drawings look the same and take a third of the space."""
    picture = Image.open(io.BytesIO(base64.b64decode(encoded)))
    if picture.mode == "P":
        return encoded
    small = io.BytesIO()
    picture.convert("RGB").quantize(256, dither=Image.Dither.NONE).save(small, "PNG", optimize=True)
    return base64.b64encode(small.getvalue()).decode("ascii")


def text_outputs(notebook: NotebookNode) -> list[str]:
    """Return the outputs of each code cell as text; an image counts by its type alone."""
    return [
        "\n".join(line for output in cell.outputs for line in _lines(output))
        for cell in notebook.cells
        if cell.cell_type == "code"
    ]


def _lines(output: NotebookNode) -> list[str]:
    if output.output_type == "stream":
        return [f"[{output.name}]", *output.text.splitlines()]
    if output.output_type == "error":
        return [f"[error] {output.ename}: {output.evalue}"]
    lines = []
    for kind, content in sorted(output.data.items()):
        lines.append(f"[{kind}]")
        if kind.startswith("text/"):
            lines.extend(content.splitlines())
    return lines


def differences(saved: NotebookNode, fresh: NotebookNode) -> list[str]:
    """Return the lines in which the text outputs of two notebooks differ, cell by cell."""
    pairs = zip(text_outputs(saved), text_outputs(fresh), strict=True)
    found = []
    for number, (before, after) in enumerate(pairs, start=1):
        lines = list(
            difflib.unified_diff(
                before.splitlines(), after.splitlines(), "saved", "fresh", lineterm=""
            )
        )
        if lines:
            found += [f"code cell {number}:", *lines]
    return found


def main(arguments: Sequence[str] | None = None) -> int:
    """Execute the notebooks named, or all; return 1 where one failed or differs."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("paths", nargs="*", type=Path, help="notebooks; all of this folder if none")
    parser.add_argument("--check", action="store_true", help="write nothing, compare the outputs")
    options = parser.parse_args(arguments)
    failed = False
    for path in options.paths or notebooks():
        saved = read(path)
        try:
            fresh = execute(saved, time_limit_of(path))
        except (CellExecutionError, DeadKernelError) as error:
            failed = True
            print(f"{path.name}: a cell fails\n{error}", file=sys.stderr)
            continue
        except TimeoutError:
            failed = True
            print(f"{path.name}: not done after {time_limit_of(path):g} s", file=sys.stderr)
            continue
        changed = differences(saved, fresh)
        if options.check and changed:
            failed = True
            print("\n".join([f"{path.name}: outputs differ", *changed]), file=sys.stderr)
            continue
        if not options.check:
            nbformat.write(fresh, path)  # type: ignore[no-untyped-call]
        print(f"{path.name}: {'outputs changed' if changed else 'as saved'}")
    return int(failed)


if __name__ == "__main__":
    sys.exit(main())
