"""`--llm-update-baselines`, `--llm-calibrate`: a plugin that is registered where one of them is given.

Tests say what is to be recorded as soon as it is judged, and one process writes, the one that has the terminal: workers of xdist
may run on other machines. Within a process a test reads what was recorded before it, whether or not it is written yet.
"""

from __future__ import annotations

import os
from pathlib import Path
from typing import TYPE_CHECKING

import pytest

from pytest_llm.session.interim import tell

if TYPE_CHECKING:
    from pytest_llm.baselines.baseline import Baseline
    from pytest_llm.baselines.shelf import Shelf

_RECORDED = "llm_recorded"


class BaselineKeeper:
    """Sends what tests record, and writes what was sent."""

    def __init__(self, config: pytest.Config) -> None:
        self.root = config.rootpath
        self.writes = not hasattr(config, "workerinput")
        self.written: dict[Path, Baseline] = {}
        self.failed: dict[str, str] = {}
        """What is said of each file that could not be written, by its place from the root."""

    def keep(self, item: pytest.Item, shelf: Shelf) -> None:
        """Make what the test records on its shelf known to the session, and sent."""

        def send(path: Path, baseline: Baseline) -> None:
            from pytest_llm.baselines.files import encoded

            place = os.path.relpath(path, self.root)  # another machine has another root
            tell(item, **{_RECORDED: (place, *encoded(baseline))})

        shelf.written, shelf.store = self.written, send

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if not self.writes or not hasattr(report, _RECORDED):
            return
        from pytest_llm.baselines.pair import write_pair

        place, text, arrays = getattr(report, _RECORDED)
        delattr(report, _RECORDED)  # pytest keeps all reports until the session ends
        try:
            write_pair(Path(os.path.normpath(self.root / place)), text, arrays)
        except (OSError, UnicodeError) as error:  # the latter: no name for a file where names are ASCII
            self.failed[place] = f"{report.nodeid}: the baseline {place} could not be written: {error}"

    @pytest.hookimpl(trylast=True)
    def pytest_sessionfinish(self, session: pytest.Session) -> None:
        if self.failed:
            session.exitstatus = pytest.ExitCode.INTERNAL_ERROR

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for line in self.failed.values():
            terminalreporter.write_sep("-", line)
