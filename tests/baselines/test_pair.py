"""Both files of a baseline, or none: also if whoever writes them is killed between any two of its steps."""

from __future__ import annotations

import errno
import hashlib
import json
import os
from collections.abc import Callable
from contextlib import nullcontext
from itertools import count
from pathlib import Path
from typing import Any

import pytest

from pytest_llm.baselines.pair import arrays_of, write_pair

STEPS = 3
"""The arrays under a name of their own, the JSON, the arrays' own name: each a call of `os.replace`."""


class Killed(BaseException):
    """No code behind it is run: nothing may catch it."""


def text_of(arrays: bytes) -> bytes:
    return json.dumps({"arrays": hashlib.sha256(arrays).hexdigest()}).encode()


def write(path: Path, arrays: bytes) -> None:
    write_pair(path, text_of(arrays), arrays)


def stored(path: Path) -> bytes:
    """The arrays that the JSON names."""
    arrays = arrays_of(path, json.loads(path.read_bytes())["arrays"]).read_bytes()
    assert text_of(arrays) == path.read_bytes()
    return arrays


@pytest.fixture
def path(tmp_path: Path) -> Path:
    path = tmp_path / "main" / "test_it.perplexity@cpu.json"
    write(path, b"old")
    return path


def at_step(monkeypatch: pytest.MonkeyPatch, number: int, error: BaseException) -> Callable[[], None]:
    """Raise it in the place of step `number`; undone by what is returned."""
    real, steps = os.replace, count()

    def replace(*arguments: Any) -> None:
        if next(steps) == number:
            raise error
        real(*arguments)

    monkeypatch.setattr("os.replace", replace)
    return lambda: monkeypatch.setattr("os.replace", real)


@pytest.mark.parametrize("step", range(STEPS))
@pytest.mark.parametrize("next_one", [None, b"new", b"newer"])
def test_who_is_killed_leaves_the_old_or_the_new_one(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: int, next_one: bytes | None
) -> None:
    alive = at_step(monkeypatch, step, Killed())
    with pytest.raises(Killed):
        write(path, b"new")
    alive()
    if next_one is None:
        assert stored(path) == (b"new" if step == 2 else b"old")
    else:
        write(path, next_one)
        assert stored(path) == next_one
        assert sorted(file.name for file in path.parent.iterdir()) == [path.name, path.with_suffix(".npz").name]


@pytest.mark.parametrize("step", range(STEPS + 1))
def test_the_next_one_who_is_killed_loses_nothing_either(
    path: Path, monkeypatch: pytest.MonkeyPatch, step: int
) -> None:
    """Its first step is to give the arrays of the one before their name."""
    for killed_at, arrays in ((STEPS - 1, b"new"), (step, b"newer")):
        alive = at_step(monkeypatch, killed_at, Killed())
        with pytest.raises(Killed):
            write(path, arrays)
        alive()
    assert stored(path) == (b"newer" if step == STEPS else b"new")


@pytest.mark.parametrize("step", range(STEPS))
def test_what_cannot_be_written_leaves_a_pair(path: Path, monkeypatch: pytest.MonkeyPatch, step: int) -> None:
    alive = at_step(monkeypatch, step, OSError(errno.ENOSPC, "No space left on device"))
    with nullcontext() if step == 2 else pytest.raises(OSError, match="No space left"):
        write(path, b"new")
    alive()
    assert stored(path) == (b"new" if step == 2 else b"old")
    assert sorted(file.name for file in path.parent.iterdir()) == [path.name, path.with_suffix(".npz").name]


def test_arrays_without_end_do_not_wait_for_anybody(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    alive = at_step(monkeypatch, 2, Killed())
    with pytest.raises(Killed):
        write(path, b"new")
    alive()
    (waiting,) = path.parent.glob(".*.arrays")
    waiting.unlink()
    waiting.symlink_to("/dev/zero")
    with pytest.raises(ValueError, match=r"\.arrays: it is no regular file"):
        stored(path)
    write(path, b"newer")
    assert stored(path) == b"newer"


def test_where_nothing_may_be_written_arrays_are_read_under_their_other_name(
    path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_step(monkeypatch, 2, Killed())
    with pytest.raises(Killed):
        write(path, b"new")
    monkeypatch.setattr("os.replace", lambda *_: (_ for _ in ()).throw(OSError(errno.EROFS, "Read-only file system")))
    assert stored(path) == b"new"
    assert path.with_suffix(".npz").read_bytes() == b"old"
