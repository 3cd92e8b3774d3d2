"""What a session leaves behind: `--llm-json`, `--llm-history`, `--llm-html`, reporters; each by a plugin where it is asked for."""

from __future__ import annotations

from collections.abc import Mapping
from pathlib import Path

import pytest

from pytest_llm.session.results import RESULTS


def register_writers(config: pytest.Config, about: Mapping[str, str]) -> None:
    """Register those that the command line asks for; on xdist workers that which takes notes alone.

    Args:
        config: of the session.
        about: of the session, what is told beside date, commit and versions.

    Raises:
        UsageError: a file is a folder, or a folder a file; there is no such reporter.
    """
    record, page, history = (config.getoption(name) for name in ("llm_json", "llm_html", "llm_history"))
    plugins = config.pluginmanager
    if record or page:
        from pytest_llm.session.run_recorder import NoteTaker

        plugins.register(NoteTaker(excerpts=bool(page)), "llm_note_taker")
    if hasattr(config, "workerinput"):
        return
    from pytest_llm.session.termination import TerminationCatcher

    results = config.stash[RESULTS]
    plugins.register(TerminationCatcher(), "llm_termination_catcher")
    if record:
        from pytest_llm.session.run_recorder import RecordWriter

        option = "--llm-json"
        plugins.register(RecordWriter(option, path_of(config, option, record), about, results), "llm_record_writer")
    if history:
        from pytest_llm.session.history_writer import HistoryWriter

        plugins.register(HistoryWriter.asked_for(config), "llm_history_writer")
    if config.getoption("llm_mlflow") or config.getoption("llm_report"):  # after the record, which is sent with it
        from pytest_llm.session.exporting import Exporter

        plugins.register(Exporter.asked_for(config), "llm_exporter")
    if page:  # after the history, whose last run is this one
        from pytest_llm.session.html_writer import HtmlWriter

        folder = config.invocation_params.dir / history if history else None
        option = "--llm-html"
        plugins.register(HtmlWriter(option, path_of(config, option, page), about, results, folder), "llm_html_writer")


def path_of(config: pytest.Config, option: str, name: str) -> Path:
    """Where a file is that an option names.

    Raises:
        UsageError: it is a folder, or nothing can be there.
    """
    path = config.invocation_params.dir / name
    try:
        if path.is_dir():
            raise pytest.UsageError(f"{option}: {path} is a folder; expected the name of a file")
    except OSError as error:  # such as a name that is too long
        raise pytest.UsageError(f"{option}: no file can be there: {error}") from None
    return path
