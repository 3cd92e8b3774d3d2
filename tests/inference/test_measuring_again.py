"""A real model that is asked again is asked, whatever is remembered; what it says the second time is not reported."""

from __future__ import annotations

import pytest

from pytest_llm.inference.measure import measure
from pytest_llm.inference.memo import remembering
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.recording import recording

TEXTS = ["It was the best of times, it was the worst of times.", "Call me Ishmael."]


def test_a_model_is_asked_again_past_the_memo(tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch) -> None:
    asked, score = [], TransformersModel.score_windows

    def counted(model: TransformersModel, windows: object) -> object:
        asked.append(windows)
        return score(model, windows)  # type: ignore[arg-type]

    monkeypatch.setattr(TransformersModel, "score_windows", counted)
    with remembering(), recording() as recorder:
        first = measure(tiny, TEXTS, "perplexity")
        assert measure(tiny, TEXTS, "perplexity").value == first.value
        assert len(asked) == 1
        assert first.again is not None
        second = first.again()
        assert len(asked) == 2
    assert (second.value, second.signature, second.n) == (first.value, first.signature, 2)
    assert len(recorder.measurements) == 2


def test_given_outputs_cannot_be_asked_again() -> None:
    assert measure(["a"], ["a"], "exact_match").again is None
