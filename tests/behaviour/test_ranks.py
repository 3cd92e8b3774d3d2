"""Promise: under torchrun or accelerate launch, --llm-engine ranks lets one process run the tests and the others serve it."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from collections.abc import Sequence
from pathlib import Path

import pytest

from tests.pytest_runs import FEW_PLUGINS

TORCHRUN = ("torch.distributed.run", "--nproc-per-node", "2", "-m", "pytest")
ACCELERATE = (
    "accelerate.commands.launch",
    "--multi_gpu",
    "--num_processes",
    "2",
    "--num_machines",
    "1",
    "-m",
    "pytest",
)

BITWISE = """
    import os
    from pytest_llm import Engine, embedded, load_examples, measure
    from pytest_llm.inference.memo import forgetting

    TEXTS = load_examples(embedded("data/held_out.jsonl"))[:9]

    def measured(llm, **how):
        with forgetting():
            return measure(llm, TEXTS, "perplexity", engine=Engine(deterministic=True, **how))

    def test_shared(llm):
        alone, shared = measured(llm), measured(llm, ranks=True)
        print("rank", os.environ["RANK"], "measured", len(shared.examples), "examples", shared.value)
        assert shared.statistics.tobytes() == alone.statistics.tobytes()
"""

ANSWERING = """
    import math, os, signal, time
    import pytest

    class Answering:
        def fingerprint(self):
            return 1

        def score(self, texts):
            if os.environ["RANK"] == "1" and any("deadly" in text for text in texts):
                os.kill(os.getpid(), signal.SIGKILL)
            time.sleep(0.05)
            return [[-math.log(8 + int(os.environ["RANK"]))] * len(text) for text in texts]

    @pytest.fixture(scope="session")
    def llm():
        return Answering()
"""


def launched(
    pytester: pytest.Pytester, launcher: Sequence[str], *arguments: str
) -> tuple[subprocess.CompletedProcess[str], float]:
    """What the launcher and all that it started printed, and how many seconds that took."""
    environment = {**os.environ, "OMP_NUM_THREADS": "1", "ACCELERATE_USE_CPU": "true", "HF_HUB_OFFLINE": "1"}
    began = time.monotonic()
    command = [sys.executable, "-m", *launcher, *FEW_PLUGINS, *arguments]
    done = subprocess.run(
        command, cwd=pytester.path, env=environment, capture_output=True, text=True, timeout=500, check=False
    )
    return done, time.monotonic() - began


def test_one_rank_reports_and_all_answer(pytester: pytest.Pytester) -> None:
    """One run of torchrun: each takes seconds."""
    pytester.makeconftest(ANSWERING)
    pytester.makepyfile("""
        import os
        from pytest_llm import assert_perplexity_below

        def test_shared(llm):
            measurement = assert_perplexity_below(llm, [f"text {n}" for n in range(40)], 9)
            print("rank", os.environ["RANK"], "saw", sorted({round(value) for value in measurement.example_values}))

        def test_fails(llm):
            assert_perplexity_below(llm, ["one", "two"], 1)
    """)
    done, _ = launched(pytester, TORCHRUN, "-s", "--llm-engine=ranks", "--junitxml=report.xml")
    assert re.findall(r"rank \d saw .*", done.stdout) == ["rank 0 saw [8, 9]"]
    assert len(re.findall(r"=+ 1 failed, 1 passed in", done.stdout)) == 1
    assert done.stdout.count("llm ranks: 2, of which this one judges") == 1
    assert 'tests="2"' in Path(pytester.path, "report.xml").read_text()
    assert done.returncode == 1


def test_without_the_option_it_is_said_that_all_ranks_did_the_same(
    project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    project.makepyfile("""
        from pytest_llm import assert_perplexity_below

        def test_it(llm):
            assert_perplexity_below(llm, ["one", "two"], 9)
    """)
    monkeypatch.setenv("WORLD_SIZE", "2")
    for rank, times in (("0", 1), ("1", 0)):
        monkeypatch.setenv("RANK", rank)
        said = project.runpytest_inprocess().stdout.str()
        assert said.count("each of 2 ranks measured all of this: with --llm-engine ranks they share the work") == times


def test_a_suite_that_measures_nothing_hears_nothing(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    pytester.makepyfile("def test_it(): pass")
    monkeypatch.setenv("WORLD_SIZE", "2")
    monkeypatch.setenv("RANK", "0")
    assert "ranks" not in pytester.runpytest_inprocess().stdout.str()


def test_without_a_launcher_the_option_is_a_usage_error(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.delenv("WORLD_SIZE", raising=False)
    result = pytester.runpytest_inprocess("--llm-engine=ranks")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*no launcher has started this*torchrun --nproc-per-node 2 -m pytest*"])


def test_a_launcher_with_one_process_is_as_usual(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    project.makepyfile("""
        from pytest_llm import assert_perplexity_below

        def test_it(llm):
            assert_perplexity_below(llm, ["one", "two"], 9)
    """)
    for name, value in {"RANK": "0", "WORLD_SIZE": "1", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    project.runpytest_inprocess("--llm-engine=ranks").assert_outcomes(passed=1)


def test_xdist_beside_it_is_a_usage_error(pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"RANK": "0", "WORLD_SIZE": "2", "MASTER_ADDR": "localhost", "MASTER_PORT": "1"}.items():
        monkeypatch.setenv(name, value)
    result = pytester.runpytest_inprocess("--llm-engine=ranks", "-n2")
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*the launcher's ranks are the workers: leave out -n*"])


@pytest.mark.slow
@pytest.mark.parametrize("launcher", [TORCHRUN, ACCELERATE], ids=["torchrun", "accelerate"])
def test_shared_numbers_are_those_of_one_process_bit_for_bit(
    pytester: pytest.Pytester, launcher: Sequence[str]
) -> None:
    pytester.makepyfile(BITWISE)
    done, _ = launched(pytester, launcher, "-s", "--llm-engine=ranks")
    assert re.findall(r"rank \d measured \d+ examples", done.stdout) == ["rank 0 measured 9 examples"]
    assert "1 passed" in done.stdout
    assert done.returncode == 0


@pytest.mark.slow
def test_a_rank_that_dies_ends_the_session_with_a_report(pytester: pytest.Pytester) -> None:
    pytester.makeconftest(ANSWERING)
    pytester.makepyfile("""
        from pytest_llm import assert_perplexity_below

        def test_before(llm):
            assert_perplexity_below(llm, [f"before {n}" for n in range(20)], 10)

        def test_deadly(llm):
            assert_perplexity_below(llm, [f"deadly {n}" for n in range(30)], 10)
    """)
    done, seconds = launched(pytester, TORCHRUN, "--llm-engine=ranks", "--junitxml=report.xml")
    assert "rank 1 ended before it had answered" in done.stdout or "SIGTERM: the session is ended" in done.stdout
    assert "1 passed" in done.stdout
    assert 'name="test_before"' in Path(pytester.path, "report.xml").read_text()
    assert done.returncode == 1
    assert seconds < 120


@pytest.mark.slow
def test_a_session_that_asks_nothing_ends_for_all(pytester: pytest.Pytester) -> None:
    pytester.makepyfile("def test_it(): pass")
    done, _ = launched(pytester, TORCHRUN, "--llm-engine=ranks")
    assert done.stdout.count("1 passed") == 1
    assert done.returncode == 0
