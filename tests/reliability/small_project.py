"""The project on which faults are tried: a model that takes a few ms for a text, and a gate of each kind that leaves files."""

from __future__ import annotations

from pathlib import Path

CONFTEST = '''
import os, time, zlib
import pytest

class Counting:
    """Writes each text that it is asked about into a file; says something else of it in each state."""

    def cache_key(self):
        return f"counting {os.environ['STATE']}"

    def note(self, text):
        time.sleep(float(os.environ.get("SECONDS", "0.002")))
        with open(os.environ["ASKED"], "a", encoding="utf-8") as file:
            file.write(f"{text[:12]}\\n")

    def score(self, texts):
        return [self.about(text) for text in texts]

    def about(self, text):
        self.note(text)
        sure = 2 + zlib.crc32(text.encode()) % 100 / 100 + 0.01 * int(os.environ["STATE"])
        return [-sure - place / 1000 for place in range(text.count(" ") + 1)]

    def classify(self, texts):
        for text in texts:
            self.note(text)
        return ["good" if "good" in text else "bad" for text in texts]

@pytest.fixture(scope="session")
def llm():
    return Counting()
'''
SUITE = """
import pytest
from pytest_llm import assert_no_regression, assert_perplexity_below, assert_robust

def texts(part):
    return [f"{part} {number:02}" + " of the" * (number % 7) for number in range(12)]

@pytest.mark.parametrize("part", ["one", "two"])
def test_limit(llm, part):
    assert_perplexity_below(llm, texts(part), 40)

@pytest.mark.parametrize("part", ["three", "four", "five"])
def test_baseline(llm, part):
    assert_no_regression(llm, texts(part))

def test_fails(llm):
    assert_perplexity_below(llm, texts("six"), 2)

def test_in_parts(llm):
    assert_perplexity_below(llm, [f"part {number} " + 70_000 * "x" for number in range(4)], 40)

def test_attacked(llm):
    assert_robust(llm, [{"text": "a good film", "label": "good"}], attack="typo", max_success_rate=0.99, queries=20)
"""
TESTS = 8
EVERYTHING = (
    *("--llm-cache", "cache", "--llm-update-baselines", "--llm-update-corpus", "--llm-json", "run.json"),
    *("--llm-html", "run.html", "--llm-history", "history", "--llm-markdown", "run.md"),
)
"""All that a run can be asked to leave."""


def small_project(folder: Path, suite: str = SUITE, conftest: str = CONFTEST) -> Path:
    """Make the project in this folder, which is made."""
    folder.mkdir(parents=True)
    (folder / "conftest.py").write_text(conftest, encoding="utf-8")
    (folder / "test_it.py").write_text(suite, encoding="utf-8")
    (folder / "pytest.ini").write_text("[pytest]\n", encoding="utf-8")
    return folder
