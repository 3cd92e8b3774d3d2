"""What is kept of the examples of a stream, packed: some 50 bytes an example, where objects would take ten times as many.

Beyond the first few megabytes they lie in an unnamed file, which goes with the process, however that ends.
"""

from __future__ import annotations

import json
import operator
import zlib
from collections.abc import Iterator, Sequence
from typing import Any, overload

import numpy as np

from pytest_llm.data.example import Example, StoredExample
from pytest_llm.storage.growing_array import GrowingArray

_PER_BLOCK = 1024
_SHOWN = 80
"""Characters of a text that are kept for reports."""
_FAST = 1
"""zlib's level: three times as fast as the usual one, and no larger by a tenth."""


class StoredExamples(Sequence[Example]):
    """Examples without their texts, of which one block at a time is unpacked. Going through them is cheap, jumping about is not."""

    def __init__(self) -> None:
        self._packed = GrowingArray(np.uint8)  # blocks, one behind the other
        self._ends = GrowingArray(np.int64)
        self._ends.extend(np.zeros(1, np.int64))
        self._blocks = 0
        self._last: list[list[Any]] = []
        self._whole: dict[int, Example] = {}
        self._unpacked: tuple[int, list[list[Any]]] = (-1, [])
        self.clustered = False
        """Whether one of them belongs to a cluster."""

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
        self.clustered |= example.cluster is not None
        if len(self._last) == _PER_BLOCK:
            block = zlib.compress(json.dumps(self._last).encode(), _FAST)
            self._packed.extend(np.frombuffer(block, np.uint8))
            self._ends.extend(np.array([len(self._packed)], np.int64))
            self._blocks += 1
            self._last = []

    def keep_whole(self, place: int, example: Example) -> None:
        """From now on the example of this place is this one, with its text and target."""
        self._whole[place] = example

    def __len__(self) -> int:
        return self._blocks * _PER_BLOCK + len(self._last)

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
        for block in range(self._blocks + 1):
            for place, row in enumerate(self._rows(block), block * _PER_BLOCK):
                yield self._example(place, row)

    def _rows(self, block: int) -> list[list[Any]]:
        if block == self._blocks:
            return self._last
        held, rows = self._unpacked
        if held != block:
            first, end = self._ends[block : block + 2].tolist()
            rows = json.loads(zlib.decompress(self._packed[first:end].tobytes()))
            self._unpacked = block, rows
        return rows

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


_NO_ROW: dict[str, Any] = {}
