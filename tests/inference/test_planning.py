"""Questions that are noted, answered together, and looked up again."""

from __future__ import annotations

import math

import pytest

from pytest_llm import MisuseError, measure
from pytest_llm.inference.memo import remembering
from pytest_llm.inference.planning import Planning, PostponedError


class Counting:
    """Perplexity 8, and 2 on what contains an x; refuses "bad". A model without a fingerprint."""

    def __init__(self) -> None:
        self.calls: list[list[str]] = []

    def score(self, texts: list[str]) -> list[list[float]]:
        self.calls.append(list(texts))
        if "bad" in texts:
            raise RuntimeError("a bad text")
        return [[-math.log(2 if "x" in text else 8)] * len(text) for text in texts]


class Changing(Counting):
    """Says what it is at present."""

    version = 0

    def fingerprint(self) -> int:
        return self.version


def perplexity(model: object, text: str) -> float:
    return measure(model, [text], "perplexity").value  # type: ignore[arg-type]


def plan(planning: Planning, model: object, texts: list[str]) -> None:
    with planning.postponing():
        for text in texts:
            with pytest.raises(PostponedError):
                perplexity(model, text)


def test_what_was_noted_is_asked_at_once_and_known_then() -> None:
    model = Counting()
    with Planning() as planning:
        plan(planning, model, ["a", "bx", "a"])
        assert model.calls == []
        assert planning.answer() == 2
        assert [perplexity(model, text) for text in ("a", "bx", "a")] == pytest.approx([8, 2, 8])
        assert model.calls == [["a", "bx"]]


def test_an_answer_in_a_plan_is_none_that_a_test_can_swallow() -> None:
    def asks() -> float | None:
        try:
            return perplexity(Counting(), "a")
        except Exception:
            return None

    with Planning() as planning, planning.postponing(), pytest.raises(PostponedError):
        asks()


def test_what_was_not_noted_is_asked_when_it_is_needed() -> None:
    model = Counting()
    with Planning():
        assert perplexity(model, "a") == pytest.approx(8)
    assert model.calls == [["a"]]


def test_a_text_that_fails_costs_the_others_nothing_but_smaller_batches() -> None:
    model = Counting()
    with Planning() as planning:
        plan(planning, model, ["a", "b", "bad", "c"])
        planning.answer()
        asked = len(model.calls)
        assert [perplexity(model, text) for text in "abc"] == pytest.approx([8, 8, 8])
        assert len(model.calls) == asked
        with pytest.raises(RuntimeError, match="a bad text"):
            perplexity(model, "bad")


def test_two_models_are_not_taken_for_each_other() -> None:
    class Certain(Counting):
        def score(self, texts: list[str]) -> list[list[float]]:
            return [[0.0] * len(text) for text in texts]

    first, second = Counting(), Certain()
    with Planning() as planning:
        plan(planning, first, ["a"])
        planning.answer()
        plan(planning, second, ["a"])
        planning.answer()
        assert [perplexity(model, "a") for model in (first, second)] == pytest.approx([8, 1])


def test_a_model_that_changes_is_an_error_and_its_answers_are_forgotten() -> None:
    model = Changing()

    def changes_it() -> None:
        with Planning():
            perplexity(model, "a")
            model.version = 1
            perplexity(model, "b")

    with remembering():
        with pytest.raises(MisuseError, match="Changing changed while its answers were looked up"):
            changes_it()
        model.version = 0
        perplexity(model, "b")
    assert model.calls == [["a"], ["b"], ["b"]]


def test_answers_are_remembered_beyond_the_test_that_planned_them() -> None:
    model = Changing()
    with remembering():
        with Planning() as planning:
            plan(planning, model, ["a"])
            planning.answer()
        perplexity(model, "a")
    assert model.calls == [["a"]]
