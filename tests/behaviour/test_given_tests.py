"""Promise: tests of Hypothesis that use a model get settings that suit one, and may ask in batches; other tests get nothing."""

from __future__ import annotations

import pytest

COUNTING_LLM = """
    import math
    import pytest

    class Counting:
        calls = []

        def score(self, texts):
            self.calls.append(len(texts))
            return [[-math.log(80 if "x" in text else 8)] * len(text) for text in texts]

    @pytest.fixture(scope="session")
    def llm():
        return Counting()
"""
HEADER = """
    import pytest
    from hypothesis import HealthCheck, Phase, given, settings, strategies as st
    from pytest_llm import assert_perplexity_below

    def own(test):
        return test._hypothesis_internal_use_settings
"""


@pytest.fixture
def counting(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.delenv("CI", raising=False)
    pytester.makeconftest(COUNTING_LLM)
    return pytester


def run(pytester: pytest.Pytester, code: str, *arguments: str) -> pytest.RunResult:
    pytester.makepyfile(HEADER + code)
    return pytester.runpytest_inprocess(*arguments)


def test_a_marked_test_asks_all_at_once(counting: pytest.Pytester) -> None:
    result = run(
        counting,
        """
    @pytest.mark.llm_batch
    @settings(max_examples=30, database=None)
    @given(text=st.text("abc", min_size=3))
    def test_it(llm, text):
        assert_perplexity_below(llm, [text], 10)

    def test_calls(llm):
        assert len(llm.calls) == 1
    """,
        "-vv",
    )
    result.assert_outcomes(passed=2)
    result.stdout.fnmatch_lines(["PASSED * perplexity 8 is below 10 *test_it*"])
    assert result.stdout.str().count("[test_a_marked_test_asks_all_at_once.py::test_it]") == 1  # not once an example


def test_without_the_marker_it_asks_one_at_a_time(counting: pytest.Pytester) -> None:
    result = run(
        counting,
        """
    @settings(max_examples=10, database=None)
    @given(text=st.text("abc", min_size=3))
    def test_it(llm, text):
        assert_perplexity_below(llm, [text], 10)

    def test_calls(llm):
        assert len(llm.calls) > 1 and set(llm.calls) == {1}
    """,
    )
    result.assert_outcomes(passed=2)


def test_a_method_with_parameters_asks_all_at_once_too(counting: pytest.Pytester) -> None:
    result = run(
        counting,
        """
    @pytest.mark.llm_batch
    class TestAll:
        @pytest.mark.parametrize("end", ["!", "?"])
        @settings(max_examples=10, database=None)
        @given(text=st.text("abc", min_size=3))
        def test_it(self, llm, text, end):
            assert_perplexity_below(llm, [text + end], 10)

    def test_calls(llm):
        assert len(llm.calls) == 2
    """,
    )
    result.assert_outcomes(passed=3)


def test_a_marked_test_that_fails_is_shrunk(counting: pytest.Pytester) -> None:
    result = run(
        counting,
        """
    @pytest.mark.llm_batch
    @settings(database=None)
    @given(text=st.text("abcx", min_size=1))
    def test_it(llm, text):
        assert_perplexity_below(llm, [text], 10)
    """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*text='x'*", "*perplexity 80 is not below 10*"])


def test_the_marker_on_any_other_test_is_a_usage_error(counting: pytest.Pytester) -> None:
    result = run(counting, "    @pytest.mark.llm_batch\n    def test_it(llm): pass\n")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*test_it: marker llm_batch: it is for tests of Hypothesis, decorated with @given"])


def test_only_tests_with_a_model_have_other_settings_and_only_while_they_run(counting: pytest.Pytester) -> None:
    result = run(
        counting,
        """
    @given(x=st.just(1))
    def test_model(llm, x):
        assert own(test_model).deadline is None and Phase.explain not in own(test_model).phases

    @settings(deadline=300)
    @given(x=st.just(1))
    def test_own(llm, x):
        assert own(test_own).deadline.total_seconds() == 0.3

    @given(x=st.just(1))
    def test_unrelated(x):
        for test in (test_model, test_unrelated):
            assert own(test) is settings.default
    """,
    )
    result.assert_outcomes(passed=3)


def test_our_function_scoped_fixtures_may_be_used_and_no_others(counting: pytest.Pytester) -> None:
    result = run(
        counting,
        """
    @pytest.fixture
    def counter():
        return []

    @settings(max_examples=3)
    @given(text=st.text("abc", min_size=3))
    def test_ours(llm_measure, text):
        assert llm_measure("perplexity", [text]).value < 10

    @given(text=st.text("abc", min_size=3))
    def test_both(llm_measure, counter, text):
        pass
    """,
    )
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*test_both' uses a function-scoped fix*"])


def test_a_threshold_holds_for_every_example(counting: pytest.Pytester) -> None:
    result = run(
        counting,
        """
    @pytest.mark.llm_batch
    @pytest.mark.llm_threshold(perplexity_below=10)
    @settings(max_examples=20, database=None)
    @given(text=st.sampled_from(["aaa", "bbb", "xxx", "ccc"]))
    def test_it(llm_measure, text):
        llm_measure("perplexity", [text])
    """,
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["*perplexity 80 is not below 10*"])
