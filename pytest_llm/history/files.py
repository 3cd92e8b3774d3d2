"""The folder of a history: a file for each session, which no other session ever writes.

So two branches that both ran tests merge without a conflict, which lines at the end of one file would not, and no run waits for
another's lock. Files are named by time and commit, with a few random digits. Whoever wants fewer of them may put them together by
`cat`: each line of a file is read as a session.
"""

from __future__ import annotations

import secrets
from collections.abc import Iterator
from pathlib import Path

from pytest_llm.data.whole_file import write_whole
from pytest_llm.errors import MisuseError
from pytest_llm.history.run import Run, run_from, run_line
from pytest_llm.storage.checked import Checked
from pytest_llm.storage.strict_json import parsed, read_bounded

MOST_BYTES = 2**26
"""A larger file is no history that was written here, and is not read into memory."""


def add_run(folder: Path, run: Run) -> Path:
    """Write a session's file, whole or not at all, and say where.

    Raises:
        OSError: it cannot be written.
    """
    when = run.date[:19].replace(":", "-")
    path = folder / "-".join(filter(None, (when, run.commit[:7], f"{secrets.token_hex(3)}.jsonl")))
    write_whole(path, f"{run_line(run)}\n".encode())
    return path


def read_runs(folder: Path) -> list[Run]:
    """All sessions of a folder, in the order of time.

    Raises:
        MisuseError: no such folder, none in it, a file that is too large or damaged; the message names it.
    """
    if not folder.is_dir():
        raise MisuseError(f"{folder} is no folder; `pytest --llm-history DIR` writes one")
    # what was put together by `cat`, and left where it was besides, is one session
    runs = {run_line(run): run for path in sorted(folder.glob("*.jsonl")) for run in _runs_in(path)}
    if not runs:
        raise MisuseError(f"there is no session in {folder} (*.jsonl); `pytest --llm-history DIR` adds one each time")
    return sorted(runs.values(), key=lambda run: run.date)


def _runs_in(path: Path) -> Iterator[Run]:
    try:
        lines = read_bounded(path, MOST_BYTES).split(b"\n")
    except (OSError, ValueError) as error:
        raise MisuseError(f"{path} cannot be read: {error}") from None
    if not any(line.strip() for line in lines):
        raise MisuseError(f"{path} is empty: no session was written so; restore it, or remove it")
    for place, line in enumerate(lines, start=1):
        if line.strip():
            yield _run_in(line, f"{path}, line {place}")


def _run_in(line: bytes, where: str) -> Run:
    try:
        content = parsed(line)
    except ValueError as error:
        raise MisuseError(f"{where} is no session of a history: {error}") from None
    return run_from(Checked(content, where))
