"""The memo: nothing is computed twice, and nothing stale is ever handed out."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np
import pytest

from pytest_llm import Example, measure
from pytest_llm.data.loading import load_examples
from pytest_llm.inference import memo
from pytest_llm.inference.memo import Memo, remembered, remembering, text_of
from pytest_llm.models.transformers_model import TransformersModel
from pytest_llm.statistics.jackknife import FloatArray
from tests.stub_models import CharacterModel

TEXTS = ["It is a truth", "universally acknowledged", "that a single man"]


class Stateful:
    def __init__(self) -> None:
        self.state = 0

    def fingerprint(self) -> int:
        return self.state


class Count:
    """Stands in for the model: its output is the text's length, and it keeps what it was asked."""

    def __init__(self) -> None:
        self.asked: list[list[str]] = []

    def __call__(self, model: object, examples: list[Example]) -> list[FloatArray]:
        self.asked.append([example.text for example in examples])
        return [np.array([float(len(example.text))]) for example in examples]


def ask(model: object, texts: Sequence[str], compute: Count, request: str = "score") -> list[float]:
    return [float(output[0]) for output in remembered(model, load_examples(texts), request, compute, text_of)]


def test_the_second_time_nothing_is_computed() -> None:
    compute, model = Count(), Stateful()
    with remembering():
        assert ask(model, TEXTS, compute) == ask(model, TEXTS, compute) == [13, 24, 17]
    assert compute.asked == [TEXTS]


def test_only_what_is_new_is_computed_in_the_order_given() -> None:
    compute, model = Count(), Stateful()
    with remembering():
        ask(model, TEXTS[1:2], compute)
        assert ask(model, TEXTS, compute) == [13, 24, 17]
    assert compute.asked == [TEXTS[1:2], [TEXTS[0], TEXTS[2]]]


def test_equal_texts_are_computed_once_even_without_a_memo() -> None:
    compute = Count()
    examples = [Example(name, text, name) for name, text in (("a", "same"), ("b", "other"), ("c", "same"))]
    outputs = remembered(Stateful(), examples, "score", compute, text_of)
    assert [float(output[0]) for output in outputs] == [4, 5, 4]
    assert compute.asked == [["same", "other"]]


@pytest.mark.parametrize("change", ["state", "request", "memo"])
def test_another_state_request_or_session_is_computed_anew(change: str) -> None:
    compute, model = Count(), Stateful()
    with remembering():
        ask(model, TEXTS, compute)
        model.state = 1 if change == "state" else 0
        if change != "memo":
            ask(model, TEXTS, compute, "other" if change == "request" else "score")
    if change == "memo":
        with remembering():
            ask(model, TEXTS, compute)
    assert compute.asked == [TEXTS, TEXTS]


def test_a_model_without_fingerprint_is_asked_each_time() -> None:
    compute = Count()
    with remembering():
        ask(object(), TEXTS, compute)
        ask(object(), TEXTS, compute)
    assert len(compute.asked) == 2


def test_a_model_that_cannot_tell_its_state_is_asked_each_time() -> None:
    compute, model = Count(), Stateful()
    model.state = None  # type: ignore[assignment]
    with remembering():
        ask(model, TEXTS, compute)
        ask(model, TEXTS, compute)
    assert compute.asked == [TEXTS, TEXTS]


def test_the_pair_unused_for_longest_is_forgotten_first() -> None:
    kept = Memo()
    for state in range(memo.MOST_KEPT):
        kept.outputs(state, "score")["text"] = np.zeros(1)
    kept.outputs(0, "score")  # used again
    kept.outputs("one more", "score")
    assert kept.outputs(0, "score")
    assert not kept.outputs(1, "score")


def test_what_is_handed_out_cannot_be_changed() -> None:
    with remembering():
        (output,) = remembered(Stateful(), load_examples(["text"]), "score", Count(), text_of)
        with pytest.raises(ValueError, match="read-only"):
            output[0] = 1


def test_a_window_model_of_ones_own_is_not_remembered_unless_it_says_what_it_is() -> None:
    model = CharacterModel()
    with remembering():
        measure(model, TEXTS, "perplexity")
        seen = len(model.windows)
        measure(model, TEXTS, "perplexity")
    assert len(model.windows) == 2 * seen


def passes(model: TransformersModel, monkeypatch: pytest.MonkeyPatch) -> list[int]:
    """The number of windows of every call of the model from here on."""
    calls: list[int] = []
    original = model.score_windows

    def counting(windows: Any) -> Any:
        calls.append(len(windows))
        return original(windows)

    monkeypatch.setitem(vars(model), "score_windows", counting)  # of setattr, the bound method would stay
    return calls


def test_a_real_model_is_not_run_twice(tiny: TransformersModel, monkeypatch: pytest.MonkeyPatch) -> None:
    calls = passes(tiny, monkeypatch)
    with remembering():
        first = measure(tiny, TEXTS, "perplexity")
        second = measure(tiny, TEXTS, "bits_per_byte")
    assert calls == [3]
    assert np.array_equal(first.statistics[:, 0], second.statistics[:, 0])
