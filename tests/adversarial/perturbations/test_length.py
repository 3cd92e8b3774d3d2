"""Needles in hay."""

from __future__ import annotations

from typing import Any

import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from pytest_llm import MisuseError
from pytest_llm.adversarial.perturbations.length import FILLER, context, words

NEEDLE = "The key is under the mat."


@settings(max_examples=40)
@given(st.integers(6, 300), st.floats(0, 1))
def test_a_context_is_as_long_as_it_may_be_and_holds_its_needle(length: int, depth: float) -> None:
    made = context(NEEDLE, length, depth)
    assert made.text[made.start :].startswith(NEEDLE)
    assert length - max(map(words, FILLER)) < words(made.text) <= length
    before = words(made.text[: made.start])
    assert abs(before - depth * (words(made.text) - words(NEEDLE))) <= max(map(words, FILLER))


def test_depth_is_before_or_behind() -> None:
    assert context(NEEDLE, 40, 0).start == 0
    assert context(NEEDLE, 40, 1).text.endswith(f" {NEEDLE}")
    assert context(NEEDLE, 6, 0.5).text == NEEDLE


def test_chinese_is_surrounded_by_chinese() -> None:
    made = context("钥匙在垫子下面。", 40, 0.5)
    assert " " not in made.text
    assert "市场早上八点开门。" in made.text
    assert 30 < words(made.text) <= 40


def test_length_is_counted_as_asked() -> None:
    def pieces(text: str) -> int:
        return len(text) // 3 + 1 + text.count(". ") * 4  # more for the whole than for its parts

    for length in (20, 57, 200):
        assert pieces(context(NEEDLE, length, 0.5, filler=["One, two."], count=pieces).text) <= length


@pytest.mark.parametrize(
    ("wrong", "message"),
    [
        ({"length": 5}, "length=5: the needle alone counts 6"),
        ({"depth": 2}, "depth=2: expected a share"),
        ({"depth": float("nan")}, "depth=nan"),
        ({"filler": []}, "expected sentences"),
        ({"filler": ["…"]}, "with at least one that counts"),
        ({"filler": "hay"}, "expected sentences"),
    ],
)
def test_what_makes_no_context_is_refused(wrong: dict[str, Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        context(**{"needle": NEEDLE, "length": 50, "depth": 0.5, **wrong})
