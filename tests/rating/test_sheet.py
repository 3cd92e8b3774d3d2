"""What there is to rate is read from files, and what does not fit together is refused by name."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from pytest_llm.errors import MisuseError
from pytest_llm.rating.sheet import LONGEST_LINE, Columns, Item, Sheet, read_sheet
from tests.rating.sheets import PAIRS, write_pair, write_rows

ROW = {"id": "a", "prompt": "p", "output": "o"}


def test_two_files_make_pairs_in_the_order_of_the_first(tmp_path: Path) -> None:
    one, other = write_pair(tmp_path)
    other.write_text("".join(reversed(other.read_text().splitlines(keepends=True))))
    assert read_sheet(one, other) == PAIRS
    assert read_sheet(one, other, names=("mine", None)).candidates == ("mine", "old")


def test_one_file_is_rated_by_itself(tmp_path: Path) -> None:
    sheet = read_sheet(write_rows(tmp_path / "o.jsonl", [ROW]), points=7)
    assert sheet == Sheet((Item("a", "p", ("o",)),), (), 7)


@pytest.mark.parametrize(
    "row",
    [
        {"item": "a", "question": "p", "response": "o"},
        {"key": " a ", "instruction": "p", "completion": "o", "text": "not this"},
        {"id": "a", "input": "p", "output": None, "prediction": "o"},
    ],
)
def test_columns_go_by_other_names_too(tmp_path: Path, row: dict[str, Any]) -> None:
    assert read_sheet(write_rows(tmp_path / "o.jsonl", [row])).items == (Item("a", "p", ("o",)),)


def test_columns_can_be_named(tmp_path: Path) -> None:
    path = write_rows(tmp_path / "o.jsonl", [{"nr": 7, "ask": "p", "said": "o", "output": "not this"}])
    assert read_sheet(path, columns=Columns("nr", "ask", "said")).items == (Item("7", "p", ("o",)),)


def test_a_prompt_may_be_missing_and_an_output_empty(tmp_path: Path) -> None:
    one = write_rows(tmp_path / "one.jsonl", [{"id": "a", "output": ""}])
    two = write_rows(tmp_path / "two.jsonl", [ROW])
    assert read_sheet(one).items == (Item("a", "", ("",)),)
    assert read_sheet(one, two).items == (Item("a", "p", ("", "o")),)


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "o.jsonl holds no row"),
        ([ROW, ROW], "row #1 of o.jsonl has the id 'a' again"),
        ([{"id": "a", "prompt": "p"}], r"row #0 of o.jsonl has no output: none of 'output', .* its columns \['id', 'prompt'\]"),
        ([{**ROW, "id": " "}], "has an empty id"),
        ([{**ROW, "id": True}], r"has True \(bool\) under 'id'; expected a string"),
        ([{**ROW, "output": ["o"]}], r"has \['o'\] \(list\) under 'output'"),
        ([["a"]], r"row #0 of o.jsonl is \['a'\]; expected a JSON object"),
        ([{**ROW, "output": "x" * LONGEST_LINE}], "line 1 of o.jsonl is longer than 1,048,576 bytes"),
    ],
)  # fmt: skip
def test_what_cannot_be_rated_is_refused(tmp_path: Path, rows: list[dict[str, Any]], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        read_sheet(write_rows(tmp_path / "o.jsonl", rows))


@pytest.mark.parametrize(
    ("other", "message"),
    [
        ([ROW], r"one.jsonl has the id 'b', two.jsonl has not \(1 of 2 ids"),
        ([ROW, {**ROW, "id": "b"}, {**ROW, "id": "c"}], "two.jsonl has the id 'c', one.jsonl has not"),
        ([ROW, {**ROW, "id": "b", "prompt": "q"}], "the prompt of 'b' is 'p' in one.jsonl, 'q' in two.jsonl"),
    ],
)
def test_files_that_do_not_match_are_refused(tmp_path: Path, other: list[dict[str, Any]], message: str) -> None:
    one = write_rows(tmp_path / "one.jsonl", [ROW, {**ROW, "id": "b"}])
    with pytest.raises(MisuseError, match=message):
        read_sheet(one, write_rows(tmp_path / "two.jsonl", other))


@pytest.mark.parametrize("names", [("same", "same"), ("tie", None)])
def test_candidates_need_two_names(tmp_path: Path, names: tuple[str, str | None]) -> None:
    with pytest.raises(
        MisuseError, match="answers need two names, neither of them 'tie': give --name and --against-name"
    ):
        read_sheet(*write_pair(tmp_path), names=names)


def test_content_changes_with_what_is_shown_and_not_with_the_order_of_the_files(tmp_path: Path) -> None:
    one, other = write_pair(tmp_path)
    here, there = read_sheet(one, other), read_sheet(other, one)
    assert here.content(here.items[0]) == there.content(there.items[0])
    renamed = Sheet(here.items, ("old", "new"))
    assert renamed.content(here.items[0]) != here.content(here.items[0])
    changed = Item(here.items[0].id, "another prompt", here.items[0].outputs)
    assert here.content(changed) != here.content(here.items[0])
