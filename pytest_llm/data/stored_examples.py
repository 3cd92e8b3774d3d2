"""What is kept of the examples of a stream, packed: some 50 bytes an example, where objects would take ten times as many.

Beyond the first few megabytes they lie in an unnamed file, which goes with the process, however that ends; where there is no room
for one, in memory.
"""

from __future__ import annotations

import json
import logging
import math
import operator
import os
import tempfile
import weakref
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, NamedTuple, overload

from pytest_llm.data.example import Example, StoredExample

logger = logging.getLogger(__name__)

_PER_BLOCK = 1024
_SHOWN = 80
"""Characters of a text that are kept for reports."""
_MOST_IN_MEMORY = 8 * 2**20
"""Bytes of packed examples."""
_FAST = 1
"""zlib's level: three times as fast as the usual one, and no larger by a tenth."""


class StoredExamples(Sequence[Example]):
    """Examples without their texts, of which one block at a time is unpacked. Going through them is cheap, jumping about is not."""

    def __init__(self) -> None:
        self._blocks: list[bytes | _Written] = []
        self._in_memory, self._most = 0, float(_MOST_IN_MEMORY)
        self._file: Any = None  # of io, unbuffered
        self._last: list[list[Any]] = []
        self._whole: dict[int, Example] = {}
        self._unpacked: tuple[int, list[list[Any]]] = (-1, [])

    def append(self, example: Example) -> None:
        """Keep what a report and a baseline need of an example: its id, label, cluster, content's hash, and how its text begins."""
        place, content = len(self), example.content
        self._last.append(
            [
                example.id,
                None if content == example.id else content,
                None if example.label == f"#{place}" else example.label,
                example.cluster,
                example.text[:_SHOWN],
            ]
        )
        if len(self._last) == _PER_BLOCK:
            self._keep(zlib.compress(json.dumps(self._last).encode(), _FAST))
            self._last = []

    def _keep(self, block: bytes) -> None:
        self._blocks.append(block)
        self._in_memory += len(block)
        if self._in_memory > self._most:
            try:
                self._write()
            except OSError as error:
                logger.info("packed examples stay in memory: %s", error)
                self._most = math.inf

    def _write(self) -> None:
        if self._file is None:
            self._file = tempfile.TemporaryFile(buffering=0)  # noqa: SIM115  # it is closed with this
            weakref.finalize(self, self._file.close)
        for place, block in enumerate(self._blocks):
            if isinstance(block, bytes):
                first = self._file.seek(0, os.SEEK_END)
                if self._file.write(block) < len(block):
                    raise OSError("the disk is full")
                self._blocks[place] = _Written(first, len(block))
                self._in_memory -= len(block)

    def keep_whole(self, place: int, example: Example) -> None:
        """From now on the example of this place is this one, with its text and target."""
        self._whole[place] = example

    def __len__(self) -> int:
        return len(self._blocks) * _PER_BLOCK + len(self._last)

    @overload
    def __getitem__(self, place: int) -> Example: ...
    @overload
    def __getitem__(self, place: slice) -> Sequence[Example]: ...
    def __getitem__(self, place: int | slice) -> Example | Sequence[Example]:
        if isinstance(place, slice):
            return tuple(self[one] for one in range(*place.indices(len(self))))
        index = operator.index(place)
        index += len(self) if index < 0 else 0
        if not 0 <= index < len(self):
            raise IndexError(f"example {place} of {len(self)}")
        return self._example(index, self._rows(index // _PER_BLOCK)[index % _PER_BLOCK])

    def __iter__(self) -> Iterator[Example]:
        for block in range(len(self._blocks) + 1):
            for place, row in enumerate(self._rows(block), block * _PER_BLOCK):
                yield self._example(place, row)

    def _rows(self, block: int) -> list[list[Any]]:
        if block == len(self._blocks):
            return self._last
        held, rows = self._unpacked
        if held != block:
            rows = json.loads(zlib.decompress(self._packed(block)))
            self._unpacked = block, rows
        return rows

    def _packed(self, number: int) -> bytes:
        block = self._blocks[number]
        if isinstance(block, bytes):
            return block
        self._file.seek(block.first)
        packed: bytes = self._file.read(block.size)
        return packed

    def _example(self, place: int, row: list[Any]) -> Example:
        if place in self._whole:
            return self._whole[place]
        own_id, content, label, cluster, text = row
        return StoredExample(
            own_id,
            text,
            f"#{place}" if label is None else label,
            cluster,
            content=own_id if content is None else content,
            row=_NO_ROW,
        )


class _Written(NamedTuple):
    """Where a block lies in the file."""

    first: int
    size: int


_NO_ROW: dict[str, Any] = {}
