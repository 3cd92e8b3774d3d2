"""What is known of each test, from what a session hears of it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llm.records.run_record import OUTCOMES
from pytest_llm.session.results import NOTED, SessionResults
from tests.behaviour.conftest import UNIFORM_LLM

Report = pytest.TestReport


def report(when: str, outcome: str = "passed", **said: object) -> Report:
    made = Report("t.py::test", ("t.py", 6, "test"), {}, outcome, "why" if outcome == "failed" else None, when)  # type: ignore[arg-type]
    for name, value in said.items():
        setattr(made, name, value)
    return made


def heard(*events: Report | str) -> SessionResults:
    results = SessionResults()
    results.pytest_xdist_node_collection_finished(["t.py::test"])
    for event in events:
        if isinstance(event, Report):
            results.pytest_runtest_logreport(event)
        else:
            getattr(results, f"pytest_runtest_log{event}")("t.py::test")
    return results


SET_UP, TORN_DOWN = report("setup"), report("teardown")


@pytest.mark.parametrize(
    ("events", "outcome"),
    [
        ([], "not run"),
        (["start"], "interrupted"),
        (["start", SET_UP, report("call"), TORN_DOWN], "interrupted"),
        (["start", SET_UP, report("call"), TORN_DOWN, "finish"], "passed"),
        (["start", SET_UP, report("call", "failed"), TORN_DOWN, "finish"], "failed"),
        (["start", SET_UP, report("call", "rerun"), SET_UP, report("call"), TORN_DOWN, "finish"], "passed"),
        (["start", SET_UP, report("call", "skipped"), TORN_DOWN, "finish"], "skipped"),
        (["start", SET_UP, report("call", "skipped", wasxfail="why"), TORN_DOWN, "finish"], "xfailed"),
        (["start", SET_UP, report("call", wasxfail="why"), TORN_DOWN, "finish"], "xpassed"),
        (["start", report("setup", "skipped"), TORN_DOWN, "finish"], "skipped"),
        (["start", report("setup", "failed"), TORN_DOWN, "finish"], "error"),
        (["start", SET_UP, report("call"), report("teardown", "failed"), "finish"], "error"),
        (["start", SET_UP, report("???", "failed")], "crashed"),
        (["start", SET_UP, report("call"), TORN_DOWN, "finish", report("???", "failed")], "crashed"),
    ],
)
def test_how_a_test_ended(events: list[Report | str], outcome: str) -> None:
    (result,) = heard(*events)
    assert result.outcome == outcome
    assert result.outcome in OUTCOMES
    assert result.ended == OUTCOMES[outcome]


def test_what_cannot_be_collected_comes_last() -> None:
    results = SessionResults()
    results.pytest_collectreport(pytest.CollectReport("broken.py", "failed", "why", []))
    results.pytest_xdist_node_collection_finished(["t.py::b", "t.py::a"])
    assert [(result.id, result.outcome) for result in results] == [
        ("t.py::b", "not run"),
        ("t.py::a", "not run"),
        ("broken.py", "not collected"),
    ]


def test_of_a_test_that_runs_again_the_last_time_counts() -> None:
    first, last = (report("call", user_properties=[("llm_verdict", said)]) for said in ("FAILED", "PASSED"))
    notes = [report("setup") for _ in range(3)]
    for note, place in zip(notes, (0, 1, 0), strict=True):
        setattr(note, NOTED, ("measurements", place, f"note {notes.index(note)}"))
    (result,) = results = heard("start", *notes, first, last)
    assert result.measurements == ["note 2"]
    assert results.said == [("t.py::test", [("llm_verdict", "PASSED")])]


def test_where_a_test_is_and_what_it_says_of_its_failure() -> None:
    (result,) = heard(report("call", "failed"))
    assert (result.place, result.failure) == (("t.py", 7), "why")
    (result,) = heard()
    assert (result.place, result.failure) == (("t.py", None), "")


def test_all_files_of_a_session_say_when_it_ran_and_ask_git_once(
    pytester: pytest.Pytester, monkeypatch: pytest.MonkeyPatch, tmp_path: Path
) -> None:
    pytester.makeconftest(UNIFORM_LLM)
    pytester.makepyfile(
        """
        from pytest_llm import assert_perplexity_below

        def test_it(llm):
            assert_perplexity_below(llm, ["some text"], 9)
        """
    )
    asked = tmp_path / "asked"
    git = pytester.mkdir("bin") / "git"
    git.write_text(f"#!/bin/sh\necho asked >> '{asked}'\necho {'c' * 40}\n")
    git.chmod(0o755)
    monkeypatch.setenv("PATH", str(git.parent), prepend=":")

    pytester.runpytest(
        "-p", "no:cacheprovider", "--llm-json=run.json", "--llm-html=run.html", "--llm-history=past"
    ).assert_outcomes(passed=1)

    assert asked.read_text().split() == ["asked"]
    written = [pytester.path / "run.json", *pytester.path.glob("past/*")]
    assert len(written) == 2
    assert all("c" * 40 in path.read_text() for path in written)
