"""The total decides as the verdict does, whatever the metric."""

from __future__ import annotations

import math
from typing import Any

import numpy as np
import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm.limit import Limit
from pytest_llm.metrics import METRICS, metric_named
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.stopping.question import Quotient, about_change, about_limit

ASKED = [name for name, entry in METRICS.items() if not entry.of_people]
QUOTIENTS = [name for name in ASKED if getattr(metric_named(name), "quotient", None) is not None]
NAMES = tuple(f"unit {i}" for i in range(6))


def test_which_metrics_are_quotients() -> None:
    of_probabilities = [name for name in METRICS if name.endswith(("perplexity", "bits_per_byte"))]
    shares = ["acc", "acc_norm", "acc_bytes", "acc_tokens", "accuracy", "exact_match", "squad_exact_match", "squad_f1"]
    texts = ["rouge1", "rouge2", "rougeL", "rougeLsum", "meteor", "wer", "cer"]
    assert set(QUOTIENTS) == {*of_probabilities, *shares, *texts}


@pytest.mark.parametrize("name", QUOTIENTS)
def test_the_quotient_of_the_sums_is_the_value(name: str) -> None:
    metric: Any = metric_named(name)
    totals = np.array([30.0, 40.0])
    value = float(metric.aggregate(totals))
    assert metric.quotient.value(0.75, metric.scale) == pytest.approx(value, rel=1e-12)
    assert metric.quotient.of(value, metric.scale) == pytest.approx(0.75, rel=1e-12)


def test_no_quotient_gives_a_perplexity_of_0_or_less() -> None:
    assert math.isnan(Quotient(0, math.inf).of(0.0, "log"))
    assert Quotient(0, math.inf).value(1e9, "log") == math.inf


numbers = st.lists(st.integers(0, 40), min_size=6, max_size=6)


@given(numbers, st.integers(1, 30), st.sampled_from(["below", "above"]))
def test_the_total_is_on_the_side_of_the_value(numerators: list[int], limit: int, side: Any) -> None:
    sizes = np.array([1.0, 2, 3, 4, 5, 6])
    sums = np.column_stack([np.array(numerators, dtype=float), sizes])
    sign = 1.0 if side == "below" else -1.0
    question = about_limit(NAMES, sizes, limit / 10, sign, Quotient(0, math.inf), known=True)
    total = float(question.excess(sums, list(range(6))).sum())
    value = float(sums[:, 0].sum() / sizes.sum())
    if abs(total) > 1e-9:
        assert (total < 0) == Limit(side, limit / 10).allows(value)


@given(numbers, numbers, st.sampled_from([1.0, -1.0]))
def test_a_baseline_takes_noise_away_and_changes_no_total(before: list[int], after: list[int], sign: float) -> None:
    sizes = np.array([1.0, 2, 3, 4, 5, 6])
    baseline, sums = (np.column_stack([np.array(side, dtype=float), sizes]) for side in (before, after))
    bare = about_limit(NAMES, sizes, 3.0, sign, Quotient(0, math.inf), known=True)
    paired = about_change(NAMES, baseline, 3.0, sign, Quotient(0, math.inf), None)
    every = list(range(6))
    assert paired.control.sum() == pytest.approx(0, abs=1e-9)
    assert paired.excess(sums, every).sum() == pytest.approx(bare.excess(sums, every).sum(), abs=1e-9)
    unchanged = paired.excess(baseline, every)
    assert unchanged / sizes == pytest.approx(np.full(6, unchanged[0]))  # nothing is left of what the texts are


def check_bounds(question: Any, sums: FloatArray) -> None:
    values = question.excess(sums, list(range(len(sums)))) / question.sizes
    assert (values <= question.most + 1e-9).all()
    assert (values >= question.least - 1e-9).all()


@given(st.lists(st.floats(0, 1), min_size=12, max_size=12), st.floats(0, 1), st.sampled_from([1.0, -1.0]))
def test_no_share_is_beyond_its_bounds(shares: list[float], limit: float, sign: float) -> None:
    ones = np.ones(6)
    baseline, sums = (np.column_stack([part, ones]) for part in (shares[:6], shares[6:]))
    check_bounds(about_limit(NAMES, ones, limit, sign, Quotient(0, 1), known=True), sums)
    check_bounds(about_change(NAMES, baseline, limit, sign, Quotient(0, 1), None), sums)


def test_a_presumed_worst_is_one_beyond_what_is_tolerated() -> None:
    baseline = np.array([[3.0, 1.0], [60.0, 20.0]])
    question = about_change(NAMES[:2], baseline, 3.01, 1.0, Quotient(0, math.inf), cap=0.5)
    assert question.most.tolist() == pytest.approx([0.49, 0.49])
    assert question.least.tolist() == pytest.approx([-3.01, -3.01])


def test_only_examples_that_stand_for_themselves_are_counted() -> None:
    right = Quotient(0, 1, whole=True)
    assert about_limit(NAMES, np.ones(6), 0.5, -1.0, right, known=True).whole
    assert not about_limit(NAMES, np.array([1.0, 1, 1, 1, 1, 2]), 0.5, -1.0, right, known=True).whole
    assert not about_change(NAMES, np.ones((6, 2)), 0.5, -1.0, right, None).whole
