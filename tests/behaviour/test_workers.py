"""Promise: the same verdicts under pytest-xdist, and none of our business breaks a worker."""

from __future__ import annotations

import re

import pytest

SUITE = """
import pytest
from pytest_llm import assert_perplexity_below

@pytest.mark.parametrize("limit", [5, 7, 9, 11])
def test_assertion(llm, limit):
    assert_perplexity_below(llm, ["some"], limit)

@pytest.mark.llm_threshold(perplexity_below=6)
def test_marker(llm_measure):
    llm_measure("perplexity", ["some"])
"""


def verdicts(result: pytest.RunResult) -> list[str]:
    return sorted(line for line in result.outlines if re.match(r"(PASSED|FAILED) +perplexity 8 is", line))


def test_two_workers_give_the_verdicts_of_one_process(project: pytest.Pytester) -> None:
    project.makepyfile(SUITE)
    alone = project.runpytest_subprocess("-p", "no:cacheprovider", "-vv")
    shared = project.runpytest_subprocess("-p", "no:cacheprovider", "-vv", "-n", "2")
    for result in (alone, shared):
        result.assert_outcomes(passed=2, failed=3)
    assert verdicts(alone) == verdicts(shared)
    assert len(verdicts(alone)) == 5


def test_usage_error_is_told_by_each_test(project: pytest.Pytester) -> None:
    project.makepyfile(SUITE.replace("perplexity_below=6", "perplexity_bellow=6"))
    result = project.runpytest_subprocess("-p", "no:cacheprovider", "-n", "2")
    result.assert_outcomes(errors=5)
    result.stdout.fnmatch_lines(["*marker llm_threshold: unknown limit 'perplexity_bellow'*"])


def test_works_without_xdist(project: pytest.Pytester) -> None:
    project.makepyfile(SUITE)
    project.runpytest_subprocess("-p", "no:cacheprovider", "-p", "no:xdist").assert_outcomes(passed=2, failed=3)
