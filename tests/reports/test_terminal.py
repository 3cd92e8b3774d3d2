"""What the terminal summary says of the verdicts of a session."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llm.effort import Effort
from pytest_llm.inference.measure import measure
from pytest_llm.judging.limit_verdict import judge
from pytest_llm.limit import Limit
from pytest_llm.reports.properties import properties
from pytest_llm.reports.terminal import sum_line, summary_lines
from tests.stub_models import UniformModel
from tests.table_rows import failed, row

MEASURED = measure(UniformModel(8), ["some text", "another"], "perplexity")
GOOD, BAD = (
    (f"t.py::{name}", properties(judge(MEASURED, Limit.below(limit)), Effort(0.5, new=2)))
    for name, limit in (("good", 9), ("bad", 7))
)


def said(*reports: tuple[str, list[tuple[str, object]]], verbosity: int = 0) -> list[str]:
    return [line.first + line.rest for line in summary_lines(reports, Path(), verbosity=verbosity)]


def test_a_table_in_which_what_failed_comes_last_and_a_sum() -> None:
    head, *lines, total = said(BAD, GOOD)
    assert head.split()[:3] == ["verdict", "metric", "value"]
    assert [line.split()[0] for line in lines] == ["PASSED", "FAILED"]
    assert total == "2 gates: 1 failed, 1 passed; measuring took 1.00 s, answers: 4 new"


def test_quietly_only_what_did_not_pass() -> None:
    _, line, total = said(GOOD, BAD, verbosity=-1)
    assert line.endswith("t.py::bad")
    assert total.startswith("2 gates: ")
    assert said(GOOD, verbosity=-1) == ["1 gate: 1 passed; measuring took 0.50 s, answers: 2 new"]


def test_on_demand_sentences_model_and_settings() -> None:
    lines = said(GOOD, verbosity=2)
    assert lines[-2] == "PASSED       perplexity 8 is below 9 (11.1 % to spare)  [t.py::good]"
    assert lines[-1].startswith("             uniform, perplexity|bos:model's own|")
    assert len(said(GOOD, verbosity=1)) == len(lines) - 2


@pytest.mark.parametrize(
    ("rows", "line"),
    [
        ([row()], "1 gate: 1 passed"),
        ([row(), failed(), row(warns=True)], "3 gates: 1 failed, 1 suspect, 1 passed"),
        ([row(effort=Effort(0.5)), row(effort=Effort(1, 2, 3, 4))],
         "2 gates: 2 passed; measuring took 1.50 s, answers: 2 new, 3 cached, 4 known"),
    ],
)  # fmt: skip
def test_the_sum(rows: list[object], line: str) -> None:
    assert sum_line(rows) == line  # type: ignore[arg-type]


def test_no_sentence_breaks_a_line() -> None:
    forged = judge(MEASURED, Limit.below(9))
    object.__setattr__(forged, "sentence", "a\x1b[31m\nb")
    assert all(line.isprintable() for line in said(("t\n", properties(forged)), verbosity=2))
