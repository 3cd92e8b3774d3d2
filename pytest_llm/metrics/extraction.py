"""Extraction: which entities (names, dates, …) a model found in a text, as spans or as tags of its words.

    entity_precision  right / found
    entity_recall     right / entities
    entity_f1         2·right / (found + entities)

An entity is `(start, end, label)`, the end excluded. Which are right:

    strict   start, end and label are those of an entity (CoNLL-2003; as seqeval's strict mode)
    overlap  the label is that of an entity, and the spans share a position. Entities and findings are paired one to one, as
             many as possible, so that one finding as long as the text is right once at most ("type" match of SemEval-2013
             task 9, after MUC-5, where pairs are formed in order of appearance)

Tags are IOB2: `B-label` begins an entity, `I-label` continues one of the same label, `O` is outside. An `I-` that continues
nothing is not IOB2: in a target it is refused; in an output it is dropped (as seqeval's strict mode) or begins an entity
(as conlleval's script and seqeval's default), by `stray`.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar, Literal, TypeAlias

import numpy as np
import scipy

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics import class_counts
from pytest_llm.metrics.class_counts import AVERAGES, SCORES, Average, Score
from pytest_llm.metrics.classification import check_choice
from pytest_llm.metrics.labels import Label, checked_labels, describe_labels, label_set
from pytest_llm.statistics.jackknife import FloatArray, Scale
from pytest_llm.tasks.extract import Extract
from pytest_llm.tasks.task import Task

if TYPE_CHECKING:
    from typing_extensions import Self

Span: TypeAlias = tuple[int, int, str]
Match: TypeAlias = Literal["strict", "overlap"]
Stray: TypeAlias = Literal["drop", "begin"]


class WordSpans(list[Span]):
    """Spans that are counted in words, so that they can be held against tags."""


@dataclass(frozen=True)
class EntityScore:
    """Precision, recall or F1 of entities; see the module for what an entity is and which are right.

    Output and target are both spans, `[(start, end, label), …]`, or both tags, `["B-PER", "I-PER", "O", …]` of equal length.
    A span found twice counts once.
    """

    score: Score = "f1"
    match: Match = "strict"
    average: Average = "micro"
    """Over labels: counts summed first (as CoNLL reports), the mean over labels, or weighted by their entities."""
    label: str | None = None
    """Not an average, but the score of the entities of this label."""
    stray: Stray = "drop"
    """What an `I-` tag in an output is that continues nothing."""
    labels: Sequence[Label] = ()
    """The labels of entities; empty: `fitted` reads them off the targets."""

    task: ClassVar[Task] = Extract()
    lower_is_better = False
    scale: Scale = "linear"
    counts = "entities"

    def __post_init__(self) -> None:
        check_choice("score", self.score, SCORES)
        check_choice("match", self.match, ("strict", "overlap"))
        check_choice("average", self.average, AVERAGES)
        check_choice("stray", self.stray, ("drop", "begin"))
        if self.label is not None and self.average != "micro":
            raise MisuseError(
                f"label={self.label!r} with average={self.average!r}: one label has no average; drop either"
            )
        object.__setattr__(self, "labels", checked_labels(self.labels))

    @property
    def name(self) -> str:
        return f"entity_{self.score}"

    def fitted(self, examples: Sequence[Example]) -> Self:
        """A copy whose labels are those of the targets' entities.

        Raises:
            MisuseError: targets that are neither spans nor tags, that hold no entity, or that do not fit the labels given.
        """
        found = [label for example in examples for _, _, label in _target(example)]
        made = replace(self, labels=label_set(self.labels, found, "give entities as targets"))
        if self.label is not None and self.label not in made.labels:
            raise MisuseError(f"label={self.label!r} is that of no entity; labels are {made.labels!r}")
        return made

    def signature(self, window: int | None = None) -> str:
        which = f"average:{self.average}" if self.label is None else f"label:{self.label}"
        return f"{self.name}|match:{self.match}|{which}|stray:{self.stray}|labels:{describe_labels(self.labels)}"

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """The counts per label of `class_counts.py`; the last one is the number of entities to be found."""
        if not self.labels:
            raise MisuseError(f"{self.name} does not know the labels yet: give labels=, or use fitted(examples)")
        gold, found = _target(example), self._found(example, output)
        for *_, label in gold:
            if label not in self.labels:
                raise MisuseError(
                    f"example {example.label} has an entity {label!r}, which labels={self.labels!r} lacks; "
                    f"add it, or use fitted(examples)"
                )
        right = [label for *_, label in gold & found] if self.match == "strict" else list(_overlapping(gold, found))
        return class_counts.row(
            self.labels, right, [label for *_, label in gold], [label for *_, label in found], weight=len(gold)
        )

    def aggregate(self, totals: FloatArray) -> FloatArray:
        counts = class_counts.split(totals, self.labels)
        if self.label is None:
            return class_counts.averaged_score(self.score, self.average, counts)
        return class_counts.class_score(self.score, counts)[..., self.labels.index(self.label)]

    def example_values(self, statistics: FloatArray) -> FloatArray:
        """F1 of each example by itself, 1 where there is nothing to find and nothing was found: to rank the worst."""
        return class_counts.agreement_of_one(class_counts.split(statistics, self.labels))

    def explain_total(self, totals: FloatArray) -> str:
        """A row for each label, as lines of text."""
        return class_counts.explain(totals, self.labels)

    def _found(self, example: Example, output: Any) -> set[Span]:
        values, target = _sequence(output, example, "output"), _sequence(example.target, example, "target")
        if isinstance(output, WordSpans) and _are_tags(target):
            return set(_spans(values, example, "output"))
        if len(values) and _are_tags(values) != _are_tags(target):
            raise MisuseError(
                f"of the output and the target of example {example.label}, one is tags and the other spans; "
                f"convert the tags: spans_of(tags)"
            )
        if not _are_tags(target):
            return set(_spans(values, example, "output"))
        if len(values) != len(target):
            raise MisuseError(
                f"example {example.label} has {len(target)} tags and {len(values)} in the output; "
                f"give one tag a word (of a word in several tokens, the first token's)"
            )
        return set(_entities(values, example, "output", begin=self.stray == "begin"))


def spans_of(tags: Sequence[str], *, stray: Stray = "drop") -> list[Span]:
    """The entities of a sequence of IOB2 tags, as `(first word, last word + 1, label)`.

    Args:
        tags: one for each word: `B-label`, `I-label` or `O`.
        stray: what an `I-` is that continues no entity of its label: not an entity ("drop"), or the first word of one.
    """
    check_choice("stray", stray, ("drop", "begin"))
    example = Example("", "", "given here")
    return list(_entities(_sequence(tags, example, "output"), example, "output", begin=stray == "begin"))


def _target(example: Example) -> set[Span]:
    values = _sequence(example.target, example, "target")
    spans = list(_entities(values, example, "target") if _are_tags(values) else _spans(values, example, "target"))
    if len(set(spans)) < len(spans):
        raise MisuseError(f"the target of example {example.label} holds the same span twice; drop one")
    return set(spans)


def _entities(tags: Iterable[Any], example: Example, role: str, *, begin: bool = False) -> Iterator[Span]:
    """Read tags from left to right; `start` and `label` are those of the entity that is open, if one is."""
    start, label, end = None, "", 0
    for position, tag in enumerate(tags):
        kind, name = _parts(tag, position, example, role)
        continues = kind == "I" and start is not None and name == label
        if start is not None and not continues:
            yield start, position, label
            start = None
        if kind == "I" and not continues and role == "target":
            raise MisuseError(
                f"tag {position} of the target of example {example.label} is {tag!r}, but no {name!r} goes before it: this is "
                f"not IOB2; begin each entity with B-"
            )
        if kind == "B" or (kind == "I" and not continues and begin):
            start, label = position, name
        end = position + 1
    if start is not None:
        yield start, end, label


def _parts(tag: Any, position: int, example: Example, role: str) -> tuple[str, str]:
    kind, hyphen, name = tag.partition("-") if isinstance(tag, str) else ("", "", "")
    if tag == "O" or (kind in ("B", "I") and hyphen and name):
        return kind, name
    raise MisuseError(
        f"tag {position} of the {role} of example {example.label} is {tag!r}; "
        f"expected IOB2: 'O', 'B-label' or 'I-label' (of BIOES, write S- as B- and E- as I-)"
    )


def _spans(values: Iterable[Any], example: Example, role: str) -> Iterator[Span]:
    for value in values:
        try:
            start, end, label = value
            valid = isinstance(label, str) and 0 <= int(start) == start < end == int(end)
        except (TypeError, ValueError):
            valid = False
        if not valid:
            raise MisuseError(
                f"the {role} of example {example.label} holds {value!r}; expected (start, end, label) "
                f"with whole numbers, 0 ≤ start < end, and the label a string"
            )
        yield int(start), int(end), label


def _overlapping(gold: set[Span], found: set[Span]) -> Iterator[str]:
    """The labels of the pairs of overlapping spans: the greatest number of pairs in which each span stands once."""
    for label in {label for *_, label in gold}:
        ours = [(start, end) for start, end, other in found if other == label]
        theirs = [(start, end) for start, end, other in gold if other == label]
        overlap = np.array([[max(a, c) < min(b, d) for c, d in ours] for a, b in theirs]).reshape(
            len(theirs), len(ours)
        )
        pairs = scipy.optimize.linear_sum_assignment(overlap, maximize=True)
        yield from [label] * int(overlap[pairs].sum())


def _are_tags(values: Sequence[Any]) -> bool:
    return len(values) > 0 and isinstance(values[0], str)


def _sequence(value: Any, example: Example, role: str) -> Sequence[Any]:
    if isinstance(value, set | frozenset):
        return list(value)
    if isinstance(value, str) or not isinstance(value, Sequence):
        raise MisuseError(
            f"the {role} of example {example.label} is {value!r} ({type(value).__name__}); "
            f"expected a list of tags or of spans (start, end, label)"
        )
    return value
