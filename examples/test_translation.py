"""Translations that were made elsewhere are judged without a model: a list of texts stands in its place.

The translator here is a King of England's committee of 1611: the King James Version, held against the World English Bible.
"""

import pytest

from pytest_llm import (
    Generate,
    LanguageModel,
    assert_bleu_above,
    assert_chrf_above,
    embedded,
    load_examples,
)

VERSES = load_examples(embedded("data/translation_es_en.jsonl"))  # 200 verses in Spanish, each with two translations
KING_JAMES, WORLD = zip(*(verse.target for verse in VERSES), strict=True)


def test_two_translations_of_one_book_have_much_in_common() -> None:
    assert_chrf_above(list(KING_JAMES), list(WORLD), 60)  # it is 63.1


def test_a_translation_from_1611_is_up_to_date() -> None:
    """Too much to ask, on purpose: read which verses the message shows."""
    assert_bleu_above(list(KING_JAMES), list(WORLD), 50)


def test_chinese_has_no_spaces_so_bleu_is_told_how_to_find_words() -> None:
    """A translation memory: the translation of the most similar other paragraph. A poor translator, but one to beat."""
    paragraphs = load_examples(embedded("data/translation_en_zh.jsonl"))
    words = {paragraph.id: set(paragraph.text.lower().split()) for paragraph in paragraphs}

    def recalled(own: str) -> str:
        others = (other for other in paragraphs if other.id != own)
        best = max(others, key=lambda other: len(words[own] & words[other.id]) / len(words[own] | words[other.id]))
        return str(best.target)

    translations = [recalled(paragraph.id) for paragraph in paragraphs]
    assert_bleu_above(translations, paragraphs, 5, tokenize="zh")  # 5.9
    with pytest.raises(AssertionError, match=r"bleu 0\.45"):  # each run of Chinese characters taken for one word
        assert_bleu_above(translations, paragraphs, 5)


@pytest.mark.smollm2
def test_a_small_model_does_more_than_copy(smollm2: LanguageModel) -> None:
    task = Generate("Spanish: {text}\nEnglish:", shots=VERSES[100:103], filter="first_line", stop="\n")
    few = VERSES[:12]
    copied = assert_chrf_above([verse.text for verse in few], few, 15, nrefs=2)  # 19.5: names, and letters
    assert_chrf_above(smollm2, few, copied.value, nrefs=2, task=task)  # 22.6
