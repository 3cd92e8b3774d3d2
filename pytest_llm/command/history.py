"""`pytest-llm history`: how the numbers of gates went from run to run, and whether they get worse where no single run fails."""

from __future__ import annotations

import argparse
from pathlib import Path

from pytest_llm.command.main import DONE, WRONG
from pytest_llm.errors import MisuseError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    parser.description = (
        "For each gate its course: first and last value, the change per run with its interval, drifts and changes. "
        "Ends with 1 if one drifts for the worse, or its last change was one."
    )
    parser.add_argument("folder", metavar="DIR", type=Path, help="the folder of --llm-history")
    parser.add_argument("--metric", metavar="M", help="gates of this metric only")
    parser.add_argument("--test", metavar="T", help="gates of tests whose ids contain this")
    parser.add_argument("--last", metavar="N", type=int, help="the last N runs only")


def run(options: argparse.Namespace) -> int:
    """1 if a gate drifts for the worse, or its last change was for the worse."""
    from pytest_llm.history.files import read_runs
    from pytest_llm.history.series import series_of
    from pytest_llm.reports.history import lines

    if options.last is not None and options.last < 1:
        raise MisuseError(f"--last {options.last}: expected how many runs are looked at, at least 1")
    runs = read_runs(options.folder)
    found = series_of(runs[-(options.last or len(runs)) :], metric=options.metric, test=options.test)
    if not found:
        raise MisuseError("no gate is of this metric and test")
    print("\n\n".join("\n".join(lines(series)) for series in found))
    worse = [one for one in found if one.drifts_for_the_worse or one.changed_for_the_worse is not None]
    print(f"\n{len(worse)} of {len(found)} gates got worse" if worse else "")
    return WRONG if worse else DONE
