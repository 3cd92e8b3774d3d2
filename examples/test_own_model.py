"""A model of your own needs one method: the log-probability of each token of each text. No torch, nothing to inherit."""

import math
from collections import Counter
from collections.abc import Sequence

import pytest

from pytest_llm import assert_perplexity_below, embedded, load_examples

CHAPTERS = [example.text for example in load_examples(embedded("data/northanger_abbey.jsonl"))]
LETTERS = Counter("".join(CHAPTERS[:20]))


class LetterFrequencies:
    def score(self, texts: Sequence[str]) -> list[list[float]]:
        return [[math.log((LETTERS[c] + 1) / (LETTERS.total() + 200)) for c in text] for text in texts]


def test_english_prose_has_about_four_bits_per_letter() -> None:
    assert_perplexity_below(LetterFrequencies(), CHAPTERS[20:], 4.4, unit="bits_per_byte")


@pytest.fixture(scope="session")
def llm() -> LetterFrequencies:
    """Overrides the plugin's fixture: every test of this file now measures this model."""
    return LetterFrequencies()


def test_gibberish_is_less_likely_than_prose(llm: LetterFrequencies) -> None:
    prose = assert_perplexity_below(llm, CHAPTERS[20:], 25)
    with pytest.raises(AssertionError, match="is not below"):
        assert_perplexity_below(llm, ["qxzj vkqw zzxq", "jjqx wvzk qqpz"], 2 * prose.value)
