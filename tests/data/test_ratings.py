"""Ratings and preferences from rows and files, the examples made of them, and what is refused."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import pyarrow
import pyarrow.parquet
import pytest

from pytest_llm.data.ratings import (
    Preference,
    Rating,
    item_examples,
    preference_examples,
    rating_examples,
    read_preferences,
    read_ratings,
)
from pytest_llm.errors import MisuseError

RATINGS: list[dict[str, Any]] = [
    {"rater": "Ann", "item": "p1", "score": 4},
    {"rater": "Ann", "item": "p2", "score": 2.5},
    {"rater": "Bob", "item": "p1", "score": 5},
]
PREFERENCES = [
    {"rater": "Ann", "item": "p1", "first": "old", "second": "new", "preferred": "new"},
    {"rater": "Ann", "item": "p1", "first": "new", "second": "old", "preferred": "tie"},
    {"rater": "Bob", "item": "p2", "first": "new", "second": "other", "preferred": "other"},
]


def as_csv(rows: list[dict[str, Any]]) -> str:
    return "\n".join(",".join(map(str, line)) for line in (rows[0], *(row.values() for row in rows))) + "\n"


def test_rows_jsonl_and_csv_read_alike(tmp_path: Path) -> None:
    (tmp_path / "r.jsonl").write_text("\n".join(map(json.dumps, RATINGS)))
    (tmp_path / "r.csv").write_text(as_csv(RATINGS))
    expected = (Rating("Ann", "p1", 4.0), Rating("Ann", "p2", 2.5), Rating("Bob", "p1", 5.0))
    assert (
        read_ratings(RATINGS) == read_ratings(tmp_path / "r.jsonl") == read_ratings(str(tmp_path / "r.csv")) == expected
    )
    (tmp_path / "p.csv").write_text(as_csv(PREFERENCES))
    assert read_preferences(tmp_path / "p.csv") == read_preferences(PREFERENCES)
    assert read_preferences(PREFERENCES)[1] == Preference("Ann", "p1", "new", "old", None)


def test_categories_stay_strings() -> None:
    assert read_ratings(RATINGS, categories=True)[0].value == "4"


def test_points_are_those_of_the_candidate() -> None:
    win, tie, loss = read_preferences(PREFERENCES)
    assert [p.points("new") for p in (win, tie, loss)] == [1, 0.5, 0]
    assert [p.points("old") for p in (win, tie)] == [0, 0.5]


def test_each_rating_is_an_example_of_its_rater() -> None:
    examples = rating_examples(read_ratings(RATINGS))
    assert [e.cluster for e in examples] == ["Ann", "Ann", "Bob"]
    assert [e.target for e in examples] == [4, 2.5, 5]
    assert len({e.id for e in examples}) == 3
    assert examples[0].label == "p1 by Ann"
    assert [e.cluster for e in rating_examples(read_ratings(RATINGS), cluster="item")] == ["p1", "p2", "p1"]


def test_comparisons_are_chosen_by_who_took_part() -> None:
    preferences = read_preferences(PREFERENCES)
    assert len(preference_examples(preferences)) == len(preference_examples(preferences, candidate="new")) == 3
    assert [e.target for e in preference_examples(preferences, candidate="old")] == list(preferences[:2])
    assert [e.target for e in preference_examples(preferences, candidate="new", against="other")] == [preferences[2]]
    assert [e.cluster for e in preference_examples(preferences, cluster="item")] == ["p1", "p1", "p2"]
    assert len({e.id for e in preference_examples(preferences)}) == 3


def test_each_item_is_an_example_with_what_all_raters_said() -> None:
    examples = item_examples(read_ratings(RATINGS))
    assert [(e.id, e.target) for e in examples] == [("p1", {"Ann": 4, "Bob": 5}), ("p2", {"Ann": 2.5})]


@pytest.mark.parametrize(
    ("rows", "message"),
    [
        ([], "the ratings hold no row, so nobody has said anything"),
        ({"rater": "Ann"}, r"ratings are \{'rater': 'Ann'\} \(dict\); expected a list of rows, or a path"),
        (7, r"ratings are 7 \(int\)"),
        (["Ann"], r"row #0 of the ratings is 'Ann' \(str\); expected a mapping"),
        ([{"rater": "Ann", "item": "p"}], r"row #0 of the ratings has no column 'score', only \['item', 'rater'\]"),
        ([*RATINGS, {"rater": " ", "item": "p", "score": 1}], "row #3 of the ratings has nothing under 'rater'; fill"),
        ([{"rater": "Ann", "item": "p", "score": None}], "row #0 of the ratings has nothing under 'score'"),
        ([{"rater": "Ann", "item": "p", "score": "good"}], r"the score 'good'; expected a number .*categories=True"),
        ([{"rater": "Ann", "item": "p", "score": "nan"}], "the score 'nan'; expected a number"),
        ([{"rater": "Ann", "item": "p", "score": "inf"}], "the score 'inf'; expected a number"),
        ([{"rater": "Ann", "item": "p", "score": "4_5"}], "the score '4_5'; expected a number"),
        ([{"rater": "Ann", "item": "p", "score": 10**400}], "expected a number"),
        ([{"rater": "Ann", "item": "p", "score": 4, "revisoin": 1}], "has a column 'revisoin': call it 'revision' if"),
        ([{"rater": "Ann", "item": "p", "score": True}], "the score 'True'; expected a number"),
        ([RATINGS[0], RATINGS[0]], "rater 'Ann' rated item 'p1' twice; keep one, or it would count double"),
    ],
)
def test_ratings_that_are_none_are_refused(rows: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        read_ratings(rows)


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"second": "old"}, "row #0 of the ratings compares 'old' with 'old'; expected two names"),
        ({"first": "tie"}, "compares 'tie' with 'new'; expected two names, neither of them 'tie'"),
        ({"preferred": "newer"}, "row #0 of the ratings prefers 'newer'; expected 'old', 'new' or 'tie'"),
        ({"preferred": ""}, "row #0 of the ratings has nothing under 'preferred'"),
    ],
)
def test_preferences_that_are_none_are_refused(change: dict[str, str], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        read_preferences([{**PREFERENCES[0], **change}])


def test_a_pair_shown_twice_in_one_order_is_refused() -> None:
    with pytest.raises(MisuseError, match="rater 'Ann' compared 'old' with 'new' for item 'p1' twice"):
        read_preferences([PREFERENCES[0], {**PREFERENCES[0], "preferred": "old"}])


def test_unknown_candidates_and_pairs_never_compared_are_refused() -> None:
    preferences = read_preferences(PREFERENCES)
    with pytest.raises(MisuseError, match="no comparison is about 'newer'; candidates are 'new', 'old', 'other'"):
        preference_examples(preferences, candidate="newer")
    with pytest.raises(MisuseError, match="'old' and 'other' were never compared"):
        preference_examples(preferences, candidate="old", against="other")


def revised(row: dict[str, Any], revision: object, **changes: Any) -> dict[str, Any]:
    return {**row, **changes, "revision": revision}


def test_the_highest_revision_counts_wherever_it_stands() -> None:
    changed = revised(RATINGS[0], 2, score=1)
    before = revised(RATINGS[0], 1, score=5)
    assert read_ratings([changed, *RATINGS, before])[0] == Rating("Ann", "p1", 1.0)
    assert read_ratings([*RATINGS, before, changed])[0] == Rating("Ann", "p1", 1.0)
    turned = revised(PREFERENCES[0], 1, preferred="tie")
    assert read_preferences([*PREFERENCES, turned])[0].preferred is None
    assert len(read_preferences([*PREFERENCES, turned])) == len(PREFERENCES)


def test_what_was_skipped_is_no_answer_and_takes_back_an_earlier_one() -> None:
    left_out = {"rater": "Ann", "item": "p9", "skipped": True}
    taken_back = {"rater": "Ann", "item": "p1", "skipped": True, "revision": 1}
    assert [r.item for r in read_ratings([*RATINGS, left_out, taken_back])] == ["p2", "p1"]
    assert read_ratings([left_out, revised(left_out, 1, skipped=False, score=3), *RATINGS])[0].value == 3
    with pytest.raises(MisuseError, match="nobody has said anything: all 1 questions were skipped"):
        read_ratings([left_out])


def test_revisions_read_alike_from_csv_and_parquet(tmp_path: Path) -> None:
    rows = [revised({**RATINGS[0], "skipped": None}, None), revised({**RATINGS[0], "skipped": False}, 1, score=2)]
    rows.append({"rater": "Bob", "item": "p2", "score": None, "skipped": True, "revision": None})
    lines = [[str("" if value is None else value) for value in row.values()] for row in rows]
    (tmp_path / "r.csv").write_text("\n".join(map(",".join, [list(rows[0]), lines[0], lines[1]])) + "\nBob,p2,,True,\n")
    pyarrow.parquet.write_table(pyarrow.Table.from_pylist(rows), tmp_path / "r.parquet")
    assert read_ratings(tmp_path / "r.csv") == read_ratings(tmp_path / "r.parquet") == (Rating("Ann", "p1", 2.0),)


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"revision": 0}, "rater 'Ann' rated item 'p1' twice; keep one"),
        ({"revision": "one"}, "row #3 of the ratings has 'one' under 'revision'; expected 0 for a first answer"),
        ({"revision": 1.5}, "has 1.5 under 'revision'"),
        ({"revision": True}, "has True under 'revision'"),
        ({"skipped": "perhaps"}, "has 'perhaps' under 'skipped'; expected true or false"),
    ],
)
def test_a_revision_that_is_none_is_refused(changes: dict[str, Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        read_ratings([*RATINGS, {**RATINGS[0], **changes}])
