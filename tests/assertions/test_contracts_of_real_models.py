"""SmolLM2 and MiniLM keep every contract that is theirs to keep."""

from __future__ import annotations

import re
from collections.abc import Callable
from typing import Any

import pytest

from pytest_llm import (
    QualityError,
    assert_batch_invariant,
    assert_cache_consistent,
    assert_causal,
    assert_deterministic,
    assert_dtype_close,
    assert_finite_logits,
    assert_padding_invariant,
    assert_save_load_identical,
    assert_special_tokens_isolated,
    assert_tokenizer_round_trips,
)
from pytest_llm.models.embedding_model import EmbeddingModel
from pytest_llm.models.transformers_model import TransformersModel
from tests import old_releases

SHORT = {"length": 8}


@pytest.mark.smollm2
@pytest.mark.parametrize(
    ("contract", "settings"),
    [
        (assert_causal, SHORT),
        (assert_padding_invariant, SHORT),
        (assert_batch_invariant, SHORT),
        pytest.param(assert_cache_consistent, SHORT, marks=old_releases.writes_into_expanded_masks),
        (assert_deterministic, SHORT),
        (assert_finite_logits, {"length": 64}),
        (assert_tokenizer_round_trips, {}),
    ],
)
def test_smollm2_keeps(contract: Callable[..., Any], settings: dict[str, Any], smollm2: TransformersModel) -> None:
    contract(smollm2, **settings)


@pytest.mark.smollm2
def test_smollm2_takes_special_tokens_in_a_text_for_its_own(smollm2: TransformersModel) -> None:
    with pytest.raises(
        QualityError, match=r"'What does <\|endoftext\|> mean\?' is read as 1 <\|endoftext\|>"
    ) as caught:
        assert_special_tokens_isolated(smollm2)
    assert "35 cases, 34 of them broken; 17 texts" in str(caught.value)
    marks = re.compile("<.*?>")
    assert_special_tokens_isolated(smollm2, sanitise=lambda text: marks.sub("", text))


@pytest.mark.smollm2
def test_a_gguf_file_is_loaded_with_its_tokenizer(smollm2: TransformersModel) -> None:
    assert smollm2.provenance.model == "SmolLM2-135M-Instruct.Q4_1.gguf (LlamaForCausalLM, 134.5 M parameters)"
    assert smollm2.max_length == 8192
    assert smollm2.tokenizer.decode(smollm2.encode(["Hello world"])[0]) == "Hello world"


@pytest.mark.smollm2
def test_what_was_read_from_gguf_is_saved_as_tensors(smollm2: TransformersModel) -> None:
    way = "safetensors" if old_releases.TRANSFORMERS >= (5,) else "save_pretrained"  # which refuses it since
    assert f"|{way}|" in assert_save_load_identical(smollm2, length=8).signature


@pytest.mark.slow
@pytest.mark.smollm2
def test_smollm2_keeps_in_other_types_and_at_length(smollm2: TransformersModel) -> None:
    assert_dtype_close(smollm2)
    assert_causal(smollm2)
    assert_finite_logits(smollm2, length=2048)


@pytest.mark.minilm
@pytest.mark.parametrize(
    "contract",
    [
        assert_padding_invariant,
        assert_batch_invariant,
        assert_deterministic,
        assert_save_load_identical,
        assert_finite_logits,
        assert_dtype_close,
        assert_tokenizer_round_trips,
    ],
)
def test_minilm_keeps(contract: Callable[..., Any], minilm: EmbeddingModel) -> None:
    contract(minilm)


@pytest.mark.minilm
def test_minilm_is_not_causal_and_heads_of_its_first_layer_look_ahead(minilm: EmbeddingModel) -> None:
    with pytest.raises(
        QualityError, match="not causal: changing token 31 changes the logits of position 0 of text 1"
    ) as caught:
        assert_causal(minilm)
    assert "encoder.layer.0, one of 6 layers, is the first whose output differs here" in str(caught.value)
    assert re.search(r"looks +heads .* of 12 in layer 0; head \d+ most, with a weight of 0.0\d+", str(caught.value))
