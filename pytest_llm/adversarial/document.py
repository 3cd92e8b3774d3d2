"""Where a text can be edited: its words and sentences, less what is protected."""

from __future__ import annotations

import re
from bisect import bisect_left
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import TypeAlias

from pytest_llm.errors import MisuseError

Span: TypeAlias = tuple[int, int]

_HAN = "\u3400-\u4dbf\u4e00-\u9fff\uf900-\ufaff\U00020000-\U0002ffff"
_ONLY_HAN, _ANY_HAN = re.compile(rf"[{_HAN}]+"), re.compile(rf"[{_HAN}]")
# a Han character is a word of its own: Chinese has no spaces, and where its words end is a matter of opinion
_WORD = re.compile(rf"[{_HAN}]|(?:(?![{_HAN}])\w)+(?:['’\-](?:(?![{_HAN}])\w)+)*")
# closing quotes and brackets belong to the sentence that they end
_SENTENCE = re.compile(r"\S(?:[^.!?。！？\n]|[.!?](?=\w))*(?:[.!?。！？]+[\"'”’)\]」』]*|(?=\n)|\Z)")


def is_han(text: str) -> bool:
    """Whether a text is made of Chinese characters, and of nothing else."""
    return _ONLY_HAN.fullmatch(text) is not None


def has_han(text: str) -> bool:
    """Whether a text has a Chinese character: what is added to it should be Chinese as well."""
    return _ANY_HAN.search(text) is not None


@dataclass(frozen=True)
class Document:
    """A text, and where operations may change it.

    Sites are numbered by words. An operation on sentences has a site at the first word of each, one on the whole text at
    word 0, so that all operations share one numbering and a search or a shrinker that changes the operation stays at the place.

    Args:
        text: what is edited.
        protected: stretches that no edit may touch.
    """

    text: str
    protected: tuple[Span, ...] = ()

    @cached_property
    def words(self) -> tuple[Span, ...]:
        """Words in the order of the text; a Han character is one."""
        return tuple(match.span() for match in _WORD.finditer(self.text))

    @cached_property
    def sentences(self) -> tuple[Span, ...]:
        """Sentences with their closing marks, without the space between them."""
        return tuple(match.span() for match in _SENTENCE.finditer(self.text))

    def sentence_at(self, site: int) -> int | None:
        """The number of the sentence that begins with this word; None where none does."""
        return self._first_words.get(site)

    @cached_property
    def _first_words(self) -> dict[int, int]:
        starts = [start for start, _ in self.words]
        first = ((bisect_left(starts, begin), number) for number, (begin, _) in enumerate(self.sentences))
        # of a sentence without words and the next one, which has the word, the later one stays
        return {site: number for site, number in first if site < len(starts)}

    def allows(self, start: int, end: int) -> bool:
        """Whether an edit of this stretch, or an insertion at it, leaves what is protected alone."""
        return not any(
            (start < beyond and begin < end) or (start == end and begin < start < beyond)
            for begin, beyond in self.protected
        )


def protected_spans(text: str, protect: Sequence[str | re.Pattern[str]]) -> tuple[Span, ...]:
    """Where a text matches one of the patterns; a string is taken as it stands, not as a pattern.

    Raises:
        MisuseError: something that is neither a string nor a compiled pattern.
    """
    spans: list[Span] = []
    for wanted in protect:
        if isinstance(wanted, str):
            wanted = re.compile(re.escape(wanted))
        if not isinstance(wanted, re.Pattern):
            raise MisuseError(f"protect contains {wanted!r}: expected strings or compiled patterns")
        spans += [match.span() for match in wanted.finditer(text) if match.end() > match.start()]
    return tuple(sorted(spans))
