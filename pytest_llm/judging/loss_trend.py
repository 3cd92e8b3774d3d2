"""What is said of a loss that should fall: `judge_losses` is the only place where it does, or does not.

Losses of batches are noisy: that the last is below the first says little, and a spike at the end would undo it. So all pairs are
looked at (`statistics/trend.py`): a loss falls if a series whose order is chance falls as clearly less often than alpha. That
is what a model that does not learn shows, on batches drawn anew; on one batch its loss stays the same, or rises.

A fall alone is cheap: a head that begins badly calibrated learns how frequent each target is, whatever stands before it. So a level
can be asked for, too, below which the median of the last third of the steps has to be.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import pairwise
from statistics import median

import numpy as np

from pytest_llm.data.example import Example, identity
from pytest_llm.data.provenance import Provenance
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.verdict import Outcome, Verdict
from pytest_llm.statistics.trend import Trend, falling_trend
from pytest_llm.wording import distinct, number

SIGNATURE = "loss_trend|test:Mann-Kendall, one-sided|slope:Theil-Sen"
REMEDY = (
    "look for a learning rate of the wrong sign or size, parameters without gradient (assert_gradients_reach_everything) or "
    "unknown to the optimizer, targets of other inputs; or take more steps"
)


@dataclass(frozen=True, slots=True)
class LossVerdict(Verdict):
    """What is said of the trend of losses."""

    alpha: float
    level: float | None
    """Below which the last third has to be."""
    trend: Trend | None
    """None where a loss is no number."""

    @property
    def held_to(self) -> str:
        level = "" if self.level is None else f" to below {number(self.level)}"
        return f"falling (p below {number(self.alpha)}){level}"

    def evidence(self) -> Iterator[tuple[str, str]]:
        """The course of the loss, the rule, and what to look at."""
        losses = self.measurement.example_values.tolist()
        third = _third(losses)
        for rank, (begin, end) in enumerate(pairwise((0, third, len(losses) - third, len(losses)))):
            yield (
                "" if rank else "loss",
                f"{number(median(losses[begin:end])):>9}  median of steps {begin + 1} to {end}",
            )
        if self.trend is not None:
            yield "slope", f"{number(self.trend.slope)} a step, the median over all pairs of steps"
        yield "signature", self.measurement.signature
        if not self.passed:
            yield "to mend", REMEDY


def _third(losses: Sequence[float]) -> int:
    """How many steps the last third of a run has."""
    return max(1, len(losses) // 3)


def judge_losses(losses: Sequence[float], alpha: float, level: float | None = None) -> LossVerdict:
    """PASSED if the losses of a run fall with p < alpha, to below the level; ERROR if one is no finite number; else FAILED."""
    broken = next((step for step, loss in enumerate(losses) if not math.isfinite(loss)), None)
    if broken is not None:
        sentence = f"the loss cannot be told to fall: it is {losses[broken]} at step {broken + 1} of {len(losses)}"
        return LossVerdict(Outcome.ERROR, sentence, _slope(losses, math.nan), alpha, level, None)
    trend = falling_trend(losses)
    m = _slope(losses, trend.slope)
    falls = trend.p < alpha
    if len(set(losses)) == 1:
        course = f"it is {number(losses[0])} at all {len(losses)} steps"
    else:
        course = (
            f"{number(trend.slope)} a step over {len(losses)} steps, from {number(losses[0])} to {number(losses[-1])}"
        )
    compared = f"p = {trend.p:.2g}, {'below' if falls else 'not below'} {number(alpha)}"
    said = "the loss falls" if falls else "the loss does not fall"
    reached = median(losses[-_third(losses) :])
    if falls and level is not None and not reached < level:
        value, stated = distinct(reached, level)
        said = f"the loss falls, but not below {stated}: it is {value} in the last third of its steps"
        return LossVerdict(Outcome.FAILED, f"{said}, {number(reached - level)} too much", m, alpha, level, trend)
    outcome = Outcome.PASSED if falls else Outcome.FAILED
    return LossVerdict(outcome, f"{said}: {course} ({compared})", m, alpha, level, trend)


def _slope(losses: Sequence[float], slope: float) -> Measurement:
    return loss_measurement(losses, "loss_slope", slope, SIGNATURE)


def loss_measurement(losses: Sequence[float], metric: str, value: float, signature: str) -> Measurement:
    """A number about a run's losses, a row for each step."""
    steps = [f"step {step + 1}" for step in range(len(losses))]
    return Measurement(
        metric=metric,
        value=value,
        lower_is_better=True,
        estimate=None,
        examples=tuple(Example(identity(step), "", step) for step in steps),
        statistics=np.ones((len(losses), 1)),
        example_values=np.array(losses, dtype=np.float64),
        counts="steps",
        signature=signature,
        data="a run given in the test",
        provenance=Provenance("a training run"),
        row="step",
        without_interval="a run is one",
        remedy="find the step whose loss is no number: assert_gradients_finite names the parameter",
    )
