"""Promise: `llm_nightly` tests run only with --llm-nightly."""

from __future__ import annotations

import pytest

NIGHTLY = "import pytest\n@pytest.mark.llm_nightly\ndef test_it(): pass\n"


def test_skipped_by_default_with_the_remedy(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(NIGHTLY)
    result = pytester.runpytest("-rs")
    result.assert_outcomes(skipped=1)
    result.stdout.fnmatch_lines(["SKIPPED *:2: runs nightly: pass --llm-nightly"])


def test_runs_with_the_option(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(NIGHTLY)
    pytester.runpytest("--llm-nightly").assert_outcomes(passed=1)


def test_takes_no_arguments(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(NIGHTLY.replace("llm_nightly", "llm_nightly(weekly=True)"))
    assert pytester.runpytest().ret == pytest.ExitCode.USAGE_ERROR
