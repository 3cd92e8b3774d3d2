"""How much of a model is left after compression? Its recovery: 1 is all of it, whichever way the metric points.

    pytest examples/test_compressed.py

The tiny model's matrices are rounded row by row, which is what the usual weight-only formats do. Eight bits keep all but a fraction
of a per cent; three bits do not.
"""

import copy
from collections.abc import Callable
from typing import Any

import pytest
import torch

from pytest_llm import LanguageModel, assert_recovery_above, embedded

HELD_OUT = embedded("data/held_out.jsonl")


@pytest.fixture
def rounded(llm: Any) -> Callable[[int], Any]:
    """The model with so many bits a weight: each row of a matrix on a grid of its own."""

    def to(bits: int) -> Any:
        module, levels = copy.deepcopy(llm.module), 2 ** (bits - 1) - 1
        with torch.no_grad():
            for weight in module.parameters():
                if weight.dim() == 2:
                    step = weight.abs().amax(dim=1, keepdim=True) / levels
                    weight.copy_((weight / step).round() * step)
        return module, llm.tokenizer

    return to


def test_eight_bits_keep_the_perplexity(llm: LanguageModel, rounded: Callable[[int], Any]) -> None:
    assert_recovery_above(rounded(8), llm, HELD_OUT, "perplexity", 0.97, confidence=0.95)


def test_eight_bits_keep_the_bits_per_byte(llm: LanguageModel, rounded: Callable[[int], Any]) -> None:
    """Bits are logarithms of perplexities: the same share of them allows a far greater loss, so more is asked for."""
    assert_recovery_above(rounded(8), llm, HELD_OUT, "bits_per_byte", "99.5%")


def test_three_bits_keep_the_perplexity(llm: LanguageModel, rounded: Callable[[int], Any]) -> None:
    """They do not. Fails on purpose."""
    assert_recovery_above(rounded(3), llm, HELD_OUT, "perplexity", 0.97)
