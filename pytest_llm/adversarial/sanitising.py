"""Undo what nobody sees: the defence that edits which preserve a text exactly are measured against."""

from __future__ import annotations

import re
import unicodedata

BACKSPACE = "\b"
HOMOGLYPHS = {
    "A": "ΑА", "B": "ΒВ", "C": "С", "E": "ΕЕ", "H": "ΗН", "I": "ΙІ", "J": "Ј", "K": "ΚК", "M": "ΜМ", "N": "Ν",
    "O": "ΟО", "P": "ΡР", "S": "Ѕ", "T": "ΤТ", "X": "ΧХ", "Y": "Υ", "Z": "Ζ",
    "a": "а", "c": "с", "d": "ԁ", "e": "е", "h": "һ", "i": "і", "j": "ϳј", "o": "οо", "p": "р", "s": "ѕ", "x": "х", "y": "у",
}  # fmt: skip
"""Greek and Cyrillic letters drawn as a Latin one: the pairs of "intentional.txt" of UTS #39, and their twins."""

_PDF, _LRO, _RLO, _LRI, _PDI = "\u202c", "\u202d", "\u202e", "\u2066", "\u2069"
_REORDERED = re.compile(f"{_LRO}{_LRI}{_RLO}{_LRI}(.){_PDI}{_LRI}(.){_PDI}{_PDF}{_PDI}{_PDF}")
_BIDI = re.compile("[\u061c\u200e\u200f\u202a-\u202e\u2066-\u2069]")
# what is shown as nothing by default, but for those of _BIDI and fillers that stand for a letter
_INVISIBLE = re.compile(
    "[\u00ad\u034f\u180b-\u180f\u200b-\u200d\u2060-\u2065\u206a-\u206f\ufe00-\ufe0f\ufeff\U000e0000-\U000e0fff]"
)
_LATIN = {ord(twin): latin for latin, twins in HOMOGLYPHS.items() for twin in twins}
_WORD = re.compile(r"\w+")
_HAS_LATIN = re.compile("[A-Za-z]")


def reordered(first: str, second: str) -> str:
    """Two characters stored as second, first and displayed as first, second (Boucher et al. 2022, their "Swap")."""
    return f"{_LRO}{_LRI}{_RLO}{_LRI}{second}{_PDI}{_LRI}{first}{_PDI}{_PDF}{_PDI}{_PDF}"


def sanitise(text: str) -> str:
    """A text as a reader sees it: one spelling of all that look alike.

    Characters without width are dropped, letters stored in another order than shown are put into theirs, what a backspace takes
    away is gone, normal form KC, Greek and Cyrillic letters inside a word with Latin ones become the Latin ones of their
    shape, and any white space is one space. Words of one script stay, so that Russian is still Russian.

    For each edit of an operation that preserves "exact": `sanitise(perturbed) == sanitise(text)`. What a sanitiser of yours
    does not undo, a model behind it can be attacked with.
    """
    text = _INVISIBLE.sub("", text)
    text = _BIDI.sub("", _REORDERED.sub(r"\2\1", text))
    text = unicodedata.normalize("NFKC", _backspaced(unicodedata.normalize("NFC", text)))
    return " ".join(_WORD.sub(_in_latin, text).split())


def _backspaced(text: str) -> str:
    if BACKSPACE not in text:
        return text
    shown: list[str] = []
    for character in text:
        if character != BACKSPACE:
            shown.append(character)
        elif shown:
            shown.pop()
    return "".join(shown)


def _in_latin(match: re.Match[str]) -> str:
    word = match[0]
    return word.translate(_LATIN) if _HAS_LATIN.search(word) else word
