"""What all metrics over references share: which pairs they take, and what a ratio says of nothing."""

from __future__ import annotations

import functools
import math
import re
from dataclasses import fields
from typing import Any

import jiwer
import numpy as np
import pytest

from pytest_llm.data.example import Example
from pytest_llm.errors import MetricWarning, MisuseError
from pytest_llm.metrics.bleu import Bleu
from pytest_llm.metrics.chrf import Chrf
from pytest_llm.metrics.comparison import name_of, output_text, ratio, references
from pytest_llm.metrics.meteor import Meteor
from pytest_llm.metrics.question_answering import ExactMatch, SquadMatch
from pytest_llm.metrics.rouge import Rouge
from pytest_llm.metrics.ter import Ter
from pytest_llm.metrics.transcription import ErrorRate
from tests.metrics.corpora import Comparing, example

METRICS: dict[str, Any] = {
    made.name: made
    for made in (
        *(Bleu(), Chrf(), Chrf(word_order=2), Ter(), Meteor(), ExactMatch(), SquadMatch(), SquadMatch("exact_match")),
        *(Rouge("rouge1"), Rouge("rouge2"), Rouge("rougeL"), Rouge("rougeLsum")),
        *(ErrorRate("wer"), ErrorRate("cer"), ErrorRate("mer"), ErrorRate("wil")),
    )
}
every_metric = pytest.mark.parametrize("metric", METRICS.values(), ids=METRICS)


@every_metric
@pytest.mark.parametrize("target", ["the only one", ("the only one",), ["the only one"]])
def test_a_string_a_tuple_and_a_list_are_references(metric: Comparing, target: object) -> None:
    expected = metric.statistics(example("the only one"), "the lonely one")
    assert metric.statistics(Example("id", "text", "#7", target=target), "the lonely one") == expected


@every_metric
@pytest.mark.parametrize("target", [None, (), [], 3, {"a": 1}, ("a", None), (("a",),), b"a"])
def test_a_target_that_is_no_text_is_refused(metric: Comparing, target: object) -> None:
    message = (
        f"the target of example #7 is {re.escape(repr(target))} ({type(target).__name__}); expected its reference text"
    )
    with pytest.raises(MisuseError, match=re.escape(message).replace(re.escape(re.escape(repr(target))), ".*")):
        metric.statistics(Example("id", "text", "#7", target=target), "an output")


@every_metric
@pytest.mark.parametrize("output", [None, 3, ["an output"], b"an output", np.array([1, 2])])
def test_an_output_that_is_no_text_is_refused(metric: Comparing, output: object) -> None:
    kind = type(output).__name__
    with pytest.raises(MisuseError, match=rf"the output for example #7 is .* \({kind}\); expected the predicted text"):
        metric.statistics(example("a reference"), output)


@every_metric
def test_a_perfect_output_has_the_best_value_and_a_useless_one_the_worst(metric: Any) -> None:
    perfect, useless = (
        float(
            metric.aggregate(np.array(metric.statistics(example("one two three four five"), output), dtype=np.float64))
        )
        for output in ("one two three four five", "…")
    )
    best, worst = (0, 1) if metric.lower_is_better else (1, 0)
    whole = 100 if metric.name in ("bleu", "chrf", "chrf_plus_plus", "ter") else 1
    assert perfect == pytest.approx(best * whole, abs=0.005)  # a whole sentence is one chunk of METEOR: 1 − 0.5/5³
    assert useless == pytest.approx(worst * whole)


@every_metric
def test_the_last_statistic_is_a_weight_of_what_is_counted(metric: Any) -> None:
    weights = {"examples": 1, "reference characters": 8, "reference words": 2, "reference tokens": 2}
    expected = 9 if metric.name == "cer" else weights[metric.counts]  # cer counts the space, chrF does not
    assert metric.statistics(example("some text"), "any text")[-1] == expected


@every_metric
def test_statistics_have_one_length_and_aggregate_any_shape(metric: Any) -> None:
    sums = [metric.statistics(example("one two three"), output) for output in ("", "one two", "four " * 50)]
    statistics = np.array(sums, dtype=np.float64)
    values = metric.aggregate(statistics)
    assert values.shape == (3,)
    assert values.dtype == np.float64
    assert metric.aggregate(statistics.sum(axis=0)).shape == ()
    assert metric.aggregate(np.stack([statistics, statistics])).tolist() == [values.tolist()] * 2


@every_metric
def test_no_totals_at_all_are_never_the_best_value(metric: Any) -> None:
    width = len(metric.statistics(example("a"), "a"))
    nothing = float(metric.aggregate(np.zeros(width)))
    assert math.isnan(nothing) or (nothing == 0 and not metric.lower_is_better)


@every_metric
def test_settings_are_frozen_and_equal_settings_are_equal(metric: Any) -> None:
    metric.statistics(example("a"), "a")  # what a metric caches is not part of it
    assert metric.scale == "linear"
    assert hash(metric) == hash(type(metric)(**{field.name: getattr(metric, field.name) for field in fields(metric)}))
    with pytest.raises(AttributeError):
        metric.lowercase = True


def test_references_and_outputs_are_handed_on_as_they_are() -> None:
    assert references(example(" a ", "")) == (" a ", "")
    assert output_text(example("a"), " \n") == " \n"


def test_a_long_wrong_output_is_not_printed_whole() -> None:
    with pytest.raises(MisuseError) as caught:
        output_text(example("a"), list(range(100_000)))
    assert len(str(caught.value)) < 300


def test_a_ratio_of_nothing_is_not_a_number() -> None:
    numerators, denominators = np.array([1.0, 0.0, 3.0]), np.array([0.0, 0.0, 4.0])
    assert np.isnan(ratio(numerators, denominators)).tolist() == [True, True, False]
    assert ratio(numerators, denominators)[2] == 0.75
    assert math.isnan(float(ratio(np.float64(1), np.float64(0))))


@pytest.mark.parametrize(
    ("function", "name"),
    [
        (str.split, "str.split"),
        (re.sub, "re.sub"),
        (list, "builtins.list"),
        (functools.partial(str.split), "partial"),
        (jiwer.Compose([jiwer.ToLowerCase(), jiwer.Strip()]), "Compose(ToLowerCase,Strip)"),
    ],
)
def test_a_callable_has_a_name(function: Any, name: str) -> None:
    assert name_of(function) == name


def test_a_warning_can_be_filtered_by_its_public_name() -> None:
    assert f"{MetricWarning.__module__}.{MetricWarning.__qualname__}" == "pytest_llm.MetricWarning"
    assert issubclass(MetricWarning, UserWarning)
