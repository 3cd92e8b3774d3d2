"""Assertions about labels: which class the model gives a text, and how sure it may be of it.

What `model`, `data`, `task` and `engine` may be is the same in all of them, and stands in `measure`. Those over classes show the
confusion matrix when they fail.
"""

from __future__ import annotations

from collections.abc import Sequence

from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.measure import Answers, Questions, measure
from pytest_llm.inference.time_budget import TimeBudget
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics.calibration import CalibrationError
from pytest_llm.metrics.class_counts import Average
from pytest_llm.metrics.classification import Accuracy, BalancedAccuracy, ClassificationScore, MatthewsCorrelation
from pytest_llm.metrics.labels import Label
from pytest_llm.stopping.gates import until_limit
from pytest_llm.stopping.mode import EarlyStop
from pytest_llm.tasks.classify import Classify


@assertion
def assert_accuracy_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Classify | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    early_stop: EarlyStop | None = None,
    confidence: float | None = None,
) -> Measurement:
    """Assert that the share of texts that are given the right label is above a limit. From 0 to 1.

    `right / examples`; of multi-label examples all labels and no other. Where one class is most of the data it says little: a
    model that always names that class scores its share.

    Args:
        model: what gives the labels, or the list of labels that were given (None for an example without one); see `measure`.
        data: rows with a `text` and a `target`, the right label or a collection of them; for a list of labels also these alone.
        limit: what it has to exceed, such as 0.9.
        task: the labels to choose from and the prompt; None: the model's own classification head knows them.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        early_stop: "sequential" or "certain": stop when the verdict is as good as certain, or certain; None: as the session
            does. See `stopping.watch`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.

    Raises:
        QualityError: it is not above the limit, not provably so if `confidence` asks for proof, or not a number.
        MisuseError: (a ValueError) data, model or settings that give no number; a label of another type than the targets.

    Source: scikit-learn's `accuracy_score`.

    Example:
        >>> assert_accuracy_above(llm, "reviews.jsonl", 0.9, task=Classify(["positive", "negative"]))  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)  # a limit that makes no sense is refused before the model runs
    return gate(measure(model, data, Accuracy(), task=task, engine=engine, until=until_limit(claim, early_stop)), claim)


@assertion
def assert_balanced_accuracy_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Classify | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
    labels: Sequence[Label] = (),
) -> Measurement:
    """Assert that the mean over classes of recall is above a limit. From 0 to 1; guessing gives 1 / classes.

    `mean over classes of (right / targets of the class)`: what accuracy would be if all classes were equally frequent.

    Args:
        model: what gives the labels, or the list of labels that were given (None for an example without one); see `measure`.
        data: rows with a `text` and a `target`, the right label; for a list of labels also these alone.
        limit: what it has to exceed, such as 0.8.
        task: the labels to choose from and the prompt; None: the model's own classification head knows them.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.
        labels: the classes; empty: those of the targets. A prediction outside them is wrong.

    Raises:
        QualityError: it is not above the limit, not provably so if `confidence` asks for proof, or not a number.
        MisuseError: (a ValueError) data, model or settings that give no number; a label of another type than the targets.

    Source: scikit-learn's `balanced_accuracy_score`.

    Example:
        >>> assert_balanced_accuracy_above(["a", "b", "b"], ["a", "b", "a"], 0.7)  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)
    return gate(measure(model, data, BalancedAccuracy(labels), task=task, engine=engine), claim)


@assertion
def assert_precision_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Classify | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
    average: Average = "macro",
    label: Label | None = None,
    labels: Sequence[Label] = (),
) -> Measurement:
    """Assert that precision is above a limit: of what was predicted as a class, the share that is of it. From 0 to 1.

    `right / predictions of the class`, put together over classes as `average` says. A class that is no
    target leaves the average; one that is never predicted counts 0. It asks only about predictions of classes; gate a model that
    answers beside them by F1 or accuracy.

    Args:
        model: what gives the labels, or the list of labels that were given (None for an example without one); see `measure`.
        data: rows with a `text` and a `target`, the right label or a collection of them; for a list of labels also these alone.
        limit: what it has to exceed, such as 0.8.
        task: the labels to choose from and the prompt; None: the model's own classification head knows them.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.
        average: over classes: "macro", their mean; "weighted", by how often each is the target; "micro", counts summed first.
        label: the score of this class alone, and no average: True in a yes-or-no task.
        labels: the classes; empty: those of the targets. A prediction outside them is wrong.

    Raises:
        QualityError: it is not above the limit, not provably so if `confidence` asks for proof, or not a number.
        MisuseError: (a ValueError) data, model or settings that give no number; a label of another type than the targets.

    Source: scikit-learn's `precision_score` with `labels=` and `zero_division` as above.

    Example:
        >>> assert_precision_above(["yes", "no", "no"], ["yes", "no", "yes"], 0.4, label="yes")  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)
    return gate(
        measure(model, data, ClassificationScore(labels, "precision", average, label), task=task, engine=engine), claim
    )


@assertion
def assert_recall_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Classify | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
    average: Average = "macro",
    label: Label | None = None,
    labels: Sequence[Label] = (),
) -> Measurement:
    """Assert that recall is above a limit: of what is of a class, the share that was predicted as it. From 0 to 1.

    `right / targets of the class`, put together over classes as `average` says. A class that is no
    target leaves the average; one that is never predicted counts 0.

    Args:
        model: what gives the labels, or the list of labels that were given (None for an example without one); see `measure`.
        data: rows with a `text` and a `target`, the right label or a collection of them; for a list of labels also these alone.
        limit: what it has to exceed, such as 0.8.
        task: the labels to choose from and the prompt; None: the model's own classification head knows them.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.
        average: over classes: "macro", their mean; "weighted", by how often each is the target; "micro", counts summed first.
        label: the score of this class alone, and no average: True in a yes-or-no task.
        labels: the classes; empty: those of the targets. A prediction outside them is wrong.

    Raises:
        QualityError: it is not above the limit, not provably so if `confidence` asks for proof, or not a number.
        MisuseError: (a ValueError) data, model or settings that give no number; a label of another type than the targets.

    Source: scikit-learn's `recall_score` with `labels=` and `zero_division` as above.

    Example:
        >>> assert_recall_above(["yes", "no", "no"], ["yes", "no", "yes"], 0.4, label="yes")  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)
    return gate(
        measure(model, data, ClassificationScore(labels, "recall", average, label), task=task, engine=engine), claim
    )


@assertion
def assert_f1_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Classify | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
    average: Average = "macro",
    label: Label | None = None,
    labels: Sequence[Label] = (),
) -> Measurement:
    """Assert that F1 is above a limit: the harmonic mean of precision and recall. From 0 to 1.

    `2 · right / (targets + predictions of the class)`, put together over classes as `average` says. A class that is no
    target leaves the average; one that is never predicted counts 0.

    Args:
        model: what gives the labels, or the list of labels that were given (None for an example without one); see `measure`.
        data: rows with a `text` and a `target`, the right label or a collection of them; for a list of labels also these alone.
        limit: what it has to exceed, such as 0.8.
        task: the labels to choose from and the prompt; None: the model's own classification head knows them.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.
        average: over classes: "macro", their mean; "weighted", by how often each is the target; "micro", counts summed first.
        label: the score of this class alone, and no average: True in a yes-or-no task.
        labels: the classes; empty: those of the targets. A prediction outside them is wrong.

    Raises:
        QualityError: it is not above the limit, not provably so if `confidence` asks for proof, or not a number.
        MisuseError: (a ValueError) data, model or settings that give no number; a label of another type than the targets.

    Source: scikit-learn's `f1_score` with `labels=` and `zero_division` as above.

    Example:
        >>> assert_f1_above(["yes", "no", "no"], ["yes", "no", "yes"], 0.4, label="yes")  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)
    return gate(
        measure(model, data, ClassificationScore(labels, "f1", average, label), task=task, engine=engine), claim
    )


@assertion
def assert_matthews_correlation_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Classify | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
    labels: Sequence[Label] = (),
) -> Measurement:
    """Assert that the correlation of predictions with targets is above a limit. From −1 to 1; 0 is chance.

    With s examples, c of them right, tₖ targets and pₖ predictions of class k it is
    `(c·s − Σ tₖpₖ) / √((s² − Σ pₖ²)(s² − Σ tₖ²))`: 0 for a model that always says the same, whatever the classes' shares.

    Args:
        model: what gives the labels, or the list of labels that were given (None for an example without one); see `measure`.
        data: rows with a `text` and a `target`, the right label; for a list of labels also these alone.
        limit: what it has to exceed, such as 0.5.
        task: the labels to choose from and the prompt; None: the model's own classification head knows them.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.
        labels: the classes; empty: those of the targets. A prediction outside them is wrong.

    Raises:
        QualityError: it is not above the limit, not provably so if `confidence` asks for proof, or not a number.
        MisuseError: (a ValueError) data, model or settings that give no number; a label of another type than the targets.

    Source: Matthews 1975; Gorodkin 2004 for more than two classes; scikit-learn's `matthews_corrcoef`.

    Example:
        >>> assert_matthews_correlation_above([1, 0, 1, 1], [1, 0, 0, 1], 0.5)  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)
    return gate(measure(model, data, MatthewsCorrelation(labels), task=task, engine=engine), claim)


@assertion
def assert_calibration_error_below(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Classify | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    confidence: float | None = None,
    bins: int = 15,
) -> Measurement:
    """Assert that the expected calibration error is below a limit. From 0, perfect, to 1.

    `Σ_b |right_b − Σ confidence_b| / examples` over bins of equal width: whether a model that says "90 % sure" is right in
    90 % of such cases. It is biased upwards with few examples: compare values of equal numbers of examples and bins.

    Args:
        model: what gives labels and their probabilities; or a list of mappings, or of pairs `(label, confidence)`; see `measure`.
        data: rows with a `text` and a `target`, the right label; for a list also these alone.
        limit: what it must not reach, such as 0.1.
        task: the labels to choose from and the prompt; None: the model's own classification head knows them.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        confidence: 0.95 demands proof for text like this; None judges this data as it is.
        bins: how many bins of confidence.

    Raises:
        QualityError: it is not below the limit, not provably so if `confidence` asks for proof, or not a number.
        MisuseError: (a ValueError) data, model or settings that give no number; a label of another type than the targets.

    Source: Guo, Pleiss, Sun & Weinberger 2017, "On calibration of modern neural networks".

    Example:
        >>> assert_calibration_error_below([("a", 0.9), ("b", 0.8)], ["a", "b"], 0.2)  # doctest: +SKIP
    """
    claim = Limit.below(limit, confidence=confidence)
    return gate(measure(model, data, CalibrationError(bins), task=task, engine=engine), claim)
