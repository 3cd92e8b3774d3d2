"""Where things are drawn."""

from __future__ import annotations

import math
import re
from dataclasses import replace
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm.data.example import Example
from pytest_llm.data.provenance import Provenance
from pytest_llm.history.series import series_of
from pytest_llm.inference.measure import _measured
from pytest_llm.metrics.efficiency import Latency, RequestTimes
from pytest_llm.records.verdicts import Change, Edge
from pytest_llm.reports.html import bars, pairs
from pytest_llm.reports.html.axes import Axis
from pytest_llm.reports.html.bars import changes, distribution
from pytest_llm.reports.html.forest import WIDTH, forest, margin
from pytest_llm.reports.html.pairs import MOST, Flips, flips, scatter
from pytest_llm.reports.html.trend import MOST_RUNS, trend
from tests.reports.html.runs import measured
from tests.simulated_history import nights

FINITE = st.floats(-1e12, 1e12)
POSITIVE = st.floats(1e-12, 1e12)


@given(st.lists(FINITE, min_size=1, max_size=9), st.booleans())
def test_an_axis_keeps_the_order_and_its_ends(values: list[float], log: bool) -> None:
    values = sorted(abs(value) + 1e-6 for value in values) if log else sorted(values)
    axis = Axis.over(values[0], values[-1], 10, 110, log=log)
    places = [axis.at(value) for value in values]
    assert places == sorted(places)
    assert all(10 <= place <= 110 for place in places)
    ticks = axis.ticks()
    assert all(10 <= tick.at <= 110 for tick in ticks)
    assert len(ticks) <= 12


@pytest.mark.parametrize(
    ("low", "high", "log", "labels"),
    [
        (0, 10, False, ["0", "2.5", "5", "7.5", "10"]),
        (15, 20, False, ["15", "16", "17", "18", "19", "20"]),
        (1, 1000, True, ["1", "10", "100", "1000"]),
        (0.02, 0.03, True, ["0.02", "0.0225", "0.025", "0.0275", "0.03"]),
    ],
)
def test_ticks_are_round_numbers(low: float, high: float, log: bool, labels: list[str]) -> None:
    assert [tick.label for tick in Axis.over(low, high, 0, 100, log=log).ticks()] == labels


@given(FINITE, FINITE, FINITE, st.floats(0, 1e6), st.sampled_from(["below", "above"]))
def test_what_holds_is_drawn_on_the_right(value: float, edge: float, shift: float, width: float, side: Any) -> None:
    claim = Edge("value", side, edge)
    row = forest(value, (value - width, value + width), claim)
    assert row is not None
    holds = value < edge if side == "below" else value > edge
    assert row.value >= WIDTH / 2 if holds else row.value <= WIDTH / 2
    assert row.low is not None
    assert row.high is not None
    assert 0 <= row.low <= row.value <= row.high <= WIDTH
    assert (margin(value, claim) > 0) == holds


def test_an_interval_without_end_is_open_and_a_value_that_is_none_is_not_drawn() -> None:
    row = forest(1.0, (0.5, math.inf), Edge("value", "below", 2.0))
    assert row is not None
    assert row.open
    assert row.low is not None
    assert row.low < WIDTH / 2 < row.value
    assert forest(math.nan, None, Edge("value", "below", 2.0)) is None


def bars_of(path: str) -> list[float]:
    """The heights of bars."""
    return [float(height) for height in re.findall(r"v-([\d.]+)", path)]


def test_a_histogram_holds_each_value_once() -> None:
    m = measured(1, n=200)
    drawn = distribution(m, Edge("value", "below", 10.0))
    assert drawn is not None
    unit = (bars.HEIGHT - bars.BOTTOM - bars.TOP) / drawn.most
    assert sum(bars_of(drawn.paths[0][1])) == pytest.approx(200 * unit, rel=0.01)
    assert [mark.kind for mark in drawn.marks] == ["value", "edge"] or [mark.kind for mark in drawn.marks] == [
        "edge",
        "value",
    ]
    median = float(np.median(m.example_values))
    assert f"median {median:.4g}" in drawn.says
    assert drawn.says.startswith("200 examples from ")


def test_values_without_a_number_are_counted_and_two_kinds_of_values_not_drawn() -> None:
    m = measured(1, n=10)
    values = m.example_values.copy()
    values[3] = math.nan
    drawn = distribution(replace(m, example_values=values), None)
    assert drawn is not None
    assert drawn.says.endswith("1 more without a number")
    assert distribution(replace(m, example_values=np.array([0.0, 1.0] * 5)), None) is None


def test_requests_are_drawn_with_the_quantiles_that_so_many_have() -> None:
    times = np.random.default_rng(0).lognormal(-2, 1.5, 30)
    examples = tuple(Example(str(n), "text", str(n)) for n in range(30))
    requests = [RequestTimes(time * np.ones(1), time * np.ones(1), time * np.ones(1), np.zeros(1)) for time in times]
    m = _measured(Latency("latency", 0.95), examples, requests, "latency", "prompts", 0, Provenance("a model"))
    drawn = distribution(m, Edge("value", "below", 1e6))
    assert drawn is not None
    assert drawn.log
    assert [mark.label.split()[0] for mark in drawn.marks] == ["p50", "p90", "p95"]
    assert f"p95 {m.value:.4g} s" in [mark.label for mark in drawn.marks]


def test_changes_are_counted_on_their_side() -> None:
    drawn = changes(np.array([2.0, 1.0, 0.0, -0.5, np.nan, np.inf]), log=False)
    assert drawn is not None
    assert drawn.says == "2 worse, 1 the same, 1 better"
    (zero,) = drawn.marks
    sides = {kind: [float(x) for x in re.findall(r"M([\d.]+)", path)] for kind, path in drawn.paths}
    assert max(sides["worse"]) < zero.at <= min(sides["better"])
    assert changes(np.zeros(3), log=False) is None


def test_relative_changes_are_shown_in_per_cent() -> None:
    drawn = changes(np.array([math.log(1.1), -math.log(1.2)]), log=True)
    assert drawn is not None
    assert {"−10 %", "0 %", "+10 %", "+20 %"} <= {tick.label for tick in drawn.ticks}


def change(values: list[float]) -> Change:
    return Change("the reference", "", 0.0, np.array(values), 0.0, None)


def test_points_lie_above_the_diagonal_where_values_rose() -> None:
    m = replace(measured(1, n=4), example_values=np.array([1.0, 2.0, 3.0, math.nan]))
    drawn = scatter(m, change([2.0, 2.0, 1.0, 1.0]))
    assert drawn is not None
    assert (drawn.drawn, drawn.count, drawn.better) == (3, 4, "below")
    assert [kind for kind, _ in drawn.paths] == ["same", "better", "worse"]
    assert [point.name for point in drawn.named] == ["#2: 1 → 3"]
    (point,) = drawn.named
    assert point.x - pairs.LEFT < pairs.SIZE - pairs.BOTTOM - point.y


def test_of_many_points_those_that_changed_most_are_drawn() -> None:
    m = measured(1, n=5000)
    before = m.example_values - np.where(np.arange(5000) == 4321, 50.0, np.random.default_rng(2).normal(0, 1, 5000))
    drawn = scatter(m, change(before.tolist()))
    assert drawn is not None
    assert drawn.drawn <= MOST
    assert drawn.named[0].name.startswith("#4321: ")
    assert sum(len(path) for _, path in drawn.paths) < 8000


def test_right_and_wrong_make_a_table() -> None:
    m = replace(measured(1, n=5), lower_is_better=False, example_values=np.array([1.0, 0, 1, 0, 1]))
    assert flips(m, change([1.0, 1, 0, 0, 1])) == Flips(kept=2, lost=1, gained=1, missed=1)
    assert flips(m, change([1.0, 1, 0, 0.5, 1])) is None


def test_a_trend_shows_intervals_the_limit_and_where_it_changed() -> None:
    (series,) = series_of(nights([5.0, 5.1, 4.9, 5.0, 5.1, math.nan, 9.0, 9.1, 8.9, 9.0, 9.1, 9.0], limit=9.5))
    drawn = trend(series)
    assert len(drawn.points) == 11
    assert drawn.points[0][1] > drawn.points[-1][1]  # upwards on the page
    ((at, name, worse),) = drawn.changes
    assert drawn.points[4][0] < at < drawn.points[5][0]
    assert (name, worse) == ("2026-01-07 0000000", True)
    assert drawn.band.count("L") == 21
    assert drawn.limit is not None
    assert drawn.limit < drawn.points[-1][1]
    assert trend(series_of(nights([5.0, 5.1], limit=900.0))[0]).limit is None


def test_of_a_long_history_the_last_runs_are_drawn() -> None:
    runs = nights([5.0 + n % 3 for n in range(MOST_RUNS + 20)])
    drawn = trend(series_of(runs)[0])
    assert len(drawn.points) == MOST_RUNS
    assert drawn.first.startswith(runs[20].date[:10])
