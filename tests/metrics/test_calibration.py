"""Expected calibration error against the paper's formula written out, by hand, and what it refuses."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.calibration import CalibrationError

ANSWERS = st.lists(st.tuples(st.floats(0, 1), st.booleans()), min_size=1, max_size=40)


def statistics(metric: CalibrationError, outputs: Sequence[Any], target: Any = "yes") -> Any:
    example = Example("0", "text", "#0", target=target)
    return np.array([metric.statistics(example, output) for output in outputs])


def value(outputs: Sequence[Any], bins: int = 15, target: Any = "yes") -> float:
    metric = CalibrationError(bins)
    return float(metric.aggregate(statistics(metric, outputs, target).sum(axis=0)))


def by_the_paper(answers: Sequence[tuple[float, bool]], bins: int) -> float:
    """Σ_m |B_m|/n · |acc(B_m) − conf(B_m)| (Guo et al. 2017, equations 2, 3 and 5)."""
    error = 0.0
    for m in range(bins):
        inside = [(p, r) for p, r in answers if m / bins < p <= (m + 1) / bins or (m == 0 and p == 0)]
        if inside:
            accuracy = sum(r for _, r in inside) / len(inside)
            confidence = math.fsum(p for p, _ in inside) / len(inside)
            error += len(inside) / len(answers) * abs(accuracy - confidence)
    return error


@given(ANSWERS, st.integers(1, 20))
def test_it_is_the_formula_of_the_paper(answers: list[tuple[float, bool]], bins: int) -> None:
    outputs = [("yes" if right else "no", confidence) for confidence, right in answers]
    assert value(outputs, bins) == pytest.approx(by_the_paper(answers, bins), abs=1e-12)


def test_four_answers_by_hand() -> None:
    outputs = [("yes", 0.9), ("no", 0.8), ("yes", 0.3), ("no", 0.1)]
    assert value(outputs, bins=2) == pytest.approx((abs(1 - 1.7) + abs(1 - 0.4)) / 4)


def test_a_confidence_on_an_edge_belongs_to_the_bin_below() -> None:
    edge_and_below = [("yes", 0.28), ("no", 0.27)]  # 0.28 is 7/25, and ⌈0.28 · 25⌉ is 8 in floating point
    assert value(edge_and_below, bins=25) == pytest.approx(abs(1 - 0.55) / 2)


def test_perfect_and_worst() -> None:
    assert value([("yes", 1.0)] * 3) == 0
    assert value([("no", 1.0)] * 3) == 1


def test_of_probabilities_the_greatest_counts_and_of_equals_the_first() -> None:
    assert value([{"no": 0.3, "yes": 0.7}]) == pytest.approx(0.3)
    assert value([{"no": 0.5, "yes": 0.5}]) == pytest.approx(0.5)
    assert value([{"yes": 1 / 3, "no": 1 / 3, "maybe": 1 / 3}]) == pytest.approx(2 / 3)
    assert value([{0: np.float32(0.25), 1: np.float32(0.75)}], target=1) == pytest.approx(0.25)


@pytest.mark.parametrize("output", [("yes", math.nan), {"yes": 0.5, "no": math.nan}])
def test_nan_stays_nan(output: Any) -> None:
    assert math.isnan(value([("yes", 1.0), output]))


def test_the_reliability_diagram_has_a_line_for_each_bin_in_use() -> None:
    metric = CalibrationError(bins=4)
    totals = statistics(metric, [("yes", 0.9), ("no", 0.8), ("no", 0.1)]).sum(axis=0)
    assert metric.explain_total(totals).splitlines() == [
        "confidence     examples  said  right",
        "0.000–0.250           1  0.10   0.00",
        "0.750–1.000           2  0.85   0.50",
    ]


def test_which_side_is_good_and_what_is_signed() -> None:
    assert CalibrationError.lower_is_better
    assert CalibrationError(10).signature() == "calibration_error|bins:10|width:equal"


@pytest.mark.parametrize(
    ("output", "message"),
    [
        ("yes", r"the output of example #0 is 'yes' \(str\); expected \(label, confidence\) or a mapping"),
        ({}, r"the output of example #0 is \{\} \(dict\); expected"),
        (("yes", 1.5), r"the confidence of example #0 is 1\.5; expected a number from 0 to 1"),
        (("yes", -0.7), r"the confidence of example #0 is -0\.7; .*of a log-probability, take exp"),
        (("yes", "0.5"), r"the confidence of example #0 is '0\.5'; expected a number"),
        ({"yes": 0.9, "no": 0.9}, r"the probabilities of example #0 add up to 1\.8, not to 1; normalise"),
        ((1, 0.5), r"the output of example #0 is 1 \(int\) and its target is 'yes' \(str\)"),
    ],
)
def test_what_is_no_confidence_is_refused(output: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        value([output])


@pytest.mark.parametrize("bins", [0, -1, True, 2.0])
def test_bins_that_are_no_number_are_refused(bins: Any) -> None:
    with pytest.raises(MisuseError, match=f"bins={bins!r}: expected a whole number of bins"):
        CalibrationError(bins)
