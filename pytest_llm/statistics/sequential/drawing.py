"""The order in which units are drawn: seeded, and the same whatever order they came in."""

from __future__ import annotations

import hashlib
import math
from collections.abc import Sequence

import numpy as np

from pytest_llm.statistics.jackknife import FloatArray

_BITS = 53


def draw(names: Sequence[str], sizes: FloatArray, seed: str) -> list[int]:
    """Where the units stand, in order of drawing: each next one with probability proportional to its size among those left.

    A unit's place is decided by a waiting time, exponential with its size as the rate (Efraimidis & Spirakis 2006), that is
    made of the seed and its name alone.

    Args:
        names: of the units, unique.
        sizes: positive.
        seed: any text.
    """
    waits = np.array([-math.log(_uniform(f"{seed}\n{name}")) for name in names]) / sizes
    return sorted(range(len(names)), key=lambda place: (waits[place], names[place]))


def left_before(sizes: FloatArray, total: float) -> FloatArray:
    """How much size was left before each draw."""
    return total - np.concatenate([[0.0], np.cumsum(sizes)[:-1]])


def _uniform(text: str) -> float:
    """A number strictly between 0 and 1."""
    digest = hashlib.sha256(text.encode("utf-8", "surrogatepass")).digest()
    return float(((int.from_bytes(digest[:8], "big") >> (64 - _BITS)) + 0.5) / 2**_BITS)
