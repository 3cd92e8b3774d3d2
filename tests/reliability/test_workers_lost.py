"""Workers of xdist, or the process with the terminal, that are gone: what ran keeps its numbers, what did not never passes."""

from __future__ import annotations

import os
import random
import signal
import time
from pathlib import Path

import pytest

from tests.reliability import left
from tests.reliability.counts import Counter
from tests.reliability.runs import Forks, Run
from tests.reliability.small_project import small_project
from tests.reliability.undisturbed import AFTER, Undisturbed

SUITE = """
import ctypes, faulthandler, os, resource, signal
import pytest
from pytest_llm import assert_no_regression, assert_perplexity_below

def texts(part):
    return [f"{part} {number:02}" + " of the" * (number % 7) for number in range(12)]

def exit():
    os._exit(0)

def segfault():
    faulthandler.disable()  # pytest's, which would print all stacks
    ctypes.string_at(0)

def kill():
    os.kill(os.getpid(), signal.SIGKILL)

def exhaust():
    used = int(open("/proc/self/statm").read().split()[0]) * resource.getpagesize()
    resource.setrlimit(resource.RLIMIT_AS, (used + 2**28, resource.RLIM_INFINITY))
    try:
        bytearray(2**40)
    finally:
        resource.setrlimit(resource.RLIMIT_AS, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))

@pytest.mark.parametrize("end", [exit, segfault, kill, exhaust, None])
def test_it(llm, end):
    assert_perplexity_below(llm, texts(f"before {end and end.__name__}"), 40)
    class Ends:
        def score(self, asked):
            return llm.score(asked) if end is None else end()
    assert_no_regression(Ends(), texts("held"))

def test_after(llm):
    assert_perplexity_below(llm, texts("after"), 40)
"""
CRASHES = ("exit", "segfault", "kill")


@pytest.mark.slow  # of these, tests/behaviour/test_interruption.py tries SIGKILL in each run
@pytest.mark.parametrize("arguments", [("-n", "1"), ("-n", "2", "--dist", "load")], ids=["one", "two"])
def test_workers_that_crash(forks: Forks, counter: Counter, tmp_path: Path, arguments: tuple[str, ...]) -> None:
    project = small_project(tmp_path / "project", SUITE)
    run = forks.run(project, *arguments)
    found = {name.partition("::")[2]: outcome for name, (outcome, _) in left.numbers(project).items()}
    assert found == {
        **{f"test_it[{end}]": "crashed" for end in CRASHES},
        "test_it[exhaust]": "failed",
        "test_it[None]": "passed",
        "test_after": "passed",
    }
    assert "4 failed, 2 passed" in run.output
    assert "MemoryError" in run.output
    measured = {name: len(measurements) for name, (_, measurements) in left.numbers(project).items()}
    assert set(measured.values()) == {1, 2}, "what was measured before a crash is kept"
    (baseline,) = project.glob("llm_baselines/**/*.json")
    assert baseline.name.startswith("test_it-None")
    assert left.torn(project) + left.strange(project) == []
    counter("xdist worker", "tests that crashed it", {"reported as failed": 4, "passed": 0, "with a baseline": 0})


def processes_of(run: Run) -> list[int]:
    """Its workers."""
    children = Path(f"/proc/{run.process}/task/{run.process}/children")
    return [int(child) for child in children.read_text().split()] if children.exists() else []


def is_gone(group: int) -> bool:
    """Whether no process that a run began is left; execnet gives a worker that lost its controller fifteen seconds."""
    for _ in range(600):
        try:
            os.killpg(group, 0)
        except ProcessLookupError:
            return True
        time.sleep(0.1)
    return False


def someone_killed(
    forks: Forks, undisturbed: Undisturbed, folder: Path, draw: random.Random, *, controller: bool
) -> str:
    project = undisturbed.copy(folder)
    (project / "run.json").unlink()  # of the run before
    run = forks.start(project, "-n", "2", "--dist", "load", state=AFTER)
    time.sleep(draw.uniform(0, 6 * undisturbed.seconds))
    workers = processes_of(run)
    if not controller and not workers:
        run.end()
        return "too early or too late"
    os.kill(run.process if controller else draw.choice(workers), signal.SIGKILL)
    code = run.end()
    if not is_gone(run.process):
        return "processes are left"
    if controller and code != -signal.SIGKILL:
        return "too early or too late"
    if left.torn(project):
        return "torn"
    if not controller and (project / "run.json").exists():  # else xdist had not begun
        wrong = {
            name: outcome
            for name, (outcome, _) in left.numbers(project).items()
            if outcome not in (undisturbed.numbers[name][0], "crashed", "interrupted", "not run")
        }
        if wrong or code == 0:
            return f"wrong: {wrong}"
    forks.run(project, state=AFTER)
    same = (left.numbers(project), left.kept_files(project)) == (undisturbed.numbers, undisturbed.files)
    return "went on with the same numbers and files" if same else "other numbers"


@pytest.mark.slow
@pytest.mark.parametrize("controller", [True, False], ids=["terminal", "worker"])
def test_someone_is_killed_in_the_midst(
    forks: Forks, undisturbed: Undisturbed, counter: Counter, tmp_path: Path, controller: bool
) -> None:
    draw, found = random.Random(3), list[str]()
    for number in range(40):
        found.append(someone_killed(forks, undisturbed, tmp_path / str(number), draw, controller=controller))
        if sum(one != "too early or too late" for one in found) == 10:
            break
    right = found.count("went on with the same numbers and files")
    counter(
        "xdist controller" if controller else "xdist worker",
        "kills at a random moment",
        {"went on with the same numbers and files": right, "torn or lost": 10 - right},
    )
    assert right == 10, found
