"""`pytest-llm report`: a page of a record, or what is wrong with it."""

from __future__ import annotations

from pathlib import Path

import pytest

from pytest_llm.command.main import main
from pytest_llm.judging.limit_verdict import judge
from pytest_llm.limit import Limit
from pytest_llm.records.run_record import record_text
from tests.reports.html.runs import RECORDED, measured, result_of


def test_it_writes_the_page_of_a_record(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record, made = tmp_path / "run.json", tmp_path / "out" / "run.html"
    record.write_text(record_text(RECORDED, [result_of("a", judge(measured(1), Limit.below(5)))]), encoding="utf-8")
    assert main(["report", str(record), "--html", str(made)]) == 0
    text = made.read_text(encoding="utf-8")
    assert "1 of 1 gate failed" in text
    assert capsys.readouterr().out == f"{made}: {len(text.encode()):,} bytes\n"


def test_what_is_no_record_is_refused(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    (tmp_path / "run.json").write_text("{}")
    assert main(["report", str(tmp_path / "run.json"), "--html", str(tmp_path / "run.html")]) == 2
    assert "pytest-llm report: " in capsys.readouterr().err
    assert not (tmp_path / "run.html").exists()


def test_a_page_that_cannot_be_written_is_said(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    record = tmp_path / "run.json"
    record.write_text(record_text(RECORDED, []), encoding="utf-8")
    assert main(["report", str(record), "--html", str(record / "run.html")]) == 2
    assert "could not be written" in capsys.readouterr().err
