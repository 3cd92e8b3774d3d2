"""Promise: `llm_threshold` is checked after the test body, against what the test measured."""

from __future__ import annotations

import pytest


def run(project: pytest.Pytester, body: str, *arguments: str) -> pytest.RunResult:
    project.makepyfile("import pytest\nfrom pytest_llm import assert_perplexity_below\n" + body)
    return project.runpytest("-p", "no:cacheprovider", "-vv", *arguments)


def test_limit_that_holds_passes(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
@pytest.mark.llm_threshold(perplexity_below=9)
def test_it(llm_measure):
    assert llm_measure("perplexity", ["abc"]).value == pytest.approx(8)
""",
    )
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["PASSED * perplexity 8 is below 9 (11.1 % to spare)*test_it*"])


def test_limit_that_is_missed_fails_with_the_verdict(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
@pytest.mark.llm_threshold(perplexity_below=7)
def test_it(llm_measure):
    llm_measure("perplexity", ["abc"])
""",
    )
    result.assert_outcomes(failed=1)
    assert result.ret == pytest.ExitCode.TESTS_FAILED
    result.stdout.fnmatch_lines(
        [
            "perplexity 8 is not below 7: over the limit by 1 (14.3 %)",
            "*worst*8*#0*'abc'",
            "*to change*perplexity_below in the llm_threshold marker is the place to say so",
        ]
    )


def test_metric_that_was_not_measured_fails(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
@pytest.mark.llm_threshold(perplexity_below=9, bits_per_byte_below=9)
def test_it(llm_measure):
    llm_measure("perplexity", ["abc"])
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["never checked: bits_per_byte_below=9; *did not measure bits_per_byte (it measured only*"]
    )
    result.stdout.fnmatch_lines(["PASSED * perplexity 8 is below 9*"])  # what was measured is not lost


def test_what_an_assertion_measured_counts(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
@pytest.mark.llm_threshold(perplexity_below=7)
def test_it(llm):
    assert_perplexity_below(llm, ["abc"], 100)
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["perplexity 8 is not below 7*"])


def test_each_measurement_must_hold(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
import math

class Better:
    def score(self, texts):
        return [[-math.log(2)] * len(text) for text in texts]

@pytest.mark.llm_threshold(perplexity_below=7)
def test_it(llm_measure):
    llm_measure("perplexity", ["abc"])
    llm_measure("perplexity", ["abc"], model=Better())
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["PASSED * perplexity 2 is below 7*", "FAILED * perplexity 8 is not below 7*"])


def test_failing_body_is_reported_as_itself(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
@pytest.mark.llm_threshold(perplexity_below=9)
def test_it():
    raise RuntimeError("the body broke")
""",
    )
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(["E *RuntimeError: the body broke"])
    result.stdout.no_fnmatch_line("*never checked*")


def test_nearest_of_module_class_and_function_holds(project: pytest.Pytester) -> None:
    result = run(
        project,
        """
pytestmark = pytest.mark.llm_threshold(perplexity_below=1)

def test_module(llm_measure):
    llm_measure("perplexity", ["abc"])

@pytest.mark.llm_threshold(perplexity_below=2)
class TestClass:
    def test_class(self, llm_measure):
        llm_measure("perplexity", ["abc"])

    @pytest.mark.llm_threshold(perplexity_below=9)
    def test_function(self, llm_measure):
        llm_measure("perplexity", ["abc"])
""",
    )
    result.assert_outcomes(passed=1, failed=2)
    result.stdout.fnmatch_lines(["FAILED * not below 1*test_module]", "FAILED * not below 2*test_class]"])


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        ("perplexity_bellow=9", "*unknown limit 'perplexity_bellow'; did you mean perplexity_below*"),
        ("perplexity_above=9", "*unknown limit 'perplexity_above'*"),
        ("perplexity_below='9'", "*perplexity_below: limit '9' (str): expected a finite number"),
        ("perplexity_below=float('nan')", "*perplexity_below: limit nan (float): expected a finite number"),
        ("9", "*the suite is 9; limits are keywords*"),
        ("", "*no limit given*"),
        ("'prose', 'poems', perplexity_below=9", "*expected llm_threshold(suite=None, /, *limits)*"),
    ],
)
def test_wrong_arguments_are_usage_errors_at_collection(project: pytest.Pytester, arguments: str, message: str) -> None:
    result = run(project, f"@pytest.mark.llm_threshold({arguments})\ndef test_it():\n    assert False\n")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: *test_wrong_arguments*::test_it: {message}"])
