"""What a run finds around it, and loses: each ends in the right numbers, or in an error that says why."""

from __future__ import annotations

import os
import signal
import subprocess
import sys
import time
from pathlib import Path

import pytest

from tests.reliability import left
from tests.reliability.counts import Counter
from tests.reliability.runs import Forks
from tests.reliability.small_project import EVERYTHING, small_project
from tests.reliability.undisturbed import AFTER, Undisturbed

RUNS = "runs (signals, pipes, no home, LANG=C, long names, a folder that goes)"
RIGHT = "right, or told by name"


@pytest.mark.parametrize("number", [signal.SIGTERM, pytest.param(signal.SIGINT, marks=pytest.mark.slow)])
def test_a_signal_ends_a_run_with_its_files_written(
    forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path, number: signal.Signals
) -> None:
    project = undisturbed.copy(tmp_path / "run")
    run = forks.start(project, state=AFTER, slow=[0.05])
    while left.asked(project) == 0:
        time.sleep(0.01)
    time.sleep(0.5)
    run.send(number)
    assert run.end() == pytest.ExitCode.INTERRUPTED, run.output
    assert left.torn(project) + left.strange(project) == []
    record = left.record(project)
    assert not record.complete
    for name, (outcome, measurements) in left.numbers(project).items():
        if outcome not in ("interrupted", "not run"):
            assert (outcome, measurements) == undisturbed.numbers[name]
    assert "did not come to their end" in run.output
    if number == signal.SIGTERM:
        assert "SIGTERM: the session is ended" in run.output
    counter("surroundings", RUNS, {RIGHT: 1, "torn or lost": 0})


@pytest.mark.parametrize("surrounding", ["a reader that leaves", pytest.param("no input", marks=pytest.mark.slow)])
def test_without_a_terminal(
    forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path, surrounding: str
) -> None:
    """As under `| head -1`, and `<&-`."""
    project = undisturbed.copy(tmp_path / "run")
    (project / "run.json").unlink()
    if surrounding == "no input":
        forks.run(project, state=AFTER, closed=[0])
    else:
        forks.run(project, state=AFTER, read_up_to=["test_it.py ."], code=None)
    assert left.torn(project) + left.strange(project) == []
    assert left.asked(project) > 0
    for name, (outcome, measurements) in left.numbers(project).items():
        if outcome not in ("interrupted", "not run"):
            assert (outcome, measurements) == undisturbed.numbers[name]
    counter("surroundings", RUNS, {RIGHT: 1, "torn or lost": 0})


@pytest.mark.slow
@pytest.mark.parametrize("home", ["unset", "unwritable", "of nobody"])
def test_without_a_home(forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path, home: str) -> None:
    project = undisturbed.copy(tmp_path / "run")
    run = forks.run(project, "--llm-cache", "~/answers", state=AFTER, home=[home])
    assert (left.kept_files(project), left.numbers(project)) == (undisturbed.files, undisturbed.numbers)
    assert not (project / "~").exists()
    if home != "unset":
        assert "answers are not kept on disk" in run.output
    counter("surroundings", RUNS, {RIGHT: 1, "torn or lost": 0})


SUITE = """
import pytest
from pytest_llm import assert_no_regression, assert_perplexity_below

@pytest.mark.parametrize("part", ["größer", "文" * 90, "x" * 600], ids=str)
def test_ü(llm, part):
    assert_no_regression(llm, [f"{part} {number}" for number in range(3)], key="schlüssel" * 9)
"""


def fresh(project: Path, *options: str, **environment: str) -> subprocess.CompletedProcess[bytes]:
    """A run of an interpreter of its own, which looks at its surroundings when it starts."""
    asked = project.parent / "asked"
    command = [sys.executable, "-m", "pytest", "-p", "no:anyio", "-p", "no:cacheprovider", *EVERYTHING, *options]
    known = {**os.environ, "STATE": "1", "ASKED": str(asked), "PYTHONPATH": str(Path(__file__).parents[2])}
    return subprocess.run(command, cwd=project, env={**known, **environment}, capture_output=True, timeout=120)


ESCAPED = "disable_test_id_escaping_and_forfeit_all_rights_to_community_support = true\n"


def test_names_that_are_long_and_not_english(forks: Forks, counter: Counter, tmp_path: Path) -> None:
    project = small_project(tmp_path / "project", SUITE)
    (project / "pytest.ini").write_text(f"[pytest]\n{ESCAPED}")
    for _ in range(2):
        forks.run(project, code=0)
        assert len(list(project.glob("llm_baselines/**/*.npz"))) == 3
        assert left.torn(project) + left.strange(project) == []
        assert {outcome for outcome, _ in left.numbers(project).values()} == {"passed"}
    counter("surroundings", RUNS, {RIGHT: 2, "torn or lost": 0})


@pytest.mark.slow
def test_in_plain_c(counter: Counter, tmp_path: Path) -> None:
    """LANG=C, where Python takes UTF-8 all the same."""
    project = small_project(tmp_path / "project", SUITE)
    (project / "pytest.ini").write_text(f"[pytest]\n{ESCAPED}")
    done = fresh(project, LC_ALL="C", LANG="C")
    assert done.returncode == 0, done.stdout
    assert len(list(project.glob("llm_baselines/**/*.npz"))) == 3
    assert left.torn(project) + left.strange(project) == []
    counter("surroundings", RUNS, {RIGHT: 1, "torn or lost": 0})


@pytest.mark.slow
def test_where_names_are_ascii(counter: Counter, tmp_path: Path) -> None:
    """Python was told not to take UTF-8: pytest runs no test with another name, and a key with one is no file's."""
    project = small_project(tmp_path / "project", SUITE.replace("test_ü", "test_it").replace("größer", "great"))
    plain = {"LC_ALL": "C", "LANG": "C", "PYTHONUTF8": "0", "PYTHONCOERCECLOCALE": "0"}
    done = fresh(project, **plain)
    output = done.stdout.decode("utf-8", "replace")
    assert done.returncode == 3, output
    assert "could not be written" in output
    assert "INTERNALERROR" not in output
    assert left.torn(project) + left.strange(project) == []
    assert [outcome for outcome, _ in left.numbers(project).values()] == 3 * ["passed"]
    counter("surroundings", RUNS, {RIGHT: 1, "torn or lost": 0})


@pytest.mark.slow
@pytest.mark.parametrize("options", [(), ("-n", "1")], ids=["alone", "worker"])
def test_where_it_was_begun_is_gone(
    forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path, options: tuple[str, ...]
) -> None:
    """By pytest itself, which gives up at the end, before anybody may write; answers and baselines are there by then."""
    project, gone = undisturbed.copy(tmp_path / "run"), tmp_path / "gone"
    gone.mkdir()
    where = ("--rootdir", str(project), str(project), "--llm-cache", str(project / "cache"))
    run = forks.run(gone, *where, *options, state=AFTER, without_folder=[], code=None)
    assert not gone.exists()
    assert "No such file or directory" in run.output
    assert left.torn(project) + left.strange(project) == []
    assert left.kept_files(project) == undisturbed.files
    left.asked(project)
    forks.run(project, state=AFTER)
    assert left.asked(project) == undisturbed.asked_again
    assert (left.kept_files(project), left.numbers(project)) == (undisturbed.files, undisturbed.numbers)
    counter("surroundings", RUNS, {RIGHT: 1, "torn or lost": 0})


@pytest.mark.parametrize(
    "option", ["json", *(pytest.param(name, marks=pytest.mark.slow) for name in ("html", "history", "markdown"))]
)
def test_paths_are_as_long_as_a_system_takes(forks: Forks, counter: Counter, tmp_path: Path, option: str) -> None:
    """A longer one is refused before anything is asked."""
    project = small_project(tmp_path / "project", SUITE)
    run = forks.run(project, f"--llm-{option}", "/".join(30 * ["folder" * 30]), code=pytest.ExitCode.USAGE_ERROR)
    assert f"--llm-{option}: no f" in run.output
    assert "File name too long" in run.output
    assert left.asked(project) == 0
    counter("surroundings", RUNS, {RIGHT: 1, "torn or lost": 0})
