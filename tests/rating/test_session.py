"""A rater at a question: what is shown, what is kept, where to go next."""

from __future__ import annotations

from collections.abc import Iterator
from pathlib import Path

import pytest

from pytest_llm.data.ratings import read_preferences, read_ratings
from pytest_llm.errors import MisuseError
from pytest_llm.rating.answer_file import AnswerFile
from pytest_llm.rating.sheet import Item, Sheet
from tests.rating.sheets import IDS, PAIRS, SCORED, session_of


@pytest.fixture
def file(tmp_path: Path) -> Iterator[AnswerFile]:
    with AnswerFile(tmp_path / "r.jsonl") as opened:
        yield opened


def test_what_is_better_is_kept_by_the_name_of_the_candidate(file: AnswerFile) -> None:
    session = session_of(file)
    for position in range(1, 7):
        shown = session.question("Ann", position).outputs
        session.record("Ann", position, "first" if shown[0].startswith("NEW") else "second", "")
    preferences = read_preferences(file.path)
    assert {p.preferred for p in preferences} == {"new"}
    assert sorted(p.first for p in preferences) == ["new"] * 3 + ["old"] * 3
    for preference in preferences:
        position = session.order.of("Ann").index(preference.item) + 1
        assert session.question("Ann", position).outputs[0] == f"{preference.first.upper()} of {preference.item}"


def test_a_score_a_tie_and_a_skip_are_kept(file: AnswerFile, tmp_path: Path) -> None:
    session = session_of(file)
    session.record("Ann", 1, "tie", "")
    session.record("Ann", 2, "skip", "broken\r\nprompt ")
    assert [p.preferred for p in read_preferences(file.path)] == [None]
    assert session.question("Ann", 2).note == "broken\nprompt"
    with AnswerFile(tmp_path / "scores.jsonl") as other:
        session_of(other, SCORED).record("Ann", 1, "4", "")
        assert read_ratings(other.path)[0].value == 4


def test_a_later_answer_counts_and_one_that_changes_nothing_is_not_written(file: AnswerFile) -> None:
    session = session_of(file)
    for choice in ("first", "first", "second", "skip", "tie"):
        session.record("Ann", 1, choice, "")
        assert session.question("Ann", 1).choice == choice
    assert len(file.path.read_text().splitlines()) == 4
    assert [p.preferred for p in read_preferences(file.path)] == [None]


def test_an_answered_question_keeps_its_sides_whatever_the_seed(file: AnswerFile) -> None:
    session = session_of(file)
    shown = {}
    for position in range(1, 7):
        item = session.order.of("Ann")[position - 1]
        shown[item] = session.question("Ann", position).outputs
        session.record("Ann", position, "first", "")
    again = session_of(file, seed=5)
    for position in range(1, 7):
        question = again.question("Ann", position)
        assert question.outputs == shown[again.order.of("Ann")[position - 1]]
        again.record("Ann", position, "second", "")
    assert len(read_preferences(file.path)) == 6


def test_the_way_leads_on_to_what_is_open(file: AnswerFile) -> None:
    session = session_of(file)
    assert session.next_open("Ann") == 1
    for position in (1, 2, 4):
        session.record("Ann", position, "skip" if position == 2 else "tie", "")
    assert (session.next_open("Ann"), session.next_open("Ann", 3), session.next_open("Ann", 6)) == (3, 5, 3)
    assert session.skipped("Ann") == [2]
    progress = session.progress("Ann")
    assert (progress.answered, progress.skipped, progress.total, progress.left) == (2, 1, 6, 3)
    for position in (3, 5, 6):
        session.record("Ann", position, "tie", "")
    assert session.next_open("Ann", 6) is None
    assert session.progress("Bob").left == 6


def test_names_that_differ_in_case_or_spaces_are_one_rater(file: AnswerFile) -> None:
    session = session_of(file)
    session.record(session.rater(" Ann  Lee "), 1, "tie", "")
    assert session.rater("ann lee") == "Ann Lee"
    assert session.rater("Bob") == "Bob"
    assert session.raters == ("Ann Lee",)


@pytest.mark.parametrize("name", ["", "  ", "a\x00b", "x" * 81, "\u202eAnn"])
def test_a_name_that_cannot_be_read_is_refused(file: AnswerFile, name: str) -> None:
    with pytest.raises(MisuseError, match="1 to 80 characters"):
        session_of(file).rater(name)


def test_only_those_who_are_expected_may_rate(file: AnswerFile) -> None:
    session = session_of(file, raters=("Ann", "Bob"), overlap=2)
    assert session.rater("bob") == "Bob"
    assert session.progress("Ann").total == 4
    with pytest.raises(MisuseError, match="Eve is not among those who rate here: Ann, Bob"):
        session.rater("Eve")


@pytest.mark.parametrize("choice", ["", "third", "4", "new"])
def test_a_choice_that_is_none_is_refused(file: AnswerFile, choice: str) -> None:
    with pytest.raises(MisuseError, match="is no answer; expected first, second, tie, skip"):
        session_of(file).record("Ann", 1, choice, "")


def test_scores_off_the_scale_long_notes_and_other_positions_are_refused(file: AnswerFile) -> None:
    session = session_of(file, SCORED)
    with pytest.raises(MisuseError, match="'6' is no answer"):
        session.record("Ann", 1, "6", "")
    with pytest.raises(MisuseError, match="The note has 10,001 characters"):
        session.record("Ann", 1, "5", "x" * 10_001)
    for position in (0, -1, 7):
        with pytest.raises(IndexError):
            session.record("Ann", position, "5", "")
    assert not file.path.exists()


@pytest.mark.parametrize(
    ("sheet", "message"),
    [
        (SCORED, "r.jsonl holds comparisons, these would be ratings; choose another --out"),
        (Sheet(PAIRS.items, ("newer", "old")), "compares '(new|old)' with '(new|old)', here are 'newer' and 'old'"),
        (Sheet(tuple(Item(i, "another", ("a", "b")) for i in IDS), ("new", "old")), "whose texts were others then"),
    ],
)
def test_answers_about_something_else_are_not_taken_up(file: AnswerFile, sheet: Sheet, message: str) -> None:
    session_of(file).record("Ann", 1, "first", "")
    with pytest.raises(MisuseError, match=message):
        session_of(file, sheet)
