"""Promise: numbers of efficiency stand in markers, reports and JUnit XML like all others."""

from __future__ import annotations

import pytest

WRITER = """
    import pytest

    class Writer:
        def generate(self, prompts, decoding):
            return [str(sum(range(1000)))] * len(prompts)

    @pytest.fixture(scope="session")
    def llm():
        return Writer()
"""


@pytest.fixture
def project(pytester: pytest.Pytester) -> pytest.Pytester:
    pytester.makeconftest(WRITER)
    return pytester


def run(project: pytest.Pytester, limit: str) -> pytest.RunResult:
    project.makepyfile(
        f"""
        import pytest

        @pytest.mark.llm_threshold({limit})
        def test_it(llm_measure):
            llm_measure("latency_p50", ["one", "two"], rounds=1)
        """
    )
    return project.runpytest("-p", "no:cacheprovider", "-vv", "--junitxml=report.xml")


def test_a_marker_judges_what_was_timed(project: pytest.Pytester) -> None:
    result = run(project, "latency_p50_below=1e9")
    result.assert_outcomes(passed=1)
    result.stdout.fnmatch_lines(["PASSED *latency_p50 * is below 1,000,000,000*test_it]"])
    assert 'name="llm_latency_p50"' in project.path.joinpath("report.xml").read_text(encoding="utf-8")


def test_a_marker_fails_what_took_too_long(project: pytest.Pytester) -> None:
    result = run(project, "latency_p50_below=0")
    result.assert_outcomes(failed=1)
    result.stdout.fnmatch_lines(
        ["*latency_p50 * is not below 0*", "*to change *latency_p50_below in the llm_threshold marker*"]
    )
