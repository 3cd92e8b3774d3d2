"""The model that is shipped is a model: far better on unseen prose than word frequencies are."""

from __future__ import annotations

import lzma
import math

import numpy as np
import pytest

from pytest_llm import assert_perplexity_below, embedded, load_examples, measure
from pytest_llm.models.transformers_model import TransformersModel

HELD_OUT = embedded("data/held_out.jsonl")


def unigram_perplexity(model: TransformersModel) -> float:
    """Of token frequencies (add-one) counted on the training text, on the held-out tokens."""
    with lzma.open(embedded("data/austen_train.txt.xz"), "rt", encoding="utf-8") as stream:
        encoded = model.encode([line + "\n" for line in stream.read().splitlines()])
    counts = np.bincount([token for line in encoded for token in line], minlength=len(model.tokenizer)) + 1
    held_out = model.encode([example.text for example in load_examples(HELD_OUT)])
    log_probs = np.log(counts / counts.sum())[[token for text in held_out for token in text]]
    return math.exp(-float(log_probs.mean()))


def test_perplexity_is_far_below_a_unigram_models(tiny: TransformersModel) -> None:
    assert_perplexity_below(tiny, HELD_OUT, unigram_perplexity(tiny) / 8)


def test_perplexity_is_what_the_readme_says(tiny: TransformersModel) -> None:
    assert measure(tiny, HELD_OUT, "perplexity").value == pytest.approx(44.10, abs=0.01)
    assert unigram_perplexity(tiny) == pytest.approx(581.4, abs=0.1)


def test_the_checkpoint_stays_small() -> None:
    assert sum(file.stat().st_size for file in embedded("models/tiny-decoder").iterdir()) <= 8_000_000
