"""Who is shown what: the items of a rater, their order, and which candidate comes first. All drawn from one seed.

A draw is a rank by SHA-256 of seed, purpose, rater and item, so that it is the same on every machine, and that items added
later leave the order of the others as it was.
"""

from __future__ import annotations

import hashlib
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_llm.errors import MisuseError


@dataclass(frozen=True, slots=True)
class Order:
    """How items are dealt."""

    ids: tuple[str, ...]
    seed: int = 0
    raters: tuple[str, ...] = ()
    """Who takes part, if that is known before; empty: whoever comes, and everybody gets all items."""
    overlap: int | None = None
    """So many items go to every rater, each other item to one. None: all go to all."""

    def __post_init__(self) -> None:
        if self.overlap is None:
            return
        if not self.raters:
            raise MisuseError(
                f"--overlap {self.overlap}: items are dealt among raters who are known: name them (--raters)"
            )
        if not 0 <= self.overlap <= len(self.ids):
            raise MisuseError(f"--overlap {self.overlap}: expected 0 to {len(self.ids)}, the number of items")

    def of(self, rater: str) -> tuple[str, ...]:
        """The ids of the items of one rater, in the order that this rater sees them in."""
        return tuple(self._drawn("order", self._dealt_to(rater), rater))

    def first_candidate_first(self, rater: str) -> frozenset[str]:
        """Of which items the first candidate is shown first: a random half, so that no side is favoured by chance."""
        drawn = self._drawn("side", self._dealt_to(rater), rater)
        odd = int(self._rank("odd", rater)[0], 16) % 2
        return frozenset(drawn[: (len(drawn) + odd) // 2])

    def _dealt_to(self, rater: str) -> Sequence[str]:
        if self.overlap is None:
            return self.ids
        drawn = self._drawn("deal", self.ids)
        alone = drawn[self.overlap :]
        return drawn[: self.overlap] + alone[self.raters.index(rater) :: len(self.raters)]

    def _drawn(self, purpose: str, ids: Sequence[str], rater: str = "") -> list[str]:
        return sorted(ids, key=lambda name: self._rank(purpose, rater, name))

    def _rank(self, *parts: str) -> str:
        return hashlib.sha256("\0".join([str(self.seed), *parts]).encode("utf-8", "surrogatepass")).hexdigest()
