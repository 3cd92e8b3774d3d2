"""pytest's terminal summary: what is said of all verdicts of a session, written as pytest writes its own lines.

Imported when there is something to say.
"""

from __future__ import annotations

import os
from typing import TYPE_CHECKING

import pytest

from pytest_llm.session.results import RESULTS

if TYPE_CHECKING:
    from pytest_llm.reports.gates import Correction


def summarise(terminalreporter: pytest.TerminalReporter, correction: Correction | None) -> None:
    """Write the section; with `-q` a line where all is well, with `-qq` nothing, unless the correction has to be told.

    What was recorded or calibrated is said in sentences: a table has no column for it.
    """
    config, verbosity = terminalreporter.config, terminalreporter.verbosity
    reports = config.stash[RESULTS].said
    unseen = correction is not None and correction.fails
    if not reports or (verbosity < -1 and not unseen):
        return
    from pytest_llm.reports.terminal import summary_lines

    width = _width(config)
    asked = bool(config.getoption("llm_calibrate") or config.getoption("llm_update_baselines"))
    keeper = config.pluginmanager.get_plugin("llm_baseline_keeper")
    failed = () if keeper is None else keeper.failed
    lines = list(
        summary_lines(
            reports, config.rootpath, correction, width=width, verbosity=verbosity, sentences=asked, failed=failed
        )
    )
    if len(lines) > 1 or verbosity >= 0:
        terminalreporter.section("language model quality")
    else:
        terminalreporter.ensure_newline()
    for line in lines:
        terminalreporter.write(line.first, **line.markup)
        terminalreporter.write_line(line.rest)


def _width(config: pytest.Config) -> int | None:
    """Of the terminal; None in CI, where, as in pytest's own summary, nothing is cut."""
    if os.environ.get("CI") or os.environ.get("BUILD_NUMBER"):
        return None
    return config.get_terminal_writer().fullwidth - 1
