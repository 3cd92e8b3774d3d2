"""From requests to log-probabilities: the order of answers, the context of tokens, and answers that are refused."""

from __future__ import annotations

import math
from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np
import pytest

from pytest_llm.data.loading import load_examples
from pytest_llm.errors import MisuseError
from pytest_llm.inference.scoring import score, window_length
from pytest_llm.models.language_model import AnyModel, Window
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.tasks.score import Score
from tests.stub_models import CharacterModel, TableModel, UniformModel

TEXTS = ["abc", "a", "abcdefghi", "xy", "abcdef"]


class Answers:
    """A model of one's own that answers anything at all."""

    def __init__(self, answer: Any) -> None:
        self.answer = answer

    def score(self, texts: Sequence[str]) -> Any:
        return self.answer


class CallRecorder(CharacterModel):
    """Remembers the length of the windows of each call."""

    def __init__(self) -> None:
        super().__init__()
        self.calls: list[list[int]] = []

    def score_windows(self, windows: Sequence[Window]) -> Iterable[FloatArray]:
        self.calls.append([len(window.tokens) for window in windows])
        return super().score_windows(windows)


class EchoModel(CharacterModel):
    """Answers with the token itself, negated, so that each answer shows which token it belongs to."""

    def score_windows(self, windows: Sequence[Window]) -> Iterable[FloatArray]:
        return [-np.array(window.tokens[-window.scored :], dtype=np.float64) for window in windows]


def scored(model: AnyModel, texts: list[str], **request: Any) -> list[list[float]]:
    return [output.tolist() for output in score(model, load_examples(texts), Score(**request))]


def characters(outputs: list[list[float]]) -> list[str]:
    return ["".join(chr(round(-value)) for value in output) for output in outputs]


@pytest.mark.parametrize("request_", [{}, {"stride": 1}, {"stride": 3}, {"max_length": 2}])
def test_every_token_is_answered_in_the_order_of_the_texts(request_: dict[str, Any]) -> None:
    assert characters(scored(EchoModel(), TEXTS, **request_)) == TEXTS


def test_without_bos_all_but_the_first_token_are_answered() -> None:
    texts = [text for text in TEXTS if len(text) > 1]
    assert characters(scored(EchoModel(), texts, add_bos=False)) == [text[1:] for text in texts]


@pytest.mark.parametrize(
    ("request_", "contexts"),
    [
        ({}, [1, 2, 3, 4, 3, 4]),
        ({"stride": 1}, [1, 2, 3, 3, 3, 3]),
        ({"stride": 2}, [1, 2, 3, 2, 3, 2]),
        ({"max_length": 3}, [1, 2, 3, 1, 2, 3]),
        ({"add_bos": False}, [1, 2, 3, 4, 4]),
    ],
)
def test_each_token_sees_the_context_of_the_plan(request_: dict[str, Any], contexts: list[int]) -> None:
    (output,) = scored(CharacterModel(max_length=4), ["abcdef"], **request_)
    assert [-value for value in output] == contexts


def test_the_model_is_handed_all_windows_at_once() -> None:
    model = CallRecorder()
    scored(model, TEXTS)
    assert [len(lengths) for lengths in model.calls] == [8]


def test_the_prefix_token_is_read_and_not_scored() -> None:
    model = CharacterModel(prefix_token=99)
    scored(model, ["ab"])
    assert model.windows == [Window((99, ord("a"), ord("b")), 2)]


def test_a_single_token_is_scored_given_bos() -> None:
    assert scored(CharacterModel(), ["a"]) == [[-1]]


def test_a_single_token_is_refused_without_bos() -> None:
    with pytest.raises(
        MisuseError, match=r"the text of #1 is a single token \('a'\), .*: use add_bos=True, or drop it"
    ):
        scored(CharacterModel(), ["ab", "a"], add_bos=False)


@pytest.mark.parametrize("add_bos", [True, False])
def test_a_text_without_tokens_is_refused(add_bos: bool) -> None:
    class NoWhitespace(CharacterModel):
        def encode(self, texts: Sequence[str]) -> list[list[int]]:
            return super().encode([text.strip() for text in texts])

    with pytest.raises(MisuseError, match=r"the text of #1 has no tokens: ' '"):
        scored(NoWhitespace(), ["ab", " "], add_bos=add_bos)


def test_bos_without_a_prefix_token_is_refused() -> None:
    with pytest.raises(MisuseError, match="neither BOS nor EOS to put in front: use add_bos=False"):
        scored(CharacterModel(prefix_token=None), ["ab"])


def test_no_prefix_token_is_needed_without_bos() -> None:
    assert scored(CharacterModel(prefix_token=None), ["abc"], add_bos=False) == [[-1, -2]]


def test_a_text_that_cannot_be_tokenized_is_named() -> None:
    class Utf8Model(CharacterModel):
        def encode(self, texts: Sequence[str]) -> list[list[int]]:
            return [list(text.encode("utf-8")) for text in texts]

    with pytest.raises(MisuseError, match=r"the text of #1 cannot be tokenized: .*surrogates not allowed"):
        scored(Utf8Model(), ["ab", "a\ud800", "cd"])


def test_a_window_longer_than_the_context_is_refused() -> None:
    with pytest.raises(MisuseError, match="max_length=5 exceeds the model's context of 4 tokens"):
        scored(CharacterModel(max_length=4), ["ab"], max_length=5)


def test_a_stride_as_long_as_the_window_is_refused() -> None:
    with pytest.raises(MisuseError, match="stride=3 is not below the window of 3 tokens"):
        scored(CharacterModel(max_length=4), ["ab"], max_length=3, stride=3)


@pytest.mark.parametrize(
    ("model", "max_length", "expected"),
    [(CharacterModel(4), None, 4), (CharacterModel(4), 3, 3), (UniformModel(), None, None)],
)
def test_the_window_length_is_what_was_asked_for_or_the_models_own(
    model: AnyModel, max_length: int | None, expected: int | None
) -> None:
    assert window_length(model, Score(max_length=max_length)) == expected


@pytest.mark.parametrize("surplus", [-1, 1])
def test_a_window_with_too_few_or_too_many_answers_is_refused(surplus: int) -> None:
    class Miscounting(CharacterModel):
        def score_windows(self, windows: Sequence[Window]) -> Iterable[FloatArray]:
            return [-np.ones(window.scored + surplus) for window in windows]

    with pytest.raises(MisuseError, match="Miscounting"):
        scored(Miscounting(), ["abc"])


def test_a_model_of_ones_own_gets_all_texts_at_once() -> None:
    model = UniformModel(8)
    assert scored(model, ["ab", "c"]) == [[-math.log(8)] * 2, [-math.log(8)]]
    assert model.calls == [["ab", "c"]]


@pytest.mark.parametrize(
    ("answer", "message"),
    [
        ([[-1.0]], "Answers.score returned 1 results for 2 texts"),
        ([[-1.0]] * 3, "Answers.score returned 3 results for 2 texts"),
        ([[-1.0], []], r"returned \[\] for #1; expected one log-probability per token"),
        ([[[-1.0]], [-1.0]], r"returned \[\[-1.0\]\] for #0; expected one log-probability per token"),
        ([[-1.0], [[-1.0], [-1.0, -2.0]]], "for #1; expected one log-probability per token"),
        ([[-1.0], "ab"], "returned 'ab' for #1; expected one log-probability per token"),
        ([-1.0, -2.0], "returned -1.0 for #0; expected one log-probability per token"),
        ([[-1.0], None], "returned None for #1; expected one log-probability per token"),
        (None, "Answers.score returned None"),
        (-3.0, "Answers.score returned -3.0"),
        ([[-1.0], [-0.5, 0.25]], "a token of #1 the log-probability 0.25; none can exceed 0"),
        ([[math.inf], [-1.0]], "a token of #0 the log-probability inf"),
    ],
)
def test_answers_that_are_no_log_probabilities_are_refused(answer: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        scored(Answers(answer), ["ab", "c"])


def test_a_window_model_that_answers_a_positive_log_probability_is_refused() -> None:
    class Logits(CharacterModel):
        def score_windows(self, windows: Sequence[Window]) -> Iterable[FloatArray]:
            return [np.ones(window.scored) for window in windows]

    with pytest.raises(MisuseError, match="log-probability 1; none can exceed 0"):
        scored(Logits(), ["ab"])


def test_nan_in_one_text_hides_no_log_probability_above_0_in_another() -> None:
    with pytest.raises(MisuseError, match=r"a token of #1 the log-probability 0\.25"):
        scored(Answers([[math.nan], [0.25], [-math.inf]]), ["a", "b", "c"])


def test_a_log_probability_above_0_by_rounding_is_taken() -> None:
    assert scored(Answers([[5e-4]]), ["a"]) == [[5e-4]]


@pytest.mark.parametrize("value", [math.nan, -math.inf])
def test_nan_and_probability_0_are_passed_on(value: float) -> None:
    ((first, second),) = scored(TableModel({"ab": [value, -1.0]}), ["ab"])
    assert second == -1
    assert first == pytest.approx(value, nan_ok=True)


@pytest.mark.parametrize("request_", [{"stride": 1}, {"max_length": 8}, {"add_bos": False}])
def test_settings_are_refused_by_a_model_that_scores_whole_texts(request_: dict[str, Any]) -> None:
    with pytest.raises(MisuseError, match="UniformModel scores whole texts in its own way"):
        scored(UniformModel(), ["ab"], **request_)
