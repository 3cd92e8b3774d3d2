"""What suites count, as a table at the end of the session; and what runs that are disturbed are forked from and held against."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from tests.reliability.counts import Counter, counts_in, table
from tests.reliability.runs import Forks, forking
from tests.reliability.undisturbed import Undisturbed


@pytest.fixture
def counter(request: pytest.FixtureRequest) -> Counter:
    """Says what a suite counted: `counter("run record", "mutations", {"refused": 187, …, "passed silently": 0})`."""
    return Counter(request.node.user_properties)


@pytest.fixture(scope="session")
def forks() -> Iterator[Forks]:
    """What runs are forked from."""
    with forking() as process:
        yield process


@pytest.fixture(scope="session")
def undisturbed(forks: Forks, tmp_path_factory: pytest.TempPathFactory) -> Undisturbed:
    """What a run leaves that nothing happens to, which others are held against."""
    return Undisturbed(forks, tmp_path_factory.mktemp("undisturbed"))


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
