"""Which numbers are one gate's, run after run, and which of them got worse."""

from __future__ import annotations

import math
from itertools import pairwise

from pytest_llm.history.series import series_of
from tests.simulated_history import gate, nights, run


def test_other_data_settings_or_devices_are_another_series_and_another_model_is_not() -> None:
    others = (
        {"data": "f"},
        {"signature": "s"},
        {"device": "bfloat16 on cuda"},
        {"metric": "bits_per_byte"},
        {"test": "u"},
    )
    runs = [run(1, gate(1.0)), *(run(2, gate(2.0, **other)) for other in others), run(3, gate(3.0, model="tuned"))]
    found = series_of(runs)
    assert sorted([point.gate.value for point in one.points] for one in found) == [
        *[[1.0, 3.0]],
        *[[2.0]] * len(others),
    ]


def test_gates_that_are_asked_for() -> None:
    runs = [run(1, gate(1.0), gate(2.0, metric="bleu"), gate(3.0, test="other.py::test_it"))]
    assert [one.last.value for one in series_of(runs, metric="bleu")] == [2.0]
    assert [one.last.value for one in series_of(runs, test="other")] == [3.0]
    assert series_of(runs, metric="none") == []


def test_a_metric_that_a_test_holds_twice_is_two_series() -> None:
    runs = [run(day, gate(1.0 + day), gate(5.0 + day)) for day in (1, 2)]
    assert [[point.gate.value for point in one.points] for one in series_of(runs)] == [[2.0, 3.0], [6.0, 7.0]]


def test_a_slow_drift_that_each_single_comparison_tolerates_is_seen() -> None:
    """A thirtieth of the 1 % that is tolerated a night: 44.1 becomes 44.5 in a month, and no night fails."""
    values = [44.1 * (1 + 0.01 / 30) ** night for night in range(28)]
    (one,) = series_of(nights(values))
    assert all(later / earlier < 1.01 for earlier, later in pairwise(values))
    assert one.drifts_for_the_worse
    assert one.course.changes == ()
    (better,) = series_of(nights(values, lower_is_better=False))
    assert better.course.drifts
    assert not better.drifts_for_the_worse


def test_a_change_is_worse_by_the_metrics_own_direction() -> None:
    values = [0.7, 0.71, 0.69, 0.7, 0.71, 0.69, 0.6, 0.61, 0.6, 0.59, 0.6, 0.61]
    (accuracy,) = series_of(nights(values, lower_is_better=False))
    change = accuracy.changed_for_the_worse
    assert change is not None
    assert (change.at, change.before) == (6, 0.7)
    (error_rate,) = series_of(nights(values))
    assert error_rate.changed_for_the_worse is None


def test_runs_without_a_number_are_passed_over() -> None:
    (one,) = series_of(nights([1.0, math.nan, 2.0, 3.0, math.inf, 4.0, 5.0, 6.0, 7.0]))
    assert len(one.points) == 9
    assert one.course.slope == 1.0
