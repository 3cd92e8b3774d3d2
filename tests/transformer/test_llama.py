"""A decoder of ours with the weights of a Llama gives the logits of `transformers`: random ones, the shipped one, SmolLM2."""

from __future__ import annotations

from typing import Any

import pytest
import torch
from transformers import LlamaConfig, LlamaForCausalLM, LlamaModel

from pytest_llm.errors import MisuseError
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.transformer.attention import attention_formula, use_attention
from pytest_llm.transformer.weights.published import from_published
from tests.transformer.agreement import LOGITS, STATES, cached, core_of, difference, positions, rows, seeded

SHAPE = {
    "vocab_size": 50,
    "hidden_size": 16,
    "intermediate_size": 40,
    "num_hidden_layers": 2,
    "num_attention_heads": 4,
    "num_key_value_heads": 2,
    "max_position_embeddings": 32,
}
SETTINGS: dict[str, dict[str, Any]] = {
    "grouped": {},
    "tied": {"tie_word_embeddings": True},
    "one head": {"num_attention_heads": 1, "num_key_value_heads": 1},
    "multi-query": {"num_key_value_heads": 1},
    "biases": {"attention_bias": True, "mlp_bias": True},
    "wide heads": {"head_dim": 6},
    # as transformers 5 has it, and 4
    "theta": {"rope_parameters": {"rope_type": "default", "rope_theta": 500.0}, "rope_theta": 500.0},
}


def tiny_llama(kind: Any = LlamaForCausalLM, **settings: Any) -> Any:
    config: Any = LlamaConfig
    return seeded(kind, config(**{**SHAPE, **settings}))


@pytest.mark.parametrize("side", ["right", "left"])
@pytest.mark.parametrize("settings", SETTINGS.values(), ids=SETTINGS)
def test_logits_are_those_of_transformers(settings: dict[str, Any], side: str) -> None:
    published = tiny_llama(**settings)
    _compare(published, *rows(50, [9, 1, 4], side))


@torch.inference_mode()
def _compare(published: Any, tokens: torch.Tensor, mask: torch.Tensor) -> None:
    """Logits and hidden states; with the formula instead of the fused kernel; read in chunks, token by token."""
    core = core_of(published)
    inputs = {"input_ids": tokens, "attention_mask": mask, "position_ids": positions(mask)}
    expected = published(**inputs).logits
    assert difference(core(tokens, mask), expected, mask) < LOGITS
    assert difference(core.body(tokens, mask), published.model(**inputs).last_hidden_state, mask) < STATES
    length = tokens.shape[1]
    for chunks in ([1] * length, [length - 1, 1], [length // 2, length - length // 2]):
        assert difference(cached(core, tokens, mask, chunks), expected, mask) < LOGITS
    use_attention(core, attention_formula)
    assert difference(core(tokens, mask), expected, mask) < LOGITS


def test_a_row_of_nothing_but_padding_gives_numbers() -> None:
    tokens, mask = rows(50, [5, 3], "right")
    core = core_of(tiny_llama())
    alone = core(tokens[:1], mask[:1])
    mask[1] = 0
    both = core(tokens, mask)
    assert both.isfinite().all()
    torch.testing.assert_close(both[:1], alone)


def test_a_body_alone_is_a_decoder() -> None:
    published = tiny_llama(LlamaModel)
    tokens, mask = rows(50, [6], "right")
    with torch.inference_mode():
        assert difference(core_of(published)(tokens), published(tokens).last_hidden_state, mask) < STATES


def test_the_shipped_model_can_be_carried(tiny: TransformersModel) -> None:
    _compare(tiny.module, *rows(2048, [40, 17], "left"))


@pytest.mark.smollm2
def test_smollm2_can_be_carried(smollm2: TransformersModel) -> None:
    published = smollm2.module
    tokens, mask = rows(49152, [24, 11], "left")
    core = core_of(published)
    with torch.inference_mode():
        inputs = {"input_ids": tokens, "attention_mask": mask, "position_ids": positions(mask)}
        expected = published(**inputs).logits
        assert difference(core(tokens, mask), expected, mask) < LOGITS
        assert difference(cached(core, tokens, mask, [10, 13, 1]), expected, mask) < LOGITS
        assert difference(core.body(tokens, mask), published.model(**inputs).last_hidden_state, mask) < STATES


def test_bfloat16_stays_bfloat16() -> None:
    core = core_of(tiny_llama().bfloat16())
    tokens, mask = rows(50, [7, 3], "left")
    assert core(tokens, mask).dtype == torch.bfloat16


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        (
            {"rope_parameters": {"rope_type": "linear", "factor": 2.0, "rope_theta": 1e4}},
            "rotary positions of type 'linear'",
        ),
        ({"hidden_act": "relu"}, "hidden_act='relu' is not supported"),
        ({"mlp_bias": True}, "attention_bias and mlp_bias differ"),
    ],
)
def test_what_would_be_computed_otherwise_is_refused(settings: dict[str, Any], complaint: str) -> None:
    with pytest.raises(MisuseError, match=complaint):
        core_of(tiny_llama(**settings))


def test_no_tensor_is_missing_left_over_or_of_another_shape() -> None:
    published = tiny_llama()
    config, state = published.config.to_dict(), published.state_dict()
    gate = state.pop("model.layers.1.mlp.gate_proj.weight")
    with pytest.raises(MisuseError, match=r"has no tensor body.layers.1.feed_forward.gate.weight"):
        from_published(config, state, architecture="LlamaForCausalLM")
    state["model.layers.1.mlp.gate_proj.weight"] = gate
    state["model.layers.1.adapter.weight"] = gate
    with pytest.raises(MisuseError, match=r"no place for: body.layers.1.adapter.weight"):
        from_published(config, state, architecture="LlamaForCausalLM")
    del state["model.layers.1.adapter.weight"]
    state["model.layers.1.mlp.gate_proj.weight"] = gate.T
    with pytest.raises(MisuseError, match=r"gate.weight has shape \(16, 40\), expected \(40, 16\)"):
        from_published(config, state, architecture="LlamaForCausalLM")


def test_tensors_that_are_said_to_be_tied_are_equal() -> None:
    published = tiny_llama()
    config = {**published.config.to_dict(), "tie_word_embeddings": True}
    with pytest.raises(MisuseError, match="are one tensor, but they differ"):
        from_published(config, published.state_dict(), architecture="LlamaForCausalLM")


def test_an_unknown_architecture_is_named() -> None:
    with pytest.raises(MisuseError, match="takes the weights of MambaForCausalLM; known are LlamaForCausalLM"):
        from_published({"architectures": ["MambaForCausalLM"]}, {})


def test_too_many_tokens_are_refused() -> None:
    core = core_of(tiny_llama())
    tokens, _ = rows(50, [33], "right")
    with pytest.raises(MisuseError, match="33 tokens are more than the 32"):
        core(tokens)
