"""Promise: a gate that a test expects to fail is not reported as a failure: the session is green, and so are its reports."""

from __future__ import annotations

import pytest

SUITE = """
import pytest
from pytest_llm import QualityError, assert_perplexity_below

def test_caught(llm):
    with pytest.raises(QualityError, match="is not below 7"):
        assert_perplexity_below(llm, ["some"], 7)
    assert_perplexity_below(llm, ["some"], 9)

@pytest.mark.xfail(raises=QualityError)
def test_marked(llm):
    assert_perplexity_below(llm, ["some"], 6)
"""


@pytest.fixture
def expecting(project: pytest.Pytester) -> pytest.Pytester:
    project.makepyfile(SUITE)
    return project


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest("-p", "no:cacheprovider", *arguments)


def test_the_table_says_that_it_was_expected(expecting: pytest.Pytester) -> None:
    result = run(expecting)
    result.assert_outcomes(passed=1, xfailed=1)
    result.stdout.re_match_lines([r"EXPECTED +perplexity .*test_caught"])
    result.stdout.re_match_lines([r"EXPECTED +perplexity .*test_marked"])
    result.stdout.re_match_lines([r"PASSED +perplexity .*test_caught"])
    result.stdout.no_re_match_line("FAILED")


def test_with_q_there_is_nothing_to_show(expecting: pytest.Pytester) -> None:
    run(expecting, "-q").stdout.no_re_match_line("EXPECTED|FAILED")


def test_markdown_counts_no_failure(expecting: pytest.Pytester) -> None:
    run(expecting, "--llm-markdown", "run.md")
    text = (expecting.path / "run.md").read_text(encoding="utf-8")
    assert text.startswith("### Language model quality: 3 gates passed")
    assert text.count("| ✅ expected | perplexity | 8 |") == 2


def test_junit_says_both(expecting: pytest.Pytester) -> None:
    run(expecting, "--junit-xml", "run.xml")
    text = (expecting.path / "run.xml").read_text(encoding="utf-8")
    assert text.count('value="failed, as expected: perplexity 8 is not below') == 2
    assert 'value="passed: perplexity 8 is below 9' in text


@pytest.mark.parametrize("reason", ["assert 0", "assert_perplexity_below(llm, ['some'], 5)"])
def test_a_test_that_fails_expected_nothing(project: pytest.Pytester, reason: str) -> None:
    project.makepyfile(SUITE.replace("assert_perplexity_below(llm, ['some'], 9)".replace("'", '"'), reason))
    result = run(project)
    result.assert_outcomes(failed=1, xfailed=1)
    result.stdout.re_match_lines([r"FAILED +perplexity .*test_caught"])
