"""A file is there whole or not at all."""

from __future__ import annotations

import os
from pathlib import Path

import pytest

from persuasion.whole_file import write_whole


def test_new_content_replaces_the_old(tmp_path: Path) -> None:
    path = tmp_path / ("x" * 250)  # as long a name as file systems take
    assert write_whole(path, b"old") == path
    write_whole(str(path), b"new")
    assert path.read_bytes() == b"new"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("failure", [OSError("disk full"), KeyboardInterrupt()])
def test_an_interrupted_write_leaves_everything_as_it_was(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, failure: BaseException
) -> None:
    path = tmp_path / "file"
    path.write_bytes(b"old")

    def interrupted(descriptor: int) -> None:
        raise failure

    monkeypatch.setattr(os, "fsync", interrupted)
    with pytest.raises(type(failure)):
        write_whole(path, b"new")
    assert path.read_bytes() == b"old"
    assert list(tmp_path.iterdir()) == [path]


def test_permissions_are_those_of_any_new_file(tmp_path: Path) -> None:
    (tmp_path / "plain").write_bytes(b"")
    write_whole(tmp_path / "whole", b"")
    assert (tmp_path / "whole").stat().st_mode == (tmp_path / "plain").stat().st_mode


def test_a_folder_that_is_not_there_is_an_error(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        write_whole(tmp_path / "nowhere" / "file", b"")


@pytest.mark.parametrize("name", ["folder", "missing/file"])
def test_what_cannot_be_written_is_called_by_its_own_name(tmp_path: Path, name: str) -> None:
    (tmp_path / "folder").mkdir()
    with pytest.raises(OSError) as told:  # noqa: PT011
        write_whole(tmp_path / name, b"new")
    assert str(told.value.filename) == str(tmp_path / name)
    assert list(tmp_path.glob("*.part")) == []
