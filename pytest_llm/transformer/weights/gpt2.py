"""GPT-2: pre-LayerNorm, learned positions, GELU by its tanh formula, queries, keys and values in one matrix."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pytest_llm.errors import MisuseError
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.weights.names import activation_of, renamed, without

NAMES = {
    "wte": "embedding.tokens",
    "wpe": "embedding.positions",
    "h.*.ln_1": "layers.*.attention_norm",
    "h.*.attn.query": "layers.*.attention.query",
    "h.*.attn.key": "layers.*.attention.key",
    "h.*.attn.value": "layers.*.attention.value",
    "h.*.attn.c_proj": "layers.*.attention.output",
    "h.*.ln_2": "layers.*.feed_forward_norm",
    "h.*.mlp.c_fc": "layers.*.feed_forward.up",
    "h.*.mlp.c_proj": "layers.*.feed_forward.down",
    "ln_f": "norm",
    "lm_head": "head.output",
}
UNUSED = [r"h\.\d+\.attn\.(masked_)?bias"]  # the causal mask, which old checkpoints carry along


def config_of(published: Mapping[str, Any]) -> Config:
    """Our configuration for a `config.json`.

    Raises:
        MisuseError: it asks for something that is not here: other scales of attention, cross-attention, another activation.
    """
    for name, usual in (
        ("scale_attn_weights", True),
        ("scale_attn_by_inverse_layer_idx", False),
        ("add_cross_attention", False),
    ):
        if published.get(name, usual) != usual:
            raise MisuseError(f"{name}={published[name]} is not supported, only {usual}")
    return Config(
        vocabulary=published["vocab_size"],
        width=published["n_embd"],
        layers=published["n_layer"],
        heads=published["n_head"],
        max_length=published["n_positions"],
        inner_width=published.get("n_inner") or 0,
        positions="learned",
        feed_forward=activation_of(published.get("activation_function", "gelu_new")),
        normalization="layer",
        norm_epsilon=published.get("layer_norm_epsilon", 1e-5),
        bias=True,
        tied=published.get("tie_word_embeddings", True),
        dropout=published.get("resid_pdrop", 0.1),
    )


def state_of(published: Mapping[str, Tensor], config: Config) -> dict[str, Tensor]:
    """Its tensors under our names, those of the body without a prefix; matrices are transposed, the joint one is cut in three."""
    state: dict[str, Tensor] = {}
    for name, tensor in without(published, [rf"(transformer\.)?{pattern}" for pattern in UNUSED]).items():
        name = name.removeprefix("transformer.")
        is_matrix = name.startswith("h.") and tensor.dim() == 2
        tensor = tensor.T if is_matrix else tensor
        if ".attn.c_attn." in name:
            for part, piece in zip(("query", "key", "value"), tensor.chunk(3), strict=True):
                state[name.replace("c_attn", part)] = piece
        else:
            state[name] = tensor
    return renamed(state, NAMES)
