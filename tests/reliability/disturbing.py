"""What is done to a run from within, before pytest begins: each is named in a request to `forking`."""

from __future__ import annotations

import datetime
import errno
import os
import pwd
import resource
import signal
import sys
import time
from collections.abc import Callable, Sequence
from itertools import cycle
from typing import Any

_WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT
_OPERATIONS = ("os.rename", "os.remove", "os.chmod", "os.mkdir", "os.link", "shutil.rmtree")


def _of_files(event: str, arguments: tuple[Any, ...], folder: str) -> bool:
    """Whether a file of the project is about to be made, opened to be written, named, or removed."""
    if event == "open":
        path, mode, flags = arguments
        writes = bool(set(mode) & set("wax+")) if isinstance(mode, str) else bool(flags & _WRITING)
    elif event == "sqlite3.connect":
        (path,), writes = arguments, True
    elif event in _OPERATIONS:
        path, writes = arguments[1 if event == "os.rename" else 0], True
    else:
        return False
    return writes and not isinstance(path, int) and os.path.abspath(os.fsdecode(path)).startswith(folder)


def _counting(act: Callable[[int, str], None]) -> None:
    """Call this with the number of each file operation and its name, before it is done."""
    folder, done = f"{os.getcwd()}{os.sep}", 0

    def listen(event: str, arguments: tuple[Any, ...]) -> None:
        nonlocal done
        if _of_files(event, arguments, folder):
            done += 1
            act(done, event)

    sys.addaudithook(listen)


def killed_at(number: int) -> None:
    """SIGKILL before file operation `number`."""

    def act(done: int, event: str) -> None:
        if done == number:
            os.kill(os.getpid(), signal.SIGKILL)

    _counting(act)


def refused_at(number: int, name: str, times: int) -> None:
    """So many file operations from `number` on fail with an error such as ENOSPC."""

    def act(done: int, event: str) -> None:
        if number <= done < number + times:
            code = getattr(errno, name)
            raise OSError(code, os.strerror(code))

    _counting(act)


def counted(file: str) -> None:
    """Note each file operation in a file outside of the project."""
    handle = os.open(file, os.O_WRONLY | os.O_CREAT | os.O_TRUNC)

    def act(done: int, event: str) -> None:
        os.write(handle, f"{event}\n".encode())

    _counting(act)


def limited(most_bytes: int) -> None:
    """No file may become larger: `write` fails in the midst of one, as on a full disk."""
    resource.setrlimit(resource.RLIMIT_FSIZE, (most_bytes, most_bytes))


def clocks_jump(seconds: Sequence[float]) -> None:
    """All clocks are set by so many seconds each time that one of this package's modules looks at them, in turn."""
    jumps = cycle(seconds)
    ahead = 0.0

    def jumped() -> float:
        nonlocal ahead
        ahead += next(jumps)
        return ahead

    def jumping(clock: Callable[[], float]) -> Callable[[], float]:
        return lambda: clock() + jumped()

    class Jumping(datetime.datetime):
        @classmethod
        def now(cls, tz: datetime.tzinfo | None = None) -> Any:
            return super().now(tz) + datetime.timedelta(seconds=jumped())

    clocks = {getattr(time, name): jumping(getattr(time, name)) for name in ("time", "monotonic", "perf_counter")}
    for name, module in list(sys.modules.items()):
        if name == "time" or name.startswith("pytest_llm."):
            for attribute, value in list(vars(module).items()):
                if callable(value) and value in clocks:
                    setattr(module, attribute, clocks[value])
    datetime.datetime = Jumping  # type: ignore[misc]


def slow(seconds: float) -> None:
    """The model takes so long for a text."""
    os.environ["SECONDS"] = str(seconds)


def closed(descriptor: int) -> None:
    os.close(descriptor)


def read_up_to(text: str) -> None:
    """What is printed goes into a pipe, whose reader leaves when it has read this."""
    reading, writing = os.pipe()
    if not os.fork():
        os.close(writing)
        found = b""
        while text.encode() not in found and (more := os.read(reading, 1000)):
            found += more
        os._exit(0)
    os.close(reading)
    os.dup2(writing, 1)


def home(how: str) -> None:
    """No HOME; one in which nothing can be made; a user of whom the system knows none."""
    os.environ.pop("HOME", None)
    if how == "unset":
        os.environ["HOME"] = os.path.join(os.getcwd(), "cache")
    if how == "unwritable":
        os.environ["HOME"] = "/dev/null"
    if how == "of nobody":

        def unknown(user: int) -> None:
            raise KeyError(user)

        pwd.getpwuid = unknown  # type: ignore[assignment]


def without_folder() -> None:
    """The current folder is removed when the first file of the run gets its name; Python names what it compiles too."""
    folder = os.getcwd()

    def act(event: str, arguments: tuple[Any, ...]) -> None:
        if event == "os.rename" and ".pyc" not in str(arguments[1]) and os.path.exists(folder):
            os.rmdir(folder)

    sys.addaudithook(act)
