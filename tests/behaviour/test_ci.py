"""What CI is told: a Markdown file, GitHub's summary and annotations, an exit code for gates."""

from __future__ import annotations

from pathlib import Path

import pytest

GATES = """
    from pytest_llm import assert_perplexity_below

    def test_it_holds(llm):
        assert_perplexity_below(llm, ["some text", "another"], 9)

    def test_it_does_not(llm):
        assert_perplexity_below(llm, ["some text", "another"], 7)
"""

BY_MARKER = """
    import pytest

    @pytest.mark.llm_threshold(perplexity_below=7)
    def test_it(llm_measure):
        llm_measure("perplexity", ["some text"])
"""


@pytest.fixture(autouse=True)
def nowhere(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("GITHUB_ACTIONS", "GITHUB_STEP_SUMMARY"):
        monkeypatch.delenv(name, raising=False)


def run(project: pytest.Pytester, source: str, *arguments: str) -> pytest.RunResult:
    project.makepyfile(source)
    return project.runpytest("-p", "no:cacheprovider", *arguments)


def test_verdicts_are_written_as_markdown(project: pytest.Pytester) -> None:
    assert run(project, GATES, "--llm-markdown", "out/quality.md").ret == pytest.ExitCode.TESTS_FAILED
    text = (project.path / "out/quality.md").read_text(encoding="utf-8")
    assert text.startswith("### Language model quality: 1 of 2 gates failed")
    assert "| ❌ failed | perplexity | 8 | 8 to 8 | below 7 | −1 | 2 | <code>" in text
    assert "| ✅ passed | perplexity | 8 | 8 to 8 | below 9 | 1 | 2 | <code>" in text
    assert "perplexity 8 is not below 7: over the limit by 1 (14.3 %)" in text


def test_a_file_that_cannot_be_written_is_an_error(project: pytest.Pytester) -> None:
    (project.path / "file").write_text("in the way")
    result = run(project, GATES, "--llm-markdown", "file/quality.md")
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(["*file/quality.md could not be written*"])


def test_github_gets_a_summary_and_annotations(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    summary = project.path / "summary.md"
    summary.write_text("what another step said\n")
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(summary))
    result = run(project, GATES)
    text = summary.read_text(encoding="utf-8")
    assert text.startswith("what another step said\n### Language model quality: 1 of 2 gates failed")
    result.stdout.fnmatch_lines(
        ["::error file=test_*.py,line=6,title=perplexity%3A failed::perplexity 8 is not below 7: over the limit by 1*"]
    )
    assert result.stdout.str().count("::error") == 1


def test_github_hears_nothing_of_tests_without_verdicts(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setenv("GITHUB_ACTIONS", "true")
    monkeypatch.setenv("GITHUB_STEP_SUMMARY", str(project.path / "summary.md"))
    result = run(project, "def test_it():\n    assert False")
    result.stdout.no_fnmatch_line("*::error*")
    assert not Path(project.path / "summary.md").exists()


@pytest.mark.parametrize(
    ("source", "code"),
    [
        (GATES, 42),
        (GATES + "\n    def test_broken():\n        assert 1 == 2\n", 1),
        (GATES + "\n    def test_broken(no_such_fixture):\n        pass\n", 1),
        (BY_MARKER, 42),
        ("def test_it(llm):\n    pass", 0),
    ],
    ids=["gates alone", "a mistake besides", "an error besides", "a marker", "nothing failed"],
)
def test_the_exit_code_tells_gates_from_mistakes(project: pytest.Pytester, source: str, code: int) -> None:
    assert run(project, source, "--llm-gate-exit-code=42").ret == code


@pytest.mark.parametrize("code", ["1", "126", "many"])
def test_an_exit_code_that_means_something_else_is_refused(project: pytest.Pytester, code: str) -> None:
    result = run(project, GATES, f"--llm-gate-exit-code={code}")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*expected a number from 6 to 125*"])
