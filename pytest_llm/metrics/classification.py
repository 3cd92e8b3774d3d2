"""Classification: how often the predicted label is the right one, over all examples or class by class.

    accuracy              examples with the right label / examples
    balanced_accuracy     mean over classes of recall
    precision             of what was predicted as the class, the share that is
    recall                of what is the class, the share that was predicted as it
    f1                    2·right / (targets + predictions), the harmonic mean of both
    matthews_correlation  correlation of targets with predictions, −1 to 1 (Gorodkin 2004 for more than two classes)

An output is a predicted label, or None where the model gave none; `example.target` is the right label. In multi-label tasks
both are collections of labels. Names and definitions are scikit-learn's with `labels=` given; `class_counts.py` says which
numbers do not exist and what then.

A prediction outside the labels of the data is wrong: it costs accuracy, recall, F1, Matthews' correlation and micro precision.
The precision of a single class, and so its macro average, asks only about predictions of that class; a model that
answers beside the labels should be gated by F1 or accuracy.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import TYPE_CHECKING, Any, ClassVar

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics import class_counts
from pytest_llm.metrics.class_counts import AVERAGES, SCORES, Average, Score, ratio
from pytest_llm.metrics.labels import (
    Label,
    as_label,
    checked_labels,
    describe_labels,
    is_collection,
    label_set,
    predicted_label,
    predicted_labels,
)
from pytest_llm.statistics.jackknife import FloatArray, Scale
from pytest_llm.stopping.question import Quotient
from pytest_llm.tasks.classify import Classify
from pytest_llm.tasks.task import Task

if TYPE_CHECKING:
    from typing_extensions import Self


@dataclass(frozen=True)
class Accuracy:
    """The share of examples whose predicted label is the target; of multi-label examples, all labels and no other."""

    task: ClassVar[Task] = Classify()
    lower_is_better = False
    scale: Scale = "linear"
    counts = "examples"
    name = "accuracy"
    quotient: ClassVar[Quotient] = Quotient(0, 1, whole=True)

    def signature(self, window: int | None = None) -> str:
        return self.name

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """(right, 1)."""
        if is_collection(example.target):
            gold = {as_label(label, example, "target") for label in example.target}
            return float(predicted_labels(output, example) == gold), 1.0
        gold_label = as_label(example.target, example, "target")
        return float(predicted_label(output, example) == gold_label), 1.0

    def aggregate(self, totals: FloatArray) -> FloatArray:
        return ratio(totals[..., 0], totals[..., 1])


@dataclass(frozen=True)
class _ByClass:
    """What metrics over classes share: the label set and the counts."""

    labels: Sequence[Label] = ()
    """The classes; empty: `fitted` reads them off the targets."""

    task: ClassVar[Task] = Classify()
    lower_is_better = False
    counts = "examples"

    def __post_init__(self) -> None:
        object.__setattr__(self, "labels", checked_labels(self.labels))

    @property
    def name(self) -> str:
        raise NotImplementedError

    @property
    def scale(self) -> Scale:
        return "linear"

    def fitted(self, examples: Sequence[Example]) -> Self:
        """A copy whose label set is that of the targets.

        Raises:
            MisuseError: targets that are no labels, or that do not fit the labels given.
        """
        several = {is_collection(example.target) for example in examples}
        if len(several) > 1:
            raise MisuseError("some targets are single labels and some collections of labels; make all of one kind")
        remedy = "give each example a label as its target"
        return replace(self, labels=label_set(self.labels, _labels_of(examples), remedy))

    def signature(self, window: int | None = None) -> str:
        return f"{self.name}|labels:{describe_labels(self.labels)}"

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """The counts per class of `class_counts.py`; the last one is 1."""
        if not self.labels:
            raise MisuseError(f"{self.name} does not know the labels yet: give labels=, or use fitted(examples)")
        gold = list(_labels_of([example]))
        for label in gold:
            if label not in self.labels:
                raise MisuseError(
                    f"the target of example {example.label} is {label!r}, which labels={self.labels!r} lacks; "
                    f"add it, or use fitted(examples)"
                )
        if is_collection(example.target):
            return self._of_many(example, set(gold), output)
        prediction = predicted_label(output, example)
        right = gold if prediction == gold[0] else []
        return class_counts.row(self.labels, right, gold, [prediction], weight=1, cell=(gold[0], prediction))

    def example_values(self, statistics: FloatArray) -> FloatArray:
        """How right each example is by itself, 0 to 1, to rank the worst: one example has no correlation or macro average."""
        return class_counts.agreement_of_one(class_counts.split(statistics, self.labels))

    def explain_total(self, totals: FloatArray) -> str:
        """The confusion matrix as lines of text, or a row for each class if labels are many or several to an example."""
        return class_counts.explain(totals, self.labels)

    def _of_many(self, example: Example, gold: set[Label], output: Any) -> Sequence[float]:
        raise MisuseError(
            f"the target of example {example.label} is {example.target!r}, but {self.name} takes one label an example; "
            f"for several, use f1, precision, recall or accuracy"
        )


@dataclass(frozen=True)
class ClassificationScore(_ByClass):
    """Precision, recall or F1 by class; see the module for the formulas."""

    score: Score = "f1"
    average: Average = "macro"
    """How classes are put together: the mean over classes, the mean weighted by their targets, or counts summed first."""
    label: Label | None = None
    """Not an average, but the score of this class alone (True, in a yes-or-no task)."""

    def __post_init__(self) -> None:
        super().__post_init__()
        check_choice("score", self.score, SCORES)
        check_choice("average", self.average, AVERAGES)
        if self.label is not None and self.average != "macro":
            raise MisuseError(
                f"label={self.label!r} with average={self.average!r}: one class has no average; drop either"
            )

    @property
    def name(self) -> str:
        return self.score

    def fitted(self, examples: Sequence[Example]) -> Self:
        made = super().fitted(examples)
        if self.label is not None and self.label not in made.labels:
            raise MisuseError(f"label={self.label!r} is the target of no example; targets are {made.labels!r}")
        return made

    def signature(self, window: int | None = None) -> str:
        which = f"average:{self.average}" if self.label is None else f"label:{self.label}"
        return f"{self.name}|{which}|labels:{describe_labels(self.labels)}"

    def aggregate(self, totals: FloatArray) -> FloatArray:
        counts = class_counts.split(totals, self.labels)
        if self.label is None:
            return class_counts.averaged_score(self.score, self.average, counts)
        return class_counts.class_score(self.score, counts)[..., self.labels.index(self.label)]

    def _of_many(self, example: Example, gold: set[Label], output: Any) -> Sequence[float]:
        predicted = predicted_labels(output, example)
        return class_counts.row(self.labels, gold & predicted, gold, predicted, weight=1)


@dataclass(frozen=True)
class BalancedAccuracy(_ByClass):
    """The mean over classes of recall: what accuracy would be if all classes were equally frequent."""

    @property
    def name(self) -> str:
        return "balanced_accuracy"

    def aggregate(self, totals: FloatArray) -> FloatArray:
        return class_counts.averaged_score("recall", "macro", class_counts.split(totals, self.labels))


@dataclass(frozen=True)
class MatthewsCorrelation(_ByClass):
    """The correlation of predictions with targets; 0 for a model that always says the same, NaN for one class of targets.

    With s examples, c of them right, and tₖ targets and pₖ predictions of class k ("other" being a class of its own):
    (c·s − Σ tₖpₖ) / √((s² − Σ pₖ²)(s² − Σ tₖ²)). Gorodkin, "Comparing two K-category assignments by a K-category
    correlation coefficient" (2004); for two classes it is Matthews (1975).
    """

    @property
    def name(self) -> str:
        return "matthews_correlation"

    def aggregate(self, totals: FloatArray) -> FloatArray:
        counts = class_counts.split(totals, self.labels)
        gold, predicted = counts.gold, counts.predicted[..., : counts.gold.shape[-1]]
        n = totals[..., -1]
        covariance = counts.right.sum(axis=-1) * n - (gold * predicted).sum(axis=-1)
        spread_of_targets = n**2 - (gold**2).sum(axis=-1)
        spread_of_predictions = n**2 - (counts.predicted**2).sum(axis=-1)
        value = ratio(covariance, np.sqrt(spread_of_predictions) * np.sqrt(spread_of_targets))
        always_the_same = (spread_of_predictions == 0) & (spread_of_targets > 0)
        return np.where(always_the_same, 0.0, value)


def check_choice(setting: str, value: object, allowed: Sequence[str]) -> None:
    """Refuse a setting that is none of those allowed."""
    if value not in allowed:
        raise MisuseError(f"{setting}={value!r}: expected one of {', '.join(map(repr, allowed))}")


def _labels_of(examples: Sequence[Example]) -> Iterator[Label]:
    for example in examples:
        target = example.target
        for value in target if is_collection(target) else (target,):
            yield as_label(value, example, "target")
