"""A part of the data for a quick run (`--llm-limit`, or a tier): the same examples each time, whatever their order.

An example is in the part if the hash of its id is among the smallest, so that the same ids are drawn again when rows are added
or moved, and a larger part contains a smaller one.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from contextlib import AbstractContextManager
from contextvars import ContextVar
from dataclasses import dataclass

from pytest_llm.binding import bound
from pytest_llm.errors import MisuseError


@dataclass(frozen=True, slots=True)
class Sample:
    """How much of each data set is used."""

    size: int | float
    """A whole number of examples, or a share between 0 and 1."""
    seed: int = 0
    origin: str = "--llm-limit"
    """Who says so."""

    def places(self, ids: Sequence[str]) -> list[int]:
        """Where the chosen ones stand, in order."""
        count = self.size if isinstance(self.size, int) else max(1, round(self.size * len(ids)))
        if count >= len(ids):
            return list(range(len(ids)))
        order = sorted(range(len(ids)), key=lambda place: self.rank(ids[place]))
        return sorted(order[:count])

    def rank(self, own_id: str) -> bytes:
        """The smaller, the sooner the example of this id is drawn."""
        return hashlib.sha256(f"{self.seed}:{own_id}".encode("utf-8", "surrogatepass")).digest()


def parse_sample(text: str, seed: int = 0) -> Sample:
    """From "50", "0.1" or "10%".

    Raises:
        MisuseError: none of these, or outside its range.
    """
    size: int | float
    try:
        size = float(text[:-1]) / 100 if text.endswith("%") else int(text) if text.isdecimal() else float(text)
    except ValueError:
        size = 0
    if not (size >= 1 if isinstance(size, int) else 0 < size < 1):
        raise MisuseError(f"{text!r}: expected a number of examples such as 50, or a share such as 0.1 or 10%")
    return Sample(size, seed)


_current: ContextVar[Sample | None] = ContextVar("pytest_llm_sample", default=None)


def sampling(sample: Sample | None) -> AbstractContextManager[None]:
    """Bind how much data is used, for the length of a `with` block; None: all of it."""
    return bound(_current, sample)


def current_sample() -> Sample | None:
    """How much of each data set is used now; None: all of it."""
    return _current.get()


def described_part(data: str, used: int, left_out: int) -> str:
    """How reports call data of which only a part is used, and who says so."""
    if not left_out:
        return data
    sample = _current.get() or Sample(used)
    return f"{data} ({used} of {used + left_out} examples: {sample.origin})"


def drawn(ids: Sequence[str]) -> list[int]:
    """Where the examples stand that are used now."""
    sample = _current.get()
    return list(range(len(ids))) if sample is None else sample.places(ids)
