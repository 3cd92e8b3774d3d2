"""The encoder-decoder that is shipped is a model: it reads a sentence that it has never seen, and writes that one and no other."""

from __future__ import annotations

import re

import pytest

from pytest_llm import (
    Decoding,
    assert_bleu_above,
    assert_conditional_perplexity_below,
    embedded,
    load_examples,
    load_model,
    measure,
)
from pytest_llm.models.core_model import CoreEncoderDecoderModel

MASK = "<|mask|>"
ROWS = [
    {"text": example.text, "target": example.row["target"]} for example in load_examples(embedded("data/gaps.jsonl"))
]
FOREIGN = [{**row, "text": other["text"]} for row, other in zip(ROWS, ROWS[1:] + ROWS[:1], strict=True)]
SOME = ROWS[::3]


@pytest.fixture(scope="module")
def model() -> CoreEncoderDecoderModel:
    trained = load_model("tiny-encoder-decoder", device="cpu")
    assert isinstance(trained, CoreEncoderDecoderModel)
    return trained


@pytest.fixture(scope="module")
def written(model: CoreEncoderDecoderModel) -> list[str]:
    return model.generate([row["text"] for row in SOME], Decoding(max_tokens=60))


def is_copied(text: str, sentence: str) -> bool:
    """Whether all that was not hidden stands there, to the letter and in its order, with something in each gap."""
    return re.fullmatch(".+?".join(map(re.escape, text.split(MASK))), sentence) is not None


def test_a_sentence_is_probable_given_what_is_left_of_it_and_improbable_given_another(
    model: CoreEncoderDecoderModel,
) -> None:
    assert assert_conditional_perplexity_below(model, ROWS, 2.5).value == pytest.approx(1.93, abs=0.01)
    assert measure(model, FOREIGN, "conditional_perplexity").value == pytest.approx(1415.7, rel=0.001)


def test_what_it_writes_is_the_sentence_that_it_read(written: list[str]) -> None:
    assert_bleu_above(written, SOME, 60)
    others = [{**row, "target": other["target"]} for row, other in zip(SOME, SOME[1:] + SOME[:1], strict=True)]
    assert measure(written, others, "bleu").value < 3
    copied = [is_copied(row["text"], sentence) for row, sentence in zip(SOME, written, strict=True)]
    assert sum(copied) / len(copied) > 0.4


def test_the_checkpoints_stay_small() -> None:
    models = embedded("models")
    for folder in models.iterdir():
        assert sum(file.stat().st_size for file in folder.iterdir()) <= 8_000_000, folder.name
    assert sum(file.stat().st_size for file in models.rglob("*") if file.is_file()) <= 25_000_000
