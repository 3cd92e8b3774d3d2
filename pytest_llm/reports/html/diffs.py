"""What differs between two texts, word by word, and texts with their edits."""

from __future__ import annotations

import re
from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from difflib import SequenceMatcher
from typing import Literal, TypeAlias

from pytest_llm.recording import Broken

Kind: TypeAlias = Literal["same", "del", "ins"]

LONGEST = 700
"""Characters of a text that are shown."""
_MOST_WORDS = 400
"""Words that are compared: it takes time with their square."""
_AROUND = 60
"""Characters of what is the same that are shown beside what is not."""
_WORDS = re.compile(r"\w+|\s+|[^\w\s]")


@dataclass(frozen=True, slots=True)
class Piece:
    """A stretch of text."""

    kind: Kind
    text: str
    title: str = ""
    """What made it so, where that has a name."""


def difference(wanted: str, given: str) -> tuple[Piece, ...]:
    """From what was wanted to what was given."""
    before, after = (_WORDS.findall(text)[:_MOST_WORDS] for text in (wanted, given))
    pieces: list[Piece] = []
    for kind, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            pieces.append(Piece("same", "".join(before[i:j])))
            continue
        pieces += [Piece("del", "".join(before[i:j]))] * (i < j) + [Piece("ins", "".join(after[k:m]))] * (k < m)
    return tuple(_folded(pieces))


def nearest(wanted: Sequence[str], given: str) -> str:
    """Of several texts that are right the one that is most like what was given."""
    words = _WORDS.findall(given)[:_MOST_WORDS]
    return max(wanted, key=lambda text: SequenceMatcher(None, _WORDS.findall(text)[:_MOST_WORDS], words).quick_ratio())


def edited(broken: Broken) -> tuple[Piece, ...]:
    """A text with what its edits take away and put in."""
    pieces: list[Piece] = []
    done = 0
    for start, end, new, operation in (_trimmed(broken.text, *edit) for edit in sorted(broken.edits)):
        pieces.append(Piece("same", broken.text[done:start]))
        pieces += [Piece("del", broken.text[start:end], operation)] * (start < end)
        pieces += [Piece("ins", new, operation)] * bool(new)
        done = end
    return tuple(_folded([*pieces, Piece("same", broken.text[done:])]))


def _trimmed(text: str, start: int, end: int, new: str, operation: str) -> tuple[int, int, str, str]:
    """An edit without what it leaves as it is at its ends."""
    while start < end and new and text[start] == new[0]:
        start, new = start + 1, new[1:]
    while start < end and new and text[end - 1] == new[-1]:
        end, new = end - 1, new[:-1]
    return start, end, new, operation


def clipped(text: str) -> tuple[str, int]:
    """The beginning of a text, and how many characters more there are."""
    return text[:LONGEST], max(0, len(text) - LONGEST)


def _folded(pieces: Sequence[Piece]) -> Iterator[Piece]:
    """Without the middle of long stretches that are the same, and their outer part at both ends."""
    last = len(pieces) - 1
    for place, piece in enumerate(pieces):
        if piece.kind == "same":
            text = _outer(piece.text, from_first=place > 0, to_last=place < last)
            if text:
                yield Piece("same", text)
        else:
            text, more = clipped(piece.text)
            yield Piece(piece.kind, text + "…" * bool(more), piece.title)


def _outer(text: str, *, from_first: bool, to_last: bool) -> str:
    """What is next to the pieces on both sides, if there are such."""
    head, tail = (text[:_AROUND] if from_first else ""), (text[-_AROUND:] if to_last else "")
    if not (from_first or to_last):
        return text[:LONGEST] + "…" * (len(text) > LONGEST)
    return text if len(text) <= len(head) + len(tail) else f"{head}…{tail}"
