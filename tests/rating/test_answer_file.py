"""Answers are on the disk when they are said to be, and a crash costs at most the one that was being written."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest

from pytest_llm.data.ratings import read_ratings
from pytest_llm.errors import MisuseError
from pytest_llm.rating import answer_file
from pytest_llm.rating.answer_file import AnswerFile, as_line
from pytest_llm.rating.answers import Answer, answer_of

TIED = Answer("Ann", "q1", "tie", "new", "old", "both\u2028wrong", "2026-01-01T12:00:00+00:00", "abc")
SCORED = Answer("Ann", "q1", 4)
SKIPPED = Answer("Bob", "\ud800", None, revision=2)


@pytest.fixture
def path(tmp_path: Path) -> Path:
    return tmp_path / "answers" / "r.jsonl"


@pytest.mark.parametrize("answer", [TIED, SCORED, SKIPPED])
def test_an_answer_is_the_same_when_it_is_read_again(path: Path, answer: Answer) -> None:
    with AnswerFile(path) as file:
        file.append(answer)
        assert path.read_bytes() == as_line(answer)
    with AnswerFile(path) as file:
        assert list(file.answers) == [answer]
        assert file.find(answer.rater, answer.item) == answer
        assert file.repair == ""


def test_the_latest_answer_counts_and_the_others_stay_in_the_file(path: Path) -> None:
    with AnswerFile(path) as file:
        for revision, score in enumerate((4, 2, 5)):
            file.append(Answer("Ann", "q1", score, revision=revision))
    with AnswerFile(path) as file:
        assert [answer.value for answer in file.answers] == [5]
    assert len(path.read_text().splitlines()) == 3


def test_a_line_that_a_crash_tore_is_set_aside_and_said(path: Path) -> None:
    path.parent.mkdir()
    beside = path.with_name("r.jsonl.torn")
    for kept in (1, 12, 90, len(as_line(TIED)) - 2):
        torn = as_line(TIED)[:kept]
        path.write_bytes(as_line(SCORED) + torn)
        beside.unlink(missing_ok=True)
        with AnswerFile(path) as file:
            assert list(file.answers) == [SCORED]
            assert f"was torn by a crash: its {kept} bytes are in r.jsonl.torn now" in file.repair
        assert path.read_bytes() == as_line(SCORED)
        assert beside.read_bytes() == torn + b"\n"


def test_a_whole_line_without_an_end_is_kept_and_said(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(as_line(SCORED)[:-1])
    with AnswerFile(path) as file:
        assert list(file.answers) == [SCORED]
        assert file.repair == "the last line of r.jsonl had no end; it is whole, and kept"
        file.append(TIED)
    assert path.read_bytes() == as_line(SCORED) + as_line(TIED)


@pytest.mark.parametrize(
    ("damage", "message"),
    [
        (b'{"rater": "A\n', "line 2 of r.jsonl is damaged: .*; nothing is guessed"),
        (b"\xff\n", "line 2 of r.jsonl is damaged"),
        (b"[]\n", r"line 2 of r.jsonl is \[\]; expected a JSON object"),
        (as_line(SCORED), "two answers of 'Ann' to 'q1' with the revision 0; keep one"),
    ],
)
def test_damage_before_the_last_line_is_an_error(path: Path, damage: bytes, message: str) -> None:
    path.parent.mkdir()
    path.write_bytes(as_line(SCORED) + damage + as_line(SKIPPED))
    with pytest.raises(MisuseError, match=message):
        AnswerFile(path)
    path.write_bytes(b"")
    with AnswerFile(path) as file:  # the lock was given back
        assert not list(file.answers)


@pytest.mark.parametrize(
    "changes",
    [{"rater": ""}, {"rater": 3}, {"score": True}, {"score": "4"}, {"revision": -1}, {"first": "new"}, {"note": None}],
)
def test_a_row_that_is_no_answer_is_refused(changes: dict[str, object]) -> None:
    with pytest.raises(MisuseError, match="line 1 is no answer that this page wrote"):
        answer_of({**SCORED.as_row(), **changes}, "line 1")


def test_one_process_at_a_time_has_the_file(path: Path) -> None:
    with AnswerFile(path), pytest.raises(MisuseError, match="is in use: another `pytest-llm rate`"):
        AnswerFile(path)


def test_what_could_not_be_written_whole_leaves_nothing(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    write = os.write
    with AnswerFile(path) as file:
        file.append(SCORED)
        monkeypatch.setattr(os, "write", lambda handle, line: write(handle, line[:7]))
        with pytest.raises(OSError, match=r"only 7 of .* is the disk full"):
            file.append(TIED)
        monkeypatch.undo()
        assert list(file.answers) == [SCORED]
    assert path.read_bytes() == as_line(SCORED)


def test_an_answer_is_synchronised_before_it_counts(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    sizes = []
    monkeypatch.setattr(os, "fsync", lambda handle: sizes.append(os.fstat(handle).st_size))
    with AnswerFile(path) as file:
        file.append(SCORED)
    assert sizes[0] == len(as_line(SCORED))


def test_only_jsonl_is_kept(tmp_path: Path) -> None:
    with pytest.raises(MisuseError, match=r"answers are kept in a \.jsonl file"):
        AnswerFile(tmp_path / "r.csv")


def test_rows_say_what_they_mean() -> None:
    assert TIED.as_row()["preferred"] == "tie"
    row = json.loads(as_line(SKIPPED))
    assert len(row.pop("checksum")) == 16
    assert row == {"rater": "Bob", "item": "\ud800", "skipped": True, "revision": 2}


def test_a_score_that_changed_on_the_way_is_refused_unless_it_is_meant(path: Path) -> None:
    path.parent.mkdir()
    path.write_bytes(as_line(SCORED).replace(b'"score": 4', b'"score": 5'))
    with pytest.raises(MisuseError, match=r"line 1 of r\.jsonl is not as it was written .* remove its 'checksum'"):
        AnswerFile(path)
    with pytest.raises(MisuseError, match=r"row #0 of r\.jsonl is not as it was written .* remove its 'checksum'"):
        read_ratings(path)
    changed = json.loads(path.read_bytes())
    del changed["checksum"]
    path.write_text(json.dumps(changed) + "\n", encoding="utf-8")
    with AnswerFile(path) as file:
        assert [answer.value for answer in file.answers] == [5]
    assert [rating.value for rating in read_ratings(path)] == [5]


def test_a_file_that_nobody_can_have_filled_is_not_read(path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path.parent.mkdir()
    path.write_bytes(as_line(SCORED))
    monkeypatch.setattr(answer_file, "MOST_BYTES", 10)
    with pytest.raises(MisuseError, match=r"r\.jsonl cannot be read: it has \d+ bytes; 10 are accepted"):
        AnswerFile(path)
