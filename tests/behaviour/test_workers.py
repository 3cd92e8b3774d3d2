"""Promise: the same verdicts, records, baselines and reports under pytest-xdist; one process writes, and one has the model.

Each way of running the suite is run once, with all that can be asked for, and looked at by several tests.
"""

from __future__ import annotations

import json
import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from functools import cache
from pathlib import Path
from typing import Any
from xml.etree import ElementTree

import pytest

from tests.pytest_runs import FEW_PLUGINS

CONFTEST = '''
import math
import os
import sys

import pytest
from pytest_llm.models.devices import shares

LOG = os.open(os.environ["WRITTEN"], os.O_WRONLY | os.O_APPEND | os.O_CREAT)


def note(event, arguments):
    """Note who opens a file to write in it, or gives one its name."""
    if event == "open" and isinstance(arguments[1], str) and set(arguments[1]) & set("wax+"):
        os.write(LOG, f"{os.getpid()} {arguments[0]}\\n".encode())
    if event == "os.rename":
        os.write(LOG, f"{os.getpid()} {arguments[1]}\\n".encode())


sys.addaudithook(note)


class Uniform:
    def __repr__(self):
        return "Uniform()"

    def score(self, texts):
        return [[-math.log(8)] * len(text) for text in texts]

    def classify(self, texts):
        return ["good" if "good" in text else "bad" for text in texts]


@pytest.fixture(scope="session")
def llm():
    return Uniform()


@pytest.fixture(autouse=True)
def pid(request):
    request.node.user_properties.append(("pid", os.getpid()))
    request.node.user_properties.append(("shares", shares()))


def pytest_sessionstart(session):
    if not hasattr(session.config, "workerinput"):
        print("the process with the terminal:", os.getpid())
'''
SUITE = """
import pytest
from pytest_llm import assert_no_regression, assert_perplexity_below, assert_robust

TEXTS = ["a" * n for n in range(3, 23)]

@pytest.mark.parametrize("limit", [5, 7, 9])
def test_assertion(llm, limit):
    assert_perplexity_below(llm, TEXTS, limit)

@pytest.mark.llm_threshold(perplexity_below=6)
def test_marker(llm_measure):
    llm_measure("perplexity", TEXTS)

@pytest.mark.parametrize("part", ["one", "other"])
def test_baseline(llm, part):
    assert_no_regression(llm, TEXTS)
    assert_no_regression(llm, TEXTS[:5], key="few")

def test_found(llm):
    assert_robust(llm, [{"text": "a good film", "label": "good"}], attack="typo")

@pytest.mark.parametrize("number", range(4))
def test_of_no_model(number):
    pass
"""
ASKED = (
    *("--llm-json", "run.json", "--llm-markdown", "run.md", "--junit-xml", "run.xml"),
    *("--llm-update-baselines", "--llm-update-corpus", "--llm-html", "run.html", "--llm-history", "history"),
)
WAYS = {
    "alone": (),
    "workers": ("-n", "2"),
    "loadgroup": ("-n", "2", "--dist", "loadgroup"),
    "load": ("-n", "2", "--dist", "load"),
    "worksteal": ("-n", "2", "--dist", "worksteal"),
    "no groups": ("-n", "2", "-o", "llm_group=none"),
}
GROUPED, SPREAD = ("workers", "loadgroup"), ("load", "worksteal", "no groups")


@dataclass
class Run:
    """What a run left."""

    folder: Path
    output: str

    def written(self) -> dict[str, bytes]:
        """The files that go into a repository."""
        files = (path for name in ("llm_baselines", "llm_corpus") for path in self.folder.glob(f"{name}/**/*.*"))
        return {path.relative_to(self.folder).as_posix(): path.read_bytes() for path in files}

    def writers(self) -> dict[str, set[int]]:
        """Which processes wrote each file in the folder."""
        found: dict[str, set[int]] = {}
        for line in (self.folder.parent / "written").read_text().splitlines():
            pid, _, path = line.partition(" ")
            if Path(path).is_relative_to(self.folder) and "__pycache__" not in path:
                name = re.sub(r"/\.(.+)\.\w{8}$", r"/\1", path)  # a temporary one
                found.setdefault(Path(name).relative_to(self.folder).as_posix(), set()).add(int(pid))
        return found

    @property
    def terminal(self) -> int:
        """The process that has the terminal."""
        (pid,) = re.findall(r"the process with the terminal: (\d+)", self.output)
        return int(pid)

    def verdicts(self) -> list[str]:
        """Sentences and recorded baselines in the terminal summary, in an order that does not depend on who was first."""
        section = self.output.partition("language model quality")[2].partition("short test summary")[0]
        return sorted(line for line in section.splitlines() if re.match(r"[A-Z]+ .*\[test_it|.* llm_baselines/", line))

    def recorded(self) -> list[Any]:
        content = json.loads((self.folder / "run.json").read_text(encoding="utf-8"))
        assert content["complete"]
        return list(content["tests"])

    def markdown(self) -> list[str]:
        """Without seconds, and the lines in which pytest says which worker it was."""
        lines = (self.folder / "run.md").read_text(encoding="utf-8").splitlines()
        return sorted(re.sub(r"[\d.]+ s\b", "… s", line) for line in lines if line and not line.startswith("[gw"))

    def junit(self) -> dict[str, dict[str, list[str]]]:
        """By the name of each test its properties."""
        found: dict[str, dict[str, list[str]]] = {}
        for case in ElementTree.parse(self.folder / "run.xml").iter("testcase"):
            properties = found[f"{case.get('classname')}::{case.get('name')}"] = {}
            for one in case.iter("property"):
                properties.setdefault(str(one.get("name")), []).append(str(one.get("value")))
        return found


@pytest.fixture(scope="module")
def ran(tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Run]:
    """Runs the suite in one of the ways, each time in a folder of its own; once."""

    @cache
    def run(way: str) -> Run:
        folder = tmp_path_factory.mktemp(way) / "project"
        folder.mkdir()
        folder.joinpath("conftest.py").write_text(CONFTEST)
        folder.joinpath("test_it.py").write_text(SUITE)
        environment = {**os.environ, "WRITTEN": str(folder.parent / "written"), "PYTHONDONTWRITEBYTECODE": "1"}
        command = [sys.executable, "-m", "pytest", *FEW_PLUGINS, *ASKED, *WAYS[way]]
        done = subprocess.run(command, cwd=folder, env=environment, capture_output=True, text=True)
        assert done.returncode == pytest.ExitCode.TESTS_FAILED, done.stdout + done.stderr
        return Run(folder, done.stdout)

    return run


@pytest.fixture(params=[*GROUPED, *(pytest.param(way, marks=pytest.mark.slow) for way in SPREAD)])
def shared(request: pytest.FixtureRequest, ran: Callable[[str], Run]) -> Run:
    return ran(request.param)


@pytest.fixture
def alone(ran: Callable[[str], Run]) -> Run:
    return ran("alone")


def test_the_suite_says_what_it_should(alone: Run) -> None:
    assert "4 failed, 7 passed" in alone.output
    assert len(alone.verdicts()) == 9 + 4


def test_the_verdicts_are_those_of_one_process(alone: Run, shared: Run) -> None:
    assert shared.verdicts() == alone.verdicts()


def test_so_is_the_record(alone: Run, shared: Run) -> None:
    assert shared.recorded() == alone.recorded()
    assert sum(len(test["measurements"]) for test in alone.recorded()) == 9


def test_so_is_the_markdown(alone: Run, shared: Run) -> None:
    assert shared.markdown() == alone.markdown()
    assert sum(line.startswith("| ") for line in alone.markdown()) == 2 + 9


def test_so_are_the_baselines_and_the_corpus(alone: Run, shared: Run) -> None:
    assert shared.written() == alone.written()
    assert len(alone.written()) == 2 * 4 + 1


def test_one_process_writes(shared: Run) -> None:
    writers = shared.writers()
    assert set(shared.written()) | {"run.json", "run.md", "run.xml", "run.html"} <= set(writers)
    assert set.union(*writers.values()) == {shared.terminal}


def processes(run: Run) -> set[str]:
    """Which ones ran tests of the model."""
    pids = [said["pid"][0] for name, said in run.junit().items() if "of_no_model" not in name]
    assert len(pids) == 7
    return set(pids)


@pytest.mark.parametrize("way", GROUPED)
def test_one_process_has_the_model_and_all_cores(ran: Callable[[str], Run], way: str) -> None:
    run = ran(way)
    assert len(processes(run)) == 1
    assert {said["pid"][0] for said in run.junit().values()} - processes(run), "others have another process"
    assert {said["shares"][0] for said in run.junit().values()} == {"1"}


@pytest.mark.slow
@pytest.mark.parametrize("way", SPREAD)
def test_both_have_it_where_that_is_asked_for(ran: Callable[[str], Run], way: str) -> None:
    run = ran(way)
    assert len(processes(run)) == 2
    assert {said["shares"][0] for said in run.junit().values()} == {"2"}


def test_junit_has_the_names_and_properties_of_one_process(alone: Run, shared: Run) -> None:
    def without_processes(run: Run) -> dict[str, dict[str, list[str]]]:
        return {test: {**said, "pid": [], "shares": []} for test, said in run.junit().items()}

    assert without_processes(shared) == without_processes(alone)


def test_junit_has_verdicts_and_numbers_for_people(alone: Run) -> None:
    said = alone.junit()["test_it::test_assertion[7]"]
    assert said["llm_verdict"] == ["failed: perplexity 8 is not below 7: over the limit by 1 (14.3 %)"]
    assert float(said["llm_perplexity"][0]) == pytest.approx(8)
    values = [value for test in alone.junit().values() for values in test.values() for value in values]
    assert not [value for value in values if value.startswith(("{", "["))], "JSON is for programs"


def test_usage_error_is_told_by_each_test(project: pytest.Pytester) -> None:
    project.makepyfile(
        "import pytest\n@pytest.mark.llm_threshold(perplexity_bellow=6)\ndef test_one(): pass\ndef test_two(): pass"
    )
    result = project.runpytest_subprocess(*FEW_PLUGINS, "-n", "1")
    result.assert_outcomes(errors=2)
    result.stdout.fnmatch_lines(["*marker llm_threshold: unknown limit 'perplexity_bellow'*"])


def test_works_without_xdist(project: pytest.Pytester) -> None:
    project.makepyfile(
        "from pytest_llm import assert_perplexity_below\ndef test_it(llm): assert_perplexity_below(llm, ['a'], 9)"
    )
    project.runpytest("-p", "no:cacheprovider", "-p", "no:xdist").assert_outcomes(passed=1)
