"""A model that counter-examples are found of, and where they are kept."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llm.adversarial.corpus import Entry, read_corpus, write_corpus

LLM = """
    import pytest

    class Blind:
        \"\"\"Finds "good" in a text that has the word, and in no other.\"\"\"

        def classify(self, texts):
            return ["good" if "good" in text else "bad" for text in texts]

    @pytest.fixture(scope="session")
    def llm():
        return Blind()
"""
TEXT = "a good film"
FILE = Path("llm_corpus/test_words.jsonl")


def stored(words: pytest.Pytester) -> dict[str, Entry]:
    return read_corpus(words.path / FILE)


def with_entries(words: pytest.Pytester, *entries: Entry) -> pytest.Pytester:
    write_corpus(words.path / FILE, entries)
    return words
