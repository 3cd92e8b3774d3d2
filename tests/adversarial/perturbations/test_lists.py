"""The word lists: well formed, and in the language they are of."""

from __future__ import annotations

import pytest

from pytest_llm.adversarial.document import is_han
from pytest_llm.adversarial.perturbations.lists import GROUPS, alternatives, groups, table

NAMES = sorted(file.name for file in GROUPS.iterdir())


@pytest.mark.parametrize("name", NAMES)
def test_a_line_holds_different_words_of_one_language(name: str) -> None:
    lines = groups(name)
    assert len({frozenset(line) for line in lines}) == len(lines)
    for line in lines:
        assert len(set(line)) == len(line) >= 2
        assert all(is_han(word) if name.startswith("chinese") else word.isascii() for word in line)


def test_there_are_some_hundred_pairs_of_synonyms() -> None:
    assert len(groups("english_synonyms.txt")) > 300


def test_characters_stand_for_characters() -> None:
    for name in ("chinese_homophones.txt", "chinese_lookalikes.txt", "chinese_scripts.txt"):
        assert all(len(word) == 1 for line in groups(name) for word in line)


def test_all_that_a_word_shares_a_line_with_can_stand_for_it() -> None:
    assert table("english_synonyms.txt")["good"] == ("fine",)
    assert list(alternatives("english_synonyms.txt")("BIG")) == ["LARGE"]
    assert list(alternatives("english_synonyms.txt")("Big")) == ["Large"]
    assert list(alternatives("english_synonyms.txt")("xyzzy")) == []
