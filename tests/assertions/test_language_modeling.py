"""The assertions about pairs and masked tokens: right numbers on real models, and a defined outcome for bad input."""

from __future__ import annotations

import math
from typing import Any

import pytest
import torch

from pytest_llm import (
    MisuseError,
    Outcome,
    QualityError,
    assert_conditional_perplexity_below,
    assert_pseudo_perplexity_below,
)
from tests.stub_models import MaskedTable, PairTable
from tests.tiny_checkpoints import TEXTS, tiny_bert, tiny_t5

ROWS = [{"text": TEXTS[source], "target": TEXTS[target]} for source, target in ((0, 3), (0, 2), (1, 3), (3, 4))]


def test_agrees_with_the_loss_of_transformers_weighted_by_tokens() -> None:
    module, tokenizer = tiny_t5()
    nll, count = 0.0, 0
    for row in ROWS:
        ids, labels = (torch.tensor([tokenizer(row[column])["input_ids"]]) for column in ("text", "target"))
        with torch.no_grad():
            nll += float(module(input_ids=ids, labels=labels).loss) * labels.shape[1]
        count += labels.shape[1]
    measured = assert_conditional_perplexity_below((module, tokenizer), ROWS, 1e9)
    assert measured.value == pytest.approx(math.exp(nll / count), rel=1e-5)
    assert measured.statistics[:, 1].sum() == count


def test_units_describe_the_same_probability() -> None:
    pair = tiny_t5()
    byte, bits = (assert_conditional_perplexity_below(pair, ROWS, 1e9, unit=unit) for unit in ("byte", "bits_per_byte"))
    assert byte.statistics[:, 1].tolist() == [len(row["target"].encode()) for row in ROWS]
    assert bits.value == pytest.approx(math.log2(byte.value))


def test_without_the_end_token_there_is_one_token_less_per_target() -> None:
    pair = tiny_t5()
    with_end, without = (
        assert_conditional_perplexity_below(pair, ROWS, 1e9, score_eos=choice).statistics for choice in (True, False)
    )
    assert (with_end[:, 1] - without[:, 1]).tolist() == [1] * len(ROWS)
    assert (with_end[:, 0] > without[:, 0]).all()


def test_pseudo_perplexity_of_a_model_of_ones_own() -> None:
    model = MaskedTable({"a b": [-1.0, -2.0], "c": [-3.0]})
    assert assert_pseudo_perplexity_below(model, ["a b", "c"], 1e9, within_word=False).value == pytest.approx(
        math.exp(2)
    )
    assert assert_pseudo_perplexity_below(model, ["a b", "c"], 1e9).value == pytest.approx(math.exp(4))


def test_a_worse_value_fails_and_names_the_worst_pair() -> None:
    model = PairTable({("a", "x"): [-1.0], ("b", "y"): [-5.0]})
    rows = [{"text": "a", "target": "x"}, {"text": "b", "target": "y"}]
    with pytest.raises(QualityError, match=r"conditional_perplexity 20\.09 is not below 20: ") as caught:
        assert_conditional_perplexity_below(model, rows, 20)
    assert "worst          148.4  #1  'b'" in str(caught.value)
    assert "signature  conditional_perplexity|eos:model's own" in str(caught.value)


def test_nan_is_an_error() -> None:
    module, tokenizer = tiny_bert()
    with torch.no_grad():
        module.get_input_embeddings().weight.fill_(math.nan)
    with pytest.raises(QualityError, match="pseudo_perplexity is not a number") as caught:
        assert_pseudo_perplexity_below((module, tokenizer), TEXTS[:2], 1e9)
    assert caught.value.verdict.outcome is Outcome.ERROR


def test_nan_of_a_pair_is_an_error() -> None:
    module, tokenizer = tiny_t5()
    with torch.no_grad():
        module.get_input_embeddings().weight.fill_(math.nan)
    with pytest.raises(QualityError, match="conditional_perplexity is not a number"):
        assert_conditional_perplexity_below((module, tokenizer), ROWS, 1e9)


@pytest.mark.parametrize("limit", [math.nan, "20", None])
def test_a_senseless_limit_is_refused_before_the_model_runs(limit: Any) -> None:
    pairs, masked = PairTable({}), MaskedTable({})
    with pytest.raises(MisuseError, match="limit"):
        assert_conditional_perplexity_below(pairs, ROWS, limit)
    with pytest.raises(MisuseError, match="limit"):
        assert_pseudo_perplexity_below(masked, TEXTS, limit)
    assert not pairs.calls
    assert not masked.calls


def test_confidence_demands_proof() -> None:
    texts = {f"text {n}": [-2.0 - (n % 5) / 2] * 10 for n in range(40)}  # pseudo-perplexity about e^3 = 20
    with pytest.raises(QualityError, match=r"not proven below 20\.5"):
        assert_pseudo_perplexity_below(MaskedTable(texts), list(texts), 20.5, within_word=False, confidence=0.95)
