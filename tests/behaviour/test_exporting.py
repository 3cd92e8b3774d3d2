"""Promise: `--llm-report` and `--llm-mlflow` send a session's verdicts when it ends; what goes wrong there changes no verdict."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llm.history.files import read_runs
from tests.pytest_runs import FEW_PLUGINS

SUITE = """
    from pytest_llm import assert_perplexity_below

    def test_good(llm):
        assert_perplexity_below(llm, ["some text", "another"], 9)

    def test_bad(llm):
        assert_perplexity_below(llm, ["some text", "another"], 7)
"""
PLUGIN = """
    from pathlib import Path

    class Writer:
        def __init__(self, target):
            self.path = Path(target)

        def begin(self, run):
            self.lines = [f"date {run['date'][:2]}"]

        def report(self, row):
            self.lines.append(f"{row.test} {row.metric} {row.verdict} {row.figures.value:.3f} {row.effort.new}")

        def end(self, record):
            self.lines.append(f"record {record and record.name}")
            self.path.write_text("\\n".join(self.lines))

    class Offline(Writer):
        def end(self, record):
            raise ConnectionError("no route to host\\nand more")
"""


@pytest.fixture
def suite(project: pytest.Pytester) -> pytest.Pytester:
    """With a package installed that brings two reporters."""
    project.makepyfile(test_it=SUITE, somebodys=PLUGIN)
    metadata = project.mkdir("somebodys-1.0.dist-info")
    (metadata / "METADATA").write_text("Name: somebodys\nVersion: 1.0\n")
    (metadata / "entry_points.txt").write_text(
        "[pytest_llm.reporters]\nwriter = somebodys:Writer\noffline = somebodys:Offline\n"
    )
    project.syspathinsert()
    return project


def run(suite: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return suite.runpytest("-p", "no:cacheprovider", *arguments)


def test_a_reporter_of_another_package_hears_of_all_verdicts_and_the_record(suite: pytest.Pytester) -> None:
    result = run(suite, "--llm-report", "writer=out.txt", "--llm-json", "run.json")
    result.assert_outcomes(passed=1, failed=1)
    result.stdout.fnmatch_lines(["*llm writer: 2 gates sent*"])
    assert Path("out.txt").read_text().splitlines() == [
        "date 20",
        "test_it.py::test_good perplexity passed 8.000 2",
        "test_it.py::test_bad perplexity failed 8.000 2",
        "record run.json",
    ]


def test_workers_report_once_and_add_one_file_to_a_history(suite: pytest.Pytester) -> None:
    run(suite, "--llm-report", "writer=out.txt", "--llm-history", "history", "-n", "2", *FEW_PLUGINS).assert_outcomes(
        passed=1, failed=1
    )
    assert len(Path("out.txt").read_text().splitlines()) == 4
    (one,) = read_runs(Path("history"))
    assert [gate.test for gate in one.gates] == ["test_it.py::test_bad", "test_it.py::test_good"]


def test_what_cannot_be_sent_is_told_loudly_and_changes_no_verdict(suite: pytest.Pytester) -> None:
    result = run(suite, "--llm-report", "offline=", "--llm-report", "writer=out.txt", "-k", "good")
    result.assert_outcomes(passed=1, deselected=1)
    assert result.ret == pytest.ExitCode.OK
    result.stdout.fnmatch_lines(
        [
            "!*llm offline: 1 gate NOT sent, no verdict changes: ConnectionError: no route to host*",
            "*llm writer: 1 gate sent*",
        ]
    )


@pytest.mark.parametrize(
    ("arguments", "complaint"),
    [
        (
            ("--llm-report", "nobody=x"),
            "*--llm-report: there is no reporter 'nobody'; there are mlflow, offline, writer*",
        ),
        (("--llm-mlflow", "sqllite:///m.db"), "*--llm-mlflow: 'sqllite:///m.db' is no tracking URI of MLflow*"),
    ],
)
def test_a_mistake_is_told_before_anything_is_measured(
    suite: pytest.Pytester, arguments: tuple[str, str], complaint: str
) -> None:
    result = run(suite, *arguments)
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines([complaint])


def test_a_session_without_gates_sends_nothing(suite: pytest.Pytester) -> None:
    suite.makepyfile(test_it="def test_it():\n    pass")
    run(suite, "--llm-report", "writer=out.txt").stdout.no_fnmatch_line("*sent*")
    assert not Path("out.txt").exists()
