"""Whether an id came before, in a stream of any length: 16 bytes an id."""

from __future__ import annotations

import hashlib
from typing import Any, TypeAlias

import numpy as np
from numpy.typing import NDArray

RECENT = 1024
"""So many ids are looked up at once among all that came before them."""

Repeated: TypeAlias = tuple[str, int, int]
"""An id, and the places where it came first and again, counted from 0."""


class SeenIds:
    """64 bits of a digest of each id, and its place: sorted arrays, each longer than the next.

    Two ids with the same 64 bits are taken for one: among a million that happens in one of 37 million data sets.
    """

    def __init__(self) -> None:
        self._sorted: list[tuple[NDArray[Any], NDArray[Any]]] = []
        self._recent: dict[str, int] = {}
        self._older = 0

    def add(self, own_id: str) -> Repeated | None:
        """Take the next id; the first repetition, as soon as it is seen, which is `RECENT` ids later at most."""
        place = self._older + len(self._recent)
        first = self._recent.setdefault(own_id, place)
        if first != place:
            return own_id, first, place
        return self.look_up() if len(self._recent) == RECENT else None

    def look_up(self) -> Repeated | None:
        """The first repetition among ids that were not looked up yet."""
        if not self._recent:
            return None
        names, count = list(self._recent), len(self._recent)
        ids = np.frombuffer(b"".join(map(_digest, names)), "<u8").astype(np.uint64)
        order = np.argsort(ids)
        ids, places = ids[order], self._older + order
        repeated: list[tuple[int, int]] = []
        for older, their_places in self._sorted:
            found = np.minimum(np.searchsorted(older, ids), len(older) - 1)
            same = older[found] == ids
            repeated += zip(places[same].tolist(), their_places[found[same]].tolist(), strict=True)
        self._keep(ids, places)
        self._recent = {}
        if repeated:
            again, first = min(repeated)
            return names[again - self._older], first, again
        self._older += count
        return None

    def _keep(self, ids: NDArray[Any], places: NDArray[Any]) -> None:
        """Merged with those that are no longer: each id is sorted as often as its number has binary digits."""
        while self._sorted and len(self._sorted[-1][0]) <= len(ids):
            more_ids, more_places = self._sorted.pop()
            ids, places = np.concatenate([more_ids, ids]), np.concatenate([more_places, places])
            order = np.argsort(ids)
            ids, places = ids[order], places[order]
        self._sorted.append((ids, places))


def _digest(own_id: str) -> bytes:
    return hashlib.blake2b(own_id.encode("utf-8", "surrogatepass"), digest_size=8).digest()
