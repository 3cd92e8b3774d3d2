"""BERT and its kin (MiniLM, …): post-LayerNorm, learned positions, segments, GELU."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from torch import Tensor

from pytest_llm.errors import MisuseError
from pytest_llm.transformer.config import Config
from pytest_llm.transformer.weights.names import activation_of, renamed, without

NAMES = {
    "embeddings.word_embeddings": "embedding.tokens",
    "embeddings.position_embeddings": "embedding.positions",
    "embeddings.token_type_embeddings": "embedding.segments",
    "embeddings.LayerNorm": "embedding.norm",
    "encoder.layer.*.attention.self.query": "layers.*.attention.query",
    "encoder.layer.*.attention.self.key": "layers.*.attention.key",
    "encoder.layer.*.attention.self.value": "layers.*.attention.value",
    "encoder.layer.*.attention.output.dense": "layers.*.attention.output",
    "encoder.layer.*.attention.output.LayerNorm": "layers.*.attention_norm",
    "encoder.layer.*.intermediate.dense": "layers.*.feed_forward.up",
    "encoder.layer.*.output.dense": "layers.*.feed_forward.down",
    "encoder.layer.*.output.LayerNorm": "layers.*.feed_forward_norm",
    "cls.predictions.transform.dense": "head.transform",
    "cls.predictions.transform.LayerNorm": "head.norm",
    "cls.predictions.decoder": "head.output",
    "pooler.dense": "head.pooler",
    "classifier": "head.output",
}
UNUSED = [
    r"embeddings\.position_ids",
    r"cls\.predictions\.bias",
]  # a counter; the same tensor as cls.predictions.decoder.bias


def config_of(published: Mapping[str, Any]) -> Config:
    """Our configuration for a `config.json`.

    Raises:
        MisuseError: it asks for something that is not here: relative positions, a decoder, another activation.
    """
    if (kind := published.get("position_embedding_type", "absolute")) != "absolute":
        raise MisuseError(f"position_embedding_type={kind!r} is not supported, only absolute")
    if published.get("is_decoder"):
        raise MisuseError("is_decoder=True is not supported: a BERT here sees all tokens")
    return Config(
        vocabulary=published["vocab_size"],
        width=published["hidden_size"],
        layers=published["num_hidden_layers"],
        heads=published["num_attention_heads"],
        max_length=published["max_position_embeddings"],
        inner_width=published["intermediate_size"],
        positions="learned",
        feed_forward=activation_of(published.get("hidden_act", "gelu")),
        normalization="layer",
        norm_epsilon=published.get("layer_norm_eps", 1e-12),
        norm_first=False,
        embedding_norm=True,
        segments=published.get("type_vocab_size", 2),
        bias=True,
        tied=published.get("tie_word_embeddings", True),
        head_bias=True,
        head_transform=True,
        labels=len(published.get("id2label") or (0, 1)),
        dropout=published.get("hidden_dropout_prob", 0.1),
    )


def state_of(published: Mapping[str, Tensor], config: Config) -> dict[str, Tensor]:
    """Its tensors under our names, those of the body without a prefix."""
    state = {name.removeprefix("bert."): tensor for name, tensor in published.items()}
    if "cls.predictions.bias" in state:
        state.setdefault("cls.predictions.decoder.bias", state["cls.predictions.bias"])
    unused = (
        UNUSED if "classifier.weight" in state else [*UNUSED, r"pooler\..*"]
    )  # for the next sentence, in pre-training
    return renamed(without(state, unused), NAMES)
