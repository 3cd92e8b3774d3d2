"""Promise: a contract is reported as a metric is: its line in the summary, its number in JUnit, and no frames of ours."""

from __future__ import annotations

import pytest

TESTS = """
    import torch
    from pytest_llm import assert_causal, assert_deterministic

    def bigrams(ids):
        return torch.sin(torch.arange(49.0)).reshape(7, 7)[ids]

    def looks_ahead(ids):
        return bigrams(ids) + bigrams(ids).mean(dim=1, keepdim=True)

    def test_kept():
        assert_causal(bigrams)
        assert_deterministic(bigrams)

    def test_broken():
        assert_causal(looks_ahead)
"""


@pytest.fixture
def result(pytester: pytest.Pytester) -> pytest.RunResult:
    pytester.makepyfile(TESTS)
    return pytester.runpytest_inprocess("-vv", "--junitxml=report.xml")


def test_the_summary_has_a_line_for_each(result: pytest.RunResult) -> None:
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(
        [
            "E *QualityError: not causal: changing token 31 changes the logits of position 0 of random 1 by *",
            "E *to mend *",
            "PASSED * causal: 12 comparisons differ by nothing (tolerance *test_kept]",
            "PASSED * deterministic: 4 comparisons differ by nothing (they have to be equal) *test_kept]",
            "FAILED * not causal: changing token 31 changes *test_broken]",
        ]
    )
    assert "judge_contract" not in result.stdout.str()


def test_junit_has_the_number(result: pytest.RunResult, pytester: pytest.Pytester) -> None:
    report = (pytester.path / "report.xml").read_text()
    assert 'name="llm_causality" value="0.0"' in report
    assert 'name="llm_determinism" value="0.0"' in report
    assert 'value="failed: not causal: changing token 31' in report
