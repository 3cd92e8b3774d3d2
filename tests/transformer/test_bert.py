"""An encoder of ours with the weights of a BERT gives what `transformers` gives: random ones with every head, MiniLM."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import (
    BertConfig,
    BertForMaskedLM,
    BertForSequenceClassification,
    BertForTokenClassification,
    BertModel,
)

from pytest_llm.errors import MisuseError
from pytest_llm.models.sources import minilm_folder
from pytest_llm.transformer.attention import attention_formula, use_attention
from tests.transformer.agreement import LOGITS, STATES, core_of, difference, rows, seeded

SHAPE: dict[str, Any] = {
    "vocab_size": 50,
    "hidden_size": 16,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "max_position_embeddings": 32,
    "num_labels": 3,
}


def tiny_bert(kind: Any, **settings: Any) -> Any:
    return seeded(kind, BertConfig(**{**SHAPE, **settings}))


@pytest.mark.parametrize(
    "settings", [{}, {"hidden_act": "relu"}, {"hidden_act": "gelu_new"}, {"tie_word_embeddings": False}]
)
@torch.inference_mode()
def test_masked_tokens_get_the_logits_of_transformers(settings: dict[str, Any]) -> None:
    published = tiny_bert(BertForMaskedLM, **settings)
    core = core_of(published)
    tokens, mask = rows(50, [9, 1, 4], "right")
    segments = (torch.arange(9) > 3).long().expand(3, 9)
    inputs = {"input_ids": tokens, "attention_mask": mask, "token_type_ids": segments}
    expected = published(**inputs).logits
    assert difference(core(tokens, mask, segments=segments), expected, mask) < LOGITS
    states = published.bert(**inputs).last_hidden_state
    assert difference(core.body(tokens, mask, segments=segments), states, mask) < STATES
    use_attention(core, attention_formula)
    assert difference(core(tokens, mask, segments=segments), expected, mask) < LOGITS


@torch.inference_mode()
def test_labels_of_texts_and_of_tokens() -> None:
    tokens, mask = rows(50, [9, 1, 4], "right")
    published = tiny_bert(BertForSequenceClassification)
    found, expected = core_of(published)(tokens, mask), published(tokens, attention_mask=mask).logits
    torch.testing.assert_close(found, expected, atol=LOGITS, rtol=0)
    published = tiny_bert(BertForTokenClassification)
    assert difference(core_of(published)(tokens, mask), published(tokens, attention_mask=mask).logits, mask) < LOGITS


@torch.inference_mode()
def test_padding_shifts_nothing_on_either_side() -> None:
    """`transformers` counts positions from the first place of a row, padding or not."""
    core = core_of(tiny_bert(BertForMaskedLM))
    tokens, mask = rows(50, [9, 4], "left")
    alone = core(tokens[1:, 5:])
    torch.testing.assert_close(core(tokens, mask)[1:, 5:], alone)


def test_a_text_of_nothing_but_padding_gives_numbers() -> None:
    core = core_of(tiny_bert(BertModel))
    tokens, mask = rows(50, [5, 3], "right")
    assert core(tokens, mask * 0).isfinite().all()


@pytest.mark.minilm
@torch.inference_mode()
def test_minilm_can_be_carried() -> None:
    published: Any = BertModel.from_pretrained(minilm_folder())
    core = core_of(published)
    tokens, mask = rows(30522, [20, 7], "right")
    expected = published(tokens, attention_mask=mask, output_hidden_states=True).hidden_states
    layers: list[Any] = []
    for layer in core.layers:
        layer.register_forward_hook(lambda _layer, _inputs, output: layers.append(output))
    assert difference(core(tokens, mask), expected[-1], mask) < STATES
    assert len(layers) == 6
    for found, state in zip(layers, expected[1:], strict=True):
        assert difference(found, state, mask) < STATES


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [({"is_decoder": True}, "is_decoder=True"), ({"hidden_act": "silu"}, "the activation 'silu' is not supported")],
)
def test_what_would_be_computed_otherwise_is_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(MisuseError, match=complaint):
        core_of(tiny_bert(BertModel, **settings))
