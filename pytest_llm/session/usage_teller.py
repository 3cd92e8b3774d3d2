"""What tests asked of served models, from the worker that asked to what is said when the session ends.

Each report of a phase takes what was noted since the last one, as an attribute, which xdist carries. JUnit XML has a property for
each model, of the whole test.
"""

from __future__ import annotations

from collections.abc import Generator, Mapping
from dataclasses import astuple

import pytest

from pytest_llm.session.results import ASKED, RESULTS
from pytest_llm.usage import Usage, summed, taken

PROPERTY = "llm_served"
"""In words."""
_OF_TEST: pytest.StashKey[Mapping[str, Usage]] = pytest.StashKey()


class UsageTeller:
    """Works where tests run, and where there is a terminal; imports what it says it with when there is something to say."""

    @pytest.hookimpl(wrapper=True)
    def pytest_runtest_makereport(
        self, item: pytest.Item, call: pytest.CallInfo[None]
    ) -> Generator[None, pytest.TestReport, pytest.TestReport]:
        report = yield
        if noted := taken():
            setattr(report, ASKED, {model: list(astuple(usage)) for model, usage in noted.items()})
            item.stash[_OF_TEST] = summed([item.stash.get(_OF_TEST, {}), noted])
        if call.when == "teardown" and (of_test := item.stash.get(_OF_TEST, {})):
            from pytest_llm.reports.usage import usage_lines

            report.user_properties += [(PROPERTY, line) for line in usage_lines(of_test)]
            del item.stash[_OF_TEST]  # a test that is run again begins anew
        return report

    @pytest.hookimpl(trylast=True)
    def pytest_terminal_summary(self, terminalreporter: pytest.TerminalReporter) -> None:
        if terminalreporter.verbosity < -1 or not (asked := terminalreporter.config.stash[RESULTS].usage):
            return
        from pytest_llm.reports.usage import usage_lines

        terminalreporter.ensure_newline()
        for line in usage_lines(asked):
            terminalreporter.write_line(line)
