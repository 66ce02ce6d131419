# SPDX-License-Identifier: Apache-2.0
"""A file is written completely or not at all, and never over another one unasked."""

import errno
import os
import stat
import sys

import pytest

from gan_tfc.errors import GanTfcError
from gan_tfc.files import write_atomically

posix_only = pytest.mark.skipif(os.name != "posix", reason="needs POSIX permissions and devices")


def test_the_file_holds_exactly_the_bytes_and_nothing_lies_beside_it(tmp_path):
    write_atomically(tmp_path / "photo.gtc", b"\x00\r\n\xff")
    assert (tmp_path / "photo.gtc").read_bytes() == b"\x00\r\n\xff"
    assert [file.name for file in tmp_path.iterdir()] == ["photo.gtc"]


def test_a_name_without_a_folder_is_written_to_the_current_one(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    write_atomically("photo.gtc", b"new")
    assert (tmp_path / "photo.gtc").read_bytes() == b"new"


def test_an_existing_file_is_kept_and_the_mend_is_told(tmp_path):
    path = tmp_path / "photo.gtc"
    path.write_bytes(b"old")
    with pytest.raises(GanTfcError, match=r"photo\.gtc' exists already.*overwrite=True.*--force"):
        write_atomically(path, b"new")
    assert path.read_bytes() == b"old"
    assert len(list(tmp_path.iterdir())) == 1


def test_an_existing_file_is_replaced_when_asked(tmp_path):
    path = tmp_path / "photo.gtc"
    path.write_bytes(b"old and longer")
    write_atomically(path, b"new", overwrite=True)
    assert path.read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 1


def test_overwrite_also_writes_a_new_file(tmp_path):
    write_atomically(tmp_path / "photo.gtc", b"new", overwrite=True)
    assert (tmp_path / "photo.gtc").read_bytes() == b"new"


@pytest.mark.parametrize("hard_links", [True, False])
def test_a_file_made_by_another_process_in_the_meantime_is_kept(tmp_path, monkeypatch, hard_links):
    path = tmp_path / "photo.gtc"
    flush, link = os.fsync, os.link

    def another_process_is_faster(descriptor):
        flush(descriptor)
        path.write_bytes(b"theirs")

    def refuse(*names):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "fsync", another_process_is_faster)
    monkeypatch.setattr(os, "link", link if hard_links else refuse)
    with pytest.raises(GanTfcError, match="exists already"):
        write_atomically(path, b"ours")
    assert path.read_bytes() == b"theirs"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_file_system_without_hard_links_will_do(tmp_path, monkeypatch):
    def refuse(*names):
        raise OSError(errno.EPERM, "Operation not permitted")

    monkeypatch.setattr(os, "link", refuse)
    write_atomically(tmp_path / "photo.gtc", b"new")
    assert (tmp_path / "photo.gtc").read_bytes() == b"new"
    assert len(list(tmp_path.iterdir())) == 1


def test_a_missing_folder_is_named(tmp_path):
    with pytest.raises(GanTfcError, match=r"there is no folder '.*missing': create it first\.$"):
        write_atomically(tmp_path / "missing" / "photo.gtc", b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_is_refused(tmp_path):
    for overwrite in (False, True):
        with pytest.raises(GanTfcError, match="it is a folder"):
            write_atomically(tmp_path, b"new", overwrite=overwrite)


def test_a_path_through_a_file_is_refused(tmp_path):
    (tmp_path / "file").write_bytes(b"")
    with pytest.raises(GanTfcError, match="cannot write"):
        write_atomically(tmp_path / "file" / "photo.gtc", b"new")


@pytest.mark.parametrize("name", ["photo\0.gtc", "p" * 300])
def test_an_impossible_name_is_refused(tmp_path, name):
    with pytest.raises(GanTfcError, match="cannot write"):
        write_atomically(tmp_path / name, b"new")
    assert list(tmp_path.iterdir()) == []


def test_a_folder_that_may_not_be_written_to_is_named(tmp_path, monkeypatch):
    # Simulated: a superuser, as in many containers, may write to every folder.
    def refuse(*arguments):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(os, "open", refuse)
    with pytest.raises(GanTfcError, match="may not be written to: choose another folder"):
        write_atomically(tmp_path / "photo.gtc", b"new")


@posix_only
@pytest.mark.parametrize("overwrite", [False, True])
def test_a_disk_that_fills_up_leaves_the_folder_as_it_was(tmp_path, overwrite):
    import resource

    path = tmp_path / "photo.gtc"
    if overwrite:
        path.write_bytes(b"old")
    limits = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, limits[1]))
    try:
        with pytest.raises(GanTfcError, match=r"\(100000 bytes\).*make room"):
            write_atomically(path, b"x" * 100_000, overwrite=overwrite)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, limits)
    assert [file.read_bytes() for file in tmp_path.iterdir()] == [b"old"] * overwrite


def test_an_interrupt_leaves_the_folder_as_it_was(tmp_path, monkeypatch):
    def interrupt(descriptor):
        raise KeyboardInterrupt

    monkeypatch.setattr(os, "fsync", interrupt)
    with pytest.raises(KeyboardInterrupt):
        write_atomically(tmp_path / "photo.gtc", b"new")
    assert list(tmp_path.iterdir()) == []


@posix_only
def test_permissions_follow_the_umask_and_are_kept_on_overwriting(tmp_path):
    path = tmp_path / "photo.gtc"
    umask = os.umask(0o027)
    try:
        write_atomically(path, b"new")
        assert stat.S_IMODE(path.stat().st_mode) == 0o640
        path.chmod(0o604)
        write_atomically(path, b"newer", overwrite=True)
        assert stat.S_IMODE(path.stat().st_mode) == 0o604
    finally:
        os.umask(umask)


@posix_only
def test_a_symbolic_link_stays_one(tmp_path):
    (tmp_path / "elsewhere").mkdir()
    target, link = tmp_path / "elsewhere" / "photo.gtc", tmp_path / "link.gtc"
    target.write_bytes(b"old")
    link.symlink_to(target)
    write_atomically(link, b"new", overwrite=True)
    assert link.is_symlink()
    assert target.read_bytes() == b"new"


@posix_only
def test_a_device_is_written_to_and_not_replaced(tmp_path):
    write_atomically(os.devnull, b"new", overwrite=True)
    assert stat.S_ISCHR(os.stat(os.devnull).st_mode)
    if sys.platform == "linux":
        with pytest.raises(GanTfcError, match="No space left on device"):
            write_atomically("/dev/full", b"new")
