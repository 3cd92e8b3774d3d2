"""Workflow commands of GitHub Actions."""

from __future__ import annotations

from pytest_llm.reports.annotations import annotation
from pytest_llm.reports.rows import Row

ROW = Row("t.py::a", "f1, macro", "failed", False, False, "0.5", "", "above 0.6", "−0.1", 9, "f1 is low")


def test_a_failure_is_an_error_at_its_line() -> None:
    assert annotation(ROW, "tests/t.py", 3) == "::error file=tests/t.py,line=3,title=f1%2C macro%3A failed::f1 is low"


def test_a_warning_is_one() -> None:
    row = Row("t.py::a", "f1", "suspect", True, True, "0.5", "", "above 0.6", "−0.1", 9, "f1 is low")
    assert annotation(row, "t.py", None) == "::warning file=t.py,title=f1%3A suspect::f1 is low"


def test_no_text_begins_a_command_of_its_own() -> None:
    forged = Row("t", "m", "failed", False, False, "1", "", "", "", 1, "bad\r\n::set-output name=x::100%")
    (line,) = annotation(forged, "a,b:c\n.py", 1).splitlines()
    assert line.startswith("::error file=a%2Cb%3Ac%0A.py,line=1,")
    assert line.endswith("::bad%0D%0A::set-output name=x::100%25")
