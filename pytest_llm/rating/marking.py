"""A text in parts for display: prose, code, and characters that nobody would see. Put together they are the text again."""

from __future__ import annotations

import re
import unicodedata
from collections.abc import Iterator
from dataclasses import dataclass
from itertools import pairwise


@dataclass(frozen=True, slots=True)
class Part:
    """A stretch of text that is shown as it is, or one character that cannot be seen."""

    text: str
    mark: str = ""
    """Of a character that cannot be seen: how it is called, such as "ZERO WIDTH SPACE"; else empty."""

    @property
    def code_point(self) -> str:
        return f"U+{ord(self.text):04X}"

    @property
    def has_form(self) -> bool:
        """Whether it can be part of a page: not a control character, nor half a surrogate pair."""
        return unicodedata.category(self.text) not in ("Cc", "Cs")


@dataclass(frozen=True, slots=True)
class Block:
    """A line, or a block of code with its fences."""

    is_code: bool
    parts: tuple[Part, ...]


_FENCE = re.compile(r"^ {0,3}(`{3,}|~{3,})", re.MULTILINE)
_LINE = re.compile(r"[^\n]*\n|[^\n]+")
_SEEN = "\t\n \u3000"
"""Laid out as they are; the last is as wide as a Chinese character."""
_UNSEEN = ("Cc", "Cf", "Cs", "Zl", "Zp", "Zs")
_BLANK = "\u034f\u115f\u1160\u17b4\u17b5\u2800\u3164\uffa0"
"""Letters, marks and a symbol without a form."""
_SELECTORS = re.compile("[\u180b-\u180f\ufe00-\ufe0f\U000e0100-\U000e01ef]")
_JOINERS = "\u200c\u200d"
_TAGS = re.compile("[\U000e0020-\U000e007f]")
_CONTROLS = {"\0": "NULL", "\a": "BELL", "\b": "BACKSPACE", "\v": "LINE TABULATION", "\f": "FORM FEED", "\r": "CARRIAGE RETURN",
             "\x1b": "ESCAPE", "\x7f": "DELETE", "\x85": "NEXT LINE"}  # fmt: skip
"""Names that Unicode has as aliases only."""


def blocks(text: str) -> Iterator[Block]:
    """The blocks of a text, in order. Code stands between fences, as in Markdown; an open fence holds to the end.

    Each line is a block of its own because each has its own direction: of what `unicode-bidi: plaintext` does for lines of one
    block, browsers mirror brackets the wrong way.
    """
    for run, is_code in _runs(text):
        for block in [run] if is_code else _LINE.findall(run):
            yield Block(is_code, tuple(_parts(block)))


def _runs(text: str) -> Iterator[tuple[str, bool]]:
    cuts, fence = [0], ""
    for match in _FENCE.finditer(text):
        if not fence:
            fence = match[1]
            cuts.append(match.start())
        elif match[1].startswith(fence) and not text[match.end() :].partition("\n")[0].strip():
            fence = ""
            cuts.append(text.find("\n", match.end()) + 1 or len(text))
    for number, (start, end) in enumerate(pairwise([*cuts, len(text)])):
        if start < end:
            yield text[start:end], bool(number % 2)


def _parts(text: str) -> Iterator[Part]:
    start = 0
    for place, character in enumerate(text):
        name = _hidden_name(text, place)
        if name:
            if start < place:
                yield Part(text[start:place])
            yield Part(character, name)
            start = place + 1
    if start < len(text):
        yield Part(text[start:])


def _hidden_name(text: str, place: int) -> str:
    """What an invisible character is called; empty for others, and for those that do their work within a letter or an emoji."""
    character = text[place]
    hidden = (
        character not in _SEEN
        and (unicodedata.category(character) in _UNSEEN or character in _BLANK or _SELECTORS.match(character))
        and not _at_work(text, place)
    )
    if not hidden:
        return ""
    return unicodedata.name(character, "") or _CONTROLS.get(character, "without a name")


def _at_work(text: str, place: int) -> bool:
    """Whether it is the first half of CR LF, a joiner or a selector of an emoji or a script that has them, a tag of a flag."""
    character, before, after = text[place], text[max(place - 1, 0) : place], text[place + 1 : place + 2]
    if character == "\r":
        return after == "\n"
    if _TAGS.match(character):
        return "\U0001f3f4" in text[max(place - 8, 0) : place]
    if not before:
        return False
    if _SELECTORS.match(character):
        return before in "#*0123456789" or not (before.isascii() or _SELECTORS.match(before))
    if character not in _JOINERS or not after:
        return False
    if character == "\u200d" and unicodedata.category(before) in ("So", "Sk", "Mn"):
        return True
    return all(
        unicodedata.bidirectional(letter) == "AL" or "\u0900" <= letter <= "\u0dff" for letter in (before, after)
    )
