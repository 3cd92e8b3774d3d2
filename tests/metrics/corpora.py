"""What the tests of metrics over texts are fed: strange characters, empty lines, outputs that resemble their reference."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, Protocol

import numpy as np
from hypothesis import strategies as st

from pytest_llm.data.example import Example
from pytest_llm.statistics.jackknife import FloatArray

WORDS = [
    "the",
    "cat",
    "sat",
    "on",
    "mat",
    "The",
    "mats",
    "running",
    "3.5",
    "x-ray",
    "Paris,",
    "end.",
    '"quoted"',
    "&amp;",
]
STRANGE = [
    "👩‍👩‍👧",
    "e\u0301te\u0301",
    "שלום",
    "مرحبا",
    "你好世界",
    "日本語",
    "สวัสดี",
    "ﬁn",
    "\u200d",
    "İ",
    "naïve",
    "¿qué?",
]

words = st.sampled_from(WORDS + STRANGE) | st.text(max_size=8)
separators = st.sampled_from([" ", " ", " ", "  ", "\n", "\t", "\u00a0", "\u3000"])
texts = st.lists(words, max_size=12).flatmap(lambda chosen: separators.map(lambda separator: separator.join(chosen)))


@st.composite
def outputs_of(draw: st.DrawFn, reference: str) -> str:
    """The reference, a shuffle of its words with some left out, or something else."""
    given = reference.split()
    related = st.just(reference) | st.lists(st.sampled_from(given or [""]), max_size=12).map(" ".join)
    return draw(related | texts)


@st.composite
def pairs(draw: st.DrawFn, references: int = 1, text: st.SearchStrategy[str] = texts) -> tuple[tuple[str, ...], str]:
    """References, and an output."""
    wanted = tuple(draw(text) for _ in range(references))
    return wanted, draw(outputs_of(wanted[0]))


class Comparing(Protocol):
    """A metric without the request."""

    def statistics(self, example: Example, output: Any) -> Sequence[float]: ...

    def aggregate(self, totals: FloatArray) -> FloatArray: ...


def example(*references: str, label: str = "#7") -> Example:
    return Example("id", "text", label, target=references)


def rows(metric: Comparing, corpus: Sequence[tuple[tuple[str, ...], str]]) -> FloatArray:
    """The statistics of a corpus, `[n, k]`."""
    return np.array([metric.statistics(example(*wanted), output) for wanted, output in corpus], dtype=np.float64)


def value(metric: Comparing, corpus: Sequence[tuple[tuple[str, ...], str]]) -> float:
    return float(metric.aggregate(rows(metric, corpus).sum(axis=0)))
