"""Where words and sentences begin and end, in English and in Chinese."""

from __future__ import annotations

import re

import pytest

from pytest_llm import MisuseError
from pytest_llm.adversarial.document import Document, protected_spans


def pieces(document: Document, spans: tuple[tuple[int, int], ...]) -> list[str]:
    return [document.text[start:end] for start, end in spans]


@pytest.mark.parametrize(
    ("text", "words"),
    [
        ("It's a well-made film, isn’t it?", ["It's", "a", "well-made", "film", "isn’t", "it"]),
        ("看了《红楼梦》两遍。", ["看", "了", "红", "楼", "梦", "两", "遍"]),
        ("Python3很好用", ["Python3", "很", "好", "用"]),
        ("café naïve", ["café", "naïve"]),
        (" … !", []),
        ("", []),
    ],
)
def test_words(text: str, words: list[str]) -> None:
    document = Document(text)
    assert pieces(document, document.words) == words


@pytest.mark.parametrize(
    ("text", "sentences"),
    [
        ("One. Two! Three?", ["One.", "Two!", "Three?"]),
        ("It cost 3.50 at pytest.org today. Well.", ["It cost 3.50 at pytest.org today.", "Well."]),
        ('He said "no." She left.', ['He said "no."', "She left."]),
        ("第一句。第二句！", ["第一句。", "第二句！"]),
        ("A heading\nand a line", ["A heading", "and a line"]),
        ("  ", []),
    ],
)
def test_sentences(text: str, sentences: list[str]) -> None:
    document = Document(text)
    assert pieces(document, document.sentences) == sentences


def test_a_sentence_is_found_at_its_first_word() -> None:
    document = Document("?! One two. … Three! …")
    assert pieces(document, document.sentences) == ["?!", "One two.", "… Three!", "…"]
    assert [document.sentence_at(site) for site in range(3)] == [1, None, 2]


def test_nothing_protected_is_edited() -> None:
    text = "Call Anna at 555 now"
    document = Document(text, protected_spans(text, ["Anna", re.compile(r"\d+")]))
    assert not document.allows(5, 9)
    assert not document.allows(4, 6)
    assert not document.allows(7, 7)
    assert not document.allows(13, 14)
    assert document.allows(5, 5)  # an insertion before it leaves it whole
    assert document.allows(9, 9)
    assert document.allows(0, 4)


def test_a_protected_string_is_no_pattern() -> None:
    assert protected_spans("a.b axb", ["a.b"]) == ((0, 3),)


def test_what_is_neither_string_nor_pattern_is_refused() -> None:
    with pytest.raises(MisuseError, match="protect contains 3"):
        protected_spans("text", [3])  # type: ignore[list-item]
