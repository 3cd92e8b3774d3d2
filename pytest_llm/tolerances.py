"""Tolerances that stand on a test instead of in it: the marker `llm_no_regression`, checked after the test's body."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING

from pytest_llm.errors import MisuseError
from pytest_llm.metrics import METRICS, closest, default_tolerance
from pytest_llm.tolerance import Estimand, Inconclusive, Tolerance, parse_amount

if TYPE_CHECKING:
    from pytest_llm.baselines.shelf import Shelf
    from pytest_llm.judging.verdict import Verdict
    from pytest_llm.recording import Recorder


@dataclass(frozen=True, slots=True)
class NoRegression:
    """What one `llm_no_regression` marker asks for."""

    metric: str
    tolerance: Tolerance
    baseline: str


def no_regression(
    metric: str,
    *,
    tolerance: str | float | None,
    alpha: float,
    estimand: Estimand,
    baseline: str,
    max_example_drop: str | float | None,
    detect: str | float | None,
    on_inconclusive: Inconclusive,
) -> NoRegression:
    """Check a marker's arguments.

    Raises:
        MisuseError: no such metric, or a setting that makes no sense.
    """
    if metric not in METRICS:
        raise MisuseError(f"no metric is called {metric!r}; {closest(str(metric), METRICS)}")
    given = default_tolerance(metric) if tolerance is None else tolerance
    claim = Tolerance(
        parse_amount("tolerance", given),
        alpha,
        estimand,
        None if max_example_drop is None else parse_amount("max_example_drop", max_example_drop),
        None if detect is None else parse_amount("detect", detect),
        on_inconclusive,
        origin="the llm_no_regression marker",
    )
    return NoRegression(metric, claim, baseline)


def check_changes(asked: Sequence[NoRegression], recorder: Recorder, shelf: Shelf) -> Iterator[Verdict]:
    """Judge what the test measured of each metric against its baseline; of markers on one metric the nearest holds.

    Raises:
        MisuseError: after all that was measured: a metric that was not, so there is nothing that could pass.
    """
    from pytest_llm.baselines.comparing import judge_stored

    nearest = {one.metric: one for one in asked}
    for one in nearest.values():
        tolerance = shelf.asks(one.tolerance)
        for measurement in [m for m in recorder.measurements if m.metric == one.metric]:
            yield judge_stored(measurement, tolerance, shelf, name=one.baseline)
    measured = {measurement.metric for measurement in recorder.measurements}
    if vanished := [metric for metric in nearest if metric not in measured]:
        raise MisuseError(
            f"never compared: {', '.join(vanished)}; the test's body did not measure it: measure it there, for example with "
            f"llm_measure"
        )
