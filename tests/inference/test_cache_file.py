"""The file of the cache: what is committed is there, what is damaged is not handed out, and it keeps to its size."""

from __future__ import annotations

import sqlite3
from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_llm.inference import cache_file
from pytest_llm.inference.cache_file import NAME, CacheFile, ForeignFileError, Question

QUESTION = Question(b"q" * 32, "tiny-decoder", "Score()")
OTHER = Question(b"o" * 32, "smollm2", "Score()")
LARGE = 10**9


def key(number: int) -> bytes:
    return number.to_bytes(32, "big")


@pytest.fixture
def file(tmp_path: Path) -> Iterator[CacheFile]:
    opened = CacheFile(tmp_path / NAME)
    yield opened
    opened.close()


def edited(file: CacheFile, statement: str, *values: object) -> None:
    other = sqlite3.connect(file.path)
    with other:
        other.execute(statement, values)
    other.close()


def test_what_was_kept_is_found_by_a_file_that_is_opened_later(tmp_path: Path) -> None:
    first = CacheFile(tmp_path / "deep" / "er" / NAME)
    first.keep(QUESTION, {key(number): b"%d" % number for number in range(1200)}, LARGE)
    first.close()
    second = CacheFile(first.path)
    assert second.find([key(number) for number in range(1000, 1300)]) == {
        key(number): b"%d" % number for number in range(1000, 1200)
    }
    second.close()
    assert not list(tmp_path.glob("**/*-wal"))


def test_what_was_committed_is_seen_by_others_at_once(file: CacheFile) -> None:
    other = CacheFile(file.path)
    file.keep(QUESTION, {key(1): b"one"}, LARGE)
    assert other.find([key(1)]) == {key(1): b"one"}
    other.close()


def test_the_first_answer_stays(file: CacheFile) -> None:
    """Another process may have found one that differs in the last digit: then all sessions say the same."""
    file.keep(QUESTION, {key(1): b"first"}, LARGE)
    file.keep(QUESTION, {key(1): b"second"}, LARGE)
    assert file.find([key(1)]) == {key(1): b"first"}


def test_a_damaged_answer_is_none_and_is_removed(file: CacheFile) -> None:
    file.keep(QUESTION, {key(1): b"one", key(2): b"two"}, LARGE)
    edited(file, "UPDATE answers SET value = ? WHERE key = ?", b"0ne", key(1))
    assert file.find([key(1), key(2)]) == {key(2): b"two"}
    assert [entry.answers for entry in file.entries()] == [1]
    file.keep(QUESTION, {key(1): b"one"}, LARGE)
    assert file.find([key(1)]) == {key(1): b"one"}


def test_an_answer_under_the_key_of_another_is_damaged(file: CacheFile) -> None:
    file.keep(QUESTION, {key(1): b"one"}, LARGE)
    edited(file, "UPDATE answers SET key = ?", key(2))
    assert file.find([key(2)]) == {}


def at_hour(monkeypatch: pytest.MonkeyPatch, hour: int) -> None:
    monkeypatch.setattr(cache_file, "_hours_now", lambda: hour)


def test_beyond_its_size_it_lets_go_of_what_was_unused_for_longest(
    file: CacheFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    for number in range(10):
        at_hour(monkeypatch, number)
        file.keep(QUESTION, {key(number): bytes(20_000)}, LARGE)
    at_hour(monkeypatch, 100)
    assert len(file.find([key(0), key(1)])) == 2  # used again, so they stay
    file.keep(OTHER, {key(10): bytes(20_000)}, 150_000)
    left = file.find([key(number) for number in range(11)])
    assert {key(0), key(1), key(9), key(10)} <= left.keys()
    assert key(2) not in left
    assert file.size <= 150_000
    file.close()
    assert file.path.stat().st_size <= 150_000  # given back to the system


def test_a_use_is_noted_at_the_end_but_not_again_within_a_day(file: CacheFile, monkeypatch: pytest.MonkeyPatch) -> None:
    at_hour(monkeypatch, 0)
    file.keep(QUESTION, {key(1): b"one"}, LARGE)
    for hour, noted in ((20, 0), (40, 40)):
        at_hour(monkeypatch, hour)
        again = CacheFile(file.path)
        again.find([key(1)])
        again.close()
        assert [entry.used for entry in file.entries()] == [noted * 3600]


def test_uses_are_noted_before_there_are_too_many(file: CacheFile, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(cache_file, "_MOST_TO_NOTE", 2)
    at_hour(monkeypatch, 0)
    file.keep(QUESTION, {key(number): b"one" for number in range(3)}, LARGE)
    at_hour(monkeypatch, 40)
    for number, noted in enumerate((0, 0, 40)):
        file.find([key(number)])
        assert [entry.used for entry in file.entries()] == [noted * 3600]
    assert not file._used


def test_what_was_used_while_the_clock_was_ahead_goes_as_what_was_used_now(
    file: CacheFile, monkeypatch: pytest.MonkeyPatch
) -> None:
    at_hour(monkeypatch, 10**6)
    for number in range(5):
        file.keep(QUESTION, {key(number): bytes(20_000)}, LARGE)
    at_hour(monkeypatch, 100)
    assert len(file.find([key(4)])) == 1
    for number in range(5, 10):
        file.keep(QUESTION, {key(number): bytes(20_000)}, 150_000)
    left = file.find([key(number) for number in range(10)])
    assert {key(number) for number in range(5, 10)} <= left.keys()
    assert key(0) not in left
    assert max(entry.used for entry in file.entries()) == 100 * 3600


def test_it_says_what_it_has(file: CacheFile) -> None:
    file.keep(QUESTION, {key(1): b"one", key(2): b"four"}, LARGE)
    file.keep(OTHER, {key(3): bytes(100)}, LARGE)
    found = [(entry.model, entry.request, entry.answers, entry.size) for entry in file.entries()]
    assert found == [("smollm2", "Score()", 1, 100), ("tiny-decoder", "Score()", 2, 7)]


def test_verify_counts_and_removes_what_is_damaged(file: CacheFile) -> None:
    file.keep(QUESTION, {key(number): b"%d" % number for number in range(5)}, LARGE)
    edited(file, "UPDATE answers SET value = x'00' WHERE key IN (?, ?)", key(1), key(3))
    assert file.verify() == (5, 2)
    assert file.verify() == (3, 0)


def test_clear_removes_everything(file: CacheFile) -> None:
    file.keep(QUESTION, {key(1): bytes(100_000)}, LARGE)
    file.clear()
    assert file.entries() == []
    assert file.find([key(1)]) == {}
    assert file.size < 50_000


@pytest.mark.parametrize(
    ("statement", "reason"),
    [
        ("CREATE TABLE songs (name TEXT)", "another program's"),
        ("PRAGMA application_id = 7", "another program's"),
    ],
)
def test_a_database_of_another_program_is_refused_and_left_as_it_is(
    tmp_path: Path, statement: str, reason: str
) -> None:
    connection = sqlite3.connect(tmp_path / NAME)
    connection.execute(statement)
    connection.commit()
    connection.close()
    before = (tmp_path / NAME).read_bytes()
    with pytest.raises(ForeignFileError, match=reason):
        CacheFile(tmp_path / NAME)
    assert (tmp_path / NAME).read_bytes() == before


def test_a_file_of_a_later_version_is_refused(file: CacheFile) -> None:
    edited(file, "PRAGMA user_version = 2")
    with pytest.raises(ForeignFileError, match="of version 2, and this release writes 1"):
        CacheFile(file.path)


def test_a_file_that_is_no_database_is_refused(tmp_path: Path) -> None:
    (tmp_path / NAME).write_text("dear diary " * 1000)
    with pytest.raises(ForeignFileError, match="not a database"):
        CacheFile(tmp_path / NAME)


@pytest.mark.parametrize("share", [0.3, 0.6, 0.95])
def test_a_file_that_was_cut_off_is_damaged(tmp_path: Path, share: float) -> None:
    first = CacheFile(tmp_path / NAME)
    first.keep(QUESTION, {key(number): bytes(3000) for number in range(50)}, LARGE)
    first.close()
    content = first.path.read_bytes()
    first.path.write_bytes(content[: int(share * len(content))])
    with pytest.raises(ForeignFileError, match="malformed"):
        CacheFile(first.path).find([key(1)])
