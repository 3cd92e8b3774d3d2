"""A decoder of ours with the weights of a (random) GPT-2 gives the logits of `transformers`."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import GPT2Config, GPT2LMHeadModel, GPT2Model

from pytest_llm.errors import MisuseError
from tests.transformer.agreement import LOGITS, STATES, cached, core_of, difference, positions, rows, seeded


def tiny_gpt2(kind: Any = GPT2LMHeadModel, **settings: Any) -> Any:
    shape = {"vocab_size": 50, "n_embd": 16, "n_layer": 2, "n_head": 4, "n_positions": 32, "bos_token_id": 0}
    return seeded(kind, GPT2Config(**{**shape, "eos_token_id": 0, **settings}))


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize(
    "settings", [{}, {"tie_word_embeddings": False}, {"n_inner": 20, "activation_function": "relu"}], ids=str
)
@torch.inference_mode()
def test_logits_are_those_of_transformers(settings: dict[str, Any], side: str) -> None:
    published = tiny_gpt2(**settings)
    core = core_of(published)
    tokens, mask = rows(50, [9, 1, 4], side)
    inputs = {"input_ids": tokens, "attention_mask": mask, "position_ids": positions(mask)}
    expected = published(**inputs).logits
    assert difference(core(tokens, mask), expected, mask) < LOGITS
    assert difference(core.body(tokens, mask), published.transformer(**inputs).last_hidden_state, mask) < STATES
    for chunks in ([1] * 9, [4, 5]):
        assert difference(cached(core, tokens, mask, chunks), expected, mask) < LOGITS


@torch.inference_mode()
def test_a_body_alone_is_a_decoder() -> None:
    published = tiny_gpt2(GPT2Model)
    tokens, mask = rows(50, [6], "right")
    assert difference(core_of(published)(tokens), published(tokens).last_hidden_state, mask) < STATES


@pytest.mark.parametrize("setting", ["scale_attn_by_inverse_layer_idx", "add_cross_attention"])
def test_what_would_be_computed_otherwise_is_refused(setting: str) -> None:
    with pytest.raises(MisuseError, match=f"{setting}=True is not supported"):
        core_of(tiny_gpt2(**{setting: True}))
