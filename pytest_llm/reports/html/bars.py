"""Histograms, as the outlines of their bars."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np

from pytest_llm.judging.measurement import Measurement
from pytest_llm.records.verdicts import Edge
from pytest_llm.reports.html.axes import Axis, Tick
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.statistics.latency import QuantileEstimate, fewest_for, quantile
from pytest_llm.wording import number, signed

WIDTH, HEIGHT, LEFT, BOTTOM, TOP = 360, 154, 6, 24, 26
_FEWEST, _MOST = 8, 40
_SKEWED = 8
"""Where the largest value is so many times the median, a linear axis would show but one bar."""
_QUANTILES = (0.5, 0.9, 0.95, 0.99)


@dataclass(frozen=True, slots=True)
class Mark:
    """A line across the bars."""

    at: float
    label: str
    kind: str
    row: int = 0
    """In which row its label stands, so that two labels do not cover each other."""
    anchor: str = "start"


@dataclass(frozen=True, slots=True)
class Histogram:
    """How many values lie where."""

    paths: tuple[tuple[str, str], ...]
    """Pairs of a kind and the outlines of its bars."""
    ticks: list[Tick]
    marks: tuple[Mark, ...]
    most: int
    """How many values the highest bar stands for."""
    log: bool
    says: str
    """The same in words."""


def distribution(m: Measurement, edge: Edge | None) -> Histogram | None:
    """Of the values of single examples; None where they take two values at most, of which a bar says no more than a sum."""
    values = m.example_values[np.isfinite(m.example_values)]
    if len(np.unique(values)) <= 2:
        return None
    log = bool(values.min() > 0 and values.max() > _SKEWED * np.median(values))
    axis = Axis.over(float(values.min()), float(values.max()), LEFT, WIDTH - LEFT, log=log)
    marks = _times(values, axis) if isinstance(m.estimate, QuantileEstimate) else _value(m, axis)
    if edge is not None and edge.of == "value" and axis.holds(edge.at):
        marks.append(Mark(axis.at(edge.at), f"limit {number(edge.at)}", "edge"))
    paths, most = _outlines([("bar", values)], axis)
    return Histogram(paths, axis.ticks(5), _placed(marks), most, log, _said(values, len(m.example_values), m.row))


def changes(drops: FloatArray, *, log: bool) -> Histogram | None:
    """Of how much each example changed, better on the right; None where none did."""
    gains = -drops[np.isfinite(drops)]
    if log:
        with np.errstate(over="ignore"):
            gains = np.sign(gains) * 100 * np.expm1(np.abs(gains))
        gains = gains[np.isfinite(gains)]
    if not gains.any():
        return None
    axis = Axis.over(min(0.0, float(gains.min())), max(0.0, float(gains.max())), LEFT, WIDTH - LEFT)
    groups = [("worse", gains[gains < 0]), ("same", gains[gains == 0]), ("better", gains[gains > 0])]
    paths, most = _outlines(groups, axis, around_zero=True)
    unit = " %" if log else ""
    ticks = [Tick(axis.at(value), f"{'+' * (value > 0)}{signed(value)}{unit}") for value in axis.values(4)]
    marks = (Mark(axis.at(0.0), "", "zero"),)
    said = f"{len(groups[0][1])} worse, {len(groups[1][1])} the same, {len(groups[2][1])} better"
    return Histogram(paths, ticks, marks, most, log=False, says=said)


def _outlines(
    groups: Sequence[tuple[str, FloatArray]], axis: Axis, around_zero: bool = False
) -> tuple[tuple[tuple[str, str], ...], int]:
    """The bars of each group on shared bins; with `around_zero`, none of which has values on both sides of 0."""
    everything = np.concatenate([values for _, values in groups])
    bins = _bins(everything, axis, around_zero)
    counts = [np.histogram(np.log(values) if axis.log else values, bins)[0] for _, values in groups]
    most = int(np.sum(counts, axis=0).max())
    places = [axis.at(math.exp(end) if axis.log else end) for end in bins.tolist()]
    unit = (HEIGHT - BOTTOM - TOP) / most
    below = np.zeros(len(bins) - 1)
    paths = []
    for (kind, _), of_group in zip(groups, counts, strict=True):
        paths.append(
            (
                kind,
                "".join(
                    _bar(places, bar, below[bar] * unit, count * unit) for bar, count in enumerate(of_group) if count
                ),
            )
        )
        below += of_group
    return tuple((kind, path) for kind, path in paths if path), most


def _bar(places: Sequence[float], bar: int, below: float, height: float) -> str:
    left, width = places[bar], max(places[bar + 1] - places[bar] - 1, 1)
    return f"M{left:g} {HEIGHT - BOTTOM - below:.1f}v{-height:.1f}h{width:.1f}v{height:.1f}z"


def _bins(values: FloatArray, axis: Axis, around_zero: bool) -> FloatArray:
    scaled = np.log(values) if axis.log else values
    low, high = float(scaled.min()), float(scaled.max())
    found = len(np.histogram_bin_edges(scaled, "fd")) - 1 if high > low else 1
    count = min(max(found, _FEWEST), _MOST)
    if not around_zero:
        return np.asarray(np.linspace(low, high, count + 1), dtype=np.float64)
    width = max(high, 0.0) - min(low, 0.0)
    step = width / count
    return np.asarray(step * np.arange(math.floor(min(low, 0.0) / step), math.ceil(max(high, 0.0) / step) + 1))


def _times(values: FloatArray, axis: Axis) -> list[Mark]:
    """The quantiles that so many requests have."""
    given = [q for q in _QUANTILES if len(values) >= fewest_for(q)]
    return [Mark(axis.at(quantile(values, q)), f"p{100 * q:g} {number(quantile(values, q))} s", "value") for q in given]


def _value(m: Measurement, axis: Axis) -> list[Mark]:
    return [Mark(axis.at(m.value), f"in all {number(m.value)}", "value")] if axis.holds(m.value) else []


def _placed(marks: Sequence[Mark]) -> tuple[Mark, ...]:
    """The marks from left to right, with labels in turn on two rows, none of which leaves the drawing."""
    ordered = sorted(marks, key=lambda mark: mark.at)
    return tuple(
        Mark(mark.at, mark.label, mark.kind, row % 2, "end" if mark.at > WIDTH / 2 else "start")
        for row, mark in enumerate(ordered)
    )


def _said(values: FloatArray, count: int, row: str) -> str:
    quarter, median, three = np.quantile(values, [0.25, 0.5, 0.75])
    left = f", {count - len(values)} more without a number" if count > len(values) else ""
    return (
        f"{len(values)} {row}s from {number(float(values.min()))} to {number(float(values.max()))}, "
        f"half of them between {number(float(quarter))} and {number(float(three))}, median {number(float(median))}{left}"
    )
