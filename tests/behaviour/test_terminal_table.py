"""Promise: a session ends with one table of its verdicts, as wide as the terminal, quiet or detailed as pytest is."""

from __future__ import annotations

import pytest

SUITE = """
    from pytest_llm import assert_perplexity_below

    def test_good(llm):
        assert_perplexity_below(llm, ["some text", "another"], 9)

    def test_bad(llm):
        assert_perplexity_below(llm, ["some text", "another"], 7)
"""


@pytest.fixture(autouse=True)
def terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    for name in ("CI", "BUILD_NUMBER"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("COLUMNS", "132")


def run(project: pytest.Pytester, *arguments: str) -> list[str]:
    project.makepyfile(test_it=SUITE)
    lines = project.runpytest("-p", "no:cacheprovider", *arguments).outlines
    begin = next((place for place, line in enumerate(lines) if "language model quality" in line), None)
    return [] if begin is None else lines[begin + 1 : begin + 5]


def test_one_aligned_table(project: pytest.Pytester) -> None:
    head, good, bad, total = run(project)
    titles = ["verdict", "metric", "value", "95 % interval", "claim", "to spare", "n", "seconds", "test"]
    assert [title for title in titles if title not in head] == []
    assert good.split()[:9] == ["PASSED", "perplexity", "8", "8", "to", "8", "below", "9", "1"]
    assert bad.split()[:9] == ["FAILED", "perplexity", "8", "8", "to", "8", "below", "7", "−1"]
    assert head.index("test") == good.index("test_it.py") == bad.index("test_it.py")
    assert total.startswith("2 gates: 1 failed, 1 passed; measuring took 0.")


def test_it_fits_the_terminal(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    assert all(len(line) < 60 for line in run(project)[:3])


def test_in_ci_nothing_is_cut(project: pytest.Pytester, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "60")
    monkeypatch.setenv("CI", "true")
    head, good, _, _ = run(project)
    assert "seconds" in head
    assert good.endswith("test_it.py::test_good")


def test_quietly_what_failed_and_the_sum(project: pytest.Pytester) -> None:
    _, bad, total, _ = run(project, "-q")
    assert bad.startswith("FAILED")
    assert total.startswith("2 gates: ")


def test_quietly_a_line_where_all_is_well(project: pytest.Pytester) -> None:
    assert run(project, "-q", "-k", "good") == []
    result = project.runpytest("-p", "no:cacheprovider", "-q", "-k", "good")
    result.stdout.fnmatch_lines(["1 gate: 1 passed; measuring took *"])
    result = project.runpytest("-p", "no:cacheprovider", "-qq", "-k", "good")
    result.stdout.no_fnmatch_line("*1 gate*")


def test_what_is_recorded_is_said_in_sentences(project: pytest.Pytester) -> None:
    project.makepyfile(test_it=SUITE)
    result = project.runpytest("-p", "no:cacheprovider", "--llm-update-baselines")
    result.stdout.fnmatch_lines(["PASSED       perplexity 8 is below 9 (11.1 % to spare)  *"])


def test_colours_are_those_of_pytest(project: pytest.Pytester) -> None:
    _, good, bad, _ = run(project, "--color=yes")
    assert good.startswith("\x1b[32mPASSED")
    assert bad.startswith(("\x1b[31m\x1b[1mFAILED", "\x1b[1m\x1b[31mFAILED"))
    assert not any("\x1b" in line for line in run(project))
