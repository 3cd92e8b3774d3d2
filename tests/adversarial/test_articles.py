"""a and an."""

from __future__ import annotations

import pytest

from pytest_llm.adversarial.articles import article


@pytest.mark.parametrize(
    "word", ["actor", "hour", "honest", "umbrella", "unimportant", "uninteresting", "Engineer", "ugly", "heir"]
)
def test_an(word: str) -> None:
    assert article(word) == "an"


@pytest.mark.parametrize(
    "word", ["nurse", "university", "union", "one", "European", "user", "utility", "house", "UK", "unit", ""]
)
def test_a(word: str) -> None:
    assert article(word) == "a"
