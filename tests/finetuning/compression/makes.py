"""Models to compress, of `transformers` and of the core."""

from __future__ import annotations

from typing import Any

import torch

from pytest_llm.data.embedded import embedded
from pytest_llm.data.loading import load_examples
from pytest_llm.models.core_factory import fresh_model, trained_model
from pytest_llm.models.loading import as_language_model, load_model
from tests.tiny_checkpoints import tiny_bart, tiny_bert, tiny_classifier, tiny_gpt2, tiny_llama, tiny_t5

HELD_OUT = [" ".join(example.text.split()[:60]) for example in load_examples(embedded("data/held_out.jsonl"))][:8]
"""Enough to tell a model from a broken one."""
TINY = [tiny_llama, tiny_gpt2, tiny_bert, tiny_classifier, tiny_t5, tiny_bart]


def kinds() -> dict[str, Any]:
    """How to make a small model of each kind, anew at each call."""
    of_transformers = {make.__name__: lambda make=make: as_language_model(make()) for make in TINY}
    of_core: dict[str, Any] = {
        f"core {kind}": lambda kind=kind: fresh_model(kind) for kind in ("encoder", "decoder", "encoder-decoder")
    }
    return of_transformers | of_core


def trained() -> dict[str, Any]:
    """tiny-decoder, as a model of transformers and carried by the core."""
    return {
        "transformers": lambda: load_model("tiny-decoder", device="cpu"),
        "core": lambda: trained_model("decoder"),
    }


def answers(model: Any) -> Any:
    """The logits of a few tokens."""
    tokens = torch.tensor([[5, 9, 17, 6, 8, 30]])
    more = {"decoder_input_ids": tokens[:, :4]} if model.module.config.is_encoder_decoder else {}
    with torch.inference_mode():
        return model.module(input_ids=tokens, **more).logits
