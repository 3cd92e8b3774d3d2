"""A gate's value over the runs that were stored, with the points at which it changed."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

from pytest_llm.history.series import Point, Series
from pytest_llm.reports.history import findings
from pytest_llm.reports.html.axes import Axis, Tick
from pytest_llm.wording import number

WIDTH, HEIGHT, LEFT, RIGHT, BOTTOM, TOP = 520, 130, 56, 12, 22, 10
MOST_RUNS = 100
"""The last ones."""
MOST_SERIES = 50


@dataclass(frozen=True, slots=True)
class Trend:
    """A drawing of it."""

    test: str
    metric: str
    line: str
    band: str
    """The outline of the intervals; empty where a run has none."""
    points: tuple[tuple[float, float, str], ...]
    changes: tuple[tuple[float, str, bool], ...]
    """Where it changed, with what, and whether for the worse."""
    limit: float | None
    """Where the last run's limit is, if it is within the drawing."""
    ticks: list[Tick]
    first: str
    last: str
    findings: tuple[tuple[str, str], ...]


def trends(history: Sequence[Series]) -> tuple[list[Trend], int]:
    """The drawings, those first whose last run failed, and of how many gates more there is a history."""
    told = [series for series in history if len(series.finite) > 1]
    told.sort(key=lambda series: series.last.passed)
    return [trend(series) for series in told[:MOST_SERIES]], max(0, len(told) - MOST_SERIES)


def trend(series: Series) -> Trend:
    """The drawing of what has at least two numbers."""
    left_out = max(0, len(series.finite) - MOST_RUNS)
    runs = series.finite[left_out:]
    ends = [end for point in runs for end in _ends(point)]
    upwards = Axis.over(min(ends), max(ends), HEIGHT - BOTTOM, TOP)
    across = Axis.over(0, len(runs) - 1, LEFT, WIDTH - RIGHT)
    points = tuple((across.at(place), upwards.at(one.gate.value), _named(one)) for place, one in enumerate(runs))
    limit = series.last.limit
    return Trend(
        test=series.last.test,
        metric=series.last.metric,
        line="M" + "L".join(f"{x:g} {y:g}" for x, y, _ in points),
        band=_band(runs, across, upwards),
        points=points,
        changes=tuple(
            (
                across.at(found.at - left_out - 0.5),
                _when(series.finite[found.at]),
                series.is_worse(found.after - found.before),
            )
            for found in series.course.changes
            if found.at > left_out
        ),
        limit=upwards.at(limit) if limit is not None and upwards.holds(limit) else None,
        ticks=upwards.ticks(3),
        first=_when(runs[0]),
        last=_when(runs[-1]),
        findings=tuple(findings(series)),
    )


def _ends(point: Point) -> list[float]:
    gate = point.gate
    return [end for end in (gate.value, gate.low, gate.high) if end is not None and math.isfinite(end)]


def _band(runs: Sequence[Point], across: Axis, upwards: Axis) -> str:
    lower, upper = [], []
    for place, point in enumerate(runs):
        low, high = point.gate.low, point.gate.high
        if low is None or high is None:
            return ""
        lower.append(f"{across.at(place):g} {upwards.at(low):g}")
        upper.append(f"{across.at(place):g} {upwards.at(high):g}")
    return "M" + "L".join([*lower, *reversed(upper)]) + "z"


def _named(point: Point) -> str:
    return f"{_when(point)}: {number(point.gate.value)}"


def _when(point: Point) -> str:
    return " ".join(filter(None, (point.run.date[:10], point.run.commit[:7])))
