"""`pytest-llm cache`: what is kept of earlier sessions, whether it is sound, and how to be rid of it."""

from __future__ import annotations

import argparse
import os
import sqlite3
from collections.abc import Iterator
from contextlib import closing, contextmanager
from pathlib import Path

from pytest_llm.command.main import DONE, WRONG
from pytest_llm.errors import MisuseError
from pytest_llm.inference.cache_file import NAME, CacheFile, ForeignFileError


def add_arguments(parser: argparse.ArgumentParser) -> None:
    actions = parser.add_subparsers(title="actions", metavar="ACTION", required=True)
    for action, meaning in (
        (info, "say what is kept, of which model and for which question"),
        (verify, "read every answer, and remove those that are damaged"),
        (clear, "remove all answers"),
    ):
        one = actions.add_parser(action.__name__, help=meaning)
        one.add_argument(
            "folder",
            metavar="DIR",
            nargs="?",
            type=Path,
            help="the folder of --llm-cache; default: PYTEST_LLM_CACHE, else that in pytest's own cache below here",
        )
        one.set_defaults(action=action)


def run(options: argparse.Namespace) -> int:
    code: int = options.action(options.folder)
    return code


def info(folder: Path | None) -> int:
    """Always 0."""
    from pytest_llm.reports.cache import lines

    with _opened(folder) as file:
        print("\n".join(lines(file.path, file.size, file.entries())))
    return DONE


def verify(folder: Path | None) -> int:
    """1 if an answer was damaged, or the file is."""
    with _opened(folder) as file:
        try:
            total, damaged = file.verify()
        except ForeignFileError as damage:
            print(f"{file.path}: {damage}; the next test run sets it aside, and begins a new one")
            return WRONG
    print(f"{total} answers: {f'{damaged} were damaged, and are removed' if damaged else 'all sound'}")
    return WRONG if damaged else DONE


def clear(folder: Path | None) -> int:
    """Always 0."""
    with _opened(folder) as file:
        count = sum(entry.answers for entry in file.entries())
        file.clear()
    print(f"removed {count} answers from {file.path}")
    return DONE


@contextmanager
def _opened(folder: Path | None) -> Iterator[CacheFile]:
    path = (folder or _usual_folder()) / NAME
    if not path.is_file():
        raise MisuseError(
            f"there is no {path}: name the folder of --llm-cache, or run this in the folder that tests are run in"
        )
    try:
        file = CacheFile(path)
    except (OSError, sqlite3.Error, ForeignFileError) as error:
        raise MisuseError(f"{path} cannot be read: {error}") from error
    try:
        with closing(file):
            yield file
    except (sqlite3.Error, ForeignFileError) as error:  # some damage shows only when entries are read
        raise MisuseError(f"{path} cannot be read: {error}") from error


def _usual_folder() -> Path:
    """Where a test run keeps answers that is not told otherwise."""
    given = os.environ.get("PYTEST_LLM_CACHE", "off")
    return Path(".pytest_cache", "d", "llm-regression") if given == "off" else Path(given).expanduser()
