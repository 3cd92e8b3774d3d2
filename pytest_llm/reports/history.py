"""How the numbers of gates went from run to run, for a reader."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sequence

from pytest_llm.history.series import Point, Series
from pytest_llm.wording import counted, number, printable, signed

_BLOCKS = "▁▂▃▄▅▆▇█"
_LONGEST = 40
"""So many runs are drawn, the last ones."""


def lines(series: Series) -> Iterator[str]:
    """The gate, its course, and below it how much it changes a run, whether it drifts, and where it changed at once."""
    last, points = series.last, series.points
    of = ", ".join(filter(None, (printable(last.device), f"n = {last.n}")))
    yield f"{printable(last.test)}  {printable(last.metric)}  ({of})"
    first = points[0]
    limit = "" if last.limit is None else f", limit {number(last.limit)}"
    failed = sum(not point.gate.passed for point in points)
    failures = f", {failed} failed" if failed else ""
    when = _day(first) if len(points) == 1 else f"{_day(first)} to {_day(points[-1])}"
    yield (
        f"  {sparkline([point.gate.value for point in points])}  {number(first.gate.value)} → {number(last.value)}, "
        f"{counted(len(points), 'run')}, {when}{failures}{limit}"
    )
    yield from (f"  {title:<9} {text}" for title, text in findings(series))


def findings(series: Series) -> Iterator[tuple[str, str]]:
    """Pairs of a title and a line: changes, the slope, a drift, models that came after each other."""
    found, points = series.course, series.finite
    for change in found.changes:
        way = "worse" if series.is_worse(change.after - change.before) else "better"
        at = points[change.at]
        commit = f", commit {printable(at.run.commit)}" if at.run.commit else ""
        levels = f"{number(change.before)} → {number(change.after)}"
        yield "change", f"{way}: {levels} from {_day(at)} on{commit} (p = {change.p:.2g})"
    if len(points) > 1:
        since = f" since {_day(points[found.changes[-1].at])}" if found.changes else ""
        yield "per run", f"{signed(found.slope)} ({signed(found.low)} to {signed(found.high)}, 95 %){since}"
    if found.drifts:
        runs = points[found.changes[-1].at if found.changes else 0 :]
        way = "worse" if series.is_worse(found.slope) else "better"
        total = number(abs(found.slope) * (len(runs) - 1))
        unseen = "" if any(not point.gate.passed for point in runs) else ", and no run failed"
        yield "drift", f"{way} by {total} over {len(runs)} runs, step by step (p = {found.p:.2g}){unseen}"
    models = dict.fromkeys(point.gate.model for point in series.points)
    if len(models) > 1:
        yield "models", " → ".join(map(printable, list(models)[-2:]))


def sparkline(values: Sequence[float]) -> str:
    """A block for each of the last values, the higher the larger; a space where there is no number."""
    drawn = values[-_LONGEST:]
    finite = [value for value in drawn if math.isfinite(value)]
    low, span = (min(finite), max(finite) - min(finite)) if finite else (0.0, 0.0)
    top = len(_BLOCKS) - 1
    heights = (round((value - low) / span * top) if span else 0 for value in finite)
    blocks = iter([_BLOCKS[height] for height in heights])
    return "".join(next(blocks) if math.isfinite(value) else " " for value in drawn)


def _day(point: Point) -> str:
    return printable(point.run.date[:10])
