"""Whether a model gives packed windows the same probabilities as plain ones: tried once, before anything rests on it."""

from __future__ import annotations

from typing import Any

import torch

from pytest_llm.models.language_model import Window
from pytest_llm.models.memory import Budget
from pytest_llm.models.packed import scores_packed
from pytest_llm.models.packed_attention import CannotPack
from pytest_llm.models.plain import scores_in_batches

_LENGTHS = (24, 7, 41, 2)
_SHARED = 30
_TOKENS_PER_PACK = 64
# Mean differences in nats that rounding explains; attention across windows changes the probe by tenths of a nat.
_TOLERANCES = {torch.float32: 1e-4, torch.bfloat16: 0.05, torch.float16: 0.01}


def reason_not_to_pack(module: Any, max_length: int) -> str:
    """Score a probe both ways; empty if they agree.

    The probe's windows differ in length and their tokens are spread over the vocabulary, so that attention across windows,
    positions that run on, or logits that are scaled after the head show. Some begin alike, and the packs are small, so
    that shared beginnings, also those that are carried from one pack to the next, are tried as well.
    """
    vocabulary = module.get_input_embeddings().weight.shape[0]
    tokens = [[(7919 * (place + 31 * length)) % vocabulary for place in range(length)] for length in _LENGTHS]
    longest = max(tokens, key=len)
    tokens += [longest[:_SHARED] + other for other in tokens if other is not longest]
    tokens = [window[: max_length + 1] for window in tokens]
    probe = [Window(tuple(window), len(window) - 1) for window in tokens]
    budget = Budget(_TOKENS_PER_PACK)
    try:
        packed = torch.cat(scores_packed(module, probe, budget))
    except (CannotPack, TypeError, AttributeError, RuntimeError, ValueError) as error:
        return f"{type(error).__name__}: {error}"
    difference = float((packed - torch.cat(scores_in_batches(module, probe, budget))).abs().mean())
    allowed = _TOLERANCES.get(module.dtype, 0.0)
    if difference <= allowed:
        return ""
    return f"on a probe its log-probabilities differ by {difference:.2g} on average, {allowed:g} would be rounding"
