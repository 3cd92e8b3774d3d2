"""From Generate to texts: each prompt is asked once, and what comes back is checked and filtered."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pytest

from pytest_llm import Decoding, Engine, Generate, MisuseError, load_examples, measure
from pytest_llm.inference.engine import using
from pytest_llm.inference.memo import remembering
from pytest_llm.inference.writing import write
from pytest_llm.models.transformers_model import TransformersModel
from tests.stub_models import UniformModel, Writer

EXAMPLES = load_examples(
    [{"text": "a", "target": "1"}, {"text": "b", "target": "2"}, {"text": "a", "target": "3"}]
)  # two rows that read alike
TASK = Generate("Say {text}", max_tokens=5)


def writer() -> Writer:
    return Writer({"Say a": " A ", "Say b": "B"})


def test_equal_prompts_are_asked_once_and_answered_in_order() -> None:
    model = writer()
    assert write(model, EXAMPLES, TASK) == ["A", "B", "A"]
    assert model.calls == [["Say a", "Say b"]]
    assert model.decodings == [Decoding(max_tokens=5)]


def test_what_the_model_wrote_is_remembered_and_filtered_anew(monkeypatch: pytest.MonkeyPatch) -> None:
    model = writer()
    monkeypatch.setattr(model, "fingerprint", lambda: "state", raising=False)
    with remembering():
        assert write(model, EXAMPLES, TASK) == ["A", "B", "A"]
        assert write(model, EXAMPLES, Generate("Say {text}", max_tokens=5, filter="none")) == [" A ", "B", " A "]
        assert len(model.calls) == 1
        write(model, EXAMPLES, Generate("Say {text}", max_tokens=6))
    assert [decoding.max_tokens for decoding in model.decodings] == [5, 6]


def test_one_at_a_time_where_the_engine_says_so() -> None:
    model = writer()
    with using(Engine(deterministic=True)):
        write(model, EXAMPLES, TASK)
    assert model.calls == [["Say a"], ["Say b"]]


class Wrong:
    def __init__(self, given: Any) -> None:
        self.given = given

    def generate(self, prompts: Sequence[str], decoding: Decoding) -> Any:
        return self.given


@pytest.mark.parametrize(
    ("given", "message"),
    [
        (["one"], r"Wrong\.generate returned 1 results for 2 texts"),
        (["one", "two", "three"], r"Wrong\.generate returned 3 results for 2 texts"),
        (None, r"Wrong\.generate returned None; expected one answer for each text"),
        (["one", None], r"Wrong\.generate returned None for #1; expected a text"),
        ([["one"], ["two"]], r"Wrong\.generate returned \['one'\] for #0; expected a text"),
    ],
)
def test_answers_that_are_no_texts_are_refused(given: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        write(Wrong(given), EXAMPLES[:2], TASK)


def test_a_model_that_cannot_write_is_named_with_what_could() -> None:
    with pytest.raises(MisuseError, match=r"UniformModel cannot say what comes next .* \(such a model .* perplexity\)"):
        write(UniformModel(), EXAMPLES, TASK)


def test_a_model_that_only_writes_is_told_what_it_is_measured_by() -> None:
    with pytest.raises(MisuseError, match=r"Writer cannot say .* is measured by bleu\)"):
        measure(writer(), ["a"], "perplexity")


def test_a_real_model_goes_on_as_transformers_does(tiny: TransformersModel) -> None:
    texts = ["It was a", "Mr. Darcy looked"]
    task = Generate("{text}", max_tokens=12, filter="none")
    written = write(tiny, load_examples(texts), task)
    for text, ours in zip(texts, written, strict=True):
        encoded = tiny.tokenizer(text, return_tensors="pt", return_token_type_ids=False)
        tokens = tiny.module.generate(**encoded, max_new_tokens=12, do_sample=False)
        theirs = tiny.tokenizer.decode(tokens[0, encoded["input_ids"].shape[1] :], skip_special_tokens=True)
        assert ours == theirs


def test_a_prompt_that_leaves_no_room_is_refused(tiny: TransformersModel) -> None:
    with pytest.raises(MisuseError, match="shorten it, or lower max_tokens"):
        measure(tiny, [{"text": "word " * 300, "target": "x"}], "bleu")
