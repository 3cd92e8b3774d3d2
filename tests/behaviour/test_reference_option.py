"""Promise: `--llm-reference` names another model, which tests have as a fixture."""

from __future__ import annotations

import pytest


def test_the_reference_of_the_command_line_is_a_fixture(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(
        """
        from pytest_llm import assert_no_regression

        def test_new_against_old(llm, llm_reference):
            assert_no_regression(llm, ["It was the best of times.", "It was the worst of times."], reference=llm_reference)
        """
    )
    result = pytester.runpytest_inprocess(
        "-vv", "--llm-reference=tiny-decoder", "--llm-device=cpu", "-p", "no:cacheprovider"
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["PASSED * is that of the reference tiny-decoder*"])


def test_without_the_option_the_fixture_says_so(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(llm_reference): pass")
    result = pytester.runpytest("-p", "no:cacheprovider")
    result.assert_outcomes(errors=1)
    result.stdout.fnmatch_lines(["*llm_reference: say which model with --llm-reference MODEL"])
