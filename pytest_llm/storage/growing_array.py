"""Numbers that come one after the other: in memory up to some bytes, and beyond them in an unnamed file.

The file goes with the process, however that ends. It is written and read by calls of the system, which say so where a disk is full;
a mapping that is written to would end the process there. No more is in memory than what is asked for.
"""

from __future__ import annotations

import math
import mmap
import tempfile
import weakref
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, Generic, Protocol, TypeVar

import numpy as np
from numpy.typing import NDArray

from pytest_llm.errors import MisuseError

MOST_IN_MEMORY = 4 * 2**20
"""Bytes of one array."""
AT_ONCE = 2**16
"""Rows of which a pass over all of them holds a copy."""

T = TypeVar("T", bound=np.generic)
T_co = TypeVar("T_co", bound=np.generic, covariant=True)


class Rows(Protocol[T_co]):
    """What can be read part by part: an array, or one that grows."""

    def __len__(self) -> int: ...
    def __getitem__(self, part: slice, /) -> NDArray[T_co]: ...


def parts(rows: Rows[T]) -> Iterator[NDArray[T]]:
    """All of them in order, some at a time."""
    return (rows[first : first + AT_ONCE] for first in range(0, len(rows), AT_ONCE))


def whole(rows: Rows[T]) -> NDArray[T]:
    """All of them as one array; see `GrowingArray.whole`."""
    return rows.whole() if isinstance(rows, GrowingArray) else rows[:]


class GrowingArray(Generic[T]):
    """Numbers, or rows of them: as the first ones are, so are all.

    Args:
        kind: of each number.
    """

    def __init__(self, kind: type[T]) -> None:
        self._kind: np.dtype[T] = np.dtype(kind)
        self._shape: tuple[int, ...] = ()
        self._row = self._kind.itemsize
        self._bytes = 0
        self._held = bytearray()  # grows in place, where a list of arrays would be copied in the end
        self._file: Any = None  # of io, unbuffered

    def __len__(self) -> int:
        return self._bytes // self._row

    def extend(self, rows: NDArray[T]) -> None:
        """Put rows behind the others.

        Raises:
            MisuseError: no folder for temporary files has room for them.
        """
        data = np.ascontiguousarray(rows, self._kind).tobytes()
        if not self._bytes:
            self._shape = rows.shape[1:]
            self._row = self._kind.itemsize * math.prod(self._shape)
        if self._file is None:
            self._held += data
            if len(self._held) > MOST_IN_MEMORY:
                with self._telling():
                    self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # it is closed with this
                weakref.finalize(self, self._file.close)
                self._write(0, self._held)
                self._held = bytearray()
        else:
            self._write(self._bytes, data)
        self._bytes += len(data)

    def __getitem__(self, part: slice) -> NDArray[T]:
        """A copy of the rows from one place to another."""
        first, end, _ = part.indices(len(self))
        first, size = first * self._row, max(end - first, 0) * self._row
        data = self._held[first : first + size] if self._file is None else self._read(first, size)
        return self._as_rows(data)

    def whole(self) -> NDArray[T]:
        """All rows as one array: a file is mapped, so that what is looked at is in memory, and only as long as there is room.

        Nothing can be put behind them as long as it is used.
        """
        if self._file is None:
            return self._as_rows(self._held)
        with self._telling():
            return self._as_rows(mmap.mmap(self._file.fileno(), self._bytes, access=mmap.ACCESS_READ))

    def _as_rows(self, data: bytearray | mmap.mmap) -> NDArray[T]:
        return np.frombuffer(data, self._kind).reshape(-1, *self._shape)

    def _write(self, first: int, data: bytes | bytearray) -> None:
        with self._telling():
            self._file.seek(first)
            rest = memoryview(data)
            while rest:
                written = self._file.write(rest)
                if not written:
                    raise OSError("nothing more could be written")
                rest = rest[written:]

    def _read(self, first: int, size: int) -> bytearray:
        data = bytearray(size)
        with self._telling():
            self._file.seek(first)
            rest = memoryview(data)
            while rest:
                read = self._file.readinto(rest)
                if not read:
                    raise OSError("it is shorter than what was written")
                rest = rest[read:]
        return data

    @contextmanager
    def _telling(self) -> Iterator[None]:
        """Say of an error of the system where it happened, and what helps."""
        try:
            yield
        except OSError as error:
            why = error.strerror or str(error)
            if tempfile.tempdir is None:  # none of the usual folders can be written to
                raise MisuseError(f"there is no folder for temporary files: {why}; let TMPDIR name one") from error
            raise MisuseError(
                f"the temporary file for what is kept of the examples cannot be used, in {tempfile.gettempdir()}: {why} "
                f"(after {self._bytes:,} bytes); make room there, or let TMPDIR name a folder with more"
            ) from error
