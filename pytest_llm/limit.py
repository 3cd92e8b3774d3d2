"""The claim that a test makes about a number. Standard library only: markers check their limits at collection."""

from __future__ import annotations

import math
from contextlib import suppress
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
    alpha: float | None = None
    """0.01: the value is a change, and the number what is tolerated of it; fail only if chance does as much to an unchanged
    model less often than this."""
    unchanged: float = 1.0
    """With alpha: the value of no change, such as the ratio 1."""
    gates: int = 1
    """Among how many gates alpha is shared."""

    def __post_init__(self) -> None:
        if self.side not in ("below", "above"):
            raise MisuseError(f"side {self.side!r}: expected 'below' or 'above'")
        number = _finite(self.value)
        if number is None:
            raise MisuseError(f"limit {self.value!r:.40} ({type(self.value).__name__}): expected a finite number")
        object.__setattr__(self, "value", number)  # float64 from here on: a float32 limit would be compared in float32
        if self.confidence is not None and not 0.5 < (_finite(self.confidence) or 0) < 1:
            raise MisuseError(f"confidence={self.confidence!r}: expected None or a probability such as 0.95")
        if self.alpha is not None and not 0 < (_finite(self.alpha) or 0) < 0.5:
            raise MisuseError(f"alpha={self.alpha!r}: expected None or a small probability such as 0.01")
        if self.alpha is not None and self.confidence is not None:
            raise MisuseError("alpha and confidence ask for two kinds of proof: give one of them")

    @classmethod
    def below(cls, value: float, *, confidence: float | None = None) -> Limit:
        return cls("below", value, confidence)

    @classmethod
    def above(cls, value: float, *, confidence: float | None = None) -> Limit:
        return cls("above", value, confidence)

    def allows(self, value: float) -> bool:
        """Whether the value is on the right side. NaN is on neither."""
        return value < self.value if self.side == "below" else value > self.value


def parse_share(name: str, amount: str | float) -> float:
    """0.05 of "5%", "5 %" or 0.05.

    Raises:
        MisuseError: not a share of at least 0.
    """
    number: float | None = None
    if isinstance(amount, str):
        text = amount.strip()
        with suppress(ValueError):
            number = float(text[:-1]) / 100 if text.endswith("%") else float(text)
    else:
        number = amount
    share = _finite(number)
    if share is None or share < 0:
        raise MisuseError(f"{name}={amount!r}: expected a share such as '5%' or 0.05")
    return share


def _finite(value: object) -> float | None:
    """The number as a float, if it is one and finite."""
    if isinstance(value, bool) or not isinstance(value, Real):
        return None
    try:
        number = float(value)
    except OverflowError:
        return None
    return number if math.isfinite(number) else None
