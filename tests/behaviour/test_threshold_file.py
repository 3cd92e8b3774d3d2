"""Promise: limits can stand in a TOML file, by suite name or test id, and win over the code."""

from __future__ import annotations

import pytest

SUITE = """
import pytest

@pytest.mark.llm_threshold("prose", perplexity_below=1)
def test_suite(llm_measure):
    llm_measure("perplexity", ["abc"])

def test_by_id(llm_measure):
    llm_measure("perplexity", ["abc"])
"""


def run(project: pytest.Pytester, toml: str, *arguments: str) -> pytest.RunResult:
    project.makeini("[pytest]\nllm_thresholds = thresholds.toml\n")
    project.path.joinpath("thresholds.toml").write_text(toml, encoding="utf-8")
    project.makepyfile(test_prose=SUITE)
    return project.runpytest("-p", "no:cacheprovider", *arguments)


def test_suite_replaces_the_limit_in_the_marker(project: pytest.Pytester) -> None:
    run(project, "[prose]\nperplexity_below = 9\n").assert_outcomes(passed=2)


def test_test_id_sets_a_limit_without_any_marker(project: pytest.Pytester) -> None:
    result = run(project, '[prose]\nperplexity_below = 9\n["test_prose.py::test_by_id"]\nperplexity_below = 3\n')
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*to change*perplexity_below in ?test_prose.py::test_by_id? of thresholds.toml*"])


def test_module_sets_a_limit_for_all_its_tests(project: pytest.Pytester) -> None:
    run(project, '[prose]\nperplexity_below = 9\n["test_prose.py"]\nperplexity_below = 3\n').assert_outcomes(failed=2)


@pytest.mark.parametrize(
    ("toml", "message"),
    [
        ("[poems]\nperplexity_below = 9\n", "*names the suite 'prose', but thresholds.toml has only: poems"),
        ("[prose]\nperplexity = 9\n", "*thresholds.toml: ?prose?: unknown limit 'perplexity'*"),
        ("[prose]\nperplexity_below = nan\n", "*perplexity_below: limit nan (float): expected a finite number"),
        ("perplexity_below = 9\n", "*perplexity_below = 9 is not in a table*"),
        ("[prose\n", "*cannot read *thresholds.toml*"),
        (
            '[prose]\nperplexity_below = 9\n["test_prose.py::test_gone"]\nperplexity_below = 9\n',
            "*test_gone? names a test that its file does not*",
        ),
        (
            '[prose]\nperplexity_below = 9\n["test_gone.py"]\nperplexity_below = 9\n',
            "*test_gone.py? names a file that is not there*",
        ),
    ],
)
def test_mistakes_in_the_file_are_usage_errors(project: pytest.Pytester, toml: str, message: str) -> None:
    result = run(project, toml)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([f"ERROR: {message}"])


def test_missing_file_is_a_usage_error(project: pytest.Pytester) -> None:
    project.makeini("[pytest]\nllm_thresholds = nowhere.toml\n")
    project.makepyfile("def test_it(): pass")
    result = project.runpytest()
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["ERROR: llm_thresholds: cannot read *nowhere.toml*"])


def test_selecting_one_test_does_not_make_the_other_keys_wrong(project: pytest.Pytester) -> None:
    toml = '[prose]\nperplexity_below = 9\n["test_prose.py::test_by_id"]\nperplexity_below = 9\n'
    run(project, toml, "test_prose.py::test_suite").assert_outcomes(passed=1)
    run(project, toml, "-k", "suite").assert_outcomes(passed=1, deselected=1)
