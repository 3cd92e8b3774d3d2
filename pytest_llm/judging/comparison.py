"""A measurement beside a baseline's statistics of the same examples: how much worse it is, in all and of each."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np

from pytest_llm.errors import MisuseError
from pytest_llm.judging.measurement import Measurement
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.statistics.paired import PairedChange, paired_change
from pytest_llm.statistics.repeats import Noise
from pytest_llm.stopping.watch import Stopped
from pytest_llm.tolerance import Amount
from pytest_llm.wording import number


@dataclass(frozen=True)
class Comparison:
    """A candidate's measurement beside the baseline's statistics of the same examples.

    Raises:
        MisuseError: a metric whose value is no function of summed statistics (a latency quantile, a peak of memory).
    """

    measurement: Measurement
    against: str
    """What it is compared with, as a sentence calls it: "baseline 'main'"."""
    statistics: FloatArray
    """`[examples, k]`: the baseline's, rows as in `measurement.statistics`."""
    origin: str = ""
    """Where the baseline comes from: model, day, commit."""
    notes: tuple[str, ...] = ()
    """What a reader has to know besides, such as the change since an older baseline."""
    accept: str = "record the new value"
    """What to do if the change is accepted; empty where no baseline is stored."""
    noise: Noise | None = None
    """Of runs of one model on these examples, if that is known."""
    aside: str = ""
    """Of what is worse, what was known and is set aside, and what the value is with and without it."""
    excused: bool = False
    """Whether all that is worse is known, so that no drop fails."""

    def __post_init__(self) -> None:
        if self.measurement.aggregate is None or self.measurement.value_of_each is None:
            raise MisuseError(
                f"{self.measurement.metric} is no function of sums over examples, so that no baseline of it can be compared; "
                f"for latencies there is assert_latency_no_regression"
            )

    @cached_property
    def value(self) -> float:
        """The baseline's value on these examples."""
        assert self.measurement.aggregate is not None
        return float(self.measurement.aggregate(self.statistics.sum(axis=0)))

    @cached_property
    def example_values(self) -> FloatArray:
        """The baseline's value of each example by itself."""
        assert self.measurement.value_of_each is not None
        return self.measurement.value_of_each(self.statistics)

    @property
    def is_log(self) -> bool:
        return self.measurement.scale == "log"

    @cached_property
    def drop(self) -> float:
        """How much worse, on these examples; see `PairedChange`."""
        return float(self._drops(np.array(self.measurement.value), np.array(self.value)))

    @cached_property
    def example_drops(self) -> FloatArray:
        """How much worse each example is by itself."""
        return self._drops(self.measurement.example_values, self.example_values)

    @cached_property
    def change(self) -> PairedChange | None:
        """The same for text like this."""
        m = self.measurement
        assert m.aggregate is not None
        return paired_change(
            m.statistics, self.statistics, m.aggregate, m.units, lower_is_better=m.lower_is_better, scale=m.scale
        )

    def _drops(self, own: FloatArray, other: FloatArray) -> FloatArray:
        with np.errstate(divide="ignore", invalid="ignore"):
            change = np.log(own) - np.log(other) if self.is_log else own - other
        change = np.where(own == other, 0.0, change)  # infinite on both sides is no change
        return change if self.measurement.lower_is_better else -change

    def worded(self, drop: float) -> str:
        """A drop as people say it: a share where errors are relative, else in the metric's own unit."""
        return worded_drop(drop, self.is_log)

    def reach(self, alpha: float) -> float | None:
        """The drop that noise alone exceeds, from run to run, with probability alpha; None where that is not known."""
        return None if self.noise is None else self.noise.reach(alpha, self.measurement.scale)

    def directed(self, drop: float) -> str:
        """A drop with its direction."""
        return f"{self.worded(drop)} {'worse' if drop > 0 else 'better'}"

    def between(self, stopped: Stopped) -> tuple[float, float]:
        """Between which drops the one of all of the data lies, where only a part was seen."""
        before = np.array(stopped.baseline)
        low, high = sorted(float(self._drops(np.array(end), before)) for end in (stopped.low, stopped.high))
        return low, high

    def as_drop(self, amount: Amount) -> float:
        """What is tolerated of the whole, on the scale of `drop`."""
        return amount.as_drop(self.value, self.measurement.lower_is_better, self.is_log)


def worded_drop(drop: float, is_log: bool) -> str:
    """As `Comparison.worded` says it."""
    if not is_log:
        return number(abs(drop))
    return f"{100 * math.expm1(abs(drop)):.3g} %" if abs(drop) < 50 else "beyond all measure"
