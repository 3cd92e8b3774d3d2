"""Data from a stranger: what is in memory as one piece is bounded, and what cannot be read says where."""

from __future__ import annotations

import csv
import json
from contextlib import suppress
from pathlib import Path

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm import load_examples
from pytest_llm.data import files
from pytest_llm.errors import MisuseError


@pytest.fixture
def small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(files, "MOST_BYTES", 2**20)


@pytest.mark.usefixtures("small")
def test_a_line_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": "short"}\n' + json.dumps({"text": "x" * 2**20}) + "\n", encoding="utf-8")
    with pytest.raises(MisuseError, match=r"rows\.jsonl, line 2 is longer than 1 MiB: are these lines\?"):
        load_examples(path)


@pytest.mark.usefixtures("small")
def test_a_line_of_that_length_is_read(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    line = json.dumps({"text": "x" * (2**20 - 13)}) + "\n"
    assert len(line) == 2**20
    path.write_text(line + '{"text": "short"}', encoding="utf-8")
    assert len(load_examples(path)) == 2


@pytest.mark.usefixtures("small")
def test_a_document_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "book.txt"
    path.write_bytes(b"x" * (2**20 + 1))
    with pytest.raises(MisuseError, match=r"book\.txt has 1 MiB, and is one document; 1 MiB are accepted: split it"):
        load_examples(path)


@pytest.mark.usefixtures("small")
def test_a_field_of_csv_is_bounded(tmp_path: Path) -> None:
    path = tmp_path / "rows.csv"
    path.write_text('text\nshort\n"' + "x\n" * 2**20 + '"\n', encoding="utf-8")
    with pytest.raises(MisuseError, match=r"rows\.csv, line \d+ is not CSV: field larger than field limit \(1048576\)"):
        load_examples(path)


def test_a_field_of_csv_may_have_the_length_of_a_chapter(tmp_path: Path) -> None:
    path, chapter = tmp_path / "rows.csv", 'She said: "No,\nnever".\n' * 10_000
    with path.open("w", encoding="utf-8", newline="") as stream:
        csv.writer(stream).writerows([["text"], [chapter]])
    limit = csv.field_size_limit()
    assert [example.text for example in load_examples(path)] == [chapter]
    assert csv.field_size_limit() == limit


def test_nesting_without_end_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"text": ' + "[" * 200_000 + "\n", encoding="utf-8")
    with pytest.raises(MisuseError, match=r"rows\.jsonl, line 1 is not JSON: "):
        load_examples(path)


@given(content=st.binary(max_size=60), kind=st.sampled_from([".jsonl", ".csv", ".parquet", ".txt"]))
def test_any_bytes_are_read_or_refused(tmp_path_factory: pytest.TempPathFactory, content: bytes, kind: str) -> None:
    path = tmp_path_factory.getbasetemp() / f"any{kind}"
    path.write_bytes(content)
    with suppress(MisuseError):
        load_examples(path)
