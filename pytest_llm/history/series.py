"""From sessions to a gate's course: the same number, of the same data, asked in the same way, run after run."""

from __future__ import annotations

import math
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property

from pytest_llm.history.run import GateResult, Run
from pytest_llm.statistics.course import Change, Course, course


@dataclass(frozen=True, slots=True)
class Point:
    """A gate in one run."""

    run: Run
    gate: GateResult


@dataclass(frozen=True)
class Series:
    """A gate in all runs that had it, in the order of time."""

    points: tuple[Point, ...]

    @property
    def last(self) -> GateResult:
        return self.points[-1].gate

    @cached_property
    def finite(self) -> tuple[Point, ...]:
        """The runs that gave a number."""
        return tuple(point for point in self.points if math.isfinite(point.gate.value))

    @cached_property
    def course(self) -> Course:
        """What the numbers show; its changes are at places of `finite`."""
        return course([point.gate.value for point in self.finite])

    def is_worse(self, difference: float) -> bool:
        """Whether a value that moves so gets worse."""
        return difference > 0 if self.last.lower_is_better else difference < 0

    @property
    def drifts_for_the_worse(self) -> bool:
        return self.course.drifts and self.is_worse(self.course.slope)

    @property
    def changed_for_the_worse(self) -> Change | None:
        """The last change, if what came after it is worse."""
        change = self.course.changes[-1] if self.course.changes else None
        return change if change is not None and self.is_worse(change.after - change.before) else None


def series_of(runs: Sequence[Run], *, metric: str | None = None, test: str | None = None) -> list[Series]:
    """The series of all gates that the runs have, by test and metric.

    Where a test holds a metric more than once, the first of one run goes with the first of the next.

    Args:
        runs: in the order of time.
        metric: of this one only.
        test: of tests whose ids contain this.
    """
    found: dict[tuple[object, ...], list[Point]] = {}
    for run in runs:
        seen: Counter[tuple[str, ...]] = Counter()
        for gate in run.gates:
            if (metric is None or gate.metric == metric) and (test is None or test in gate.test):
                found.setdefault((*gate.key, seen[gate.key]), []).append(Point(run, gate))
                seen[gate.key] += 1
    series = [Series(tuple(points)) for points in found.values()]
    return sorted(series, key=lambda one: (one.last.test, one.last.metric))
