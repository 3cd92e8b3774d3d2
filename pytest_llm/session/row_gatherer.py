"""The verdicts of a session, as rows, gathered in the process that has the terminal from whichever xdist worker."""

from __future__ import annotations

from collections.abc import Sequence

import pytest

from pytest_llm.reports.rows import Row, rows_of


class RowGatherer:
    """Of a test that ran twice the last time counts."""

    def __init__(self) -> None:
        self.rows: dict[str, Sequence[Row]] = {}

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when == "call" and (rows := rows_of(report.nodeid, report.user_properties)):
            self.rows[report.nodeid] = rows
