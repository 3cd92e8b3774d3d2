"""The gates of single figures: which statistic decides, and what has no proof."""

from __future__ import annotations

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_llm import (
    Limit,
    MisuseError,
    Outcome,
    QualityError,
    assert_divergence_below,
    assert_mean_kld_below,
    assert_same_top_above,
    embedded,
    judge,
    load_examples,
    measure,
    save_reference,
)
from pytest_llm.assertions.divergence import Statistic
from pytest_llm.models.transformers_model import TransformersModel

TEXTS = [example.text[:400] for example in load_examples(embedded("data/held_out.jsonl"))]
STATISTICS = ("mean_kld", "median_kld", "kld_p99", "max_kld", "rms_delta_p", "perplexity_ratio")


@pytest.fixture(scope="module")
def half(tiny: TransformersModel) -> TransformersModel:
    return TransformersModel(copy.deepcopy(tiny.module).to(torch.bfloat16), tiny.tokenizer, name="half")


@pytest.mark.parametrize("statistic", STATISTICS)
def test_the_figure_that_is_named_decides(tiny: TransformersModel, half: TransformersModel, statistic: Any) -> None:
    value = measure(half, TEXTS, statistic, reference=tiny).value
    assert value > 0
    passed = assert_divergence_below(half, TEXTS, 1.01 * value, reference=tiny, statistic=statistic)
    assert passed.metric == statistic
    assert passed.value == pytest.approx(value)
    with pytest.raises(QualityError, match=rf"^{statistic} \S+ is not below") as caught:
        assert_divergence_below(half, TEXTS, 0.99 * value, reference=tiny, statistic=statistic)
    assert "reference: tiny-decoder" in str(caught.value)


def test_the_mean_decides_unless_told_otherwise(tiny: TransformersModel, half: TransformersModel) -> None:
    by_default = assert_divergence_below(half, TEXTS, 1, reference=tiny)
    assert by_default.value == assert_mean_kld_below(half, TEXTS, 1, reference=tiny).value
    assert by_default.metric == "mean_kld"


@pytest.mark.parametrize("statistic", [name for name in STATISTICS if name != "max_kld"])
def test_proof_needs_a_limit_beyond_the_bound(tiny: TransformersModel, half: TransformersModel, statistic: Any) -> None:
    estimate = measure(half, TEXTS, statistic, reference=tiny).estimate
    assert estimate is not None
    between = (estimate.value + estimate.upper(0.95)) / 2
    with pytest.raises(QualityError, match="is not proven below") as caught:
        assert_divergence_below(half, TEXTS, between, reference=tiny, statistic=statistic, confidence=0.95)
    assert caught.value.verdict.outcome is Outcome.INCONCLUSIVE
    beyond = 1.01 * estimate.upper(0.95)
    assert_divergence_below(half, TEXTS, beyond, reference=tiny, statistic=statistic, confidence=0.95)


def test_the_message_says_what_the_interval_of_a_quantile_rests_on(
    tiny: TransformersModel, half: TransformersModel
) -> None:
    with pytest.raises(QualityError) as caught:
        assert_divergence_below(half, TEXTS, 1e-9, reference=tiny, statistic="kld_p99")
    assert "on text like this (95 %, order statistics of the tokens, by documents)" in str(caught.value)


def test_the_message_of_a_maximum_says_that_it_has_no_interval(
    tiny: TransformersModel, half: TransformersModel
) -> None:
    with pytest.raises(QualityError, match="interval   none: a maximum has none, because more text has rarer tokens"):
        assert_divergence_below(half, TEXTS, 1e-9, reference=tiny, statistic="max_kld")


def test_a_maximum_is_never_proven(tiny: TransformersModel, half: TransformersModel) -> None:
    verdict = judge(measure(half, TEXTS, "max_kld", reference=tiny), Limit.below(9, confidence=0.95))
    assert verdict.outcome is Outcome.INCONCLUSIVE
    assert verdict.sentence.endswith("there is no interval (a maximum has none, because more text has rarer tokens)")


def test_proof_of_a_maximum_is_refused() -> None:
    with pytest.raises(MisuseError, match="a maximum has none, because more text has rarer tokens: gate kld_p99"):
        assert_divergence_below("no model", [], 1, reference="none", statistic="max_kld", confidence=0.95)


@pytest.mark.parametrize(
    ("statistic", "hint"),
    [("same_top", "use assert_same_top_above"), ("kld_p9", "did you mean kld_p99"), (None, "there are: mean_kld, ")],
)
def test_an_unknown_statistic_is_refused_with_a_hint(statistic: Any, hint: str) -> None:
    with pytest.raises(MisuseError, match=f"statistic={statistic!r} is none that should be low; {hint}"):
        assert_divergence_below("no model", [], 1, reference="none", statistic=statistic)


def test_a_stored_reference_stands_in_the_place_of_its_model(
    tiny: TransformersModel, half: TransformersModel, tmp_path: Path
) -> None:
    path = save_reference(tiny, TEXTS, tmp_path / "tiny.safetensors")
    exact: tuple[Statistic, ...] = ("rms_delta_p", "perplexity_ratio")
    for statistic in exact:
        live = assert_divergence_below(half, TEXTS, 9, reference=tiny, statistic=statistic).value
        kept = assert_divergence_below(half, TEXTS, 9, reference=path, statistic=statistic).value
        assert kept == live
    assert (
        assert_same_top_above(half, TEXTS, 0.5, reference=path).value
        == assert_same_top_above(half, TEXTS, 0.5, reference=tiny).value
    )
    live = assert_mean_kld_below(half, TEXTS, 9, reference=tiny).value
    assert 0.9 * live < assert_mean_kld_below(half, TEXTS, 9, reference=str(path)).value < live
