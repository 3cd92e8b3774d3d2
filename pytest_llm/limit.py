"""The claim that a test makes about a number. Standard library only: markers check their limits at collection."""

from __future__ import annotations

import math
from dataclasses import dataclass
from numbers import Real
from typing import Literal

from pytest_llm.errors import MisuseError


@dataclass(frozen=True, slots=True)
class Limit:
    """The claim that a value is below, or above, a number; strictly."""

    side: Literal["below", "above"]
    value: float
    confidence: float | None = None
    """None: decide on this data as it is. 0.95: the claim must hold for text like this, proven at 95 %."""
    origin: str = "the assertion's limit"
    """Where the number stands, so that a failure can say what to change."""

    def __post_init__(self) -> None:
        if self.side not in ("below", "above"):
            raise MisuseError(f"side {self.side!r}: expected 'below' or 'above'")
        number = _finite(self.value)
        if number is None:
            raise MisuseError(f"limit {self.value!r:.40} ({type(self.value).__name__}): expected a finite number")
        object.__setattr__(self, "value", number)  # float64 from here on: a float32 limit would be compared in float32
        if self.confidence is not None and not 0.5 < (_finite(self.confidence) or 0) < 1:
            raise MisuseError(f"confidence={self.confidence!r}: expected None or a probability such as 0.95")

    @classmethod
    def below(cls, value: float, *, confidence: float | None = None) -> Limit:
        return cls("below", value, confidence)

    @classmethod
    def above(cls, value: float, *, confidence: float | None = None) -> Limit:
        return cls("above", value, confidence)

    def allows(self, value: float) -> bool:
        """Whether the value is on the right side. NaN is on neither."""
        return value < self.value if self.side == "below" else value > self.value


def _finite(value: object) -> float | None:
    """The number as a float, if it is one and finite."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
