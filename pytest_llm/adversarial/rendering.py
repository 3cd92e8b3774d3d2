"""Texts and edits for people: what cannot be seen, or looks like something else, is named."""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator

from pytest_llm.adversarial.edit import EditScript

_UNSEEN = ("C", "M", "Zl", "Zp", "Zs")
"""Categories of characters: controls, format characters, surrogates, unassigned ones, marks, spaces."""
_LIKE_LATIN = ("CYRILLIC", "GREEK", "ARMENIAN", "CHEROKEE", "FULLWIDTH", "MATHEMATICAL", "ROMAN NUMERAL")
AROUND = 30


def visible(text: str) -> str:
    """The text on one line, with `<U+200C ZERO WIDTH NON-JOINER>` for what nobody sees.

    Letters of alphabets that have letters like Latin ones are named within words that are otherwise Latin.
    """
    return "".join(
        _named(character) if _is_unseen(character) or is_disguised(text, place) else character
        for place, character in enumerate(text)
    )


def script_lines(script: EditScript) -> Iterator[str]:
    """The text, the text with its edits, and each edit: at which code point, what became of what."""
    if not script.edits:
        yield f"  - {visible(script.text[: 4 * AROUND])}{'…' * (len(script.text) > 4 * AROUND)}"
        return
    # from a little before the first edit to a little behind the last
    first, last = max(script.edits[0].start - AROUND, 0), script.edits[-1].end + AROUND
    grown = len(script.perturbed) - len(script.text)
    before, behind = "…" * (first > 0), "…" * (last < len(script.text))
    yield f"  - {before}{visible(script.text[first:last])}{behind}"
    yield f"  + {before}{visible(script.perturbed[first : last + grown])}{behind}"
    for number, edit in enumerate(script.edits, 1):
        yield f"    {number}. {edit.operation}@{edit.start}: '{visible(edit.old)}' → '{visible(edit.new)}'"


def _is_unseen(character: str) -> bool:
    return character != " " and unicodedata.category(character).startswith(_UNSEEN)


def is_disguised(text: str, place: int) -> bool:
    """Whether a letter stands beside Latin ones and looks like one, but is none."""
    character = text[place]
    if character.isascii() or not unicodedata.name(character, "").startswith(_LIKE_LATIN):
        return False
    neighbours = text[max(place - 1, 0) : place] + text[place + 1 : place + 2]
    return any(neighbour.isascii() and neighbour.isalpha() for neighbour in neighbours)


def _named(character: str) -> str:
    if character == "\n":
        return "\\n"
    if character == "\t":
        return "\\t"
    return f"<U+{ord(character):04X} {unicodedata.name(character, 'without a name')}>"
