"""What travels of a verdict: its row, in words and in numbers."""

from __future__ import annotations

import math

import pytest

from pytest_llm.effort import Effort
from pytest_llm.inference.measure import measure
from pytest_llm.judging.limit_verdict import judge
from pytest_llm.limit import Limit
from pytest_llm.reports.properties import properties
from pytest_llm.reports.rows import rows_of
from tests.stub_models import UniformModel
from tests.table_rows import row


def test_words_and_numbers_are_those_of_the_verdict() -> None:
    measured = measure(UniformModel(8), ["ab", "cde", "f"], "perplexity")
    said = properties(judge(measured, Limit.below(9)), Effort(1.25, new=3))
    (one,) = rows_of("t.py::a", [("other", 1), *said])
    assert (one.test, one.metric, one.verdict, one.n) == ("t.py::a", "perplexity", "passed", 3)
    assert (one.value, one.claim, one.spare, one.seconds, one.answers) == ("8", "below 9", "1", "1.25", "3 new")
    assert measured.estimate is not None
    interval = measured.estimate.interval()
    figures = one.figures
    assert (figures.value, figures.low, figures.high) == (measured.value, interval.low, interval.high)
    assert (figures.limit, figures.lower_is_better) == (9.0, True)
    assert one.effort == Effort(1.25, 3)
    assert (one.model, one.signature) == ("uniform", measured.signature)


def test_a_value_that_is_no_number_travels_too() -> None:
    measured = measure(UniformModel(math.nan), ["ab"], "perplexity")
    (one,) = rows_of("t.py::a", properties(judge(measured, Limit.below(9))))
    assert math.isnan(one.figures.value)
    assert (one.figures.low, one.effort, one.seconds, one.answers) == (None, None, "", "")


@pytest.mark.parametrize(("seconds", "shown"), [(0.004, "0.00"), (9.994, "9.99"), (9.996, "10"), (1234.5, "1,234")])
def test_seconds_have_no_more_digits_than_they_deserve(seconds: float, shown: str) -> None:
    assert row(effort=Effort(seconds)).seconds == shown
