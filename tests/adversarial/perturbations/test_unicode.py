"""What a reader does not see: each kind once, and that sanitising undoes all that preserve a text exactly."""

from __future__ import annotations

import unicodedata

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm.adversarial.perturbations.families import operations
from pytest_llm.adversarial.perturbations.unicode import UNICODE
from pytest_llm.adversarial.sanitising import HOMOGLYPHS, reordered, sanitise
from pytest_llm.adversarial.table import Budget, candidate_table

EXACT = operations("unicode", "format", preserves="exact")
TEXTS = (
    "The movie was absolutely wonderful.",
    "I saw café Crème — it’s fine, 35 of 40!",
    "这部电影非常精彩，人人都说好。",
    "Он сказал: AI это хорошо, рaссказ!",
    "a\u200bb ok\b\b, x́ ﬁne 👩‍👧 \u202dabc\u202c",
)


def kinds(text: str) -> dict[str, str]:
    """The first proposal of each operation for a text."""
    return {edit.operation: edit.new for edit in reversed(list(candidate_table(text, UNICODE)))}


@pytest.mark.parametrize(
    ("text", "operation", "new"),
    [
        ("movie", "unicode.zerowidth", "mo\u200bvie"),
        ("人", "unicode.zerowidth", "人\u200b"),
        ("cat", "unicode.homoglyph", "сat"),
        ("人", "unicode.radical", "⼈"),
        ("café", "unicode.nfd", "cafe\u0301"),
        ("한국", "unicode.nfd", unicodedata.normalize("NFD", "한국")),
        ("film", "unicode.ligature", "ﬁlm"),
        ("cats", "unicode.variation", "ca\ufe0ets"),
        ("cat", "unicode.tag", "cat\U000e0061"),
        ("ab", "unicode.bidi", "\u202d\u2066\u202e\u2066b\u2069\u2066a\u2069\u202c\u2069\u202c"),
        ("cats", "unicode.delete", "cax\bts"),
        ("No1", "unicode.fullwidth", "Ｎｏ１"),
        ("cats", "unicode.combining", "ca\u0323ts"),
    ],
)
def test_each_kind(text: str, operation: str, new: str) -> None:
    assert kinds(text)[operation] == new


def test_the_reordering_is_that_of_bad_characters() -> None:
    """LRO LRI RLO LRI second PDI LRI first PDI PDF PDI PDF: `Swap` of the authors' code."""
    names = [unicodedata.bidirectional(character) for character in reordered("1", "2")]
    assert names == ["LRO", "LRI", "RLO", "LRI", "EN", "PDI", "LRI", "EN", "PDI", "PDF", "PDI", "PDF"]


def test_homoglyphs_are_letters_of_other_scripts() -> None:
    for latin, twins in HOMOGLYPHS.items():
        for twin in twins:
            assert unicodedata.name(twin).startswith(("GREEK", "CYRILLIC"))
            assert twin.isupper() == latin.isupper()


def test_nothing_of_cyrillic_words_becomes_latin() -> None:
    assert sanitise("Он сказал") == "Он сказал"
    assert sanitise("рaссказ") == "paccкaз"  # with a Latin a


@given(
    st.sampled_from(TEXTS) | st.text(st.characters(codec="utf-8", categories=["L", "M", "N", "P", "Z", "Cf"])),
    st.lists(st.tuples(st.integers(0, len(EXACT) - 1), st.integers(0, 8), st.integers(0, 20)), max_size=6),
)
def test_sanitising_undoes_what_preserves_a_text_exactly(text: str, choices: list[tuple[int, int, int]]) -> None:
    table = candidate_table(text, EXACT, Budget(max_edits=6))
    script = table.script(table.edit(*choice) for choice in choices)
    assert sanitise(script.perturbed) == sanitise(text)


@pytest.mark.parametrize("text", TEXTS)
def test_sanitising_undoes_each_single_edit(text: str) -> None:
    table = candidate_table(text, EXACT)
    assert len(table) > 20
    assert {sanitise(table.script([edit]).perturbed) for edit in table} == {sanitise(text)}


@given(st.text())
def test_sanitising_twice_is_sanitising_once(text: str) -> None:
    assert sanitise(sanitise(text)) == sanitise(text)
