"""Promise: `--llm-html FILE` writes one page of the run, however it ends, with texts that no record has."""

from __future__ import annotations

import re

import pytest

from tests.pytest_runs import FEW_PLUGINS

SUITE = """
from pytest_llm import assert_no_regression, assert_perplexity_below

TEXTS = ["a text that only the page has"] + ["ab" * n for n in range(1, 13)]

def test_passes(llm):
    assert_perplexity_below(llm, TEXTS[:4], 9)

def test_fails(llm):
    assert_perplexity_below(llm, TEXTS[:4], 7)

def test_two_models(llm):
    assert_no_regression(llm, TEXTS, reference=llm)

def test_of_something_else():
    raise RuntimeError
"""
ROBUST = """
    from pytest_llm import assert_robust

    class Label:
        def classify(self, texts):
            return [{"good": 0.8, "bad": 0.2} if "was" in text else {"good": 0.1, "bad": 0.9} for text in texts]

    def test_robust():
        assert_robust(Label(), ["It was here.", "They are there."], attack="unicode.zerowidth", max_success_rate=0.9)
"""


def run(project: pytest.Pytester, *arguments: str) -> pytest.RunResult:
    return project.runpytest("-p", "no:cacheprovider", "--llm-html", "out/run.html", *arguments)


def page(project: pytest.Pytester, name: str = "out/run.html") -> str:
    return (project.path / name).read_text(encoding="utf-8")


def outcomes(text: str) -> list[tuple[str, str]]:
    found = re.findall(r'class="outcome \w+">([^<]*)<.*?<code>[^<]*::(\w+)</code>', text, flags=re.DOTALL)
    return [(outcome, test) for outcome, test in found]


def test_the_page_has_all_verdicts_what_failed_first_with_texts(project: pytest.Pytester) -> None:
    project.makepyfile(SUITE)
    result = run(project, "--llm-json", "run.json")
    result.stdout.fnmatch_lines(["*llm report: *run.html*"])
    text = page(project)
    assert outcomes(text) == [("failed", "test_fails"), ("passed", "test_passes"), ("passed", "test_two_models")]
    assert "1 of 3 gates failed" in text
    assert "a text that only the page has" in text
    assert "a text that only the page has" not in (project.path / "run.json").read_text(encoding="utf-8")
    assert "test_of_something_else" in text.partition("failed otherwise")[2]


def test_the_record_alone_makes_the_same_page_without_texts(
    project: pytest.Pytester, capsys: pytest.CaptureFixture[str]
) -> None:
    from pytest_llm.command.main import main

    project.makepyfile(SUITE)
    run(project, "--llm-json", "run.json")
    assert main(["report", "run.json", "--html", "again.html"]) == 0
    assert "again.html" in capsys.readouterr().out
    again = page(project, "again.html")
    assert outcomes(again) == outcomes(page(project))
    assert "a text that only the page has" not in again


def test_counter_examples_of_an_attack_are_shown_with_their_edits(project: pytest.Pytester) -> None:
    project.makepyfile(ROBUST)
    run(project)
    text = page(project)
    assert "unicode.zerowidth" in text.partition("<h4>Counter-examples</h4>")[2]
    assert re.search(r'<(ins|del) title="unicode.zerowidth">', text)


@pytest.mark.slow  # two more processes; test_run_record.py holds the same of records
def test_workers_make_the_page_of_one_process(project: pytest.Pytester) -> None:
    project.makepyfile(SUITE)
    run(project)
    alone = page(project)
    project.runpytest_subprocess(*FEW_PLUGINS, "--llm-html", "out/run.html", "-n", "2")
    assert outcomes(page(project)) == outcomes(alone)
    assert "a text that only the page has" in page(project)


def test_with_a_history_the_page_draws_it_this_session_included(project: pytest.Pytester) -> None:
    project.makepyfile(SUITE)
    for _ in range(3):
        run(project, "--llm-history", "past")
    assert page(project).count("perplexity over 3 runs, change points: 0") == 3
    (project.path / "past" / "2020.jsonl").write_text("{}")
    assert "the page has no history: " in run(project, "--llm-history", "past").stdout.str()


def test_a_run_without_models_has_a_page_too(project: pytest.Pytester) -> None:
    project.makepyfile("def test_it(): pass")
    assert run(project).ret == 0
    assert "Nothing was measured." in page(project)


def test_a_folder_is_refused_before_anything_runs(project: pytest.Pytester) -> None:
    project.makepyfile(SUITE)
    result = project.runpytest("-p", "no:cacheprovider", "--llm-html", str(project.path))
    assert result.ret == pytest.ExitCode.USAGE_ERROR
    result.stderr.fnmatch_lines(["*--llm-html: * is a folder; expected the name of a file"])


def test_a_page_that_cannot_be_written_fails_the_run(project: pytest.Pytester) -> None:
    project.makepyfile("def test_it(): pass")
    (project.path / "file").write_text("")
    result = project.runpytest("-p", "no:cacheprovider", "--llm-html", "file/run.html")
    assert result.ret == pytest.ExitCode.INTERNAL_ERROR
    result.stdout.fnmatch_lines(["*--llm-html: *run.html could not be written: *"])
