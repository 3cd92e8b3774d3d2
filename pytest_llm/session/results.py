"""What each test of a session came to, followed once, for all who tell of it when the session ends.

A plugin of each session, in the process that has the terminal: it hears of every test, on whichever worker of xdist that runs.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from typing import TYPE_CHECKING

import pytest

from pytest_llm.reports.properties import VERDICT
from pytest_llm.usage import Usage, summed

if TYPE_CHECKING:
    from pytest_llm.reports.rows import Row

RESULTS: pytest.StashKey[SessionResults] = pytest.StashKey()
NOTED, EXCERPTS, ASKED = "llm_noted", "llm_excerpts", "llm_asked"
"""Attributes of reports: a note (of which kind, which one, its text), the texts of examples that a page shows, and the numbers of a
`Usage` by served model."""


@dataclass(slots=True)
class Result:
    """One test; of one that runs again, the last time."""

    id: str
    begun: bool = False
    ended: bool = False
    reported: str = ""
    """What its reports say so far."""
    call: pytest.TestReport | None = None
    measurements: list[str] = field(default_factory=list)
    """As JSON texts, one each; none where no record is asked for."""
    verdicts: list[str] = field(default_factory=list)
    excerpts: list[str] = field(default_factory=list)
    usage: Mapping[str, Usage] = field(default_factory=dict)
    """What was asked of served models, in all its runs: each was paid for."""

    @property
    def outcome(self) -> str:
        """How it ended, or why it did not: a key of `records.run_record.OUTCOMES`."""
        if self.reported in ("crashed", "not collected"):
            return self.reported
        if not self.begun:
            return "not run"
        return (self.ended and self.reported) or "interrupted"

    @property
    def properties(self) -> list[tuple[str, object]]:
        """What was said of it where it ran (`reports.properties`)."""
        return [] if self.call is None else self.call.user_properties

    @property
    def has_verdict(self) -> bool:
        return any(name == VERDICT for name, _ in self.properties)

    @property
    def rows(self) -> Sequence[Row]:
        """Its verdicts."""
        from pytest_llm.reports.rows import rows_of

        return rows_of(self.id, self.properties)

    @property
    def failure(self) -> str:
        """What pytest shows of it, if it failed where it ran."""
        return self.call.longreprtext if self.call is not None and self.call.failed else ""

    @property
    def place(self) -> tuple[str, int | None]:
        """Its file, from pytest's root, and its line, counted from 1."""
        if self.call is None:
            return self.id.partition("::")[0], None
        path, line, _ = self.call.location
        return path, None if line is None else line + 1

    def hear(self, report: pytest.TestReport) -> None:
        """Take in what a report says."""
        self.begun = True
        if hasattr(report, NOTED):
            kind, place, text = getattr(report, NOTED)
            getattr(self, kind)[place:] = [text]  # a test that is run again begins with the first
        if hasattr(report, EXCERPTS):
            self.excerpts = [getattr(report, EXCERPTS)]
        if hasattr(report, ASKED):
            asked = {model: Usage(*counts) for model, counts in getattr(report, ASKED).items()}
            self.usage = summed([self.usage, asked])
        if report.when == "call":
            self.call = report
        self.reported = _said_by(report, self.reported)
        self.ended &= self.reported != "crashed"  # with its worker: nothing will be heard of it any more


class SessionResults:
    """Follows each test."""

    def __init__(self) -> None:
        self._by_id: dict[str, Result] = {}
        self._recorded: Mapping[str, str] | None = None

    def __iter__(self) -> Iterator[Result]:
        """All tests: those that were collected, in their order, and those that could not be."""
        return iter(sorted(self._by_id.values(), key=lambda result: result.reported == "not collected"))

    @property
    def said(self) -> list[tuple[str, list[tuple[str, object]]]]:
        """Pairs of a test's id and its properties, of those that came to a verdict."""
        return [(result.id, result.properties) for result in self if result.has_verdict]

    @property
    def usage(self) -> dict[str, Usage]:
        """What was asked of served models in all."""
        return summed([result.usage for result in self._by_id.values()])

    @property
    def has_verdicts(self) -> bool:
        return any(result.has_verdict for result in self._by_id.values())

    def recorded(self) -> Mapping[str, str]:
        """When and with what the session ran: found out once, for all files that say it."""
        if self._recorded is None:
            from pytest_llm.baselines.comparing import recorded_now

            self._recorded = recorded_now()
        return self._recorded

    def pytest_collectreport(self, report: pytest.CollectReport) -> None:
        if report.failed:
            self._by_id[report.nodeid] = Result(report.nodeid, reported="not collected")

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        for item in session.items:
            self._of(item.nodeid)

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        for name in ids:
            self._of(name)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self._by_id[nodeid] = Result(nodeid, begun=True, usage=self._of(nodeid).usage)

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        self._of(report.nodeid).hear(report)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        result = self._of(nodeid)
        result.ended = result.reported != "crashed"

    def _of(self, nodeid: str) -> Result:
        return self._by_id.setdefault(nodeid, Result(nodeid))


def _said_by(report: pytest.TestReport, before: str) -> str:
    """What the test has come to, with this report of one of its phases."""
    if report.when not in ("setup", "call", "teardown"):
        return "crashed"
    if report.failed and report.when != "call":
        return "error"
    if report.when == "teardown" or (report.when == "setup" and report.passed):
        return before
    if hasattr(report, "wasxfail"):
        return "xfailed" if report.skipped else "xpassed"
    return report.outcome if report.outcome in ("passed", "skipped") else "failed"
