"""`--llm-html FILE`: the run as a page, written when the session ends, however it ends."""

from __future__ import annotations

import json
from collections.abc import Mapping
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llm.errors import MisuseError
from pytest_llm.records.excerpts import Excerpts
from pytest_llm.records.run_record import run_record
from pytest_llm.session.results import SessionResults
from pytest_llm.session.run_recorder import ResultsFile

if TYPE_CHECKING:
    from pytest_llm.history.series import Series


class HtmlWriter(ResultsFile):
    """Makes the page of what a record of the session says, and of texts that no record has.

    Args:
        option, path, about, results: as of `ResultsFile`.
        history: the folder of `--llm-history`; its own plugin has to be registered before, so that this session is in it.
    """

    def __init__(
        self, option: str, path: Path, about: Mapping[str, str], results: SessionResults, history: Path | None
    ) -> None:
        super().__init__(option, path, about, results)
        self.history = history

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        from pytest_llm.reports.html.page import page

        tests = self.tests()
        run = run_record(json.loads(self.record(tests)), Path("this run"))
        excerpts = {test.id: Excerpts.of(line) for test in tests for line in test.excerpts}
        content = page(run, excerpts, self._series()).encode("utf-8", "replace")
        self.write(session, content, f"llm report: {self.path}")

    def _series(self) -> list[Series]:
        if self.history is None or not self.history.is_dir():
            return []
        from pytest_llm.history.files import read_runs
        from pytest_llm.history.series import series_of

        try:
            return series_of(read_runs(self.history))
        except MisuseError as error:
            self.told.append(f"{self.option}: the page has no history: {error}")
            return []
