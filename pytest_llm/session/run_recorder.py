"""`--llm-json FILE`: two plugins that are registered where it is given.

`NoteTaker` works in each process that runs tests and sends what a test measures as it is measured, so that it is kept whatever
becomes of the test, of its worker or of the session. `SessionResults` collects it in the process that has the terminal, and
`RecordWriter` writes the file when the session ends, however it ends.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping, Sequence
from pathlib import Path

import pytest

from pytest_llm.data.whole_file import write_whole
from pytest_llm.judging.measurement import Measurement
from pytest_llm.judging.verdict import Verdict
from pytest_llm.recording import listening
from pytest_llm.records.excerpts import Excerpts
from pytest_llm.records.notes import Notes
from pytest_llm.records.run_record import TestResult, record_text
from pytest_llm.session.interim import tell
from pytest_llm.session.results import EXCERPTS, NOTED, SessionResults
from pytest_llm.wording import counted

NOTES = pytest.StashKey[Notes]()


class SentNotes(Notes):
    """Notes that are sent one by one: of which kind, which one, and the text."""

    def __init__(self, item: pytest.Item, excerpts: Excerpts | None) -> None:
        super().__init__(excerpts)
        self._item = item

    def measured(self, measurement: Measurement, *, aside: bool) -> None:
        super().measured(measurement, aside=aside)
        self._send("measurements", self.measurements)

    def judged(self, verdict: Verdict) -> None:
        super().judged(verdict)
        self._send("verdicts", self.verdicts)

    def _send(self, kind: str, texts: list[str]) -> None:
        tell(self._item, **{NOTED: (kind, len(texts) - 1, texts[-1])})


class NoteTaker:
    """Hears of all that a test measures and judges.

    Args:
        excerpts: keep texts of examples too, for a page.
    """

    def __init__(self, *, excerpts: bool = False) -> None:
        self.excerpts = excerpts

    @pytest.hookimpl(wrapper=True, tryfirst=True)
    def pytest_runtest_call(self, item: pytest.Item) -> Generator[None, object, object]:
        notes = item.stash[NOTES] = SentNotes(item, Excerpts() if self.excerpts else None)
        with listening(notes):
            return (yield)

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if call.when == "call" and (notes := item.stash.get(NOTES, None)):
            if notes.excerpts:
                setattr(report, EXCERPTS, notes.excerpts.line())
            del item.stash[NOTES]
        return report


class ResultsFile:
    """A file of all results, written when the session ends.

    Args:
        option: which asked for it.
        path: of the file.
        about: of the session, what is told beside date, commit and versions.
        results: of its tests.
    """

    def __init__(self, option: str, path: Path, about: Mapping[str, str], results: SessionResults) -> None:
        self.option = option
        self.path = path
        self.about = about
        self.results = results
        self.told: list[str] = []

    def tests(self) -> list[TestResult]:
        """What each came to."""
        return [
            TestResult(result.id, result.outcome, result.measurements, result.verdicts, result.excerpts, result.usage)
            for result in self.results
        ]

    def record(self, tests: Sequence[TestResult]) -> str:
        """The text of the session's record."""
        return record_text({**self.results.recorded(), **self.about}, tests)

    def write(self, session: pytest.Session, content: bytes, told: str) -> None:
        """Write the file and tell so; what hinders fails the session."""
        try:
            write_whole(self.path, content)
        except OSError as error:
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR
            told = f"{self.option}: {self.path} could not be written: {error}"
        self.told.append(told)

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.told:
            terminalreporter.write_sep("-", line)


class RecordWriter(ResultsFile):
    """Writes the record."""

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        tests = self.tests()
        count = sum(len(test.measurements) for test in tests)
        told = f"llm record of {counted(count, 'measurement')}: {self.path}"
        self.write(session, self.record(tests).encode("utf-8"), told)
