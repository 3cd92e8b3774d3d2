"""Each example before and after, as points beside the diagonal, or as a table of four cells where it is right or wrong."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from pytest_llm.judging.measurement import Measurement
from pytest_llm.records.verdicts import Change
from pytest_llm.reports.html.axes import Axis, Tick
from pytest_llm.reports.html.characters import plain
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.wording import number

SIZE, LEFT, BOTTOM, TOP = 260, 44, 34, 8
MOST = 400
"""Points that are drawn: those that changed most, and of the others some in the order of the data."""
NAMED = 5
_SPREAD = 20
"""Where the largest value is so many times the smallest, logarithms are drawn."""


@dataclass(frozen=True, slots=True)
class Point:
    """A point with a name."""

    x: float
    y: float
    name: str


@dataclass(frozen=True, slots=True)
class Scatter:
    """Before, from left to right, and after, upwards."""

    paths: tuple[tuple[str, str], ...]
    """Pairs of a kind and its points."""
    named: tuple[Point, ...]
    """Those that lost most."""
    x: list[Tick]
    y: list[Tick]
    drawn: int
    count: int
    better: str
    """On which side of the diagonal it is better: "above" or "below"."""


@dataclass(frozen=True, slots=True)
class Flips:
    """How many examples were right or wrong, before and after."""

    kept: int
    lost: int
    gained: int
    missed: int


def drops_of(m: Measurement, change: Change) -> FloatArray:
    """How much worse each example is, as `Comparison.example_drops`."""
    own, other = m.example_values, change.example_values
    with np.errstate(divide="ignore", invalid="ignore"):
        moved = np.log(own) - np.log(other) if m.scale == "log" else own - other
    moved = np.where(own == other, 0.0, moved)
    return moved if m.lower_is_better else -moved


def flips(m: Measurement, change: Change) -> Flips | None:
    """The table, where every value is 0 or 1."""
    both = np.stack([change.example_values, m.example_values])
    if not np.isin(both, (0, 1)).all():
        return None
    good = both == (0 if m.lower_is_better else 1)
    before, after = good
    counts = (before & after, before & ~after, ~before & after, ~before & ~after)
    return Flips(*(int(count.sum()) for count in counts))


def scatter(m: Measurement, change: Change) -> Scatter | None:
    """The points; None where fewer than two have a value on both sides."""
    both = np.stack([change.example_values, m.example_values])
    places = np.flatnonzero(np.isfinite(both).all(axis=0))
    if len(places) < 2:
        return None
    drops = drops_of(m, change)
    low, high = float(both[:, places].min()), float(both[:, places].max())
    log = low > 0 and high > _SPREAD * low
    across = Axis.over(low, high, LEFT, SIZE - TOP, log=log)
    upwards = Axis.over(low, high, SIZE - BOTTOM, TOP, log=log)
    chosen = _chosen(places, drops)
    groups = (("same", drops == 0), ("better", drops < 0), ("worse", drops > 0))
    paths = [(kind, _dots(both[:, chosen[which[chosen]]], across, upwards)) for kind, which in groups]
    lost = [
        place for place in np.argsort(-np.nan_to_num(drops, nan=-np.inf), kind="stable")[:NAMED] if drops[place] > 0
    ]
    named = tuple(
        Point(across.at(both[0, place]), upwards.at(both[1, place]), _named(m, place, both)) for place in lost
    )
    better = "below" if m.lower_is_better else "above"
    return Scatter(
        tuple((kind, path) for kind, path in paths if path),
        named,
        across.ticks(),
        upwards.ticks(),
        len(chosen),
        m.n,
        better,
    )


def _chosen(
    places: np.ndarray[tuple[int], np.dtype[np.intp]], drops: FloatArray
) -> np.ndarray[tuple[int], np.dtype[np.intp]]:
    if len(places) <= MOST:
        return places
    order = places[np.argsort(-np.abs(drops[places]), kind="stable")]
    most, rest = order[: MOST // 2], np.sort(order[MOST // 2 :])
    return np.concatenate([most, rest[:: -(-len(rest) // (MOST // 2))]])


def _dots(pairs: FloatArray, across: Axis, upwards: Axis) -> str:
    return "".join(f"M{across.at(x):g} {upwards.at(y):g}h0" for x, y in pairs.T.tolist())


def _named(m: Measurement, place: int, both: FloatArray) -> str:
    before, after = (number(float(value)) for value in both[:, place])
    return f"{plain(m.examples[place].label)}: {before} → {after}"
