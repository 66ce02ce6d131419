# SPDX-License-Identifier: Apache-2.0
"""Folders that are complete or absent, whatever ends their making."""

import errno
import os

import pytest

from gan_tfc.errors import GanTfcError
from gan_tfc.folders import check_new, check_writable, explained, new_folder


def everything(folder):
    return sorted(path.relative_to(folder).as_posix() for path in folder.rglob("*"))


@pytest.mark.parametrize("there", [False, True], ids=["new", "empty"])
def test_a_new_folder_holds_what_was_put_into_it_and_nothing_lies_beside_it(tmp_path, there):
    target = tmp_path / "zoo" / "menu" / "1"
    if there:
        target.mkdir(parents=True)
    with new_folder(target) as scratch:
        (scratch / "golden").mkdir()
        (scratch / "golden" / "a").write_text("1")
        assert not there or everything(target) == []
    assert everything(tmp_path / "zoo") == ["menu", "menu/1", "menu/1/golden", "menu/1/golden/a"]
    assert target.stat().st_mode == target.parent.stat().st_mode  # as the umask has it


@pytest.mark.parametrize("error", [KeyboardInterrupt(), RuntimeError("bug"), SystemExit(3)], ids=repr)
def test_whatever_ends_the_making_nothing_stays_nor_the_folders_above(tmp_path, error):
    (tmp_path / "zoo").mkdir()
    with pytest.raises(type(error)), new_folder(tmp_path / "zoo" / "menu" / "1") as scratch:
        (scratch / "half").write_text("written")
        raise error
    assert everything(tmp_path) == ["zoo"]


def test_a_folder_that_was_taken_meanwhile_is_left_alone(tmp_path):
    with pytest.raises(GanTfcError, match="make room there"), new_folder(tmp_path / "a") as scratch:
        (scratch / "ours").write_text("")
        (tmp_path / "a").mkdir()
        (tmp_path / "a" / "theirs").write_text("precious")
    assert everything(tmp_path) == ["a", "a/theirs"]


def test_only_new_and_empty_folders_are_taken(tmp_path):
    (tmp_path / "file").write_text("precious")
    (tmp_path / "full").mkdir()
    (tmp_path / "full" / "x").write_text("precious")
    for name in ("file", "full"):
        with pytest.raises(GanTfcError, match="neither; name another"):
            check_new(tmp_path / name)
        with pytest.raises(GanTfcError, match="neither; name another"), new_folder(tmp_path / name):
            pytest.fail("entered")
    assert (tmp_path / "file").read_text() == (tmp_path / "full" / "x").read_text() == "precious"


def test_a_path_below_a_file_is_refused_with_the_name_of_the_file(tmp_path):
    (tmp_path / "file").write_text("")
    with pytest.raises(GanTfcError, match="file' is a file: name another"):
        check_writable(tmp_path / "file" / "a" / "b")


def test_a_path_below_a_folder_that_may_not_be_written_is_refused(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    check_writable("a/b")
    # Not a folder without permission, which does not stop root.
    monkeypatch.setattr(os, "access", lambda path, mode: os.fspath(path) != os.fspath(tmp_path))
    with pytest.raises(GanTfcError, match="may not be written to: choose another folder"):
        check_writable("a/b")


REFUSED = [
    (errno.ENOSPC, "No space left on device: choose another path or make room there"),
    (errno.EROFS, "may not be written to: choose another folder"),
    (errno.EACCES, "may not be written to: choose another folder"),
]


@pytest.mark.parametrize(("number", "said"), REFUSED, ids=["full", "read-only", "no permission"])
def test_what_the_system_refuses_is_told_with_the_mend(number, said):
    with pytest.raises(GanTfcError, match=f"cannot write 'run', .*{said}"), explained("run"):
        raise OSError(number, os.strerror(number))


def test_what_could_not_be_read_is_not_told_as_unwritable():
    for error in (FileNotFoundError(errno.ENOENT, "gone", "photo.jpg"), ConnectionResetError()):
        with pytest.raises(type(error)), explained("run"):
            raise error
