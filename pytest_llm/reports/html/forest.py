"""A value and its interval against the edge of its claim, as a row of a forest plot.

The edge is the line in the middle of every row, and what holds is on its right, whichever way the metric points; each row has a
scale of its own.
"""

from __future__ import annotations

import math
from dataclasses import dataclass

from pytest_llm.records.verdicts import Edge

WIDTH = 200
_MIDDLE, _REACH = WIDTH / 2, WIDTH / 2 - 8


@dataclass(frozen=True, slots=True)
class Forest:
    """Where things are, from left to right."""

    value: float
    low: float | None
    """The left end of the interval; None where there is no interval."""
    high: float | None
    open: bool
    """Whether an end of the interval is infinite, so that it goes on beyond the drawing."""


def forest(value: float, interval: tuple[float, float] | None, edge: Edge) -> Forest | None:
    """The row; None where a value is no number, so that nothing can be drawn."""
    if not (math.isfinite(value) and math.isfinite(edge.at)):
        return None
    sign = -1.0 if edge.side == "below" else 1.0
    away = sign * (value - edge.at)
    ends = sorted(sign * (end - edge.at) for end in interval or () if not math.isnan(end))
    finite = [abs(end) for end in (away, *ends) if math.isfinite(end)]
    reach = max(finite) or 1.0

    def at(distance: float) -> float:
        return round(_MIDDLE + _REACH * min(max(distance / reach, -1.08), 1.08), 1)

    low, high = (at(ends[0]), at(ends[1])) if len(ends) == 2 else (None, None)
    return Forest(at(away), low, high, open=len(finite) < 1 + len(ends))


def margin(value: float, edge: Edge) -> float:
    """How far a value is on the side that holds, as a share of the edge where that is not 0; for sorting."""
    away = edge.at - value if edge.side == "below" else value - edge.at
    return away / abs(edge.at) if edge.of == "value" and edge.at else away
