"""Promise: a failing gate teaches: the verdict first, then the evidence, and no traceback of ours."""

from __future__ import annotations

import pytest


def run(project: pytest.Pytester, call: str, *arguments: str) -> pytest.RunResult:
    project.makepyfile(
        f"""
        from pytest_llm import assert_perplexity_below

        def test_it(llm):
            {call}
        """
    )
    return project.runpytest("-p", "no:cacheprovider", *arguments)


def test_verdict_first_then_the_evidence(project: pytest.Pytester) -> None:
    result = run(project, 'assert_perplexity_below(llm, ["some", "more words"], 5)')
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            ">*assert_perplexity_below(llm, *",
            "E  *pytest_llm.QualityError: perplexity 8 is not below 5: over the limit by 3 (60 %)",
            "E * interval *8 to 8 on text like this (95 %, jackknife over documents)",
            "E * measured *2 examples, 14 tokens, a list given in the test",
            "E * worst *#0 *'some'",
            "E * #1 *'more words'",
            "E * model *Uniform",
            "E * signature *perplexity|bos:model's own|*",
            "E * to change *if 8 is acceptable, the assertion's limit is the place to say so",
            "FAILED *::test_it - pytest_llm.Q*",
        ]
    )


def test_no_frame_of_ours_is_shown(project: pytest.Pytester) -> None:
    result = run(project, 'assert_perplexity_below(llm, ["some"], 5)')
    result.stdout.no_fnmatch_line("*gate.py*")
    result.stdout.no_fnmatch_line("*quality.py*")


def test_misuse_is_one_line_at_the_callers_line(project: pytest.Pytester) -> None:
    result = run(project, 'assert_perplexity_below(llm, ["fine", ""], 5)')
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *pytest_llm.MisuseError: the text of example #1 is empty*"])
    result.stdout.no_fnmatch_line("*loading.py*")


def test_summary_names_each_verdict(project: pytest.Pytester) -> None:
    result = run(project, 'assert_perplexity_below(llm, ["some"], 9); assert_perplexity_below(llm, ["some"], 5)')
    result.stdout.fnmatch_lines(
        [
            "*= language model quality =*",
            "PASSED *perplexity * 8 *below 9 * 1 *test_it",
            "FAILED *perplexity * 8 *below 5 * −3 *test_it",
        ]
    )


def test_quiet_leaves_the_summary_out(project: pytest.Pytester) -> None:
    result = run(project, 'assert_perplexity_below(llm, ["some"], 9)', "-q")
    result.stdout.no_fnmatch_line("*language model quality*")


def test_junit_carries_the_numbers(project: pytest.Pytester) -> None:
    run(project, 'assert_perplexity_below(llm, ["some"], 9)', "--junitxml=report.xml")
    xml = project.path.joinpath("report.xml").read_text(encoding="utf-8")
    assert '<property name="llm_verdict" value="passed: perplexity 8 is below 9 (11.1 % to spare)"' in xml
    assert '<property name="llm_perplexity" value="7.99' in xml
