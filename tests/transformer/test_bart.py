"""An encoder-decoder of ours with the weights of a (random) BART gives the logits of `transformers`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import BartConfig, BartForConditionalGeneration, BartModel

from pytest_llm.errors import MisuseError
from pytest_llm.transformer.attention import attention_formula, use_attention
from tests.transformer.agreement import LOGITS, STATES, core_of, difference, rows, seeded


def tiny_bart(kind: Any = BartForConditionalGeneration, **settings: Any) -> Any:
    shape = {
        "vocab_size": 50,
        "d_model": 16,
        "encoder_layers": 2,
        "decoder_layers": 3,
        "encoder_attention_heads": 4,
        "decoder_attention_heads": 4,
        "encoder_ffn_dim": 24,
        "decoder_ffn_dim": 24,
        "max_position_embeddings": 32,
    }
    module = seeded(kind, BartConfig(**{**shape, **settings}))
    if kind is BartForConditionalGeneration:
        module.final_logits_bias.normal_(generator=torch.Generator().manual_seed(2))
    return module


@pytest.mark.parametrize("settings", [{}, {"scale_embedding": True}, {"activation_function": "relu"}], ids=str)
@torch.inference_mode()
def test_logits_are_those_of_transformers(settings: dict[str, Any]) -> None:
    published = tiny_bart(**settings)
    core = core_of(published)
    (source, source_mask), (target, target_mask) = rows(50, [9, 1, 4], "right"), rows(50, [3, 7, 1], "right", seed=1)
    inputs = {"input_ids": source, "attention_mask": source_mask, "decoder_input_ids": target}
    expected = published(**inputs).logits
    found = core(source, target, source_mask=source_mask, target_mask=target_mask)
    assert difference(found, expected, target_mask) < LOGITS
    states = published.model(**inputs)
    ours = core.body(source, target, source_mask=source_mask, target_mask=target_mask)
    assert difference(ours, states.last_hidden_state, target_mask) < STATES
    memory = core.body.encoder(source, source_mask)
    assert difference(memory, states.encoder_last_hidden_state, source_mask) < STATES

    cache = core.body.decoder.new_cache()
    steps = [
        core(source, part, source_mask=source_mask, target_mask=mask, memory=memory, cache=cache)
        for part, mask in zip(torch.split(target, [2, 1, 4], 1), torch.split(target_mask, [2, 1, 4], 1), strict=True)
    ]
    assert difference(torch.cat(steps, dim=1), expected, target_mask) < LOGITS
    use_attention(core, attention_formula)
    assert difference(core(source, target, source_mask=source_mask), expected, target_mask) < LOGITS


@torch.inference_mode()
def test_a_body_alone_is_an_encoder_decoder() -> None:
    published = tiny_bart(BartModel)
    (source, _), (target, mask) = rows(50, [6], "right"), rows(50, [4], "right", seed=1)
    expected = published(source, decoder_input_ids=target).last_hidden_state
    assert difference(core_of(published)(source, target), expected, mask) < STATES


@torch.inference_mode()
def test_a_source_of_nothing_but_padding_gives_numbers() -> None:
    core = core_of(tiny_bart())
    source, target = torch.zeros(1, 3, dtype=torch.long), torch.zeros(1, 2, dtype=torch.long)
    assert core(source, target, source_mask=source * 0).isfinite().all()


def test_stacks_of_different_shape_are_refused() -> None:
    with pytest.raises(MisuseError, match="encoder_ffn_dim=24 and decoder_ffn_dim=32: only equal ones"):
        core_of(tiny_bart(decoder_ffn_dim=32))


def test_a_decoder_looks_across_only_where_it_was_built_to() -> None:
    core = core_of(tiny_bart())
    tokens = torch.zeros(1, 2, dtype=torch.long)
    with pytest.raises(MisuseError, match="needs a memory"):
        core.body.decoder(tokens)
