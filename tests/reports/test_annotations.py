"""Workflow commands of GitHub Actions."""

from __future__ import annotations

from pytest_llm.reports.annotations import annotation
from tests.table_rows import failed, row

ROW = failed(metric="f1, macro", sentence="f1 is low")


def test_a_failure_is_an_error_at_its_line() -> None:
    assert annotation(ROW, "tests/t.py", 3) == "::error file=tests/t.py,line=3,title=f1%2C macro%3A failed::f1 is low"


def test_a_warning_is_one() -> None:
    suspect = row(metric="f1", verdict="suspect", warns=True, sentence="f1 is low")
    assert annotation(suspect, "t.py", None) == "::warning file=t.py,title=f1%3A suspect::f1 is low"


def test_no_text_begins_a_command_of_its_own() -> None:
    forged = failed(sentence="bad\r\n::set-output name=x::100%")
    (line,) = annotation(forged, "a,b:c\n.py", 1).splitlines()
    assert line.startswith("::error file=a%2Cb%3Ac%0A.py,line=1,")
    assert line.endswith("::bad%0D%0A::set-output name=x::100%25")
