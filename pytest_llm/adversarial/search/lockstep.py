"""Attacks on many texts side by side: what they all want to know next is asked at once."""

from __future__ import annotations

from collections.abc import Callable, Generator, Sequence
from typing import Any, TypeAlias, TypeVar

from pytest_llm.adversarial.counter_example import Queries

T = TypeVar("T")

Asking: TypeAlias = Generator[Sequence[str], Sequence[float], T]
"""An attack on one text: it yields texts, is sent the loss of each, and returns what it found. Above 0 is broken."""
Asked: TypeAlias = tuple[int, str]
"""The number of the text that is attacked, and what it was edited to."""


class Scorer:
    """The losses of texts, each asked for once.

    Args:
        ask: gives loss and output (as plain values) of each of these.
    """

    def __init__(self, ask: Callable[[Sequence[Asked]], Sequence[tuple[float, Any]]]) -> None:
        self._ask = ask
        self._known: dict[Asked, tuple[float, Any]] = {}
        self._requested: dict[int, int] = {}
        self._executed: dict[int, int] = {}
        self._rounds: dict[int, int] = {}
        self._batches = 0

    def losses(self, asked: Sequence[Asked]) -> list[float]:
        """In one call of the model, unless all are known."""
        missing = [one for one in dict.fromkeys(asked) if one not in self._known]
        for place, _ in asked:
            self._requested[place] = self._requested.get(place, 0) + 1
        for place, _ in missing:
            self._executed[place] = self._executed.get(place, 0) + 1
        if missing:
            self._batches += 1
            for place in {place for place, _ in missing}:
                self._rounds[place] = self._rounds.get(place, 0) + 1
            self._known.update(zip(missing, self._ask(missing), strict=True))
        return [self._known[one][0] for one in asked]

    def known(self, place: int, text: str) -> tuple[float, Any]:
        """Loss and output of a text that was asked about."""
        return self._known[place, text]

    def queries(self, place: int) -> Queries:
        """What the attack on one text took."""
        return Queries(self._requested.get(place, 0), self._executed.get(place, 0), self._rounds.get(place, 0))

    @property
    def total(self) -> Queries:
        """What all attacks took together."""
        return Queries(sum(self._requested.values()), sum(self._executed.values()), self._batches)


def in_lockstep(attacks: Sequence[Asking[T]], scorer: Scorer) -> list[T]:
    """Run attacks to their ends; in each round the model is called once for all that are still under way.

    Returns:
        What each returned, in their order.
    """
    results: dict[int, T] = {}
    waiting: dict[int, Sequence[str]] = {}

    def go_on(place: int, losses: Sequence[float] | None) -> None:
        try:
            # a generator that has not begun takes nothing but None
            waiting[place] = next(attacks[place]) if losses is None else attacks[place].send(losses)
        except StopIteration as end:
            results[place] = end.value

    for place in range(len(attacks)):
        go_on(place, None)
    while waiting:
        asked, waiting = waiting, {}
        losses = iter(scorer.losses([(place, text) for place, texts in asked.items() for text in texts]))
        for place, texts in asked.items():
            go_on(place, [next(losses) for _ in texts])
    return [results[place] for place in range(len(attacks))]
