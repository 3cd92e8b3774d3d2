"""What is written is what is read: every number to the last bit, and what is judged of it."""

from __future__ import annotations

import dataclasses
import json
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from hypothesis.extra import numpy as arrays

from pytest_llm.data.example import Example
from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.inference.measure import _measured
from pytest_llm.judging.limit_verdict import judge
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics.divergence import KldQuantile, TokenDivergence
from pytest_llm.metrics.efficiency import Latency, RequestTimes
from pytest_llm.metrics.language_modeling import Perplexity
from pytest_llm.metrics.multiple_choice import ChoiceScores
from pytest_llm.records.measurement import NOT_DATA, measurement_as_data, measurement_from
from pytest_llm.records.run_record import TestResult, read_record, record_text
from pytest_llm.records.verdicts import verdict_as_data
from pytest_llm.statistics.clustered_quantile import ClusteredQuantile
from pytest_llm.statistics.jackknife import Basis, Estimate, Scale
from pytest_llm.statistics.latency import QuantileEstimate
from pytest_llm.statistics.share import ShareEstimate
from pytest_llm.stopping.watch import Stopped
from pytest_llm.storage.checked import Checked
from pytest_llm.storage.numbers import encoded, number, numbers

ANY = st.floats(width=64)
FINITE = st.floats(allow_nan=False, allow_infinity=False)
TEXT = st.text(st.characters())  # halves of surrogate pairs among them
SCALES: list[Scale] = ["linear", "log"]
PLAIN = st.none() | TEXT | st.integers(-(2**40), 2**40) | st.booleans()
SHARES = st.dictionaries(TEXT | st.integers(), ANY, max_size=3)


@st.composite
def jackknives(draw: st.DrawFn) -> Estimate:
    error, freedom = draw(st.just(0.0) | st.floats(1e-3, 1e3)), draw(st.floats(1, 1e3))
    value, scale = draw(st.floats(1e-3, 1e3)), draw(st.sampled_from(SCALES))
    return Estimate(value, error, freedom, draw(st.integers(2, 99)), scale, draw(st.sampled_from(Basis)))


@st.composite
def estimates(draw: st.DrawFn) -> Any:
    values = tuple(sorted(draw(st.lists(FINITE, min_size=2, max_size=9))))
    q = draw(st.floats(0.01, 0.99))
    return draw(
        st.none()
        | jackknives()
        | st.builds(QuantileEstimate, FINITE, st.just(q), st.just(values))
        | st.builds(ClusteredQuantile, FINITE, st.just(q), st.just(np.array(values)), jackknives())
        | st.builds(ShareEstimate, st.integers(0, 5), st.integers(5, 9))
    )


@st.composite
def outputs(draw: st.DrawFn, n: int) -> tuple[Any, ...] | None:
    of_one: Any = PLAIN | SHARES | st.just([0.5, -math.inf]).map(lambda pair: ChoiceScores(np.array(pair)))
    return draw(st.none() | st.tuples(*[of_one] * n))


@st.composite
def measurements(draw: st.DrawFn) -> Measurement:
    n, k = draw(st.integers(1, 5)), draw(st.integers(1, 4))
    ids = draw(st.lists(TEXT, min_size=n, max_size=n, unique=True))
    examples = [Example(id_, "x", draw(st.just(id_) | TEXT), draw(st.none() | TEXT), draw(PLAIN)) for id_ in ids]
    texts: dict[str, Any] = {
        name: draw(TEXT) for name in ("metric", "counts", "signature", "data", "overview", "remedy", "row")
    }
    identity = Identity(draw(TEXT), draw(TEXT))
    return Measurement(
        value=draw(ANY),
        lower_is_better=draw(st.booleans()),
        estimate=draw(estimates()),
        examples=tuple(examples),
        statistics=draw(arrays.arrays(np.float64, (n, k), elements=ANY)),
        example_values=draw(arrays.arrays(np.float64, n, elements=ANY)),
        provenance=Provenance(draw(TEXT), draw(TEXT), draw(TEXT), draw(TEXT.filter(bool))),
        outputs=draw(outputs(n)),
        without_interval=draw(TEXT),
        scale=draw(st.sampled_from(SCALES)),
        identity=lambda: identity,
        left_out=draw(st.integers(0, 9)),
        stopped=draw(st.none() | st.just(STOPPED)),
        settings=draw(st.dictionaries(TEXT, PLAIN | st.lists(PLAIN), max_size=2)),
        recorded=draw(st.dictionaries(TEXT, TEXT, max_size=2)),
        **texts,
    )


def there_and_back(m: Measurement) -> Measurement:
    text = encoded(measurement_as_data(m)).encode("utf-8").decode("utf-8")
    return measurement_from(Checked(json.loads(text), "here"))


def bits(value: Any) -> Any:
    """Equal only for what is the same to the last bit, whatever it holds."""
    if isinstance(value, float):
        return "nan" if math.isnan(value) else value.hex()
    if isinstance(value, np.ndarray):
        return [bits(item) for item in value.tolist()]
    if isinstance(value, dict):
        return {key: bits(item) for key, item in value.items()}
    if isinstance(value, tuple | list):
        return [bits(item) for item in value]
    if dataclasses.is_dataclass(value) and not isinstance(value, type):
        return type(value).__name__, [bits(getattr(value, one.name)) for one in dataclasses.fields(value)]
    return value


@settings(max_examples=60, deadline=None)
@given(measurements())
def test_a_measurement_is_read_back_to_the_last_bit(m: Measurement) -> None:
    read = there_and_back(m)
    for one in dataclasses.fields(Measurement):
        if one.name not in (*NOT_DATA, "examples", "identity"):
            assert bits(getattr(read, one.name)) == bits(getattr(m, one.name)), one.name
    assert read.identity() == m.identity()
    for name in ("id", "label", "cluster", "unit", "content"):
        assert [getattr(example, name) for example in read.examples] == [getattr(e, name) for e in m.examples]


@pytest.mark.parametrize("limit", [1, 2.5, 3, 100])
@pytest.mark.parametrize("confidence", [None, 0.95])
@pytest.mark.parametrize("metric", [Perplexity(), Latency("latency", 0.5), KldQuantile(0.5, reference="original")])
def test_it_is_judged_as_it_was(metric: Any, limit: float, confidence: float | None) -> None:
    m = measured(metric)
    assert m.estimate is not None
    for side in (Limit.below, Limit.above):
        was, now = (judge(one, side(limit, confidence=confidence)) for one in (m, there_and_back(m)))
        assert (now.outcome, now.sentence) == (was.outcome, was.sentence)
        assert dict(now.evidence())["interval"] == dict(was.evidence())["interval"]


def measured(metric: Any) -> Measurement:
    """Thirty texts, by what a model may have said of them."""
    random = np.random.default_rng(1)
    costs = [random.exponential(1.0, 20) for _ in range(30)]
    same = np.ones(20)
    said: dict[type, list[Any]] = {
        Perplexity: [-cost for cost in costs],
        Latency: [RequestTimes(cost[:1], cost[:1], cost[:3] + 1, np.zeros(3)) for cost in costs],
        KldQuantile: [TokenDivergence(3 * cost, same, same, -cost, -cost) for cost in costs],
    }
    examples = tuple(Example(f"e{place}", f"text {place}", f"e{place}") for place in range(30))
    return _measured(metric, examples, said[type(metric)], "all settings", "texts", 0, Provenance("a model"))


def test_every_field_is_kept_or_made_again_of_the_metric() -> None:
    read = there_and_back(BIT_OF_EVERYTHING)
    for one in dataclasses.fields(Measurement):
        value, without = getattr(read, one.name), one.default
        kept = value != without if without is not dataclasses.MISSING else True
        if one.default_factory is not dataclasses.MISSING:
            kept = value != one.default_factory()
        assert kept == (one.name not in NOT_DATA), one.name


STOPPED = Stopped("passes", None, 320, 1000, 0.4, 2.0, math.inf, 2.5)
BIT_OF_EVERYTHING = Measurement(
    stopped=STOPPED,
    metric="perplexity",
    value=2.0,
    lower_is_better=True,
    estimate=Estimate(2.0, 0.1, 9.0, 10, "log"),
    examples=(Example("a", "text", "#0", "book", "target"),),
    statistics=np.array([[0.1, 3.0]]),
    example_values=np.array([0.1]),
    counts="tokens",
    signature="all settings",
    data="held_out.jsonl",
    provenance=Provenance("tiny", hardware="cpu"),
    outputs=("text",),
    overview="in all",
    explain=lambda example, output: "why",
    remedy="mend it",
    without_interval="none",
    row="block",
    aggregate=lambda totals: totals,
    value_of_each=lambda rows: rows,
    scale="log",
    identity=lambda: Identity("weights", "tokenizer"),
    left_out=3,
    settings={"stride": 4},
    recorded={"date": "2026-11-25"},
)


@given(ANY)
def test_a_number_is_valid_json_and_the_same_float(value: float) -> None:
    text = json.dumps(number(value), allow_nan=False)
    again = Checked({"value": json.loads(text)}, "here").number("value")
    assert bits(again) == bits(value)


def test_whole_numbers_are_short() -> None:
    assert encoded(numbers(np.array([[3.0, -0.0], [1e300, 2.5]]))) == "[[3,-0.0],[1e+300,2.5]]"


def test_a_thousand_examples_of_bleu_take_less_than_an_ordinary_picture() -> None:
    random = np.random.default_rng(1)
    examples = tuple(Example(f"{place:016x}", f"text {place}", f"#{place}") for place in range(1000))
    statistics = random.integers(0, 60, (1000, 18)).astype(np.float64)
    m = dataclasses.replace(BIT_OF_EVERYTHING, examples=examples, statistics=statistics, outputs=None)
    m = dataclasses.replace(m, example_values=random.random(1000))
    assert len(encoded(measurement_as_data(m))) < 200_000


@pytest.mark.parametrize("texts", [["one"], ["one", "two"], []])
def test_a_record_is_read_back(tmp_path: Path, texts: list[str]) -> None:
    line = encoded(measurement_as_data(BIT_OF_EVERYTHING, aside=True))
    said = encoded(verdict_as_data(judge(BIT_OF_EVERYTHING, Limit.below(3)), 0))
    tests = [TestResult(text, "passed", [line] * place, [said] * place) for place, text in enumerate(texts)]
    path = tmp_path / "run.json"
    path.write_text(record_text({"date": "2026-11-25", "commit": "0123456789abcdef"}, tests), encoding="utf-8")
    record = read_record(path)
    assert [(test.id, test.outcome, len(test.measurements), len(test.verdicts)) for test in record.tests] == [
        (text, "passed", place, place) for place, text in enumerate(texts)
    ]
    assert record.complete
    assert record.origin == "run.json (recorded 2026-11-25, commit 0123456789)"
    for test in record.tests:
        for one in test.measurements:
            assert (one.measurement.value, one.aside, one.is_sum) == (2.0, True, True)
