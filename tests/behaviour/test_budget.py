"""Promise: --llm-budget ends an assertion that takes too long as an error that says how far it got; the next run goes on there."""

from __future__ import annotations

import pytest

SUITE = """
    import math, pytest
    from pytest_llm import assert_perplexity_below
    from pytest_llm.inference import time_budget

    class Slow:
        now = 0

        def cache_key(self):
            return "slow"

        def score(self, texts):
            Slow.now += 60
            return [[-math.log(8)] * len(text) for text in texts]

    @pytest.fixture(autouse=True)
    def clock(monkeypatch):
        monkeypatch.setattr(time_budget, "clock", lambda: Slow.now)

    @pytest.mark.llm_threshold(perplexity_below=1)
    def test_it():
        assert_perplexity_below(Slow(), [letter * 5000 for letter in "abcdef"], 9)
"""
SENTENCE = "E*the budget of 2min is over after 2min: 2 of 6 examples answered, so there is no verdict"


def test_ends_as_an_error_and_goes_on_in_the_next_run(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE)
    result = pytester.runpytest_inprocess("--llm-budget=2min", "--llm-gate-exit-code=17")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines([SENTENCE, "E*so far*perplexity 8 on these 2; *", "E*kept*2 answers, in the cache*"])
    assert result.ret == 1  # no gate failed: there was no verdict
    assert "language model quality" not in result.stdout.str()
    pytester.runpytest_inprocess("--llm-budget=2min").stdout.fnmatch_lines(["*4 of 6 examples answered*"])
    result = pytester.runpytest_inprocess("--llm-budget=2min")
    result.stdout.fnmatch_lines(["*perplexity 8 is not below 1*"])  # answered, and judged


@pytest.mark.parametrize("arguments", [(), ("--llm-budget=off",)])
def test_the_ini_key_says_the_same_and_the_option_wins(pytester: pytest.Pytester, arguments: tuple[str, ...]) -> None:
    pytester.makepyfile(SUITE.replace("perplexity_below=1", "perplexity_below=9"))
    pytester.makeini("[pytest]\nllm_budget = 2min\n")
    result = pytester.runpytest_inprocess(*arguments)
    result.assert_outcomes(**({"passed": 1} if arguments else {"failed": 1}))


def test_nonsense_is_a_usage_error(pytester: pytest.Pytester) -> None:
    result = pytester.runpytest_inprocess("--llm-budget=soon")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--llm-budget: budget 'soon': expected a time such as '90s', '5min'*"])


def test_judged_again_nothing_is_asked_and_nothing_runs_out(pytester: pytest.Pytester) -> None:
    pytester.makepyfile(SUITE.replace("perplexity_below=1", "perplexity_below=9"))
    pytester.runpytest_inprocess("--llm-json=run.json").assert_outcomes(passed=1)
    pytester.runpytest_inprocess("--llm-rejudge=run.json", "--llm-budget=0.001").assert_outcomes(passed=1)
