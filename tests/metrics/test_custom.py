"""A metric of the user's own: one function, and everything else that a metric has."""

from __future__ import annotations

import math
from collections.abc import Iterator
from typing import Any

import pytest

from pytest_llm import (
    Example,
    MisuseError,
    QualityError,
    assert_metric_above,
    assert_metric_below,
    llm_metric,
    measure,
)
from pytest_llm.metrics import METRICS
from pytest_llm.thresholds import parse_limits


@pytest.fixture(autouse=True)
def table() -> Iterator[None]:
    """What a test registers does not outlive it."""
    before = dict(METRICS)
    yield
    METRICS.clear()
    METRICS.update(before)


def words_shared(example: Example, output: str) -> tuple[int, int]:
    wanted = example.target.split()
    return sum(word in output.split() for word in wanted), len(wanted)


PREDICTIONS, TARGETS = ["a b", "c"], ["a b", "d e"]


def test_the_value_is_the_quotient_of_the_sums() -> None:
    metric = llm_metric("above")(words_shared)
    measurement = measure(PREDICTIONS, TARGETS, metric)
    assert measurement.value == 2 / 4
    assert measurement.example_values.tolist() == [1.0, 0.0]
    assert measurement.metric == "words_shared"


def test_a_function_that_returns_one_number_is_averaged() -> None:
    @llm_metric("below")
    def length(example: Example, output: str) -> float:
        return len(output)

    assert measure(PREDICTIONS, TARGETS, length).value == 2.0
    assert measure(PREDICTIONS, TARGETS, "length").value == 2.0
    assert length(Example("1", "", "#1"), "four") == 4  # still callable


def test_it_is_asserted_like_any_metric() -> None:
    metric = llm_metric("above", counts="words")(words_shared)
    assert_metric_above(PREDICTIONS, TARGETS, metric, 0.4)
    with pytest.raises(QualityError, match=r"words_shared 0.5 is not above 0.6: under the limit by 0.1") as raised:
        assert_metric_above(PREDICTIONS, TARGETS, metric, 0.6)
    assert "2 examples, 4 words" in str(raised.value)
    assert "'c', wanted 'd e'" in str(raised.value)
    with pytest.raises(QualityError, match=r"words_shared 0\.5 is not below 0\.5"):
        assert_metric_below(PREDICTIONS, TARGETS, metric, 0.5)


def test_it_has_a_keyword_of_the_marker() -> None:
    llm_metric("above")(words_shared)
    assert parse_limits({"words_shared_above": 0.4}, "the marker")["words_shared"].limit.value == 0.4


@pytest.mark.parametrize("given", ["yes", None, (1, 2, 3), (1, -1), (1, math.inf), ("a", 1)])
def test_what_is_no_number_is_refused_with_the_example(given: Any) -> None:
    metric = llm_metric("above", name="odd")(lambda example, output: given)
    with pytest.raises(MisuseError, match=r"odd gave .* for example #0"):
        measure(PREDICTIONS, TARGETS, metric)


def test_not_a_number_fails() -> None:
    metric = llm_metric("above", name="odd")(lambda example, output: math.nan)
    with pytest.raises(QualityError, match="odd is not a number: 2 of 2 examples gave NaN"):
        assert_metric_above(PREDICTIONS, TARGETS, metric, -1e9)


def test_denominators_that_are_all_zero_fail() -> None:
    metric = llm_metric("above", name="odd")(lambda example, output: (0, 0))
    with pytest.raises(QualityError, match="odd is not a number"):
        assert_metric_above(PREDICTIONS, TARGETS, metric, -1e9)


def test_the_name_of_another_metric_is_refused() -> None:
    with pytest.raises(MisuseError, match="a metric called 'bleu' exists already"):
        llm_metric("above", name="bleu")(words_shared)


def test_a_module_may_be_imported_twice() -> None:
    llm_metric("above")(words_shared)
    llm_metric("above")(words_shared)


def test_without_a_side_it_is_refused() -> None:
    with pytest.raises(MisuseError, match="say which side of a limit is good"):
        llm_metric(words_shared)  # type: ignore[arg-type]


def test_settings_are_refused() -> None:
    llm_metric("above")(words_shared)
    with pytest.raises(MisuseError, match="it has no settings, but got stride"):
        measure(PREDICTIONS, TARGETS, "words_shared", stride=4)
