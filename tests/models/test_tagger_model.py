"""A head for tokens, held against the pipeline of transformers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from transformers import pipeline

from pytest_llm import Extractor, MisuseError, load_model
from pytest_llm.models.tagger_model import TaggerModel
from tests.tiny_checkpoints import TEXTS, tiny_tagger

IOB2 = {"id2label": dict(enumerate(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"]))}
BARE = {"id2label": dict(enumerate(["O", "PER", "LOC"]))}
WORDS = sorted({word for text in TEXTS for word in text.split()})


@pytest.fixture(scope="module", params=[IOB2, BARE], ids=["IOB2", "bare labels"])
def sides(request: pytest.FixtureRequest) -> tuple[Any, Any]:
    module, tokenizer = tiny_tagger(**request.param)
    theirs = pipeline("token-classification", model=module, tokenizer=tokenizer, aggregation_strategy="first")
    return TaggerModel(module, tokenizer), theirs


@settings(deadline=None, max_examples=40)
@given(words=st.lists(st.sampled_from(WORDS), min_size=1, max_size=12))
def test_entities_are_those_of_the_pipeline(sides: tuple[Any, Any], words: list[str]) -> None:
    ours, theirs = sides
    text = " ".join(words)
    expected = [(entity["start"], entity["end"], entity["entity_group"]) for entity in theirs(text)]
    assert ours.extract([text]) == [expected]


def test_there_is_something_to_find(sides: tuple[Any, Any]) -> None:
    found = sides[0].extract(TEXTS)
    assert any(" " in text[start:end] for text, spans in zip(TEXTS, found, strict=True) for start, end, _ in spans)


def test_a_checkpoint_is_loaded_as_what_it_is(tmp_path: Path) -> None:
    module, tokenizer = tiny_tagger(**IOB2)
    module.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = load_model(tmp_path, device="cpu")
    assert isinstance(model, TaggerModel)
    assert isinstance(model, Extractor)
    assert model.extract(TEXTS) == TaggerModel(module, tokenizer).extract(TEXTS)


def test_of_a_long_text_the_beginning_is_tagged_if_that_is_asked_for() -> None:
    model, long = TaggerModel(*tiny_tagger(**IOB2)), " ".join(TEXTS * 8)
    with pytest.raises(MisuseError, match="longer than the 128 tokens"):
        model.extract([long])
    (found,) = model.extract([long], truncate=True)
    assert 0 < max(end for _, end, _ in found) < len(long) / 2


def test_a_tokenizer_that_does_not_know_places_is_refused() -> None:
    module, tokenizer = tiny_tagger(**IOB2)

    class Slow:
        is_fast = False

        def __len__(self) -> int:
            return len(tokenizer)

    with pytest.raises(MisuseError, match="load its fast version"):
        TaggerModel(module, Slow())
