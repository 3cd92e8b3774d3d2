"""Files that are written whole or not at all, and that several processes may write."""

from __future__ import annotations

import os
import secrets
import signal
import threading
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from contextvars import ContextVar
from pathlib import Path
from typing import Any

from pytest_llm.binding import bound

PART = ".pytest-llm.part"
"""What a file is called until it is whole. Who is killed leaves one in a folder at most, which the next writer removes."""
_TRIES, _PAUSE = 1000, 0.01
"""How often a lock is asked for, and seconds in between: ten, where writing a file takes milliseconds."""
_held: ContextVar[frozenset[str]] = ContextVar("pytest_llm_locked_folders", default=frozenset())


def write_whole(path: Path, content: bytes) -> None:
    """Atomically: whoever reads sees the old file or the new one. Folders that are missing are made.

    Raises:
        OSError: it could not be written; what was there is there still.
    """
    path.parent.mkdir(parents=True, exist_ok=True)
    with locked(path.parent) as alone:
        part = path.parent / (PART if alone else f"{PART}-{secrets.token_hex(4)}")
        if alone:
            part.unlink(missing_ok=True)
        try:
            with part.open("xb") as stream:
                stream.write(content)
                stream.flush()
                os.fsync(stream.fileno())
            os.replace(part, path)
        except BaseException:
            with suppress(OSError):  # of the two errors the first one says what is wrong
                part.unlink(missing_ok=True)
            raise


@contextmanager
def locked(folder: Path) -> Iterator[bool]:
    """Keep all others who ask from writing in a folder for the length of a `with` block, and say whether that is possible.

    The lock is one of the folder itself: there is no file that could be left behind, and the system lets go of it however the
    process ends. It is not possible on Windows, on some network file systems, and while a process is stopped in the midst of
    writing: then nobody waits, and of two who write one file the later one wins.
    """
    place = os.path.realpath(folder)
    if place in _held.get():
        yield True
        return
    with _lock(place) as got, bound(_held, _held.get() | {place} if got else _held.get()):
        yield got


@contextmanager
def _lock(folder: str) -> Iterator[bool]:
    try:
        import fcntl

        handle = os.open(folder, os.O_RDONLY)
    except (ImportError, OSError):
        yield False
        return
    try:
        yield _locked(handle)
        fcntl.flock(handle, fcntl.LOCK_UN)  # closing alone would leave it with a child that was forked meanwhile
    finally:
        os.close(handle)


def _locked(handle: int) -> bool:
    import fcntl

    for _ in range(_TRIES):  # no deadline: clocks may be set meanwhile
        try:
            fcntl.flock(handle, fcntl.LOCK_EX | fcntl.LOCK_NB)
            return True
        except BlockingIOError:
            time.sleep(_PAUSE)
        except OSError:  # locks are not for this file system
            return False
    return False


@contextmanager
def undisturbed() -> Iterator[None]:
    """Put Ctrl-C off until the end of a `with` block, for files that belong together. Threads are never hit by it."""
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    caught: list[tuple[Any, ...]] = []
    before = signal.signal(signal.SIGINT, lambda *arguments: caught.append(arguments))
    try:
        yield
    finally:
        signal.signal(signal.SIGINT, signal.SIG_DFL if before is None else before)
        if caught and callable(before):
            before(*caught[0])
