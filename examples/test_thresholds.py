"""Limits on a test instead of in it: the test measures, the marker decides.

`pytest.ini` beside this file names `thresholds.toml`, where CI can tune a limit without touching code.
"""

from collections.abc import Callable

import pytest

from pytest_llm import Measurement, embedded

HELD_OUT = embedded("data/held_out.jsonl")
Measure = Callable[..., Measurement]


@pytest.mark.llm_threshold(perplexity_below=60)
def test_limit_in_the_marker(llm_measure: Measure) -> None:
    llm_measure("perplexity", HELD_OUT)


@pytest.mark.llm_threshold("prose")
def test_limits_of_a_suite(llm_measure: Measure) -> None:
    llm_measure("bits_per_byte", HELD_OUT)
    llm_measure("word_perplexity", HELD_OUT)


@pytest.mark.llm_threshold(perplexity_below=1000)
class TestWholeClass:
    """The class sets a limit for all its tests; the nearest one holds, and the file replaces it by test id."""

    def test_limit_of_the_class(self, llm_measure: Measure) -> None:
        llm_measure("perplexity", HELD_OUT)

    @pytest.mark.llm_threshold(perplexity_below=60)
    def test_nearer_limit(self, llm_measure: Measure) -> None:
        llm_measure("perplexity", HELD_OUT)

    def test_limit_from_the_file(self, llm_measure: Measure) -> None:
        llm_measure("perplexity", HELD_OUT)
