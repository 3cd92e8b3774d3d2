"""What the engine relies on in every metric that needs no model to be tested: one row shape, one formula over totals."""

from __future__ import annotations

from typing import Any

import numpy as np
import pytest

from pytest_llm.data.example import Example
from pytest_llm.data.ratings import Preference
from pytest_llm.metrics.agreement import CohenKappa, FleissKappa
from pytest_llm.metrics.bradley_terry import BradleyTerry
from pytest_llm.metrics.calibration import CalibrationError
from pytest_llm.metrics.classification import Accuracy, BalancedAccuracy, ClassificationScore, MatthewsCorrelation
from pytest_llm.metrics.extraction import EntityScore
from pytest_llm.metrics.krippendorff_alpha import KrippendorffAlpha
from pytest_llm.metrics.multiple_choice import ChoiceScores, MultipleChoice
from pytest_llm.metrics.preference import MeanRating, WinRate
from pytest_llm.metrics.retrieval import NDCG, RecallAtK, ReciprocalRank

LABELS = [("a", "a"), ("b", "a"), ("b", "b"), ("c", "z")]
PREFERENCES = [Preference("r", str(i), "a", "b", winner) for i, winner in enumerate(["a", "b", None, "a"])]
RATINGS = [{"r": x, "s": y} for x, y in [(1, 1), (2, 1), (3, 3), (2, 2)]]
CHOICES = ChoiceScores.of([-1, -2], ["a", "bb"], tokens=[1, 1])

CASES: list[tuple[Any, list[tuple[Any, Any]]]] = [
    *((metric, LABELS) for metric in (Accuracy(), BalancedAccuracy(), MatthewsCorrelation())),
    *((ClassificationScore(average=average), LABELS) for average in ("micro", "macro", "weighted")),
    (ClassificationScore(label="b"), LABELS),
    (CalibrationError(), [(target, (output, 0.7)) for target, output in LABELS]),
    *((MultipleChoice(per), [(i % 2, CHOICES) for i in range(4)]) for per in ("choice", "character", "byte", "token")),
    *(
        (EntityScore("f1", match), [([f"B-{t}", "O"], [f"B-{o}", "O"]) for t, o in LABELS])
        for match in ("strict", "overlap")
    ),
    *((metric, [({"a"}, ["b", "a"]), ({"b", "c"}, ["b"])]) for metric in (RecallAtK(), ReciprocalRank(), NDCG())),
    (MeanRating(), [(x, x) for x in (1.0, 2.0, 4.5)]),
    *((metric, [(p, p) for p in PREFERENCES]) for metric in (WinRate("a"), BradleyTerry("a"))),
    *((KrippendorffAlpha(level=level), [(x, x) for x in RATINGS]) for level in ("nominal", "ordinal", "interval")),
    *((metric, [(x, x) for x in RATINGS]) for metric in (CohenKappa(), FleissKappa())),
]


@pytest.mark.parametrize(("metric", "pairs"), CASES, ids=[f"{metric.name}-{i}" for i, (metric, _) in enumerate(CASES)])
def test_many_totals_are_aggregated_at_once_as_each_alone(metric: Any, pairs: list[tuple[Any, Any]]) -> None:
    examples = [Example(str(i), "text", f"#{i}", target=target) for i, (target, _) in enumerate(pairs)]
    if hasattr(metric, "fitted"):
        metric = metric.fitted(examples)
    rows = [metric.statistics(example, output) for example, (_, output) in zip(examples, pairs, strict=True)]
    statistics = np.array(rows, dtype=np.float64)  # fails where rows differ in length
    assert (statistics[:, -1] > 0).all()
    left_out = statistics.sum(axis=0) - statistics
    together = metric.aggregate(left_out)
    assert together.shape == (len(pairs),)
    assert together.dtype == np.float64
    assert together.tolist() == pytest.approx([float(metric.aggregate(row)) for row in left_out], nan_ok=True)
    assert metric.aggregate(left_out.reshape(1, *left_out.shape)).shape == (1, len(pairs))


@pytest.mark.parametrize(
    "metric", {metric.name: metric for metric, _ in CASES}.values(), ids=lambda metric: metric.name
)
def test_every_metric_says_what_the_engine_asks(metric: Any) -> None:
    assert metric.signature(window=None).split("|")[0] == metric.name
    assert metric.scale == "linear"
    assert metric.counts.endswith("s")
    assert metric.lower_is_better == (metric.name == "calibration_error")
    assert hash(metric) == hash(metric)
