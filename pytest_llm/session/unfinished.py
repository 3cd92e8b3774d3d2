"""Which tests did not come to their end, in a session with tests of ours: a table of those that did looks like all there was."""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import suppress
from queue import Empty
from time import monotonic
from typing import Any

import pytest

from pytest_llm.markers import uses_us
from pytest_llm.session.results import SessionResults

HEARD_OUT = 1.0
"""Seconds after an interruption in which workers may still be heard, as long as they have something to say."""
MOST = 10
"""So many are named."""
_STATES = {"interrupted": "interrupted", "crashed": "its worker died"}


class UnfinishedTests:
    """Says it, in the process that has the terminal.

    Args:
        results: of the session.
    """

    def __init__(self, results: SessionResults) -> None:
        self.results = results
        self.asked_for_us = False

    def pytest_collection_finish(self, session: pytest.Session) -> None:
        self.asked_for_us |= any(map(uses_us, session.items))

    @pytest.hookimpl(tryfirst=True)
    def pytest_sessionfinish(self, session: pytest.Session, exitstatus: int) -> None:
        workers = session.config.pluginmanager.get_plugin("dsession")
        if workers is not None and exitstatus == pytest.ExitCode.INTERRUPTED and self._is_ours(session.config):
            hear_out(workers)

    def _is_ours(self, config: pytest.Config) -> bool:
        grouping = config.pluginmanager.get_plugin("llm_grouping")  # knows it of xdist's workers
        return self.asked_for_us or bool(grouping is not None and grouping.groups) or self.results.has_verdicts

    def lines(self, config: pytest.Config) -> Iterator[str]:
        """How many there are, and the names of those that were begun; nothing if all came to their end, or none was ours."""
        tests = [result for result in self.results if result.reported != "not collected"]
        left = [result for result in tests if not result.ended]
        if not left or not self._is_ours(config):
            return
        begun = [f"{result.id} ({_STATES[result.outcome]})" for result in left if result.begun]
        others = len(left) - len(begun)
        yield (
            f"{len(left)} of {len(tests)} tests did not come to their end"
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
