"""Which tests did not come to their end, in a session with tests of ours: a table of those that did looks like all there was."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from contextlib import suppress
from queue import Empty
from time import monotonic
from typing import Any

import pytest

from pytest_llm.markers import uses_us
from pytest_llm.reports.properties import VERDICT

HEARD_OUT = 1.0
"""Seconds after an interruption in which workers may still be heard, as long as they have something to say."""
MOST = 10
"""So many are named."""
_NOT_BEGUN, _INTERRUPTED, _DIED, _ENDED = "not begun", "interrupted", "its worker died", ""


class UnfinishedTests:
    """Follows each test of a session, in the process that has the terminal."""

    def __init__(self) -> None:
        self.states: dict[str, str] = {}
        self.of_ours = False

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.states.update((item.nodeid, _NOT_BEGUN) for item in session.items)
        self.of_ours |= any(map(uses_us, session.items))

    @pytest.hookimpl(optionalhook=True)
    def pytest_xdist_node_collection_finished(self, ids: Sequence[str]) -> None:
        for name in ids:
            self.states.setdefault(name, _NOT_BEGUN)

    def pytest_runtest_logstart(self, nodeid: str) -> None:
        self.states[nodeid] = _INTERRUPTED

    def pytest_runtest_logreport(self, report: pytest.TestReport) -> None:
        if report.when not in ("setup", "call", "teardown"):
            self.states[report.nodeid] = _DIED
        self.of_ours |= any(name == VERDICT for name, _ in report.user_properties)

    def pytest_runtest_logfinish(self, nodeid: str) -> None:
        if self.states.get(nodeid) == _INTERRUPTED:
            self.states[nodeid] = _ENDED

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        workers = session.config.pluginmanager.get_plugin("dsession")
        if workers is not None and exitstatus == pytest.ExitCode.INTERRUPTED and self._is_ours(session.config):
            hear_out(workers)

    def _is_ours(self, config: pytest.Config) -> bool:
        grouping = config.pluginmanager.get_plugin("llm_grouping")  # knows it of xdist's workers
        return self.of_ours or bool(grouping is not None and grouping.groups)

    def lines(self, config: pytest.Config) -> Iterator[str]:
        """How many there are, and the names of those that were begun; nothing if all came to their end, or none was ours."""
        left = {name: state for name, state in self.states.items() if state != _ENDED}
        if not left or not self._is_ours(config):
            return
        begun = [f"{name} ({state})" for name, state in left.items() if state != _NOT_BEGUN]
        others = len(left) - len(begun)
        yield (
            f"{len(left)} of {len(self.states)} tests did not come to their end"
            + (f", {others} of them {'was' if others == 1 else 'were'} not begun" if others else "")
        )
        yield from begun[:MOST]
        if len(begun) > MOST:
            yield f"and {len(begun) - MOST} more"

    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        for place, line in enumerate(self.lines(terminalreporter.config)):
            terminalreporter.write_line(line) if place else terminalreporter.write_sep("-", line)


def hear_out(workers: Any) -> None:
    """Take what workers of xdist have sent: it forgets all that has not been handled when it is interrupted."""
    end = monotonic() + HEARD_OUT
    with suppress(Empty):
        while (left := end - monotonic()) > 0:
            name, said = workers.queue.get(timeout=min(left, HEARD_OUT / 4))
            if name in ("logstart", "testreport", "logfinish"):
                getattr(workers, f"worker_{name}")(**said)
