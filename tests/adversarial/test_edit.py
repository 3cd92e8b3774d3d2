"""The algebra of edits: every subset applies, order does not matter, a script comes back from JSON."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm import MisuseError
from pytest_llm.adversarial.corpus import Entry, entry_of
from pytest_llm.adversarial.edit import Edit, EditScript, changed_words


def edit(text: str, start: int, end: int, new: str) -> Edit:
    return Edit(start, end, text[start:end], new, "test")


@st.composite
def scripts(draw: st.DrawFn) -> EditScript:
    text = draw(st.text(min_size=1, max_size=20))
    script = EditScript(text)
    for _ in range(draw(st.integers(0, 5))):
        start = draw(st.integers(0, len(text)))
        drawn = edit(text, start, draw(st.integers(start, len(text))), draw(st.text(max_size=4)))
        script = script.with_edit(drawn) or script
    return script


@given(scripts(), st.data())
def test_every_subset_of_a_script_applies(script: EditScript, data: st.DataObject) -> None:
    kept = data.draw(st.sets(st.sampled_from(script.edits))) if script.edits else set()
    part = EditScript(script.text, tuple(kept))
    lengths = sum(len(one.new) - len(one.old) for one in kept)
    assert len(part.perturbed) == len(script.text) + lengths
    assert part.perturbed == EditScript(script.text, tuple(sorted(kept, reverse=True))).perturbed


@given(st.text(max_size=20))
def test_without_edits_the_text_is_as_it_was(text: str) -> None:
    assert EditScript(text).perturbed == text


@given(scripts())
def test_edits_applied_from_the_last_to_the_first_give_the_same_text(script: EditScript) -> None:
    text = script.text
    for one in reversed(script.edits):
        text = text[: one.start] + one.new + text[one.end :]
    assert script.perturbed == text


@given(scripts())
def test_a_script_comes_back_from_json(script: EditScript) -> None:
    assert entry_of(Entry("test", script.text, script.edits).line()).script == script


def test_an_insertion_may_follow_a_replacement_that_ends_there() -> None:
    text = "one two"
    script = EditScript(text, (edit(text, 3, 3, "!"), edit(text, 0, 3, "1")))
    assert script.perturbed == "1! two"
    assert script.without(0).perturbed == "one! two"


@pytest.mark.parametrize(
    "edits",
    [
        [(0, 3, "1"), (2, 5, "x")],
        [(0, 3, "1"), (0, 0, "x")],
        [(1, 1, "1"), (1, 1, "x")],
        [(0, 3, "1"), (1, 1, "x")],
    ],
)
def test_two_edits_of_one_place_are_refused(edits: list[tuple[int, int, str]]) -> None:
    text = "one two"
    made = tuple(edit(text, *one) for one in edits)
    with pytest.raises(MisuseError, match="two edits of one place"):
        EditScript(text, made)
    assert EditScript(text, made[:1]).with_edit(made[1]) is None


def test_an_edit_that_does_not_find_what_it_replaces_is_refused() -> None:
    with pytest.raises(MisuseError, match="does not fit the text: at 0 it has 'one'"):
        EditScript("one two", (Edit(0, 3, "two", "2", "test"),))


@pytest.mark.parametrize("start", [-1, 8])
def test_an_edit_outside_the_text_is_refused(start: int) -> None:
    with pytest.raises(MisuseError, match="does not fit"):
        EditScript("one two", (Edit(start, start, "", "x", "test"),))


def test_words_are_counted_as_changed_where_an_edit_touches_them() -> None:
    text = "one two three"
    words = [(0, 3), (4, 7), (8, 13)]
    assert changed_words([edit(text, 4, 7, "2")], words) == 1
    assert changed_words([edit(text, 2, 5, "x")], words) == 2
    assert changed_words([edit(text, 5, 5, "x")], words) == 1
    assert changed_words([edit(text, 3, 3, "x")], words) == 0


def test_a_script_contains_another_if_it_makes_the_same_changes_and_more() -> None:
    swapped, renamed = Edit(0, 3, "one", "noe", "typo.swap"), Edit(0, 3, "one", "noe", "swap")
    both = EditScript("one two", (swapped, Edit(4, 7, "two", "TWO", "case")))
    assert both.contains(EditScript("one two", (renamed,)))
    assert not EditScript("one two", (renamed,)).contains(both)
    assert not both.contains(EditScript("one two!", (swapped,)))
