"""What is tolerated of a change. Standard library only: markers check their tolerances at collection."""

from __future__ import annotations

import math
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pytest_llm.errors import MisuseError

Estimand: TypeAlias = Literal["population", "dataset"]
"""What a gate decides about: text like this data, or this data alone."""
Inconclusive: TypeAlias = Literal["warn", "fail", "skip", "xfail"]
"""What becomes of a drop that exceeds the tolerance but may be chance."""

_ESTIMANDS = ("population", "dataset")
_INCONCLUSIVE = ("warn", "fail", "skip", "xfail")


@dataclass(frozen=True, slots=True)
class Amount:
    """How much worse a metric may get: a share of the baseline's value, or so much in the metric's own unit."""

    number: float
    relative: bool

    def __str__(self) -> str:
        return f"{100 * self.number:g} %" if self.relative else f"{self.number:g}"

    def worst(self, value: float, lower_is_better: bool) -> float:
        """The worst value that is tolerated after `value`."""
        change = self.number * abs(value) if self.relative else self.number
        return value + change if lower_is_better else value - change

    def as_drop(self, value: float, lower_is_better: bool, log: bool) -> float:
        """The same on the scale of `PairedChange.drop`."""
        worst = self.worst(value, lower_is_better)
        if not log:
            return abs(worst - value)
        return abs(math.log(worst / value)) if worst > 0 else math.inf


def parse_amount(name: str, given: str | float) -> Amount:
    """From "1%" (of the baseline's value), "1pp" (0.01, for shares), or a number in the metric's own unit.

    Raises:
        MisuseError: none of these, negative, or not finite.
    """
    text = given.replace(" ", "") if isinstance(given, str) else None
    try:
        if text is None:
            amount = Amount(float("nan") if isinstance(given, bool) else float(given), relative=False)
        elif text.endswith("%"):
            amount = Amount(float(text[:-1]) / 100, relative=True)
        else:
            amount = Amount(float(text[:-2]) / 100 if text.endswith("pp") else float(text), relative=False)
    except (TypeError, ValueError, OverflowError):
        amount = Amount(math.nan, relative=False)
    if not (math.isfinite(amount.number) and amount.number >= 0):
        raise MisuseError(
            f"{name}={given!r}: expected a share of the baseline's value such as '1%', percentage points such as '1pp', "
            f"or a number in the metric's own unit"
        )
    return amount


def check_alpha(alpha: float) -> None:
    """Refuse what is no small probability.

    Raises:
        MisuseError: it is none.
    """
    if isinstance(alpha, bool) or not isinstance(alpha, float) or not 0 < alpha < 0.5:
        raise MisuseError(f"alpha={alpha!r}: expected a small probability such as 0.01")


@dataclass(frozen=True, slots=True)
class Tolerance:
    """When a change counts as a regression."""

    amount: Amount
    alpha: float = 0.01
    """How often an unchanged model may fail."""
    estimand: Estimand = "population"
    max_example_drop: Amount | None = None
    """How much worse a single example may get, each measured by itself; None: any amount."""
    detect: Amount | None = None
    """The drop that should be caught, for the advice on how many documents that takes; None: twice the tolerance."""
    on_inconclusive: Inconclusive = "warn"
    strict: bool = False
    """Proof is asked for: what may be worse than tolerated fails, as a non-inferiority test does."""
    origin: str = "the assertion's tolerance"
    gates: int = 1
    """Among how many gates alpha is shared."""

    @property
    def level(self) -> float:
        """This gate's share of alpha (Bonferroni's): what p has to be below."""
        return self.alpha / self.gates

    @property
    def stated_alpha(self) -> str:
        """Alpha, for a sentence."""
        return f"alpha {self.alpha:g}" + (f" shared by {self.gates} gates" if self.gates > 1 else "")

    def __post_init__(self) -> None:
        check_alpha(self.alpha)
        if self.estimand not in _ESTIMANDS:
            raise MisuseError(
                f"estimand={self.estimand!r}: expected 'population' (text like this) or 'dataset' (this text)"
            )
        if self.on_inconclusive not in _INCONCLUSIVE:
            raise MisuseError(f"on_inconclusive={self.on_inconclusive!r}: expected one of {', '.join(_INCONCLUSIVE)}")
