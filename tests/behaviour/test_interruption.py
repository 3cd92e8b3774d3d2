"""Promise: a run that is interrupted, or loses a worker, keeps every measurement that was finished, and says what is missing.

The processes are real, and so are the signals; each run is looked at by several tests.
"""

from __future__ import annotations

import json
import signal
import subprocess
import sys
from collections.abc import Callable
from functools import cache
from pathlib import Path
from typing import Any

import pytest

from tests.behaviour.conftest import UNIFORM_LLM
from tests.pytest_runs import FEW_PLUGINS

SUITE = """
import os, signal, time
import pytest
from pytest_llm import assert_no_regression, assert_perplexity_below

def measured(llm):
    assert_perplexity_below(llm, ["some"], 9)
    assert_no_regression(llm, ["some", "more"], key="early")

def test_before(llm):
    measured(llm)

def test_signal(llm):
    measured(llm)
    time.sleep(0.2)
    os.kill({process}, signal.{signal})
    time.sleep(2)
    assert_perplexity_below(llm, ["never asked"], 9)

def test_after(llm):
    measured(llm)
"""
WAYS = {
    "interrupted": ("os.getpid()", "SIGINT", ()),
    "interrupted workers": ("os.getppid()", "SIGINT", ("-n", "1")),
    "killed worker": ("os.getpid()", "SIGKILL", ("-n", "1")),
    "segmentation fault": ("os.getpid()", "SIGSEGV", ("-n", "1", "-p", "no:faulthandler")),
}
ASKED = ("--llm-json", "run.json", "--llm-markdown", "run.md", "--llm-update-baselines", *FEW_PLUGINS)
CUT = pytest.mark.parametrize("way", ["interrupted", "interrupted workers"])
LOST = pytest.mark.parametrize("way", ["killed worker", pytest.param("segmentation fault", marks=pytest.mark.slow)])
ANY = pytest.mark.parametrize("way", [*CUT.args[1], *LOST.args[1]])


class Run:
    """What a run left."""

    def __init__(self, folder: Path, way: str) -> None:
        process, signal, arguments = WAYS[way]
        folder.joinpath("conftest.py").write_text(UNIFORM_LLM.replace("\n    ", "\n"))
        folder.joinpath("test_it.py").write_text(SUITE.format(process=process, signal=signal))
        command = [sys.executable, "-m", "pytest", *ASKED, *arguments]
        done = subprocess.run(command, cwd=folder, capture_output=True, text=True, timeout=120)
        self.folder, self.code, self.output = folder, done.returncode, done.stdout + done.stderr

    def record(self) -> dict[str, Any]:
        return dict(json.loads((self.folder / "run.json").read_text(encoding="utf-8")))

    def outcomes(self) -> dict[str, tuple[str, int, int]]:
        """Of each test how it ended, and how many measurements and verdicts of it there are."""
        return {
            test["id"].partition("::")[2]: (test["outcome"], len(test["measurements"]), len(test["verdicts"]))
            for test in self.record()["tests"]
        }

    def baselines(self) -> list[str]:
        return sorted(path.name.partition(".")[0] for path in self.folder.glob("llm_baselines/**/*.json"))

    def markdown(self) -> str:
        return (self.folder / "run.md").read_text(encoding="utf-8").replace("\\", "")


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Runs the suite in one of the ways; once."""
    return cache(lambda way: Run(tmp_path_factory.mktemp("run"), way))


@CUT
def test_an_interrupted_run_keeps_what_was_measured(ran: Callable[[str], Run], way: str) -> None:
    run = ran(way)
    assert run.code == pytest.ExitCode.INTERRUPTED, run.output
    assert run.outcomes() == {
        "test_before": ("passed", 2, 2),
        "test_signal": ("interrupted", 2, 2),
        "test_after": ("not run", 0, 0),
    }
    assert not run.record()["complete"]
    assert run.baselines() == ["test_before", "test_signal"]


@LOST
def test_a_lost_worker_loses_one_test(ran: Callable[[str], Run], way: str) -> None:
    run = ran(way)
    assert run.code == pytest.ExitCode.TESTS_FAILED, run.output
    assert run.outcomes() == {
        "test_before": ("passed", 2, 2),
        "test_signal": ("crashed", 2, 2),
        "test_after": ("passed", 2, 2),
    }
    assert not run.record()["complete"]
    assert run.baselines() == ["test_after", "test_before", "test_signal"]


@CUT
def test_the_terminal_says_what_is_missing(ran: Callable[[str], Run], way: str) -> None:
    output = ran(way).output
    assert "2 of 3 tests did not come to their end, 1 of them was not begun" in output
    assert "test_it.py::test_signal (interrupted)" in output


@LOST
def test_the_terminal_says_which_one_was_lost(ran: Callable[[str], Run], way: str) -> None:
    output = ran(way).output
    assert "1 of 3 tests did not come to their end" in output
    assert "test_it.py::test_signal (its worker died)" in output
    assert "worker 'gw0' crashed while running 'test_it.py::test_signal'" in output


@ANY
def test_markdown_has_what_is_finished_and_says_what_is_missing(ran: Callable[[str], Run], way: str) -> None:
    text = ran(way).markdown()
    assert "of 3 tests did not come to their end" in text
    assert "<code>test_it.py::test_before</code>" in text
    assert "<code>test_it.py::test_signal</code>" not in text


def test_a_run_that_came_to_its_end_says_nothing(project: pytest.Pytester) -> None:
    project.makepyfile("def test_it(llm): pass")
    project.runpytest("-p", "no:cacheprovider").stdout.no_fnmatch_line("*did not come to their end*")


def test_of_other_tests_nothing_is_said(project: pytest.Pytester) -> None:
    project.makepyfile("def test_one(): assert 0\ndef test_two(): pass")
    project.runpytest("-p", "no:cacheprovider", "-x").stdout.no_fnmatch_line("*did not come to their end*")


@pytest.mark.parametrize("asked", [(), ("--llm-json", "run.json")])
def test_sigterm_is_caught_where_a_file_is_asked_for_and_while_tests_run(
    project: pytest.Pytester, asked: tuple[str, ...]
) -> None:
    """What comes of it: tests/reliability/test_surroundings.py."""
    project.makepyfile(
        f"""
        import signal

        def test_it(llm):
            assert (signal.getsignal(signal.SIGTERM) is signal.SIG_DFL) == {not asked}
        """
    )
    project.runpytest("-p", "no:cacheprovider", *asked).assert_outcomes(passed=1)
    assert signal.getsignal(signal.SIGTERM) is signal.SIG_DFL
