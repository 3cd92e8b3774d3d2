"""`pytest-llm report`: the page of a run that was recorded, without running anything."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_llm.command.main import DONE
from pytest_llm.data.whole_file import write_whole
from pytest_llm.errors import MisuseError
from pytest_llm.records.run_record import read_record


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.add_argument("record", metavar="RUN.json", type=Path, help="what `pytest --llm-json` wrote")
    parser.add_argument("--html", metavar="FILE", type=Path, required=True, help="the page, one file")
    parser.add_argument(
        "--history", metavar="DIR", type=Path, help="the folder of --llm-history, to draw how gates went"
    )


def run(options: argparse.Namespace) -> int:
    """Always 0: whether gates failed is for their own run to say.

    Raises:
        MisuseError: the record or the history cannot be read, or the page cannot be written.
    """
    from pytest_llm.history.files import read_runs
    from pytest_llm.history.series import series_of
    from pytest_llm.reports.html.page import page

    history = () if options.history is None else series_of(read_runs(options.history))
    text = page(read_record(options.record), history=history)
    try:
        write_whole(options.html, text.encode("utf-8", "replace"))
    except OSError as error:
        raise MisuseError(f"{options.html} could not be written: {error.strerror or error}") from None
    print(f"{options.html}: {len(text.encode('utf-8', 'replace')):,} bytes")
    return DONE
