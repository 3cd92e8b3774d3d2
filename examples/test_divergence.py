"""Is a compressed model still the same model? Perplexity hides changes that cancel; divergence from the original does not.

    pytest examples/test_divergence.py

SmolLM2-135M is asked once in float32, and what it said is kept in a file. In bfloat16 it says nearly the same at every token;
with its weights rounded to four bits it does not, whatever its perplexity.
"""

import copy
from pathlib import Path
from typing import Any

import pytest
import torch

from pytest_llm import (
    assert_divergence_below,
    assert_mean_kld_below,
    assert_same_top_above,
    embedded,
    load_examples,
    load_model,
    save_reference,
)

pytestmark = pytest.mark.smollm2

OPENINGS = [" ".join(example.text.split()[:40]) for example in load_examples(embedded("data/held_out.jsonl"))]


@pytest.fixture(scope="module")
def original(smollm2: Any, tmp_path_factory: pytest.TempPathFactory) -> Path:
    """What the original says. In a project of yours this file is made once, and lies beside the tests."""
    return save_reference(smollm2, OPENINGS, tmp_path_factory.mktemp("references") / "smollm2.safetensors")


@pytest.fixture(scope="module")
def bfloat16() -> Any:
    return load_model("smollm2", dtype="bfloat16")


@pytest.fixture(scope="module")
def four_bits(smollm2: Any) -> Any:
    """Each matrix rounded to 15 levels in groups of 64 weights: nobody's best quantisation."""
    module = copy.deepcopy(smollm2.module)
    with torch.no_grad():
        for weight in module.parameters():
            if weight.dim() == 2:
                groups = weight.reshape(-1, 64)
                step = groups.abs().amax(dim=1, keepdim=True) / 7
                weight.copy_((groups / step).round().mul(step).reshape(weight.shape))
    return module, smollm2.tokenizer


def test_bfloat16_is_close_to_the_model_itself(bfloat16: Any, smollm2: Any) -> None:
    assert_mean_kld_below(bfloat16, OPENINGS, 0.002, reference=smollm2)


def test_bfloat16_is_close_to_what_the_model_said(bfloat16: Any, original: Path) -> None:
    assert_mean_kld_below(bfloat16, OPENINGS, 0.002, reference=original)


def test_bfloat16_is_close_at_ninety_nine_tokens_in_a_hundred(bfloat16: Any, original: Path) -> None:
    assert_divergence_below(bfloat16, OPENINGS, 0.02, reference=original, statistic="kld_p99", confidence=0.95)


def test_bfloat16_prefers_the_same_tokens(bfloat16: Any, original: Path) -> None:
    assert_same_top_above(bfloat16, OPENINGS, 0.95, reference=original)


def test_four_bits_are_close_to_what_the_model_said(four_bits: Any, original: Path) -> None:
    """They are not, so rounded. Fails on purpose."""
    assert_mean_kld_below(four_bits, OPENINGS, 0.1, reference=original)
