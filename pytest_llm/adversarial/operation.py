"""A kind of edit: what it proposes at a place of a text, what it costs, and whether a reader would notice."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from typing import Literal, TypeAlias

from pytest_llm.adversarial.document import Document

Level: TypeAlias = Literal["format", "character", "unicode", "word", "sentence", "token", "prompt", "length"]
Preserves: TypeAlias = Literal["exact", "likely", "no"]
Proposals: TypeAlias = Iterable[tuple[int, int, str]]
"""Stretches of the original and what to put in their place, the mildest first."""


@dataclass(frozen=True, slots=True)
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
    proposals: Callable[[Document, int], Proposals]


def of_words(candidates: Callable[[str], Iterable[str]]) -> Callable[[Document, int], Proposals]:
    """Proposals that replace a word: what to write for it depends on the word alone."""

    def proposals(document: Document, site: int) -> Proposals:
        start, end = document.words[site]
        word = document.text[start:end]
        return ((start, end, new) for new in candidates(word))

    return proposals


def of_gaps(candidates: Callable[[str], Iterable[str]]) -> Callable[[Document, int], Proposals]:
    """Proposals that replace what stands between a word and the next one (or the end of the text)."""

    def proposals(document: Document, site: int) -> Proposals:
        start = document.words[site][1]
        end = document.words[site + 1][0] if site + 1 < len(document.words) else len(document.text)
        gap = document.text[start:end]
        return ((start, end, new) for new in candidates(gap))

    return proposals


def of_sentences(candidates: Callable[[str], Iterable[str]]) -> Callable[[Document, int], Proposals]:
    """Proposals that replace a sentence, at the site of its first word."""

    def proposals(document: Document, site: int) -> Proposals:
        start = document.words[site][0]
        before = document.words[site - 1][1] if site else 0
        for begin, end in document.sentences:
            if begin <= start < end and before <= begin:
                return ((begin, end, new) for new in candidates(document.text[begin:end]))
        return ()

    return proposals


def at_end(additions: Iterable[str]) -> Callable[[Document, int], Proposals]:
    """Proposals that add something behind the text."""
    texts = tuple(additions)

    def proposals(document: Document, site: int) -> Proposals:
        end = len(document.text)
        return ((end, end, text) for text in texts) if site == 0 else ()

    return proposals


def at_start(additions: Iterable[str]) -> Callable[[Document, int], Proposals]:
    """Proposals that add something before the text."""
    texts = tuple(additions)

    def proposals(_: Document, site: int) -> Proposals:
        return ((0, 0, text) for text in texts) if site == 0 else ()

    return proposals
