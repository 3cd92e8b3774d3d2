"""What a run left, read by the package's own readers: what is torn, and what has to be equal to the last bit."""

from __future__ import annotations

import json
import sqlite3
from collections.abc import Iterator
from pathlib import Path
from typing import Any

from pytest_llm.adversarial.corpus import read_corpus
from pytest_llm.baselines.files import read
from pytest_llm.errors import MisuseError
from pytest_llm.history.files import read_runs
from pytest_llm.history.run import Run
from pytest_llm.inference.cache_file import CacheFile, ForeignFileError
from pytest_llm.records.run_record import RunRecord, read_record

_CACHE = ("answers.sqlite3", "answers.sqlite3-wal", "answers.sqlite3-shm")
"""SQLite leaves the last two where it could not tidy up; the next one who opens the file does."""
_OURS = ("conftest.py", "test_it.py", "pytest.ini")


def torn(folder: Path) -> list[str]:
    """What cannot be read, or is not whole, and why."""
    return list(_torn(folder))


def _torn(folder: Path) -> Iterator[str]:
    readers = {
        "run.json": read_record,
        "run.html": _read_page,
        "llm_baselines/**/*.json": read,
        "llm_corpus/*.jsonl": read_corpus,
        "cache/*.sqlite3": _read_cache,
    }
    for pattern, reader in readers.items():
        for path in folder.glob(pattern):
            try:
                reader(path)
            except (MisuseError, ForeignFileError) as error:
                yield f"{path.relative_to(folder)}: {error}"
    try:
        runs(folder)
    except MisuseError as error:
        yield str(error)


def _read_page(path: Path) -> None:
    if not path.read_text(encoding="utf-8").rstrip().endswith("</html>"):
        raise MisuseError("the page has no end")


def _read_cache(path: Path) -> None:
    file = CacheFile(path)
    try:
        answers, damaged = file.verify()
        if damaged:
            raise MisuseError(f"{damaged} of {answers} answers are damaged")
    finally:
        file.close()


def strange(folder: Path) -> list[str]:
    """Files that are left beside those that were asked for."""
    known = {"run.json", "run.html", "run.md", *_CACHE, *_OURS}
    suffixes = {"llm_baselines": {".json", ".npz"}, "llm_corpus": {".jsonl"}, "history": {".jsonl"}}
    found = []
    for path in folder.rglob("*"):
        place = path.relative_to(folder)
        kept = suffixes.get(place.parts[0], set())
        is_kept = path.suffix in kept and not path.name.startswith(".")
        if path.is_file() and not is_kept and "__pycache__" not in place.parts and path.name not in known:
            found.append(str(place))
    return sorted(found)


def runs(folder: Path) -> list[Run]:
    """Those of the history."""
    return read_runs(folder / "history") if any(folder.glob("history/*.jsonl")) else []


def kept_files(folder: Path) -> dict[str, bytes]:
    """Those that go into a repository."""
    paths = (path for name in ("llm_baselines", "llm_corpus") for path in folder.glob(f"{name}/**/*.*"))
    return {path.relative_to(folder).as_posix(): path.read_bytes() for path in paths}


def record(folder: Path) -> RunRecord:
    return read_record(folder / "run.json")


def numbers(folder: Path) -> dict[str, tuple[str, list[str]]]:
    """By test how it ended, and each measurement as it is written."""
    content: dict[str, Any] = json.loads((folder / "run.json").read_text(encoding="utf-8"))
    return {
        test["id"]: (test["outcome"], [json.dumps(one) for one in test["measurements"]]) for test in content["tests"]
    }


def verdicts(folder: Path) -> dict[str, str]:
    """By gate of the last run of the history how it ended, and its value; one that is recorded, and one that was, passes."""
    gates = runs(folder)[-1].gates
    return {f"{gate.test} {gate.metric}": f"{'passed' if gate.passed else 'failed'} {gate.value!r}" for gate in gates}


def answers_kept(folder: Path) -> int:
    """How many answers are on disk."""
    path = folder / "cache" / "answers.sqlite3"
    if not path.exists():
        return 0
    connection = sqlite3.connect(path)
    try:
        (count,) = connection.execute("SELECT count(*) FROM answers").fetchone()
    finally:
        connection.close()
    return int(count)


def asked(folder: Path) -> int:
    """How often the model was asked since this was last looked at."""
    path = folder.parent / "asked"
    found = len(path.read_text(encoding="utf-8").splitlines()) if path.exists() else 0
    path.unlink(missing_ok=True)
    return found
