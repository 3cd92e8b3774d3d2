"""A metric that is made again of its settings gives the same values of the same statistics."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics import METRICS, metric_named
from pytest_llm.metrics.bleu import Bleu
from pytest_llm.metrics.custom import CustomMetric
from pytest_llm.metrics.divergence import Divergence
from pytest_llm.metrics.language_modeling import Perplexity
from pytest_llm.metrics.retrieval import RecallAtK
from pytest_llm.metrics.rouge import Rouge
from pytest_llm.metrics.settings import metric_from, settings_of
from tests.metrics.test_shape import CASES


@pytest.mark.parametrize(("metric", "pairs"), CASES, ids=[f"{metric.name}-{i}" for i, (metric, _) in enumerate(CASES)])
def test_the_same_values_come_of_the_same_statistics(metric: Any, pairs: list[tuple[Any, Any]]) -> None:
    examples = [Example(str(i), "text", f"#{i}", target=target) for i, (target, _) in enumerate(pairs)]
    if hasattr(metric, "fitted"):
        metric = metric.fitted(examples)
    rows = [metric.statistics(example, output) for example, (_, output) in zip(examples, pairs, strict=True)]
    statistics = np.array(rows, dtype=np.float64)
    settings = settings_of(metric)
    again: Any = metric_from(metric.name, json.loads(json.dumps(settings)))
    assert settings_of(again) == settings
    for name in ("aggregate", "example_values") if hasattr(metric, "example_values") else ("aggregate",):
        assert getattr(again, name)(statistics).tobytes() == getattr(metric, name)(statistics).tobytes()


@pytest.mark.parametrize("name", [name for name, entry in METRICS.items() if entry.custom is None])
def test_a_metric_of_the_table_is_made_again(name: str) -> None:
    required = {"candidate": "a"} if name in ("win_rate", "bradley_terry") else {}
    metric = metric_named(name, **required)
    assert metric_from(metric.name, json.loads(json.dumps(settings_of(metric)))) == metric


def test_what_is_as_it_is_by_default_is_not_said() -> None:
    assert settings_of(Perplexity()) == {}
    assert settings_of(Perplexity("byte", stride=4)) == {"unit": "byte", "stride": 4}
    assert settings_of(RecallAtK(k=None)) == {"k": None}
    assert settings_of(Bleu(lowercase=True)) == {"lowercase": True}


def test_what_is_no_data_is_named_and_left_out_when_it_is_made_again() -> None:
    settings = settings_of(Rouge("rouge1", tokenize=str.split))
    assert settings == {"variant": "rouge1", "tokenize": {"named": "builtins.str.split"}}
    assert metric_from("rouge1", settings) == Rouge("rouge1")
    assert settings_of(Divergence(reference=Path("/here/original.safetensors"))) == settings_of(
        Divergence(reference="/there/original.safetensors")
    )
    assert settings_of(Divergence(reference=object())) == {}


def test_one_of_yours_is_judged_without_its_function() -> None:
    own = CustomMetric(lambda example, output: 1.0, "share_of_mine", "above", None, "words")
    again = metric_from("share_of_mine", settings_of(own))
    assert (again.lower_is_better, again.counts) == (False, "words")
    assert again.aggregate(np.array([3.0, 4.0])) == 0.75
    with pytest.raises(MisuseError, match="not at hand"):
        again.statistics(Example("a", "a", "a"), "a")


def test_what_no_metric_has_is_refused() -> None:
    with pytest.raises(MisuseError, match="no metric is called 'perplexitty'"):
        metric_from("perplexitty", {})
    with pytest.raises(MisuseError, match="metric 'perplexity'"):
        metric_from("perplexity", {"strid": 4})
