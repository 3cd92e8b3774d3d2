"""Files that are written whole or not at all."""

from __future__ import annotations

import signal
from pathlib import Path
from threading import Thread

import pytest

from pytest_llm.data.whole_file import undisturbed, write_whole


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
