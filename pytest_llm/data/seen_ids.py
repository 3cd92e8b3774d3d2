"""Whether an id came before, in a stream of any length: 16 bytes an id, beyond some megabytes in files."""

from __future__ import annotations

import hashlib
from collections.abc import Iterator
from typing import TypeAlias

import numpy as np
from numpy.typing import NDArray

from pytest_llm.storage.growing_array import AT_ONCE, GrowingArray, parts

RECENT = 1024
"""So many ids are looked up at once among all that came before them."""

Repeated: TypeAlias = tuple[str, int, int]
"""An id, and the places where it came first and again, counted from 0."""
Digests: TypeAlias = NDArray[np.uint64]


class SeenIds:
    """64 bits of a digest of each id: in sorted arrays, each longer than the next (a log-structured merge tree), and in order.

    Two ids with the same 64 bits are taken for one: among a million that happens in one of 37 million data sets.
    """

    def __init__(self) -> None:
        self._sorted: list[Digests] = []
        self._in_order = GrowingArray(np.uint64)  # read only to say where a repeated one came first
        self._recent: dict[str, int] = {}
        self._older = 0

    def add(self, own_id: str) -> Repeated | None:
        """Take the next id; the first repetition, as soon as it is seen, which is `RECENT` ids later at most."""
        place = self._older + len(self._recent)
        first = self._recent.setdefault(own_id, place)
        if first != place:
            return self.look_up() or (own_id, first, place)  # one of the recent ones may have come long before
        return self.look_up() if len(self._recent) == RECENT else None

    def look_up(self) -> Repeated | None:
        """The first repetition among ids that were not looked up yet."""
        if not self._recent:
            return None
        names = list(self._recent)
        ids = np.frombuffer(b"".join(map(_digest, names)), "<u8").astype(np.uint64)
        in_order, ids = ids, np.sort(ids)
        repeated = np.concatenate([ids[:0], *(_common(run, ids) for run in self._sorted)])
        if len(repeated):
            again = int(np.flatnonzero(np.isin(in_order, repeated))[0])
            return names[again], self._first_place(in_order[again]), self._older + again
        self._in_order.extend(in_order)
        # each is sorted as often as its number has binary digits
        while self._sorted and len(self._sorted[-1]) <= len(ids):
            ids = _merged(self._sorted.pop(), ids)
        self._sorted.append(ids)
        self._recent = {}
        self._older += len(names)
        return None

    def _first_place(self, wanted: np.uint64) -> int:
        before = 0
        for part in parts(self._in_order):
            if len(there := np.flatnonzero(part == wanted)):
                return before + int(there[0])
            before += len(part)
        raise AssertionError("an id that is among the sorted ones came at some place")


def _digest(own_id: str) -> bytes:
    return hashlib.blake2b(own_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()


def _common(run: Digests, ids: Digests) -> Digests:
    """Those of the ids that are in the run; both are sorted."""
    found = np.minimum(np.searchsorted(run, ids), len(run) - 1)
    common: Digests = ids[run[found] == ids]
    return common


def _merged(one: Digests, other: Digests) -> Digests:
    """The numbers of two sorted arrays, sorted."""
    made = GrowingArray(np.uint64)
    for part in _in_turn(one, other):
        made.extend(part)
    return made.whole()


def _in_turn(one: Digests, other: Digests) -> Iterator[Digests]:
    """The same, part after part: of each array at most `AT_ONCE` numbers, up to where the sooner of these two ends."""
    while len(one) and len(other):
        reach = min(one[:AT_ONCE][-1], other[:AT_ONCE][-1])
        ours, theirs = (int(np.searchsorted(array[:AT_ONCE], reach, "right")) for array in (one, other))
        yield np.sort(np.concatenate([one[:ours], other[:theirs]]), kind="stable")  # two runs are merged, not sorted
        one, other = one[ours:], other[theirs:]
    yield from parts(one)
    yield from parts(other)
