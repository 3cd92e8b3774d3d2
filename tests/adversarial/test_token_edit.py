"""Edits of token ids."""

from __future__ import annotations

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm import MisuseError
from pytest_llm.adversarial.token_edit import TokenEdit, TokenOperation, TokenScript, token_candidates

HALVES = TokenOperation("test.halves", "exact", 1, lambda old: [(old // 2, old - old // 2)] if old > 1 else [], str)
TWICE = TokenOperation("test.twice", "likely", 2, lambda old: [(old, old), (old,)], str)


@st.composite
def scripts(draw: st.DrawFn) -> TokenScript:
    ids = draw(st.lists(st.integers(0, 9), max_size=8))
    edits = [
        draw(st.sampled_from([edit for cell in present for edit in cell]))
        for present in token_candidates(ids, [TWICE, HALVES]).values()
    ]
    return TokenScript(tuple(ids), tuple(edit for edit in edits if draw(st.booleans())))


@given(scripts())
def test_every_script_with_one_edit_less_applies(script: TokenScript) -> None:
    assert len(script.perturbed) == len(script.ids) + len(script)  # each of these edits makes two of one
    for number in range(len(script)):
        assert len(script.without(number).perturbed) == len(script.perturbed) - 1
    assert TokenScript(script.ids).perturbed == script.ids


def test_candidates_are_listed_by_place_the_mildest_operation_first_and_change_something() -> None:
    assert token_candidates([1, 5], [TWICE, HALVES]) == {
        0: [[TokenEdit(0, 1, (1, 1), "test.twice")]],
        1: [[TokenEdit(1, 5, (2, 3), "test.halves")], [TokenEdit(1, 5, (5, 5), "test.twice")]],
    }


def test_edits_that_do_not_fit_are_refused() -> None:
    edit = TokenEdit(0, 1, (2,), "test")
    with pytest.raises(MisuseError, match=r"does not fit \(3, 1\)"):
        TokenScript((3, 1), (edit,))
    with pytest.raises(MisuseError, match="does not fit"):
        TokenScript((), (edit,))
    with pytest.raises(MisuseError, match="two edits of one place"):
        TokenScript((1,), (edit, TokenEdit(0, 1, (3,), "test")))
