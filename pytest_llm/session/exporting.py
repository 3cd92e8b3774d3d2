"""`--llm-report NAME=TARGET` and `--llm-mlflow URI`: a plugin that sends the verdicts of a session when it ends.

Registered on the controller, where it is asked for. What goes wrong is told at the end of the session and in nothing else:
neither a verdict nor the exit code depends on somebody else's server.
"""

from __future__ import annotations

import datetime
from collections.abc import Generator, Sequence
from pathlib import Path

import pytest

from pytest_llm.reporters.reporter import Reporter, reporter_named
from pytest_llm.reports.rows import Row
from pytest_llm.session.misuse import misuse_of
from pytest_llm.session.results import RESULTS, SessionResults
from pytest_llm.wording import counted


class Exporter:
    """Sends the session to reporters.

    Args:
        reporters: with their names.
        results: of its tests.
        record: the file of `--llm-json`; None if there is none.
    """

    def __init__(self, reporters: Sequence[tuple[str, Reporter]], results: SessionResults, record: Path | None) -> None:
        self.reporters = reporters
        self.results = results
        self.record = record
        self.told: list[tuple[str, bool]] = []

    @classmethod
    def asked_for(cls, config: pytest.Config) -> Exporter:
        """As the command line says.

        Raises:
            UsageError: no such reporter, or one that refuses what it is to report to.
        """
        asked = [("--llm-report", *_name_and_target(given)) for given in config.getoption("llm_report")]
        if uri := config.getoption("llm_mlflow"):
            asked.append(("--llm-mlflow", "mlflow", uri))
        reporters = []
        for option, name, target in asked:
            with misuse_of(option):
                reporters.append((name, reporter_named(name, target)))
        record = config.getoption("llm_json")
        return cls(reporters, config.stash[RESULTS], None if record is None else config.invocation_params.dir / record)

    @pytest.hookimpl(wrapper=True, trylast=True)
    def pytest_sessionfinish(self) -> Generator[None, object, object]:
        """Last of all, so that the run record is written, and before the terminal's summary."""
        result = yield
        rows = [row for result in self.results for row in result.rows]
        if rows:
            now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="seconds")
            run = {**self.results.recorded(), "date": now}
            self.told = [_sent(name, reporter, run, rows, self.record) for name, reporter in self.reporters]
        return result

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line, failed in self.told:
            terminalreporter.write_sep(
                "-" if not failed else "!", line, **({"red": True, "bold": True} if failed else {})
            )


def _sent(
    name: str, reporter: Reporter, run: dict[str, str], rows: Sequence[Row], record: Path | None
) -> tuple[str, bool]:
    """What became of it, and whether that is a failure."""
    gates = counted(len(rows), "gate")
    try:
        reporter.begin(run)
        for row in rows:
            reporter.report(row)
        reporter.end(record if record is not None and record.is_file() else None)
    except Exception as error:  # somebody else's code, on somebody else's server
        first = next(iter(str(error).splitlines()), "")
        return f"llm {name}: {gates} NOT sent, no verdict changes: {type(error).__name__}: {first[:300]}", True
    return f"llm {name}: {gates} sent", False


def _name_and_target(given: str) -> tuple[str, str]:
    name, _, target = given.partition("=")
    return name, target
