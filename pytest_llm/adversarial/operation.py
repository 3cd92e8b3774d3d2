"""A kind of edit: what it proposes at a place of a text, what it costs, and whether a reader would notice."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any, Literal, TypeAlias

from pytest_llm.adversarial.document import Document, has_han
from pytest_llm.errors import MisuseError

Level: TypeAlias = Literal["format", "character", "unicode", "word", "sentence", "token", "prompt", "length"]
Preserves: TypeAlias = Literal["exact", "likely", "no"]
Proposals: TypeAlias = Iterable[tuple[int, int, str]]
"""Stretches of the original and what to put in their place, the mildest first."""
Proposer: TypeAlias = Callable[[Document, int], Proposals]
"""What is proposed at a site of a document."""


@dataclass(frozen=True, slots=True, repr=False)
class Operation:
    """A kind of edit. It is a function of the text alone: the same proposals in the same order, each time.

    Args:
        name: family and kind, such as "typo.swap".
        level: what it edits.
        preserves: "exact": it renders the same, or means the same by definition; "likely": a person still reads the
            same; "no": the meaning may change, so that invariance cannot be asked for, only a direction or a bounded drop.
        cost: how harsh it is, for a budget; from 1, the mildest.
        proposals: what it would put where, given a document and the number of a word.
    """

    name: str
    level: Level
    preserves: Preserves
    cost: float
    proposals: Proposer

    def __repr__(self) -> str:
        """Short, because a strategy shows its operations in a failing report."""
        return f"<{self.name}>"

    def _repr_pretty_(self, printer: Any, cycle: bool) -> None:
        printer.text(repr(self))


def checked_operations(operations: Sequence[Operation]) -> tuple[Operation, ...]:
    """The operations as they are.

    Raises:
        MisuseError: one of them is none, such as a name.
    """
    if isinstance(operations, str) or not isinstance(operations, Sequence):
        raise MisuseError(
            f"operations={operations!r}: expected a list of operations, as operations({operations!r}) finds them"
        )
    for one in operations:
        if not isinstance(one, Operation):
            raise MisuseError(f"operations contains {one!r}: expected an Operation, as operations({one!r}) finds them")
    return tuple(operations)


def together(*parts: Proposer) -> Proposer:
    """The proposals of several, one after the other: such as those for English and those for Chinese."""

    def proposals(document: Document, site: int) -> Proposals:
        return chain.from_iterable(part(document, site) for part in parts)

    return proposals


def of_words(candidates: Callable[[str], Iterable[str]]) -> Proposer:
    """Proposals that replace a word: what to write for it depends on the word alone."""

    def proposals(document: Document, site: int) -> Proposals:
        start, end = document.words[site]
        word = document.text[start:end]
        return ((start, end, new) for new in candidates(word))

    return proposals


def of_phrases(table: Mapping[str, Sequence[str]]) -> Proposer:
    """Proposals that replace the longest phrase of a table that begins at a word: for Chinese, whose words have no bounds."""
    longest = max(map(len, table))

    def proposals(document: Document, site: int) -> Proposals:
        start = document.words[site][0]
        for length in range(min(longest, len(document.text) - start), 0, -1):
            phrase = document.text[start : start + length]
            if phrase in table:
                return ((start, start + length, new) for new in table[phrase])
        return ()

    return proposals


def of_gaps(candidates: Callable[[str], Iterable[str]]) -> Proposer:
    """Proposals that replace what stands between a word and the next one (or the end of the text)."""

    def proposals(document: Document, site: int) -> Proposals:
        start = document.words[site][1]
        end = document.words[site + 1][0] if site + 1 < len(document.words) else len(document.text)
        gap = document.text[start:end]
        return ((start, end, new) for new in candidates(gap))

    return proposals


def of_sentences(candidates: Callable[[str], Iterable[str]]) -> Proposer:
    """Proposals that replace a sentence, at the site of its first word."""

    def proposals(document: Document, site: int) -> Proposals:
        number = document.sentence_at(site)
        if number is None:
            return ()
        start, end = document.sentences[number]
        return ((start, end, new) for new in candidates(document.text[start:end]))

    return proposals


def at_end(additions: Iterable[str], chinese: Iterable[str] | None = None) -> Proposer:
    """Proposals that add something behind the text; `chinese` is what is added to a text with Chinese characters."""
    choose = _by_language(additions, chinese)

    def proposals(document: Document, site: int) -> Proposals:
        end = len(document.text)
        return ((end, end, text) for text in choose(document.text)) if site == 0 else ()

    return proposals


def at_start(additions: Iterable[str], chinese: Iterable[str] | None = None) -> Proposer:
    """Proposals that add something before the text; `chinese` is what is added to a text with Chinese characters."""
    choose = _by_language(additions, chinese)

    def proposals(document: Document, site: int) -> Proposals:
        return ((0, 0, text) for text in choose(document.text)) if site == 0 else ()

    return proposals


def _by_language(additions: Iterable[str], chinese: Iterable[str] | None) -> Callable[[str], tuple[str, ...]]:
    texts = tuple(additions)
    han = texts if chinese is None else tuple(chinese)
    return lambda text: han if has_han(text) else texts
