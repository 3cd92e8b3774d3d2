"""Promise: `--llm-json FILE` leaves a whole, readable record of what was measured, however the run ends."""

from __future__ import annotations

import json
from typing import Any

import pytest

from pytest_llm.records.run_record import read_record

SUITE = """
import pytest
from pytest_llm import assert_no_regression, assert_perplexity_below, measure

TEXTS = [{"text": "ab" * n, "id": f"d{n}", "cluster": "even" if n % 2 == 0 else "odd"} for n in range(1, 13)]

def test_passes(llm):
    assert_perplexity_below(llm, TEXTS, 9)

def test_fails(llm):
    assert_perplexity_below(llm, TEXTS, 9)
    assert_perplexity_below(llm, ["other"], 7)

@pytest.mark.llm_threshold(perplexity_below=7)
def test_marker(llm_measure):
    llm_measure("perplexity", ["some"])

def test_two_models(llm):
    assert_no_regression(llm, TEXTS, reference=llm)

@pytest.mark.skip
def test_skipped():
    pass

@pytest.mark.xfail
def test_expected(llm):
    assert_perplexity_below(llm, TEXTS, 7)

def test_of_something_else():
    pass

@pytest.fixture
def broken():
    raise RuntimeError("no such thing")

def test_error(broken):
    pass
"""


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest("-p", "no:cacheprovider", "--llm-json", "run.json", *arguments)


def recorded(project: pytest.Pytester) -> dict[str, Any]:
    content = json.loads((project.path / "run.json").read_text(encoding="utf-8"))
    return {test["id"].partition("::")[2]: test for test in content["tests"]}


def test_each_test_is_in_it_with_its_measurements_and_verdicts(project: pytest.Pytester) -> None:
    project.makepyfile(SUITE)
    result = run(project)
    result.assert_outcomes(passed=3, failed=2, skipped=1, xfailed=1, errors=1)
    result.stdout.fnmatch_lines(["*llm record of 7 measurements: *run.json*"])
    tests = recorded(project)
    assert {name: test["outcome"] for name, test in tests.items()} == {
        "test_passes": "passed",
        "test_fails": "failed",
        "test_marker": "failed",
        "test_two_models": "passed",
        "test_skipped": "skipped",
        "test_expected": "xfailed",
        "test_of_something_else": "passed",
        "test_error": "error",
    }
    said = [(one["outcome"], one["passed"], one["measurement"]) for one in tests["test_fails"]["verdicts"]]
    assert said == [("passed", True, 0), ("failed", False, 1)]
    assert tests["test_marker"]["verdicts"][0]["sentence"].startswith("perplexity 8 is not below 7")
    assert sorted(one["aside"] for one in tests["test_two_models"]["measurements"]) == [False, True]
    assert tests["test_of_something_else"]["measurements"] == []


def test_it_reads_back_with_statistics_ids_clusters_and_hashes_but_no_texts(project: pytest.Pytester) -> None:
    project.makepyfile(SUITE)
    run(project)
    record = read_record(project.path / "run.json")
    assert record.complete
    assert record.recorded["date"]
    (one,) = next(test for test in record.tests if test.id.endswith("test_passes")).measurements
    m = one.measurement
    assert [example.id for example in m.examples] == [f"d{n}" for n in range(1, 13)]
    assert {example.cluster for example in m.examples} == {"even", "odd"}
    assert m.statistics[:, 1].tolist() == [2 * n for n in range(1, 13)]
    assert m.value == pytest.approx(8)
    assert all(len(example.content) == 16 for example in m.examples)
    assert '"abab' not in (project.path / "run.json").read_text(encoding="utf-8")


def test_a_run_that_stops_early_says_which_tests_did_not_run(project: pytest.Pytester) -> None:
    project.makepyfile(SUITE)
    result = run(project, "-x")
    result.stdout.fnmatch_lines(["*6 of 8 tests did not come to their end, 6 of them were not begun*"])
    tests = recorded(project)
    assert tests["test_passes"]["outcome"] == "passed"
    assert len(tests["test_fails"]["measurements"]) == 2
    assert tests["test_error"]["outcome"] == "not run"
    assert not read_record(project.path / "run.json").complete


def test_a_run_that_was_interrupted_leaves_a_whole_record(project: pytest.Pytester) -> None:
    project.makepyfile(SUITE.replace("def test_fails(llm):", "def test_fails(llm):\n    raise KeyboardInterrupt"))
    ended = project.inline_run("-p", "no:cacheprovider", "--llm-json", "run.json", no_reraise_ctrlc=True)
    assert ended.ret == pytest.ExitCode.INTERRUPTED
    outcomes = [test["outcome"] for test in recorded(project).values()]
    assert outcomes == ["passed", "interrupted", *["not run"] * 6]


def test_a_module_that_cannot_be_imported_is_told(project: pytest.Pytester) -> None:
    project.makepyfile(test_good=SUITE, test_bad="import no_such_module")
    run(project, "--continue-on-collection-errors")
    record = read_record(project.path / "run.json")
    assert not record.complete
    assert record.by_id["test_bad.py"].outcome == "not collected"
    assert record.by_id["test_good.py::test_passes"].outcome == "passed"


def test_an_older_record_is_replaced_and_nothing_lies_beside_it(project: pytest.Pytester) -> None:
    project.makepyfile(SUITE)
    (project.path / "run.json").write_text("an older one")
    before = set(project.path.iterdir())
    run(project)
    assert read_record(project.path / "run.json").tests
    assert {path for path in project.path.iterdir() if path.name != "__pycache__"} == before


def test_a_folder_is_refused_before_anything_runs(project: pytest.Pytester) -> None:
    project.makepyfile(SUITE)
    result = project.runpytest("-p", "no:cacheprovider", "--llm-json", str(project.path))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--llm-json: * is a folder; expected the name of a file"])


def test_a_record_that_cannot_be_written_fails_the_run(project: pytest.Pytester) -> None:
    project.makepyfile("def test_it(): pass")
    (project.path / "file").touch()
    result = project.runpytest("-p", "no:cacheprovider", "--llm-json", "file/run.json")
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(["*--llm-json: *run.json could not be written*"])


def test_nan_is_valid_json(project: pytest.Pytester) -> None:
    project.makeconftest(
        "import math, pytest\nclass Broken:\n    def score(self, texts): return [[math.nan] * len(text) for text in texts]\n"
        "@pytest.fixture\ndef llm(): return Broken()"
    )
    project.makepyfile(SUITE)
    run(project)
    text = (project.path / "run.json").read_text(encoding="utf-8")
    content = json.loads(text, parse_constant=lambda name: pytest.fail(f"{name} is no JSON"))
    assert content["tests"][0]["measurements"][0]["value"] == "NaN"
    assert content["tests"][0]["verdicts"][0]["outcome"] == "error"


def test_collecting_alone_writes_nothing(project: pytest.Pytester) -> None:
    project.makepyfile(SUITE)
    run(project, "--collect-only")
    assert not (project.path / "run.json").exists()
