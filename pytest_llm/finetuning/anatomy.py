"""Which parameters of a model are its embeddings, its layers, their feed-forward parts and its head.

A layer is known by its class, of ours or of `transformers`. What is in no layer is an embedding if its name says so, and else
belongs to the head: final norms, poolers, the matrix that gives logits (a tied one is the embedding).
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass

from torch import nn

from pytest_llm.errors import MisuseError

FEED_FORWARD: dict[str, tuple[str, ...]] = {
    "Layer": ("feed_forward",),  # of pytest_llm.transformer
    "BartDecoderLayer": ("fc1", "fc2"),
    "BartEncoderLayer": ("fc1", "fc2"),
    "BertLayer": ("intermediate.dense", "output.dense"),
    "GPT2Block": ("mlp",),
    "GemmaDecoderLayer": ("mlp",),
    "LlamaDecoderLayer": ("mlp",),
    "MistralDecoderLayer": ("mlp",),
    "Qwen2DecoderLayer": ("mlp",),
    "Qwen3DecoderLayer": ("mlp",),
    "RobertaLayer": ("intermediate.dense", "output.dense"),
    "T5Block": ("layer.1.DenseReluDense", "layer.2.DenseReluDense"),  # 1 of the encoder, 2 of the decoder
    "TransformerBlock": ("ffn",),  # of DistilBERT
}
"""The class of a layer, and what in it is the feed-forward part, without the norm around it."""
_EMBEDDING = re.compile(r"(^|\.)(\w*embed\w*|wte|wpe|shared)\.")


@dataclass(frozen=True, slots=True)
class Anatomy:
    """The names of a model's parameters by where they are; each is in one place."""

    embeddings: tuple[str, ...]
    layers: tuple[tuple[str, ...], ...]
    """From the first to the last; an encoder's before its decoder's."""
    head: tuple[str, ...]
    feed_forward: tuple[str, ...]
    """Of these, those of the layers' feed-forward parts."""


def layers_of(module: nn.Module) -> dict[str, nn.Module]:
    """The layers of a model by their names, from the first to the last.

    Raises:
        MisuseError: an architecture whose layers are not known.
    """
    layers = {name: part for name, part in module.named_modules() if type(part).__name__ in FEED_FORWARD}
    if not layers:
        raise MisuseError(
            f"the layers of {type(module).__name__} are not known: it has none of {', '.join(sorted(FEED_FORWARD))}. Add its "
            f"layer's class to pytest_llm.finetuning.anatomy.FEED_FORWARD, or train all parameters with Full()"
        )
    return layers


def anatomy(module: nn.Module) -> Anatomy:
    """Take a model apart.

    Raises:
        MisuseError: an architecture whose layers are not known.
    """
    layers = layers_of(module)
    names = [name for name, _ in module.named_parameters()]
    of_layers = tuple(tuple(_under(layer, names)) for layer in layers)
    outside = [name for name in names if not any(name in of_layer for of_layer in of_layers)]
    feed_forward = [
        name
        for layer, part in layers.items()
        for inner in FEED_FORWARD[type(part).__name__]
        for name in _under(f"{layer}.{inner}", names)
    ]
    return Anatomy(
        tuple(name for name in outside if _EMBEDDING.search(name)),
        of_layers,
        tuple(name for name in outside if not _EMBEDDING.search(name)),
        tuple(feed_forward),
    )


def _under(prefix: str, names: list[str]) -> Iterator[str]:
    return (name for name in names if name.startswith(f"{prefix}."))
