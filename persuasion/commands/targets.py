"""Where a command writes: refused before the work is done, written whole after it."""

from __future__ import annotations

import io
from pathlib import Path
from typing import TYPE_CHECKING

from persuasion.errors import PersuasionError

if TYPE_CHECKING:
    from matplotlib.axes import Axes

__all__ = ["check_new_file", "check_picture", "save_picture"]


def check_new_file(path: Path, force: bool, suffixes: tuple[str, ...] = (".json", ".npz")) -> None:
    """Refuse a file that `persuasion.io` could not write.

    Raises
    ------
    PersuasionError
        When the ending is none of `suffixes`, there is no such folder, or the file exists and may
        not be replaced.
    """
    if path.suffix.lower() not in suffixes:
        raise PersuasionError(f"{path}: legal endings are {' and '.join(suffixes)}")
    _check_folder(path)
    if path.exists() and not force:
        raise PersuasionError(f"{path}: exists already; pass --force to replace it")


def check_picture(path: Path) -> None:
    """Refuse a picture that matplotlib could not write.

    Raises
    ------
    PersuasionError
        When there is no such folder, or no such kind of picture.
    """
    from matplotlib.backend_bases import FigureCanvasBase

    legal = sorted(FigureCanvasBase.get_supported_filetypes())
    if path.suffix.removeprefix(".").lower() not in legal:
        raise PersuasionError(f"--plot: {path} must end in one of .{', .'.join(legal)}")
    _check_folder(path)


def _check_folder(path: Path) -> None:
    if path.is_dir():
        raise PersuasionError(f"{path}: is a folder, not a file")
    if not path.parent.is_dir():
        raise PersuasionError(f"{path}: there is no folder {path.parent}")


def save_picture(ax: Axes, path: Path) -> None:
    """Write the figure of `ax`, 200 dots per inch, in the format of the ending of `path`."""
    from persuasion.whole_file import write_whole

    figure = ax.get_figure(root=True)
    assert figure is not None
    buffer = io.BytesIO()
    figure.savefig(buffer, format=path.suffix.removeprefix(".").lower(), dpi=200)
    write_whole(path, buffer.getvalue())
