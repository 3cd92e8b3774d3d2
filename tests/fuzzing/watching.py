"""Reading one input while it is watched what that takes, and what comes of it.

A finding is an error that is none of those a reader may raise; a message that is long, holds control characters or does not say
which file it is about; more than five seconds of the processor, or two gigabytes; another file, a socket or a process; and, where
there is a writer, a value that is not read again as it was written.
"""

from __future__ import annotations

import atexit
import os
import resource
import shutil
import signal
import sys
import tempfile
import time
import unicodedata
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any

from tests.fuzzing.parser import Parser

SECONDS = 5.0
"""Of the processor: a machine that does something else besides is no hang."""
MEMORY = 2 * 2**30
"""Bytes beyond what the process has."""
LONGEST_MESSAGE = 4_000
MEMORY_DISK = "/dev/shm" if Path("/dev/shm").is_dir() else None
"""The folder for inputs: thousands are written a second."""
_LOOKED_UP = (".py", ".pyc", ".so", ".pyd")
"""Endings of what is opened where a module is imported in a branch that no seed takes."""
_NEVER = (
    "socket.connect",
    "socket.getaddrinfo",
    "subprocess.Popen",
    "os.system",
    "os.exec",
    "os.posix_spawn",
    "pickle.find_class",
)


class FindingError(AssertionError):
    """What a reader did with an input that it must not do."""


class _Hang(BaseException):
    """No `except Exception` may swallow it."""


@dataclass(frozen=True)
class _Place:
    path: Path
    """Of the input."""
    folder: Path
    """All that may be touched."""
    memory: int
    """Bytes of address space."""


def examine(parser: Parser, data: bytes) -> None:
    """Read the input, and what is made of it.

    Raises:
        FindingError: the reader did what no reader may; its cause says where.
    """
    place = _place(parser)
    place.path.write_bytes(data)
    try:
        with _watched(place):
            value = parser.read(place.path)
    except parser.allowed as error:
        _refuse_bad_message(parser, place, error)
        return
    except FindingError:
        raise
    except (Exception, _Hang) as error:
        raise FindingError(f"{type(error).__name__}: {str(error)[:300]!r}") from error
    if parser.write is not None:
        _refuse_another_value(parser, place.path, value)


@cache
def _place(parser: Parser) -> _Place:
    """Where a parser's inputs are put, with all that has to lie beside them; all seeds are read, so that modules are imported."""
    outer = Path(tempfile.mkdtemp(prefix="fuzzing-", dir=MEMORY_DISK)).resolve()
    atexit.register(shutil.rmtree, outer, ignore_errors=True)
    folder = outer / "input"
    path = folder / parser.file
    for name, content in parser.beside().items():
        beside = folder / name
        beside.parent.mkdir(parents=True, exist_ok=True)
        beside.write_bytes(content)
    path.parent.mkdir(parents=True, exist_ok=True)
    for seed in parser.seeds():
        path.write_bytes(seed)
        parser.read(path)
    statm = Path("/proc/self/statm")
    if not statm.exists():
        return _Place(path, folder, resource.RLIM_INFINITY)  # a Mac
    return _Place(path, folder, int(statm.read_text().split()[0]) * resource.getpagesize() + MEMORY)


def _refuse_bad_message(parser: Parser, place: _Place, error: Exception) -> None:
    said = str(error)
    if len(said) > LONGEST_MESSAGE:
        raise FindingError(f"a message of {len(said)} characters: {said[:200]!r}…") from error
    if odd := {one for one in said if not (one.isprintable() or unicodedata.category(one) == "Zs")}:
        raise FindingError(f"characters {sorted(odd)[:9]!r} in the message {said[:300]!r}") from error
    if parser.names_file and not any(name in said for name in (place.path.name, place.folder.name)):
        raise FindingError(f"the message does not say which file it is about: {said[:300]!r}") from error


def _refuse_another_value(parser: Parser, path: Path, value: Any) -> None:
    assert parser.write is not None
    try:
        path.write_bytes(parser.write(value))
        again = parser.read(path)
    except Exception as error:
        raise FindingError(f"what was read cannot be written and read again: {error!r:.300}") from error
    if repr(again) != repr(value):  # of values that may hold NaN
        raise FindingError(f"written as {path.read_bytes()[:300]!r}, it is read as another value")


@contextmanager
def _watched(place: _Place) -> Iterator[None]:
    _hook()
    _touched.clear()
    began = time.process_time()
    before = signal.signal(signal.SIGVTALRM, _stop)
    soft, hard = resource.getrlimit(resource.RLIMIT_AS)
    resource.setrlimit(resource.RLIMIT_AS, (place.memory, hard))
    signal.setitimer(signal.ITIMER_VIRTUAL, SECONDS)
    _watching[0] = str(place.folder)
    try:
        yield
    finally:
        _watching[0] = None
        signal.setitimer(signal.ITIMER_VIRTUAL, 0)
        resource.setrlimit(resource.RLIMIT_AS, (soft, hard))
        signal.signal(signal.SIGVTALRM, before)
    if _touched:
        raise FindingError(f"it touched {_touched[0]}")
    if time.process_time() - began > SECONDS:
        raise FindingError(f"it took {time.process_time() - began:.1f} s of the processor")


def _stop(number: int, frame: Any) -> None:
    raise _Hang(f"more than {SECONDS:g} s of the processor")


_watching: list[str | None] = [None]
_touched: list[str] = []


@cache
def _hook() -> None:
    sys.addaudithook(_heard)  # for good: it can only be added, so it does nothing while nothing is watched


def _heard(event: str, arguments: tuple[Any, ...]) -> None:
    folder = _watching[0]
    if folder is None:
        return
    if event in _NEVER:
        _touched.append(f"{event}{arguments!r:.200}")
    elif event == "open" and isinstance(arguments[0], str | bytes):
        name = os.path.abspath(os.fsdecode(arguments[0]))
        if not name.endswith(_LOOKED_UP) and not name.startswith(folder):
            _touched.append(f"the file {name!r:.200}")
