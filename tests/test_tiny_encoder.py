"""The encoder that is shipped is a model: what it says of unseen prose is far better than what word frequencies say."""

from __future__ import annotations

import lzma
import math
from functools import cache
from typing import Any

import pytest
import torch

from pytest_llm import assert_pseudo_perplexity_below, embedded, load_examples
from pytest_llm.models.core_factory import trained_model
from pytest_llm.models.core_model import CoreMaskedModel
from pytest_llm.pretraining.batch import IGNORED, Batch, accuracy
from pytest_llm.pretraining.masked import MaskedObjective
from pytest_llm.pretraining.stream import stream_of

HELD_OUT = [example.text for example in load_examples(embedded("data/held_out.jsonl"))]
OPENINGS = [" ".join(text.split()[:40]) for text in HELD_OUT[::4]]


@pytest.fixture(scope="module")
def model() -> CoreMaskedModel:
    encoder = trained_model("encoder")
    assert isinstance(encoder, CoreMaskedModel)
    return encoder


@cache
def frequencies() -> torch.Tensor:
    """Of the tokens of the training text (add-one), their share."""
    tokenizer: Any = trained_model("encoder").tokenizer
    with lzma.open(embedded("data/austen_train.txt.xz"), "rt", encoding="utf-8") as lines:
        encoded = tokenizer(lines.read().splitlines(), add_special_tokens=False, verbose=False)["input_ids"]
    tokens = torch.tensor([token for paragraph in encoded for token in paragraph])
    counts = torch.bincount(tokens, minlength=len(tokenizer)).double() + 1
    return counts / counts.sum()


def unigram_perplexity(model: CoreMaskedModel) -> float:
    tokens = torch.tensor([token for text in model.framed(OPENINGS) for token in text.tokens])
    return math.exp(-float(frequencies().log()[tokens].mean()))


def hidden(model: CoreMaskedModel) -> Batch:
    """Stretches of the held-out novel in which every fifth token is a mask."""
    special = frozenset(model.tokenizer.all_special_ids)
    mask, count = model.tokenizer.mask_token_id, len(model.tokenizer)
    stream = stream_of(model.tokenizer, HELD_OUT, separator=0)
    return MaskedObjective(stream, 128, 64, mask, count, special, share=0.2, masked=1.0, replaced=0.0)(0)


def test_pseudo_perplexity_is_far_below_a_unigram_models(model: CoreMaskedModel) -> None:
    measured = assert_pseudo_perplexity_below(model, OPENINGS, unigram_perplexity(model) / 10)
    assert measured.value == pytest.approx(43.19, abs=0.01)
    assert unigram_perplexity(model) == pytest.approx(617, rel=0.02)  # the recipe counts separators as well


def test_it_finds_hidden_tokens_far_more_often_than_one_who_says_the_most_frequent(model: CoreMaskedModel) -> None:
    batch = hidden(model)
    wanted = batch.targets[batch.targets != IGNORED]
    assert float((wanted == frequencies().argmax()).double().mean()) == pytest.approx(0.051, abs=0.001)
    assert accuracy(model.core, batch) == pytest.approx(0.317, abs=0.001)


def test_it_reads_both_ways(model: CoreMaskedModel) -> None:
    """What stands behind a gap decides what is in it."""

    def best(text: str) -> str:
        frame = model.framed([text])[0].whole
        with torch.inference_mode():
            logits = model.core(torch.tensor([frame]))[0, frame.index(model.tokenizer.mask_token_id)]
        return str(model.tokenizer.decode([int(logits.argmax())])).strip()

    assert best("He <|mask|> been to the house.") != best("He <|mask|> not go to the house.")


def test_the_checkpoint_stays_small() -> None:
    assert sum(file.stat().st_size for file in embedded("models/tiny-encoder").iterdir()) <= 8_000_000
