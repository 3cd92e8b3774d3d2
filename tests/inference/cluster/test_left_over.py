"""However a session ends, its actors end, and a cluster that it started; workers of pytest-xdist share one without waiting."""

from __future__ import annotations

import json
import os
import signal
import subprocess
import sys
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytestmark = [pytest.mark.slow, pytest.mark.skipif(sys.platform != "linux", reason="looks at /proc")]
REPOSITORY = Path(__file__).parents[3]
MARK = "PYTEST_LLM_TESTED_RUN"
PATIENCE = 60.0

TESTS = """
    import pytest
    from pathlib import Path
    from pytest_llm import assert_perplexity_below
    from tests.inference.cluster.noting import Noting

    FOLDER = Path(__file__).parent / "asked"

    def texts(number, count=8):
        return [f"{number} {place} " + "x" * 8_000 for place in range(count)]

    @pytest.mark.parametrize("number", range(2))
    def test_passes(number):
        assert_perplexity_below(Noting(FOLDER, 0.1), texts(number), 8)

    def test_fails():
        assert_perplexity_below(Noting(FOLDER), texts("fails"), 1.5)

    def test_takes_long():
        assert_perplexity_below(Noting(FOLDER, 0.5), texts("long", 2_000), 8)
"""


class Run:
    """A session of pytest in a process of its own, whose children can be told from all others."""

    def __init__(self, folder: Path, *arguments: str) -> None:
        self.asked = folder / "asked"
        self.asked.mkdir(exist_ok=True)
        self.mark = f"{MARK}={folder}"
        name, _, value = self.mark.partition("=")
        self.process = subprocess.Popen(
            [sys.executable, "-m", "pytest", "-p", "no:cacheprovider", "--llm-engine=ray", *arguments],
            cwd=folder,
            env={**os.environ, "PYTHONPATH": str(REPOSITORY), name: value},
            stdout=subprocess.PIPE,
            stderr=subprocess.STDOUT,
            text=True,
        )

    def actors(self) -> list[int]:
        return [int(path.name) for path in self.asked.iterdir()]

    def left(self) -> dict[int, str]:
        """What runs of it: children of the session, and actors, which are children of a cluster."""
        return {
            process: command
            for process, command, environment in processes()
            if process in self.actors() or self.mark.encode() in environment
        }

    def left_in_the_end(self) -> dict[int, str]:
        end = time.monotonic() + PATIENCE
        while (left := self.left()) and time.monotonic() < end:
            time.sleep(0.1)
        return left


def processes() -> Iterator[tuple[int, str, bytes]]:
    for folder in Path("/proc").iterdir():
        if not folder.name.isdigit():
            continue
        try:
            state = (folder / "stat").read_text().rpartition(")")[2].split()[0]
            command = (folder / "cmdline").read_bytes().replace(b"\0", b" ").decode(errors="replace")
            if state != "Z":  # it has ended, and who started it has not looked yet
                yield int(folder.name), command, (folder / "environ").read_bytes().replace(b"\0", b"\n")
        except OSError:
            continue


@pytest.fixture
def project(pytester: pytest.Pytester) -> Path:
    pytester.makepyfile(test_it=TESTS)
    return pytester.path


@pytest.mark.parametrize("where", ["auto", "local"])
def test_after_a_run_none_of_its_processes_stays(ray_cluster: Any, project: Path, where: str) -> None:
    run = Run(project, f"--llm-ray-address={where}", "-k", "passes or fails")
    out, _ = run.process.communicate(timeout=300)
    assert run.process.returncode == pytest.ExitCode.TESTS_FAILED
    assert "1 failed, 2 passed" in out
    assert run.actors()
    assert run.left_in_the_end() == {}


@pytest.mark.parametrize("end", [signal.SIGINT, signal.SIGTERM, signal.SIGKILL])
@pytest.mark.parametrize("where", ["auto", "local"])
def test_after_a_signal_none_of_its_processes_stays(
    ray_cluster: Any, project: Path, where: str, end: signal.Signals
) -> None:
    run = Run(project, f"--llm-ray-address={where}", "-k", "long")
    while not run.actors() and run.process.poll() is None:
        time.sleep(0.05)
    assert run.left()
    run.process.send_signal(end)
    out, _ = run.process.communicate(timeout=60)
    assert run.process.returncode != 0, out
    assert run.left_in_the_end() == {}


def test_sigterm_ends_a_session_with_its_files_as_it_does_without_a_cluster(ray_cluster: Any, project: Path) -> None:
    run = Run(project, "--llm-json=run.json", "-k", "long")
    while not run.actors() and run.process.poll() is None:
        time.sleep(0.05)
    run.process.send_signal(signal.SIGTERM)
    out, _ = run.process.communicate(timeout=60)
    assert run.process.returncode == pytest.ExitCode.INTERRUPTED, out
    assert "SIGTERM: the session is ended, and what it measured is written" in out
    (test,) = json.loads((project / "run.json").read_text())["tests"]
    assert test["outcome"] == "interrupted"


@pytest.mark.parametrize("asked", [[], ["--llm-ray-actors=2"]])
def test_workers_share_a_cluster_that_has_room_for_an_actor_each(
    ray_cluster: Any, project: Path, asked: list[str]
) -> None:
    run = Run(project, "-n2", "--dist=load", "-k", "passes", *asked)
    out, _ = run.process.communicate(timeout=300)
    assert run.process.returncode == 0, out
    assert "2 passed" in out
    assert len(run.actors()) == 2  # each worker's
    assert run.left_in_the_end() == {}
