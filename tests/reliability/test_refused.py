"""No room on the disk, no right to write: verdicts are said, what could not be written is said by name, old files stay whole."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import pytest

from tests.reliability import left
from tests.reliability.counts import Counter
from tests.reliability.runs import Forks
from tests.reliability.undisturbed import AFTER, Undisturbed

VERDICTS = "8 gates: 1 failed, 7 passed"
COMPLAINT = re.compile(r"could (?:not )?be written|answers are not kept on disk")
FAILED, NOT_WRITTEN = 1, 3
"""Exit codes: a gate failed; and a file could not be written, besides."""
TOLD, UNHARMED = "told by name", "did without"
FULL = "runs on one that is full, or read-only"


def came_of(undisturbed: Undisturbed, project: Path, code: int, output: str, *, tidied: bool = True) -> str:
    """In words what became of a run to which something was refused; tidied: what is half written could be removed."""
    if VERDICTS not in output or code not in (FAILED, NOT_WRITTEN):
        return f"no verdicts, exit code {code}: {output[-500:]}"
    if torn := left.torn(project) + (left.strange(project) if tidied else []):
        return f"torn: {torn}"
    files = left.kept_files(project)
    if mixed := undisturbed.mixed(files):
        return f"neither the old nor the new file: {mixed}"
    written = re.search(r"(\d+) baselines? written", output)
    changed = sum(
        name.endswith(".json") and content != files[name] for name, content in undisturbed.files_before.items()
    )
    if (int(written[1]) if written else 0) != changed:
        return f"{changed} baselines were written, and others are said to be"
    if COMPLAINT.search(output):
        return TOLD
    return UNHARMED if files == undisturbed.files and code == FAILED else "not told"


def refusals(
    forks: Forks, undisturbed: Undisturbed, counter: Counter, folder: Path, errors: dict[str, int], step: int
) -> None:
    """Refuse each `step`-th operation once, and from it on all of them, with each error in turn."""
    for error, first in errors.items():
        tally = {TOLD: 0, UNHARMED: 0, "wrong": 0}
        for number in range(first, len(undisturbed.operations) + 1, step):
            for times in (1, 1000):
                project = undisturbed.copy(folder / f"{error}-{number}-{times}")
                run = forks.start(project, state=AFTER, refused_at=[number, error, times])
                code = run.end()
                found = came_of(undisturbed, project, code, run.output, tidied=times == 1)
                assert found in tally, f"{error} at {number}, {times} times: {found}"
                tally[found] += 1
        counter("disk", "runs to which changes of files were refused", tally)


def test_refused_here_and_there(forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path) -> None:
    """Of the arrays of a baseline."""
    refusals(forks, undisturbed, counter, tmp_path, {"ENOSPC": 13}, step=40)


@pytest.mark.slow
def test_refused_everywhere(forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path) -> None:
    refusals(forks, undisturbed, counter, tmp_path, {"ENOSPC": 1, "EROFS": 2, "EACCES": 3}, step=3)


def full(forks: Forks, undisturbed: Undisturbed, folder: Path, most_bytes: int) -> str:
    project = undisturbed.copy(folder / str(most_bytes))
    run = forks.start(project, state=AFTER, limited=[most_bytes])
    return came_of(undisturbed, project, run.end(), run.output)


def test_files_that_may_not_grow(forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path) -> None:
    """The system refuses to write on in the midst of a file, as a full disk does."""
    assert full(forks, undisturbed, tmp_path, 20_000) == TOLD
    counter("disk", FULL, {TOLD: 1, "wrong": 0})


@pytest.mark.slow
def test_files_that_may_grow_so_far(forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path) -> None:
    """From where pytest itself can still write what it says."""
    sizes = range(10_000, 70_000, 5_000)
    found = [full(forks, undisturbed, tmp_path, size) for size in sizes]
    assert set(found) <= {TOLD, UNHARMED}
    counter("disk", FULL, {**{word: found.count(word) for word in (TOLD, UNHARMED)}, "wrong": 0})


@contextmanager
def mounted(folder: Path, *arguments: str) -> Iterator[None]:
    """Something mounted on a folder, where that is permitted."""
    done = subprocess.run(["mount", *arguments, str(folder)], capture_output=True, text=True)
    if done.returncode:
        pytest.skip(f"nothing can be mounted here: {done.stderr.strip()}")
    try:
        yield
    finally:
        subprocess.run(["umount", str(folder)], check=True)


@pytest.mark.slow
@pytest.mark.parametrize("kilobytes", [8, 64, 96, 160])
def test_a_disk_that_is_full(
    forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path, kilobytes: int
) -> None:
    """A real one: so much is free when the run begins."""
    disk = tmp_path / "mounted" / "project"
    disk.mkdir(parents=True)
    with mounted(disk, "-t", "tmpfs", "-o", "size=2m", "tmpfs"):
        shutil.copytree(undisturbed.copy(tmp_path / "copy"), disk, dirs_exist_ok=True)
        free = os.statvfs(disk)
        filler = disk / "filler"
        filler.write_bytes(bytes(free.f_bavail * free.f_bsize - 1024 * kilobytes))
        run = forks.start(disk, state=AFTER)
        code = run.end()
        filler.unlink()  # SQLite reads nothing without room for its index
        found = came_of(undisturbed, disk, code, run.output)
    assert found in (TOLD, UNHARMED)
    counter("disk", FULL, {found: 1, "wrong": 0})


@pytest.mark.slow
def test_a_folder_that_is_read_only(forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path) -> None:
    """A real one: the project is mounted so."""
    project = undisturbed.copy(tmp_path / "copy")
    place = tmp_path / "mounted" / "project"
    place.mkdir(parents=True)
    with mounted(place, "--bind", "-o", "ro", str(project)):
        subprocess.run(["mount", "-o", "remount,ro,bind", str(place)], check=True)
        run = forks.start(place, state=AFTER)
        code, output = run.end(), run.output
        before = left.kept_files(place)
    assert VERDICTS in output
    assert code == NOT_WRITTEN
    assert before == undisturbed.files_before
    for name in (
        "answers are not kept",
        "baseline llm_baselines",
        "--llm-json",
        "--llm-html",
        "--llm-history",
        "run.md",
    ):
        assert re.search(rf"{name}.*", output), name
    assert "baselines written" not in output
    counter("disk", FULL, {TOLD: 1, "wrong": 0})
