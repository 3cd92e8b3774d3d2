"""Texts of models and data as HTML: escaped, and what nobody sees, or what moves or hides other text, is named.

A model may write anything: an element, a character that turns the direction of what follows, a thousand that have no width. The
page shows what is there.
"""

from __future__ import annotations

import unicodedata
from collections.abc import Iterator
from itertools import groupby

from markupsafe import Markup, escape

from pytest_llm.adversarial.rendering import is_disguised

_NAMED = ("C", "Zl", "Zp")
"""Categories: controls, format characters (those of bidirectional text among them), halves of surrogate pairs, unassigned ones,
separators of lines."""
_BLANK = (
    "\u00a0\u034f\u115f\u1160\u17b4\u17b5\u180b\u180c\u180d\u180f\u2000\u2001\u2002\u2003\u2004\u2005\u2006\u2007\u2008"
    "\u2009\u200a\u202f\u205f\u2800\u3164\uffa0"
)
"""Letters, marks and spaces of other categories that look like nothing, or like a space."""
_VARIANTS = (range(0xFE00, 0xFE10), range(0xE0100, 0xE01F0))
_PLAIN = "\n\t"
MARKS = 4
"""More combining marks than this on one letter belong to no script: the rest would be drawn over the lines above."""


def shown(text: str) -> Markup:
    """The text as HTML, `U+200C ZERO WIDTH NON-JOINER` for what is named; in the content of an element only."""
    parts = []
    for name, piece in _pieces(text):
        if name:
            parts.append(Markup('<span class="unseen">{}</span>').format(name))
        else:
            parts.append(escape(piece))
    return Markup("").join(parts)


def plain(text: str) -> str:
    """The same as a text without elements, for what is no passage: names of tests, sentences."""
    return "".join(f"<{name}>" if name else " ".join(piece.split("\n")) for name, piece in _pieces(text))


def _pieces(text: str) -> Iterator[tuple[str, str]]:
    """Stretches of the text, each with its name, or without where it can be read as it is."""
    if text.isascii() and text.translate({10: "", 9: ""}).isprintable():
        yield "", text
        return
    for name, places in groupby(range(len(text)), key=lambda place: _name(text, place)):
        listed = list(places)
        times = f" ×{len(listed)}" if len(listed) > 1 else ""
        yield f"{name}{times}" if name else "", text[listed[0] : listed[-1] + 1]


def _name(text: str, place: int) -> str:
    character = text[place]
    if character.isascii() and character.isprintable():
        return ""
    if unicodedata.category(character).startswith("M") and place >= MARKS:
        above = text[place - MARKS : place]
        if all(unicodedata.category(mark).startswith("M") for mark in above):
            return "more combining marks"
    if not (_is_unseen(text, place) or is_disguised(text, place)):
        return ""
    return f"U+{ord(character):04X} {unicodedata.name(character, 'without a name')}"


def _is_unseen(text: str, place: int) -> bool:
    character = text[place]
    if any(
        ord(character) in variants for variants in _VARIANTS
    ):  # behind a sign it chooses between a picture and a letter
        return place == 0 or unicodedata.category(text[place - 1]) != "So"
    return character not in _PLAIN and (character in _BLANK or unicodedata.category(character).startswith(_NAMED))
