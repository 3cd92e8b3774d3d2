"""Promise: `--llm-history DIR` adds a session's gates to a folder, and `pytest-llm history DIR` says what changes over runs."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llm.command.main import main
from pytest_llm.history.files import read_runs

MODEL = """
    import math, os
    import pytest

    class Uniform:
        name = "uniform"

        def score(self, texts):
            return [[-math.log(float(os.environ["SIZE"]))] * len(text) for text in texts]

    @pytest.fixture(scope="session")
    def llm():
        return Uniform()
"""
SUITE = """
    import pytest
    from pytest_llm import assert_perplexity_below

    def test_it(llm):
        assert_perplexity_below(llm, ["some text", "another"], 9)

    @pytest.mark.llm_threshold(perplexity_below=7)
    def test_marker(llm_measure):
        llm_measure("perplexity", ["abc"])
"""


@pytest.fixture
def suite(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> pytest.Pytester:
    monkeypatch.setenv("SIZE", "8")
    pytester.makeconftest(MODEL)
    pytester.makepyfile(test_suite=SUITE)
    return pytester


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return suite.runpytest("-p", "no:cacheprovider", "--llm-history", "history", *arguments)


def test_a_session_is_a_file_with_all_gates_at_full_precision(suite: pytest.Pytester) -> None:
    result = run(suite)
    result.stdout.fnmatch_lines(["*llm history: 2 gates added in *history*.jsonl*"])
    (path,) = Path("history").iterdir()
    assert path.read_text(encoding="utf-8").count("\n") == 1
    ((bad, good),) = [sorted(one.gates, key=lambda gate: gate.passed) for one in read_runs(Path("history"))]
    assert (good.test, good.outcome, good.limit, good.n) == ("test_suite.py::test_it", "passed", 9.0, 2)
    assert (bad.test, bad.outcome, bad.limit, bad.model) == ("test_suite.py::test_marker", "failed", 7.0, "uniform")
    assert good.value == pytest.approx(8, rel=1e-15)
    assert good.low is not None
    assert good.seconds is not None


def test_steps_that_no_single_run_fails_for_add_up(
    suite: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    for night in range(6):
        monkeypatch.setenv("SIZE", str(8 * 1.005**night))
        run(suite, "-k", "test_it").assert_outcomes(passed=1, deselected=1)
    capsys.readouterr()
    assert main(["history", "history"]) == 1
    said = capsys.readouterr().out
    assert "8 → 8.202, 6 runs" in said
    assert "drift     worse by 0.2" in said
    assert "no run failed" in said


def test_a_session_without_gates_adds_nothing(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_suite="def test_it():\n    pass")
    run(suite).assert_outcomes(passed=1)
    assert not Path("history").exists()


def test_what_cannot_be_a_folder_is_refused_before_anything_is_measured(suite: pytest.Pytester) -> None:
    Path("history").write_text("in the way")
    assert run(suite).ret == pytest.ExitCode.USAGE_ERROR


def test_a_folder_that_cannot_be_written_is_an_error(suite: pytest.Pytester) -> None:
    Path("file").write_text("in the way")
    result = suite.runpytest("-p", "no:cacheprovider", "--llm-history", "file/history")
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(["*nothing could be written in *file/history*"])


def test_a_record_that_is_judged_again_is_no_new_measurement(suite: pytest.Pytester) -> None:
    suite.runpytest("-p", "no:cacheprovider", "--llm-json", "run.json")
    assert run(suite, "--llm-rejudge", "run.json").ret == pytest.ExitCode.USAGE_ERROR
