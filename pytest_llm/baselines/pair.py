"""The two files of a baseline, which belong together at each moment, whatever becomes of the process that writes them.

    .<hash>.arrays      1. the new arrays, under a name of their own
    <name>.json         2. names the arrays by their checksum: from here on the new baseline is the one that is stored
    <name>.npz          3. the arrays get their name

Who is killed before 2 leaves the old baseline, and behind it the new one: its arrays are found under either name.
"""

from __future__ import annotations

import hashlib
import os
from contextlib import suppress
from pathlib import Path

from pytest_llm.data.whole_file import locked, undisturbed, write_whole
from pytest_llm.storage.strict_json import parsed, read_bounded

MOST_BYTES = 2**30
"""A larger one is no baseline that anybody would commit, and too much for the report of a test to carry."""


def write_pair(path: Path, text: bytes, arrays: bytes) -> None:
    """Write a JSON and the arrays beside it: both, also if Ctrl-C is pressed meanwhile, or none.

    Raises:
        OSError: they could not be written; what was there is there still.
    """
    waiting = _waiting(path)
    path.parent.mkdir(parents=True, exist_ok=True)
    with undisturbed(), locked(path.parent):
        if waiting.exists():
            with suppress(OSError, ValueError, KeyError, TypeError):  # of a JSON that is damaged nothing can be said
                arrays_of(path, parsed(content_of(path))["arrays"])
        try:
            write_whole(waiting, arrays)
            write_whole(path, text)
        except Exception:
            with suppress(OSError):
                waiting.unlink()
            raise
        with suppress(OSError):  # it is stored: the next reader tries again
            os.replace(waiting, path.with_suffix(".npz"))


def arrays_of(path: Path, checksum: str) -> Path:
    """Where the arrays are that a JSON names; they are given their name, if a process was killed before it did.

    Raises:
        OSError, ValueError: what waits there cannot be read, or is larger than any arrays.
    """
    waiting, arrays = _waiting(path), path.with_suffix(".npz")
    if not waiting.exists():
        return arrays
    with locked(path.parent):
        if hashlib.sha256(content_of(waiting)).hexdigest() != checksum:
            return arrays
        with suppress(OSError):  # where nothing may be written, they are read where they are
            os.replace(waiting, arrays)
            return arrays
    return waiting


def content_of(path: Path) -> bytes:
    """The bytes of one of the files.

    Raises:
        OSError: it cannot be read.
        ValueError: it is larger than `MOST_BYTES`, or no regular file.
    """
    try:
        return read_bounded(path, MOST_BYTES)
    except ValueError as error:
        raise ValueError(f"{path.name}: {error}") from None


def _waiting(path: Path) -> Path:
    return path.with_name(f".{hashlib.sha256(path.stem.encode('utf-8', 'surrogatepass')).hexdigest()[:16]}.arrays")
