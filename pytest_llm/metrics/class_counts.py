"""Counts per class, from which precision, recall, F1, balanced accuracy and Matthews' correlation follow.

With L labels, one example adds these columns, and totals are their sums:

    right      [L]        how often the label was predicted where it is the target (true positives)
    gold       [L]        how often it is the target
    predicted  [L + 1]    how often it was predicted; the last column counts predictions outside the labels ("other")
    cells      [L·(L+1)]  the confusion matrix, row = target; only where L ≤ 12, and only for reports
    weight     [1]        what the metric counts (examples, entities)

Numbers that do not exist. A ratio 0/0 is NaN, which fails every gate, if the *data* never ask the question (the label is no
target), and 0, as in scikit-learn, if the *model* never answers it (the label is never predicted). Averages over classes
leave out the classes that do not occur, as scikit-learn does with `zero_division=nan`.
"""

from __future__ import annotations

from collections import Counter
from collections.abc import Collection, Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from pytest_llm.metrics.labels import OTHER, Label, heading
from pytest_llm.statistics.jackknife import FloatArray

Score: TypeAlias = Literal["precision", "recall", "f1"]
Average: TypeAlias = Literal["micro", "macro", "weighted"]

SCORES: tuple[Score, ...] = ("precision", "recall", "f1")
AVERAGES: tuple[Average, ...] = ("micro", "macro", "weighted")
_MOST_LABELS_IN_MATRIX = 12


@dataclass(frozen=True, slots=True)
class Counts:
    """The columns of totals `[..., k]` by name."""

    right: FloatArray
    gold: FloatArray
    predicted: FloatArray
    """One column longer than the others: predictions outside the labels come last."""


def row(
    labels: Sequence[Label],
    right: Collection[Label],
    gold: Collection[Label],
    predicted: Collection[Label | None],
    *,
    weight: float,
    cell: tuple[Label, Label | None] | None = None,
) -> list[float]:
    """The columns that one example adds.

    Args:
        labels: the fixed label set.
        right: labels of the hits, one for each hit.
        gold: labels of the targets.
        predicted: labels of the predictions; those outside the labels count as "other".
        weight: the last column.
        cell: (target, prediction), where an example has exactly one of each.
    """
    hits, targets, answers = Counter(right), Counter(gold), Counter(predicted)
    known = [answers[label] for label in labels]
    columns: list[float] = [hits[label] for label in labels]
    columns += [targets[label] for label in labels]
    columns += [*known, len(predicted) - sum(known)]
    if len(labels) <= _MOST_LABELS_IN_MATRIX:
        columns += _one_hot(labels, cell)
    return [*columns, weight]


def split(totals: FloatArray, labels: Sequence[Label]) -> Counts:
    """The columns of totals by name."""
    n = len(labels)
    return Counts(totals[..., :n], totals[..., n : 2 * n], totals[..., 2 * n : 3 * n + 1])


def class_score(score: Score, counts: Counts) -> FloatArray:
    """Precision, recall or F1 of each class, `[..., L]`; see the module for 0/0."""
    predicted = counts.predicted[..., : counts.gold.shape[-1]]
    return _score(score, counts.right, counts.gold, predicted)


def averaged_score(score: Score, average: Average, counts: Counts) -> FloatArray:
    """The score of all classes together.

    micro sums the counts over classes first, and counts predictions outside the labels as false ones; macro is the mean
    over the classes that occur; weighted is the mean weighted by how often each is the target.
    """
    if average == "micro":
        return _score(score, counts.right.sum(axis=-1), counts.gold.sum(axis=-1), counts.predicted.sum(axis=-1))
    per_class = class_score(score, counts)
    exists = ~np.isnan(per_class)
    weights = np.where(exists, counts.gold if average == "weighted" else 1.0, 0.0)
    return ratio((np.where(exists, per_class, 0.0) * weights).sum(axis=-1), weights.sum(axis=-1))


def agreement_of_one(counts: Counts) -> FloatArray:
    """How right single examples are, 0 to 1: F1 over the example's own labels; 1 where there is nothing to find or say.

    For an example with one target this is 1 or 0. It ranks the worst examples, where the metric itself has no value.
    """
    right, total = counts.right.sum(axis=-1), counts.gold.sum(axis=-1) + counts.predicted.sum(axis=-1)
    return np.where(total == 0, 1.0, ratio(2 * right, total))


def ratio(numerator: FloatArray, denominator: FloatArray) -> FloatArray:
    """The quotient; NaN for 0/0."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.asarray(np.true_divide(numerator, denominator))


def explain(totals: FloatArray, labels: Sequence[Label]) -> str:
    """What was taken for what, as lines of text: the confusion matrix, or a row for each class where there is none."""
    counts, n = split(totals, labels), len(labels)
    cells = totals[3 * n + 1 : -1].reshape(-1, n + 1) if n else np.zeros((0, 1))
    if cells.any():
        rows = [[heading(label), *(f"{cell:.0f}" for cell in row)] for label, row in zip(labels, cells, strict=True)]
        return _table([["target \\ predicted", *map(heading, labels), OTHER], *rows])
    scores = [class_score(score, counts) for score in SCORES]
    table = [["label", "target", "predicted", "right", *SCORES]]
    for i, label in enumerate(labels):
        numbers = (counts.gold[i], counts.predicted[i], counts.right[i])
        table.append([heading(label), *(f"{x:.0f}" for x in numbers), *(f"{s[i]:.3f}" for s in scores)])
    return _table([*table, [OTHER, "", f"{counts.predicted[n]:.0f}", "0", "", "", ""]])


def _score(score: Score, right: FloatArray, gold: FloatArray, predicted: FloatArray) -> FloatArray:
    if score == "recall":
        return ratio(right, gold)
    if score == "f1":
        return ratio(2 * right, gold + predicted)
    return np.where((predicted == 0) & (gold > 0), 0.0, ratio(right, predicted))


def _one_hot(labels: Sequence[Label], cell: tuple[Label, Label | None] | None) -> list[float]:
    cells = np.zeros((len(labels), len(labels) + 1))
    if cell is not None:
        target, prediction = cell
        known = prediction is not None and prediction in labels
        cells[labels.index(target), labels.index(prediction) if known else -1] = 1
    return [float(value) for value in cells.ravel()]


def _table(rows: list[list[str]]) -> str:
    widths = [max(map(len, column)) for column in zip(*rows, strict=True)]
    lines = []
    for first, *rest in rows:
        cells = [cell.rjust(width) for cell, width in zip(rest, widths[1:], strict=True)]
        lines.append("  ".join([first.ljust(widths[0]), *cells]).rstrip())
    return "\n".join(lines)
