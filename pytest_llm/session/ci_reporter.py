"""What CI is told: `--llm-markdown FILE`, the summary and annotations of GitHub Actions, and an exit code of its own for gates.

Two plugins, registered where they are asked for. `GateWatcher` works where tests run, and notes on a test's report whether a gate
ended it; `CiReporter` tells of the results on the controller.
"""

from __future__ import annotations

from collections.abc import Generator
from dataclasses import dataclass
from pathlib import Path

import pytest

from pytest_llm.data.whole_file import write_whole
from pytest_llm.reports.annotations import annotation
from pytest_llm.reports.markdown import markdown
from pytest_llm.session.results import SessionResults

_GATE = "llm_gate_failed"


@dataclass(frozen=True, slots=True)
class Telling:
    """Who is told what."""

    markdown: Path | None = None
    """A file that is written anew."""
    summary: Path | None = None
    """A file that GitHub collects summaries in: it is added to."""
    annotations: bool = False
    exit_code: int | None = None
    """Of a session in which nothing but gates failed."""


class GateWatcher:
    """Says of a test that failed whether a gate did it, rather than a mistake in the test.

    Args:
        by_marker: where a test keeps that what it measured did not hold to its markers.
    """

    def __init__(self, by_marker: pytest.StashKey[bool]) -> None:
        self.by_marker = by_marker

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if report.failed and call.when == "call" and call.excinfo is not None:
            from pytest_llm.judging.verdict import QualityError

            by_marker = item.stash.get(self.by_marker, False)
            setattr(report, _GATE, by_marker or isinstance(call.excinfo.value, QualityError))
        return report


class CiReporter:
    """Tells of the results of a session."""

    def __init__(self, telling: Telling, results: SessionResults) -> None:
        self.telling = telling
        self.results = results
        self.others_failed = False
        """Whether something failed that was no gate."""
        self.told: list[str] = []

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self.others_failed |= report.failed and not getattr(report, _GATE, False)

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        self.others_failed |= report.failed

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        rows = [row for result in self.results for row in result.rows]
        unfinished = session.config.pluginmanager.get_plugin("llm_unfinished")
        missing = [] if unfinished is None else list(unfinished.lines(session.config))
        if (rows or missing) and (self.telling.markdown or self.telling.summary):
            failures = {result.id: result.failure for result in self.results}
            self._write(markdown(rows, failures, missing, self.results.usage), session)
        code = self.telling.exit_code
        if code is not None and session.exitstatus == pytest.ExitCode.TESTS_FAILED and not self.others_failed:
            session.exitstatus = code

    def _write(self, text: str, session: pytest.Session) -> None:
        for path, write in ((self.telling.markdown, write_whole), (self.telling.summary, _add_to)):
            if path is None:
                continue
            try:
                write(path, text.encode("utf-8", "replace"))
            except OSError as error:
                self.told.append(f"{path} could not be written: {error}")
                session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.told:
            terminalreporter.write_sep("-", line)
        if not self.telling.annotations:
            return
        terminalreporter.ensure_newline()
        for result in self.results:
            for row in result.rows:
                if (result.failure and not row.passed) or row.warns:
                    terminalreporter.write_line(annotation(row, *result.place))


def _add_to(path: Path, content: bytes) -> None:
    with path.open("ab") as file:
        file.write(content)
