"""What differs is marked, and what is the same is not lost, but folded."""

from __future__ import annotations

from hypothesis import given
from hypothesis import strategies as st

from pytest_llm.recording import Broken
from pytest_llm.reports.html.diffs import Piece, clipped, difference, edited, nearest

TEXT = st.lists(st.sampled_from(["a", "bc", ".", " ", "\n", "d"]), max_size=30).map("".join)


def side(pieces: tuple[Piece, ...], other: str) -> str:
    return "".join(piece.text for piece in pieces if piece.kind in ("same", other))


@given(TEXT, TEXT)
def test_both_texts_can_be_read_from_their_difference(wanted: str, given: str) -> None:
    pieces = difference(wanted, given)
    assert side(pieces, "del") == wanted
    assert side(pieces, "ins") == given


def test_words_are_compared() -> None:
    pieces = [(piece.kind, piece.text) for piece in difference("The cat sat.", "The cats sat!")]
    assert pieces == [("same", "The "), ("del", "cat"), ("ins", "cats"), ("same", " sat"), ("del", "."), ("ins", "!")]


def test_what_is_the_same_is_folded() -> None:
    long = "word " * 100
    texts = [piece.text for piece in difference(f"{long}old {long}old {long}", f"{long}new {long}new {long}")]
    assert texts[0].startswith("…")
    assert len(texts[0]) <= 61
    assert "…" in texts[3]
    assert len(texts[3]) <= 121
    assert texts[-1].endswith("…")


def test_of_several_targets_the_nearest_is_compared() -> None:
    assert nearest(["to be", "it was said so", "other"], "so it was said") == "it was said so"


def test_edits_are_shown_with_what_made_them_and_without_what_they_leave() -> None:
    broken = Broken("It was good.", ((3, 6, "w\u200bas", "unicode.zerowidth"), (7, 11, "", "word.drop")), ("", ""))
    assert edited(broken) == (
        Piece("same", "It w"),
        Piece("ins", "\u200b", "unicode.zerowidth"),
        Piece("same", "as "),
        Piece("del", "good", "word.drop"),
        Piece("same", "."),
    )


def test_an_edit_of_doubled_letters_is_no_larger_than_it_is() -> None:
    assert [(one.kind, one.text) for one in edited(Broken("aa", ((0, 2, "aaa", "typo.double"),), ("", "")))] == [
        ("same", "aa"),
        ("ins", "a"),
    ]


def test_long_texts_are_cut_and_it_is_said_by_how_much() -> None:
    assert clipped("x" * 1000) == ("x" * 700, 300)
