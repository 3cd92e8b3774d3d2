"""Assertions about entities (names, dates, terms) that are found in texts: by a model, or in a list of findings.

An entity is `(start, end, label)`, the end excluded; or findings and targets are tags of words, `["B-PER", "I-PER", "O"]` (IOB2).
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.measure import Answers, Questions, measure
from pytest_llm.inference.time_budget import TimeBudget
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics.class_counts import Average
from pytest_llm.metrics.extraction import EntityScore, Match, Stray
from pytest_llm.metrics.labels import Label
from pytest_llm.tasks.extract import Extract


@assertion
def assert_entity_f1_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Extract | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
    match: Match = "strict",
    average: Average = "micro",
    label: str | None = None,
    stray: Stray = "drop",
    labels: Sequence[Label] = (),
) -> Measurement:
    """Assert that the F1 of entities is above a limit. From 0 to 1.

    `2 · right / (found + entities)`, all examples added up first; what is right says `match`.

    A failure shows a row for each label. Over labels the counts are put together as `average` says.

    Args:
        model: what finds entities; or what was found in each text: a list of spans, or of tags.
        data: what is there: the list of the same for each text, or rows with a `text` and it as `target`.
        limit: what it has to exceed, such as 0.8.
        task: what the model is asked; None: its own head for token classification.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.
        match: "strict": start, end and label are those of an entity, as CoNLL-2003; "overlap": the label is, and the spans share
            a position ("type" of SemEval-2013 task 9).
        average: over labels: "micro", counts summed first; "macro", their mean; "weighted", by how many entities each has.
        label: the score of entities of this label alone, and no average.
        stray: what an `I-` in the findings is that continues nothing: not an entity ("drop"), or the first word of one ("begin").
        labels: the labels of entities; empty: those of the targets.

    Raises:
        QualityError: it is not above the limit, or not provably so if `confidence` asks for proof.
        MisuseError: (a ValueError) data, model or settings that give no number; targets that are not IOB2 or hold no entity.

    Source: Tjong Kim Sang & De Meulder 2003 (CoNLL-2003); numbers are those of seqeval's strict mode.

    Example:
        >>> assert_entity_f1_above([[(0, 2, "PER")]], [[(0, 2, "PER"), (5, 6, "LOC")]], 0.6)  # doctest: +SKIP
    """
    claim = Limit.above(
        limit, confidence=confidence
    )  # a limit that makes no sense is refused before anything is counted
    metric = EntityScore("f1", match, average, label, stray, labels)
    return gate(measure(model, data, metric, task=task, engine=engine), claim)


@assertion
def assert_entity_precision_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Extract | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
    match: Match = "strict",
    average: Average = "micro",
    label: str | None = None,
    stray: Stray = "drop",
    labels: Sequence[Label] = (),
) -> Measurement:
    """Assert that the share of findings that are entities is above a limit. From 0 to 1.

    `right / found`, all examples added up first; what is right says `match`. Otherwise as `assert_entity_f1_above`.

    Args:
        model: what finds entities; or what was found in each text: a list of spans, or of tags.
        data: what is there: the list of the same for each text, or rows with a `text` and it as `target`.
        limit: what it has to exceed, such as 0.8.
        task: what the model is asked; None: its own head for token classification.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.
        match: as in `assert_entity_f1_above`, and so the four that follow.
        average: over labels: "micro", "macro" or "weighted".
        label: the score of entities of this label alone.
        stray: what an `I-` in the findings is that continues nothing.
        labels: the labels of entities.

    Raises:
        QualityError: it is not above the limit, or not provably so if `confidence` asks for proof.
        MisuseError: (a ValueError) data, model or settings that give no number; targets that are not IOB2 or hold no entity.

    Source: Tjong Kim Sang & De Meulder 2003 (CoNLL-2003); numbers are those of seqeval's strict mode.

    Example:
        >>> assert_entity_precision_above([["B-PER", "O"]], [["B-PER", "B-LOC"]], 0.9)  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)
    metric = EntityScore("precision", match, average, label, stray, labels)
    return gate(measure(model, data, metric, task=task, engine=engine), claim)


@assertion
def assert_entity_recall_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Extract | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
    match: Match = "strict",
    average: Average = "micro",
    label: str | None = None,
    stray: Stray = "drop",
    labels: Sequence[Label] = (),
) -> Measurement:
    """Assert that the share of entities that were found is above a limit. From 0 to 1.

    `right / entities`, all examples added up first; what is right says `match`. Otherwise as `assert_entity_f1_above`.

    Args:
        model: what finds entities; or what was found in each text: a list of spans, or of tags.
        data: what is there: the list of the same for each text, or rows with a `text` and it as `target`.
        limit: what it has to exceed, such as 0.8.
        task: what the model is asked; None: its own head for token classification.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.
        match: as in `assert_entity_f1_above`, and so the four that follow.
        average: over labels: "micro", "macro" or "weighted".
        label: the score of entities of this label alone.
        stray: what an `I-` in the findings is that continues nothing.
        labels: the labels of entities.

    Raises:
        QualityError: it is not above the limit, or not provably so if `confidence` asks for proof.
        MisuseError: (a ValueError) data, model or settings that give no number; targets that are not IOB2 or hold no entity.

    Source: Tjong Kim Sang & De Meulder 2003 (CoNLL-2003); numbers are those of seqeval's strict mode.

    Example:
        >>> assert_entity_recall_above([["B-PER", "O"]], [["B-PER", "B-LOC"]], 0.4)  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)
    metric = EntityScore("recall", match, average, label, stray, labels)
    return gate(measure(model, data, metric, task=task, engine=engine), claim)
