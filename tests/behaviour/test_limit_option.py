"""--llm-limit uses a part of each data set, and says so."""

from __future__ import annotations

import pytest

TEST = """
    from pytest_llm import measure

    def test_words():
        measurement = measure(["a b"] * 30, ["a b"] * 30, "wer")
        print("used", measurement.n)
"""


def test_so_many_examples_are_used(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST)
    result = pytester.runpytest("--llm-limit=10%", "-s")
    result.stdout.fnmatch_lines(["*used 3*"])
    assert result.ret == 0


def test_without_it_all_are_used(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST)
    pytester.runpytest("-s").stdout.fnmatch_lines(["*used 30*"])


def test_nonsense_is_a_usage_error(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(TEST)
    result = pytester.runpytest("--llm-limit=some")
    result.stderr.fnmatch_lines(["*--llm-limit: 'some': expected a number of examples such as 50, or a share*"])
    assert result.ret == pytest.ExitCode.USAGE_ERROR
