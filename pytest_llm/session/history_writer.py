"""`--llm-history DIR`: a plugin that adds the verdicts of a session when it ends.

Registered on the controller, where it is asked for.
"""

from __future__ import annotations

import datetime
from pathlib import Path

import pytest

from pytest_llm.history.files import add_run
from pytest_llm.history.run import GateResult, Run
from pytest_llm.reports.rows import Row
from pytest_llm.session.results import RESULTS, SessionResults
from pytest_llm.wording import counted


class HistoryWriter:
    """Adds the session to a history.

    Args:
        folder: of the history.
        results: of the session.
    """

    def __init__(self, folder: Path, results: SessionResults) -> None:
        self.folder = folder
        self.results = results
        self.told = ""

    @classmethod
    def asked_for(cls, config: pytest.Config) -> HistoryWriter:
        """As the command line says.

        Raises:
            UsageError: it is no folder; or nothing is measured, only judged again.
        """
        folder = config.invocation_params.dir / config.getoption("llm_history")
        try:
            if folder.exists() and not folder.is_dir():
                raise pytest.UsageError(f"--llm-history: {folder} is a file; expected a folder")
        except OSError as error:  # such as a name that is too long
            raise pytest.UsageError(f"--llm-history: no folder can be there: {error}") from None
        if config.getoption("llm_rejudge"):
            raise pytest.UsageError(
                "--llm-history: with --llm-rejudge nothing is measured that could be added to a history"
            )
        return cls(folder, config.stash[RESULTS])

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        gates = tuple(gate_of(row) for result in sorted(self.results, key=lambda r: r.id) for row in result.rows)
        if not gates:
            return
        now = datetime.datetime.now(datetime.timezone.utc).isoformat(timespec="microseconds")
        try:
            path = add_run(self.folder, Run({**self.results.recorded(), "date": now}, gates))
        except OSError as error:
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
            self.told = f"--llm-history: nothing could be written in {self.folder}: {error}"
            return
        self.told = f"llm history: {counted(len(gates), 'gate')} added in {path}"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if self.told:
            terminalreporter.write_sep("-", self.told)


def gate_of(row: Row) -> GateResult:
    """What the history keeps of a row."""
    figures = row.figures
    return GateResult(
        test=row.test,
        metric=row.metric,
        model=row.model,
        device=row.device,
        signature=row.signature,
        data=row.data,
        outcome=row.verdict,
        passed=row.passed,
        warns=row.warns,
        value=figures.value,
        low=figures.low,
        high=figures.high,
        limit=figures.limit,
        lower_is_better=figures.lower_is_better,
        n=row.n,
        seconds=None if row.effort is None else row.effort.seconds,
    )
