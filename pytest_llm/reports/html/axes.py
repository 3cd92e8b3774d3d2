"""From values to places in a drawing, and round numbers beside them."""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass

from pytest_llm.wording import number

_STEPS = (1, 2, 2.5, 5, 10)
_DECADES = 1.5
"""Over so many powers of ten the marks of a logarithmic axis are 1, 2 and 5 times these."""


@dataclass(frozen=True, slots=True)
class Tick:
    """A mark at an axis."""

    at: float
    label: str


@dataclass(frozen=True, slots=True)
class Axis:
    """Values from `low` to `high` on the stretch from `start` to `end`; logarithmic on request, of positive values."""

    low: float
    high: float
    start: float
    end: float
    log: bool = False

    @classmethod
    def over(cls, low: float, high: float, start: float, end: float, *, log: bool = False) -> Axis:
        """An axis with a little room at both ends; of one value alone, with that in the middle."""
        if log:
            room = (high / low) ** 0.04 if high > low else 2.0
            return cls(low / room, high * room, start, end, log=True)
        room = 0.04 * (high - low) if high > low else abs(high) / 2 or 1.0
        return cls(low - room, high + room, start, end)

    def at(self, value: float) -> float:
        """Where the value is; at the end of the axis if it is beyond."""
        low, high, value = (self._scaled(one) for one in (self.low, self.high, min(max(value, self.low), self.high)))
        return round(self.start + (value - low) / (high - low) * (self.end - self.start), 1)

    def holds(self, value: float) -> bool:
        return self.low <= value <= self.high

    def values(self, count: int) -> list[float]:
        """About so many round numbers."""
        return list(self._round(count))

    def ticks(self, count: int = 4) -> list[Tick]:
        """About so many marks at round numbers."""
        return [Tick(self.at(value), number(value)) for value in self.values(count)]

    def _scaled(self, value: float) -> float:
        return math.log(value) if self.log else value

    def _round(self, count: int) -> Iterator[float]:
        if self.log and math.log10(self.high / self.low) > _DECADES:
            yield from self._powers(count)
            return
        rough = (self.high - self.low) / count
        unit = 10.0 ** math.floor(math.log10(rough))
        step = unit * min(_STEPS, key=lambda times: abs(times - rough / unit))
        for times in range(math.ceil(self.low / step), math.floor(self.high / step) + 1):
            yield times * step

    def _powers(self, count: int) -> Iterator[float]:
        first, last = math.floor(math.log10(self.low)), math.ceil(math.log10(self.high))
        every = max(1, round((last - first) / count))
        for power in range(first, last + 1, every):
            for times in (1, 2, 5) if last - first < count - 1 else (1,):
                if self.holds(value := times * 10.0**power):
                    yield value
