"""What was said of a measurement is read back as it was said, with what it takes to draw it."""

from __future__ import annotations

import json
from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pytest_llm.errors import MisuseError
from pytest_llm.inference.measure import measure
from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.improvement import Improvement, judge_improvement
from pytest_llm.judging.limit_verdict import judge
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.recovery import recovery
from pytest_llm.judging.regression import judge_change
from pytest_llm.judging.robustness import RateClaim, judge_rate
from pytest_llm.judging.verdict import Verdict
from pytest_llm.limit import Limit
from pytest_llm.records.notes import Notes
from pytest_llm.records.verdicts import Edge, RecordedVerdict, verdict_as_data, verdict_from
from pytest_llm.storage.checked import Checked
from pytest_llm.storage.numbers import encoded
from pytest_llm.tolerance import Tolerance, parse_amount
from tests.stub_models import TableModel

TEXTS = [f"text {n}" for n in range(12)]


def perplexity(cost: float) -> Measurement:
    return measure(TableModel({text: [-cost - n / 20] * 3 for n, text in enumerate(TEXTS)}), TEXTS, "perplexity")


NOW, BEFORE = perplexity(2.0), perplexity(1.9)
COMPARISON = Comparison(NOW, "baseline 'main'", BEFORE.statistics, origin="tiny, 2026-11-25")
RATE = replace(
    NOW, metric="attack_success_rate", value=0.25, statistics=np.array([[1, 0, 0, 0, 0, 1], [0, 0, 1, 0, 0, 1]] * 6)
)
LIMIT = judge(NOW, Limit.below(5))
CHANGE = judge_change(COMPARISON, Tolerance(parse_amount("tolerance", "1%")))


def there_and_back(verdict: Verdict, place: int | None = 0) -> RecordedVerdict:
    return verdict_from(Checked(json.loads(encoded(verdict_as_data(verdict, place))), "here"))


@pytest.mark.parametrize(
    ("verdict", "edge"),
    [
        (LIMIT, Edge("value", "below", 5.0)),
        (judge(NOW, Limit.above(5)), Edge("value", "above", 5.0)),
        (judge_rate(RATE, RateClaim(0.1)), Edge("value", "below", 0.1)),
        (CHANGE, Edge("drop", "below", float(np.log(1.01)))),
        (
            judge_improvement(COMPARISON, Improvement(parse_amount("margin", "1%"))),
            Edge("drop", "below", float(np.log(0.99))),
        ),
    ],
)
def test_it_is_read_back_with_where_its_claim_ends(verdict: Verdict, edge: Edge) -> None:
    read = there_and_back(verdict)
    assert (read.outcome, read.passed, read.sentence) == (verdict.outcome.value, verdict.passed, verdict.sentence)
    assert (read.claim, read.spare, read.measurement) == (verdict.held_to, verdict.spare, 0)
    assert read.edge is not None
    assert (read.edge.of, read.edge.side) == (edge.of, edge.side)
    assert read.edge.at == pytest.approx(edge.at, rel=1e-12)


def test_a_change_has_the_value_of_each_example_before() -> None:
    change = there_and_back(CHANGE).change
    assert change is not None
    assert (change.against, change.origin, change.value) == ("baseline 'main'", "tiny, 2026-11-25", BEFORE.value)
    assert change.example_values.tobytes() == BEFORE.example_values.tobytes()
    assert change.drop == pytest.approx(0.1)
    assert change.interval is not None
    assert change.interval[0] <= change.drop <= change.interval[1]
    assert there_and_back(LIMIT).change is None


def test_a_measurement_that_the_test_made_none_of_is_in_the_verdict() -> None:
    ratio = recovery(NOW, BEFORE)
    notes = Notes()
    notes.measured(NOW, aside=False)
    notes.judged(LIMIT)
    notes.judged(judge(ratio, Limit.above(0.9)))
    of_the_test, of_both = (verdict_from(Checked(json.loads(line), "here")) for line in notes.verdicts)
    assert (of_the_test.measurement, of_the_test.own) == (0, None)
    assert of_both.measurement is None
    assert of_both.own is not None
    assert (of_both.own.metric, of_both.own.value) == ("perplexity_recovery", ratio.value)


TOLD = json.loads(encoded(verdict_as_data(CHANGE, 0)))


@pytest.mark.parametrize(
    ("changed", "said"),
    [
        ({"passed": 1}, "'passed' is 1, not true or false"),
        ({"claim": None}, "'claim' is None, not a text"),
        ({"edge": {"of": "colour", "side": "below", "at": 1}}, "here, edge: 'of' is 'colour', none of value, drop"),
        ({"change": {**TOLD["change"], "interval": [1]}}, "'interval' does not have two ends"),
    ],
)
def test_what_is_damaged_is_refused_where_it_is(changed: dict[str, Any], said: str) -> None:
    with pytest.raises(MisuseError, match=said):
        verdict_from(Checked({**TOLD, **changed}, "here"))
