"""What a model is made of, as digests that are the same in every process and on every machine."""

from __future__ import annotations

import hashlib
import json
from typing import Any

import torch

from pytest_llm.data.provenance import Identity
from pytest_llm.models.fingerprint import are_plain, block_sums


def identity(module: torch.nn.Module, tokenizer: Any) -> Identity:
    """Digests of weights and tokenizer; empty where one cannot be read: weights that are no plain tensors in memory."""
    return Identity(weights_digest(module), tokenizer_digest(tokenizer))


def weights_digest(module: torch.nn.Module) -> str:
    """Of names, shapes, types and every bit of the tensors, wherever they are; as `fingerprint`, at the speed of memory.

    Empty where that would not be all: weights that are no plain tensors, or that a layer packs into an object of its own.
    """
    named = [*module.named_parameters(), *module.named_buffers()]
    packed = any(not isinstance(value, torch.Tensor) for value in module.state_dict(keep_vars=True).values())
    if packed or not are_plain([tensor for _, tensor in named]):
        return ""
    digest = hashlib.sha256()
    for name, tensor in named:
        digest.update(f"{name} {tuple(tensor.shape)} {tensor.dtype}\n".encode())
    digest.update(block_sums([tensor.detach() for _, tensor in named]))
    return digest.hexdigest()[:16]


def tokenizer_digest(tokenizer: Any) -> str:
    """Of all that decides which tokens a text becomes: of a fast tokenizer its whole pipeline, of another one its vocabulary."""
    backend = getattr(tokenizer, "backend_tokenizer", None)
    if backend is not None:
        pipeline = json.loads(backend.to_str())
        # how it was last called, not what it is
        parts = [json.dumps({**pipeline, "padding": None, "truncation": None}, sort_keys=True, ensure_ascii=False)]
    else:
        parts = [type(tokenizer).__name__, json.dumps(tokenizer.get_vocab(), sort_keys=True, ensure_ascii=False)]
    parts.append(json.dumps(tokenizer.special_tokens_map, sort_keys=True, ensure_ascii=False, default=str))
    parts.append(str(getattr(tokenizer, "chat_template", None)))
    return hashlib.sha256("\0".join(parts).encode("utf-8", "surrogatepass")).hexdigest()[:16]
