"""What a language model must keep whatever it has learned: most bugs of a new kernel, cache or export show here first.

    pytest examples/test_contracts.py

No data and no limit: a contract compares a model with itself, and measures on it what rounding explains.
"""

import math
from typing import Any

import pytest
import torch

from pytest_llm import (
    LanguageModel,
    assert_attention_close,
    assert_batch_invariant,
    assert_cache_consistent,
    assert_causal,
    assert_deterministic,
    assert_dtype_close,
    assert_finite_logits,
    assert_padding_invariant,
    assert_save_load_identical,
    assert_tokenizer_round_trips,
)


@pytest.mark.parametrize(
    "contract",
    [
        assert_causal,
        assert_padding_invariant,
        assert_batch_invariant,
        assert_cache_consistent,
        assert_deterministic,
        assert_save_load_identical,
        assert_finite_logits,
        assert_dtype_close,
        assert_tokenizer_round_trips,
    ],
)
def test_the_model_keeps_its_contracts(contract: Any, llm: LanguageModel) -> None:
    contract(llm)


class Averaging(torch.nn.Module):
    """A model of one's own, whose average includes the next token: one place too far."""

    def __init__(self) -> None:
        super().__init__()
        torch.manual_seed(0)
        self.embedding = torch.nn.Embedding(50, 16)

    def forward(self, ids: torch.Tensor) -> torch.Tensor:
        states = self.embedding(ids)
        reach = torch.ones(ids.shape[1], ids.shape[1]).tril(diagonal=1)
        averages: torch.Tensor = reach / reach.sum(dim=1, keepdim=True) @ states
        return averages @ self.embedding.weight.T


def test_a_model_of_ones_own_is_causal() -> None:
    """It is not, by one place. Fails on purpose."""
    assert_causal(Averaging())


def attend(
    query: torch.Tensor, key: torch.Tensor, value: torch.Tensor, attn_mask: torch.Tensor | None = None
) -> torch.Tensor:
    """A kernel of one's own. A row that may look nowhere comes out as NaN, and NaN spreads."""
    scores = query @ key.transpose(-1, -2) / math.sqrt(query.shape[-1])
    if attn_mask is not None:
        scores = scores.masked_fill(~attn_mask, -torch.inf)
    return scores.softmax(dim=-1) @ value


def test_a_kernel_is_attention_where_nothing_is_masked() -> None:
    assert_attention_close(attend, masks=["none"])


def test_a_kernel_is_attention_whatever_is_masked() -> None:
    """Hypothesis finds the smallest shape that breaks it. Fails on purpose."""
    assert_attention_close(attend, masks=["none", "boolean"])
