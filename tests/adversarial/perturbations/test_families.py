"""Operations by name, and what holds of all of them."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm import MisuseError
from pytest_llm.adversarial.corpus import Entry, entry_of
from pytest_llm.adversarial.perturbations.families import EVERYTHING, operations
from pytest_llm.adversarial.perturbations.meaning import MEANING
from pytest_llm.adversarial.perturbations.unicode import UNICODE
from pytest_llm.adversarial.table import Budget, candidate_table

PIECES = (
    "It",
    "don't",
    "a big",
    "film",
    "Anna",
    "café",
    "12500",
    "three",
    "电影",
    "不喜欢",
    "三个",
    ",",
    ".",
    "。",
    "“",
    '"',
    " ",
    " ",
    "\n",
    "-",
)


def names(*wanted: str, **preserves: str) -> set[str]:
    return {operation.name for operation in operations(*wanted, **preserves)}  # type: ignore[arg-type]


def test_a_family_by_its_name() -> None:
    assert operations("unicode") == UNICODE
    assert names("unicode", preserves="exact") < names("unicode")


def test_one_by_its_name_whatever_it_preserves() -> None:
    assert names("meaning.negate", "typo.swap") == {"meaning.negate", "typo.swap"}


def test_what_changes_the_meaning_has_to_be_asked_for() -> None:
    assert names() == {operation.name for operation in EVERYTHING} - {operation.name for operation in MEANING}
    assert operations("meaning", preserves="no") == MEANING
    with pytest.raises(MisuseError, match=r"no operation of meaning preserves exact or likely: pass preserves=…"):
        operations("meaning")


def test_a_name_that_is_not_known_is_refused_with_those_that_are() -> None:
    with pytest.raises(
        MisuseError, match=r"no operation 'typos' \(did you mean 'typo'\?\); there are format, .*word\.synonym"
    ):
        operations("typos")
    with pytest.raises(MisuseError, match="no operation 3;"):
        operations(3)  # type: ignore[arg-type]


def test_names_are_unique_and_begin_with_a_family() -> None:
    all_names = [operation.name for operation in EVERYTHING]
    assert len(set(all_names)) == len(all_names)
    assert all(operation.cost >= 1 for operation in EVERYTHING)
    assert all(operation.preserves == "no" for operation in MEANING)


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join) | st.text(max_size=20), st.data())
def test_every_subset_of_what_is_proposed_applies(text: str, data: st.DataObject) -> None:
    table = candidate_table(text, EVERYTHING, Budget(max_edits=5))
    triple = st.tuples(st.integers(0, len(EVERYTHING) - 1), st.integers(0, max(0, table.sites - 1)), st.integers(0, 63))
    script = table.script(table.edit(*choice) for choice in data.draw(st.lists(triple, max_size=5)))
    for place in range(len(script)):
        less = script.without(place)
        assert entry_of(Entry("test", text, less.edits).line()).script == less
        assert len(less) == len(script) - 1


@given(st.lists(st.sampled_from(PIECES), max_size=12).map("".join))
def test_each_edit_replaces_what_is_there_by_something_else(text: str) -> None:
    for edit in candidate_table(text, EVERYTHING):
        assert text[edit.start : edit.end] == edit.old != edit.new
