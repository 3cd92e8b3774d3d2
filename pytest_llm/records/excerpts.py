"""What a page shows of a test besides its record: texts of the examples that say most, and edits that broke something.

A record has no texts of examples, only hashes. These are for the eyes of who ran the test: they go into the page and nowhere else.
Texts are found again by an example's `content`.
"""

from __future__ import annotations

import json
from collections.abc import Sequence
from dataclasses import asdict, dataclass, field
from typing import Any

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.judging.comparison import Comparison
from pytest_llm.judging.measurement import WORST, Measurement
from pytest_llm.recording import Broken
from pytest_llm.storage.numbers import encoded

LONGEST = 2000
"""Characters of a text that are kept."""
MOST = 200
"""Texts that are kept of one test: one of Hypothesis measures many."""


@dataclass(frozen=True, slots=True)
class Passage:
    """The text of an example, and what an output was compared with."""

    text: str
    targets: tuple[str, ...] = ()


@dataclass
class Excerpts:
    """Of one test."""

    passages: dict[str, Passage] = field(default_factory=dict)
    """By `Example.content`."""
    broken: list[tuple[int | None, Broken]] = field(default_factory=list)
    """With the place of the measurement that it is of among those of the test; None where it is of none."""

    def keep(self, m: Measurement, comparison: Comparison | None = None) -> None:
        """Keep the texts of the worst examples, or of those that lost most."""
        for place in m.worst_places() if comparison is None else losers(comparison.example_drops):
            example = m.examples[place]
            if len(self.passages) < MOST and (passage := _passage(example)) is not None:
                self.passages.setdefault(example.content, passage)

    def broke(self, broken: Broken, place: int | None) -> None:
        if len(self.broken) < MOST and len(broken.text) <= LONGEST:
            self.broken.append((place, broken))

    def __bool__(self) -> bool:
        return bool(self.passages or self.broken)

    def line(self) -> str:
        """As JSON: workers hang it on their reports."""
        passages = {content: [one.text, *one.targets] for content, one in self.passages.items()}
        return encoded({"passages": passages, "broken": [[place, asdict(one)] for place, one in self.broken]})

    @classmethod
    def of(cls, line: str) -> Excerpts:
        """What `line` described."""
        told = json.loads(line)
        passages = {content: Passage(text, tuple(targets)) for content, (text, *targets) in told["passages"].items()}
        return cls(passages, [(place, _broken(**one)) for place, one in told["broken"]])


def losers(drops: np.ndarray[Any, np.dtype[np.float64]]) -> list[int]:
    """The places of those that lost most, worst first; no more than lost anything."""
    order: list[int] = np.argsort(-np.nan_to_num(drops, nan=np.inf), kind="stable")[:WORST].tolist()
    return [place for place in order if not drops[place] <= 0]


def _passage(example: Example) -> Passage | None:
    targets = tuple(text[:LONGEST] for text in _texts(example.target))
    return Passage(example.text[:LONGEST], targets) if example.text or targets else None


def _texts(target: Any) -> tuple[str, ...]:
    if target is None:
        return ()
    if isinstance(target, tuple | list) and all(isinstance(one, str) for one in target):
        return tuple(target)
    return (str(target),)


def _broken(edits: Sequence[Sequence[Any]], became: Sequence[str], **texts: str) -> Broken:
    before, after = became
    return Broken(
        edits=tuple((start, end, new, named) for start, end, new, named in edits), became=(before, after), **texts
    )
