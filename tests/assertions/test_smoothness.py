"""Smoothness as a gate: measured, judged and recorded as any other metric, and refused where it would mean nothing."""

from __future__ import annotations

import math
from typing import Any

import pytest

from pytest_llm import MisuseError, QualityError, assert_smooth_below, measure
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.recording import recording
from pytest_llm.statistics.jackknife import Estimate
from tests.tiny_checkpoints import tiny_classifier, tiny_t5

OPENINGS = ["It was a dark and stormy", "She said that", "The ship sailed on the"]


def test_a_real_model_passes_and_fails_by_the_mean_over_its_texts(tiny: TransformersModel) -> None:
    each = tiny.embedding_divergence(OPENINGS, epsilon=0.01, steps=2, per="sequence", seed=3)
    mean = sum(each) / 3
    with recording() as recorder:
        measured = assert_smooth_below(tiny, OPENINGS, 1.01 * mean, epsilon=0.01, steps=2, seed=3)
    assert measured.value == pytest.approx(mean, rel=1e-12)
    assert measured.example_values.tolist() == each
    assert measured.signature == (
        "embedding_divergence|unit:nats|task:perturb|epsilon:0.01|steps:2|per:sequence|seed:3"
    )
    assert recorder.measurements == [measured]
    deviations = [(value - mean) ** 2 for value in each]
    assert isinstance(measured.estimate, Estimate)
    assert measured.estimate.standard_error == pytest.approx(math.sqrt(sum(deviations) / 2 / 3))
    with pytest.raises(QualityError, match=r"embedding_divergence 0\.\d+ is not below 0\.\d+: over the limit by"):
        assert_smooth_below(tiny, OPENINGS, 0.99 * mean, epsilon=0.01, steps=2, seed=3)


def test_a_head_of_labels_is_measured_by_name_as_well() -> None:
    pair = tiny_classifier()
    measured = measure(pair, OPENINGS, "embedding_divergence", epsilon=0.05, steps=1, per="token")
    assert 0 < measured.value < math.log(2)
    assert measured.value == assert_smooth_below(pair, OPENINGS, 0.7, epsilon=0.05, steps=1, per="token").value


class Own:
    """A model of somebody's own that brings its search."""

    def __init__(self, value: Any) -> None:
        self.value = value

    def embedding_divergence(self, texts: list[str], **ascent: Any) -> list[Any]:
        assert ascent == {"epsilon": 0.1, "steps": 4, "per": "sequence", "seed": 0}
        return [self.value] * len(texts)


def test_what_a_model_of_your_own_finds_is_judged_if_it_is_a_divergence() -> None:
    own: Any = Own(0.25)
    assert assert_smooth_below(own, OPENINGS, 0.3, epsilon=0.1).value == 0.25
    nan: Any = Own(math.nan)
    with pytest.raises(QualityError, match="not a number"):
        assert_smooth_below(nan, OPENINGS, 0.3, epsilon=0.1)
    for wrong in (-0.1, 0.7, "0.1", None):
        with pytest.raises(MisuseError, match="expected nats, from 0 to ln 2"):
            assert_smooth_below(Own(wrong), OPENINGS, 0.3, epsilon=0.1)  # type: ignore[arg-type]


@pytest.mark.parametrize(
    ("settings", "reason"),
    [
        *(({"epsilon": wrong}, "epsilon=") for wrong in (0, -1.0, math.nan, math.inf, "0.1", True)),
        ({"epsilon": None}, "no epsilon: say how far"),
        *(({"epsilon": 0.1, "steps": wrong}, "steps=") for wrong in (0, 1.5, True)),
        ({"epsilon": 0.1, "per": "word"}, "expected 'sequence' or 'token'"),
        ({"epsilon": 0.1, "seed": 0.5}, "seed=0.5"),
    ],
)
def test_settings_that_are_none_are_refused_before_a_model_is_loaded(settings: dict[str, Any], reason: str) -> None:
    with pytest.raises(MisuseError, match=reason):
        assert_smooth_below("./no/such/model", OPENINGS, 0.1, **settings)


def test_a_model_without_gradients_to_be_had_is_refused() -> None:
    with pytest.raises(MisuseError, match="cannot say how its answer moves with its embeddings"):
        assert_smooth_below(tiny_t5(), OPENINGS, 0.1, epsilon=0.1)
