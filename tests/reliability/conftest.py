"""The fixture `counter`, and the table of what was counted at the end of the session."""

from __future__ import annotations

import pytest

from tests.reliability.counts import Counter, counts_in, table


@pytest.fixture
def counter(request: pytest.FixtureRequest) -> Counter:
    """Says what a suite counted: `counter("run record", "mutations", {"refused": 187, …, "passed silently": 0})`."""
    return Counter(request.node.user_properties)


def pytest_terminal_summary(terminalreporter: pytest.TerminalReporter) -> None:
    reports = [
        report
        for kind in ("passed", "failed")
        for report in terminalreporter.stats.get(kind, [])
        if isinstance(report, pytest.TestReport) and report.when == "call"
    ]
    if lines := table(counts_in(reports)):
        terminalreporter.section("reliability")
        terminalreporter.write("\n".join(lines) + "\n")
