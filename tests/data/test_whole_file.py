"""Files that are written whole or not at all."""

from __future__ import annotations

import errno
import fcntl
import os
import signal
import time
from pathlib import Path
from threading import Thread

import pytest

from pytest_llm.data.whole_file import PART, locked, undisturbed, write_whole


def test_ctrl_c_waits_until_both_files_are_there(tmp_path: Path) -> None:
    def write_both() -> None:
        with undisturbed():
            write_whole(tmp_path / "one", b"1")
            signal.raise_signal(signal.SIGINT)
            write_whole(tmp_path / "two", b"2")

    with pytest.raises(KeyboardInterrupt):
        write_both()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["one", "two"]


def test_what_ctrl_c_does_is_as_before(tmp_path: Path) -> None:
    before = signal.getsignal(signal.SIGINT)
    with undisturbed():
        assert signal.getsignal(signal.SIGINT) is not before
    assert signal.getsignal(signal.SIGINT) is before


def test_a_thread_may_write_too(tmp_path: Path) -> None:
    def write() -> None:
        with undisturbed():
            write_whole(tmp_path / "one", b"1")

    thread = Thread(target=write)
    thread.start()
    thread.join()
    assert (tmp_path / "one").read_bytes() == b"1"


def test_what_a_killed_process_left_is_removed_by_the_next_writer(tmp_path: Path) -> None:
    (tmp_path / PART).write_bytes(b"half of")
    write_whole(tmp_path / "one", b"1")
    assert [path.name for path in tmp_path.iterdir()] == ["one"]


def test_a_link_in_its_place_is_not_followed(tmp_path: Path) -> None:
    (tmp_path / "kept").write_bytes(b"kept")
    folder = tmp_path / "folder"
    folder.mkdir()
    (folder / PART).symlink_to(tmp_path / "kept")
    write_whole(folder / "one", b"1")
    assert (tmp_path / "kept").read_bytes() == b"kept"
    assert not (folder / "one").is_symlink()


def test_what_cannot_be_written_leaves_the_old_file_and_nothing_else(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    write_whole(tmp_path / "one", b"1")

    def refuse(handle: int) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr("os.fsync", refuse)
    with pytest.raises(OSError, match="No space left"):
        write_whole(tmp_path / "one", b"2")
    assert [(path.name, path.read_bytes()) for path in tmp_path.iterdir()] == [("one", b"1")]


def test_two_who_change_a_file_do_so_one_after_the_other(tmp_path: Path) -> None:
    file = tmp_path / "count"
    file.write_text("0")

    def count() -> None:
        for _ in range(20):
            with locked(tmp_path):
                number = int(file.read_text())
                time.sleep(0.001)
                write_whole(file, str(number + 1).encode())

    threads = [Thread(target=count) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert file.read_text() == "60"


def test_where_nobody_lets_go_of_a_lock_files_are_written_all_the_same(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("pytest_llm.data.whole_file._TRIES", 2)
    handle = os.open(tmp_path, os.O_RDONLY)
    fcntl.flock(handle, fcntl.LOCK_EX)
    with locked(tmp_path) as got:
        assert not got
        write_whole(tmp_path / "one", b"1")
    os.close(handle)
    assert [path.name for path in tmp_path.iterdir()] == ["one"]
