"""Classification metrics against scikit-learn over arbitrary labels, by hand, and what they refuse."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Sequence
from typing import Any, TypeAlias

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from sklearn import metrics as sklearn_metrics
from sklearn.preprocessing import MultiLabelBinarizer

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.class_counts import AVERAGES, SCORES, Average, Score
from pytest_llm.metrics.classification import Accuracy, BalancedAccuracy, ClassificationScore, MatthewsCorrelation
from pytest_llm.statistics.jackknife import FloatArray, jackknife

AnyMetric: TypeAlias = "Accuracy | BalancedAccuracy | ClassificationScore | MatthewsCorrelation"
UNKNOWN = "zebra"  # a label that no target has

ANSWERS = st.lists(
    st.tuples(st.sampled_from("abcd"), st.sampled_from(["a", "b", "c", "d", UNKNOWN])), min_size=1, max_size=30
)
MANY_LABELS = st.sets(st.sampled_from("abcd"))
MANY_ANSWERS = st.lists(st.tuples(MANY_LABELS, MANY_LABELS), min_size=1, max_size=20).filter(
    lambda pairs: any(gold for gold, _ in pairs)
)


def examples(targets: Sequence[Any]) -> list[Example]:
    return [Example(str(i), "text", f"#{i}", target=target) for i, target in enumerate(targets)]


def statistics(metric: AnyMetric, targets: Sequence[Any], outputs: Sequence[Any]) -> tuple[AnyMetric, FloatArray]:
    rows = examples(targets)
    if not isinstance(metric, Accuracy):
        metric = metric.fitted(rows)
    return metric, np.array([metric.statistics(*pair) for pair in zip(rows, outputs, strict=True)], dtype=np.float64)


def value(metric: AnyMetric, targets: Sequence[Any], outputs: Sequence[Any]) -> float:
    fitted, rows = statistics(metric, targets, outputs)
    return float(fitted.aggregate(rows.sum(axis=0)))


def reference(score: Score, *, zero_division: float, **options: Any) -> float:
    function = {
        "precision": sklearn_metrics.precision_score,
        "recall": sklearn_metrics.recall_score,
        "f1": sklearn_metrics.f1_score,
    }[score]
    return float(function(zero_division=zero_division, **options))


@settings(deadline=None)
@given(ANSWERS, st.sampled_from(SCORES), st.sampled_from(AVERAGES))
def test_scores_are_those_of_scikit_learn(pairs: list[tuple[str, str]], score: Score, average: Average) -> None:
    gold, predicted = zip(*pairs, strict=True)
    labels = None if average == "micro" else sorted(set(gold))  # with labels given, micro would lose UNKNOWN
    expected = reference(score, y_true=gold, y_pred=predicted, labels=labels, average=average, zero_division=0)
    assert value(ClassificationScore(score=score, average=average), gold, predicted) == pytest.approx(expected)


@settings(deadline=None)
@given(MANY_ANSWERS, st.sampled_from(SCORES), st.sampled_from(AVERAGES))
def test_scores_of_several_labels_are_those_of_scikit_learn(
    pairs: list[tuple[set[str], set[str]]], score: Score, average: Average
) -> None:
    gold, predicted = zip(*pairs, strict=True)
    known = sorted(set().union(*gold))
    columns = [*sorted(set(known).union(*predicted)), "none"]  # one column alone would be another kind of task
    both = MultiLabelBinarizer(classes=columns).fit([])
    expected = reference(
        score,
        y_true=both.transform(gold),
        y_pred=both.transform(predicted),
        labels=None if average == "micro" else [columns.index(label) for label in known],
        average=average,
        zero_division=0,
    )
    assert value(ClassificationScore(score=score, average=average), gold, predicted) == pytest.approx(expected)
    exact = sklearn_metrics.accuracy_score(both.transform(gold), both.transform(predicted))
    assert value(Accuracy(), gold, predicted) == pytest.approx(exact)


@settings(deadline=None)
@given(ANSWERS, st.sampled_from(SCORES))
def test_the_score_of_one_class_is_that_of_scikit_learn(pairs: list[tuple[str, str]], score: Score) -> None:
    gold, predicted = zip(*pairs, strict=True)
    expected = reference(score, y_true=gold, y_pred=predicted, labels=[gold[0]], average="macro", zero_division=0)
    assert value(ClassificationScore(score=score, label=gold[0]), gold, predicted) == pytest.approx(expected)


@settings(deadline=None)
@given(ANSWERS)
def test_the_other_metrics_are_those_of_scikit_learn(pairs: list[tuple[str, str]]) -> None:
    gold, predicted = zip(*pairs, strict=True)
    assert value(Accuracy(), gold, predicted) == pytest.approx(sklearn_metrics.accuracy_score(gold, predicted))
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # UserWarning: y_pred contains classes not in y_true
        balanced = sklearn_metrics.balanced_accuracy_score(gold, predicted)
    assert value(BalancedAccuracy(), gold, predicted) == pytest.approx(balanced)
    correlation = value(MatthewsCorrelation(), gold, predicted)
    if len(set(gold)) == 1:
        assert math.isnan(correlation)
    else:
        merged = [label if label in gold else "other" for label in predicted]
        assert correlation == pytest.approx(sklearn_metrics.matthews_corrcoef(gold, merged), abs=1e-12)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (Accuracy(), 3 / 5),
        (BalancedAccuracy(), (2 / 3 + 1 / 2) / 2),
        (ClassificationScore(score="precision", label="b"), 1 / 2),
        (ClassificationScore(score="recall", label="b"), 1 / 2),
        (ClassificationScore(score="f1", label="a"), 4 / 5),
        (ClassificationScore(), (4 / 5 + 1 / 2) / 2),
        (ClassificationScore(average="weighted"), (3 * 4 / 5 + 2 * 1 / 2) / 5),
        (ClassificationScore(average="micro", score="precision"), 3 / 5),
        (MatthewsCorrelation(), (3 * 5 - (3 * 2 + 2 * 2)) / math.sqrt((25 - 4 - 4 - 1) * (25 - 9 - 4))),
    ],
)
def test_five_answers_by_hand(metric: AnyMetric, expected: float) -> None:
    assert value(metric, list("aaabb"), ["a", "a", "b", "b", UNKNOWN]) == pytest.approx(expected)


@pytest.mark.parametrize(
    "metric", [Accuracy(), BalancedAccuracy(), MatthewsCorrelation(), *(ClassificationScore(score=s) for s in SCORES)]
)
@pytest.mark.parametrize("nonsense", [UNKNOWN, None])
def test_a_model_that_never_gives_a_known_label_gets_0(metric: AnyMetric, nonsense: str | None) -> None:
    assert value(metric, list("abab"), [nonsense] * 4) == 0


@pytest.mark.parametrize("score", SCORES)
def test_a_class_that_is_never_asked_for_has_no_score(score: Score) -> None:
    metric = ClassificationScore(labels=("a", "b"), score=score, label="b")
    row = metric.statistics(Example("0", "text", "#0", target="a"), "a")
    assert math.isnan(metric.aggregate(np.array(row)))


def test_a_class_that_is_predicted_but_never_a_target_has_no_recall() -> None:
    row = np.array(ClassificationScore(labels=("a", "b")).statistics(Example("0", "text", "#0", target="a"), "b"))
    values = [ClassificationScore(labels=("a", "b"), score=s, label="b").aggregate(row) for s in SCORES]
    assert values == [0, pytest.approx(math.nan, nan_ok=True), 0]


def test_averages_leave_out_classes_that_do_not_occur() -> None:
    row = np.array(ClassificationScore(labels=("a", "b")).statistics(Example("0", "text", "#0", target="a"), "a"))
    for score, average in itertools.product(SCORES, AVERAGES):
        assert ClassificationScore(labels=("a", "b"), score=score, average=average).aggregate(row) == 1


def test_no_example_at_all_is_not_a_number() -> None:
    for metric in (BalancedAccuracy(("a",)), ClassificationScore(("a",)), MatthewsCorrelation(("a",))):
        width = len(metric.statistics(Example("0", "text", "#0", target="a"), "a"))
        assert math.isnan(metric.aggregate(np.zeros(width)))
    assert math.isnan(Accuracy().aggregate(np.zeros(2)))


def test_labels_are_compared_as_python_does_whatever_numpy_type_they_have() -> None:
    assert value(Accuracy(), [1, 0, True], [np.int64(1), np.bool_(False), 1]) == 1
    assert value(ClassificationScore(label=True), [True, False, True], list(np.array([1, 1, 1]))) == pytest.approx(
        4 / 5
    )


@settings(deadline=None, max_examples=25)
@given(ANSWERS.filter(lambda pairs: len({gold for gold, _ in pairs}) > 1))
def test_the_jackknife_agrees_with_leaving_examples_out_one_by_one(pairs: list[tuple[str, str]]) -> None:
    gold, predicted = zip(*pairs, strict=True)
    metric, rows = statistics(ClassificationScore(), gold, predicted)
    estimate = jackknife(rows, metric.aggregate)
    assert estimate is not None
    known = sorted(set(gold))
    left_out = []
    for i in range(len(gold)):
        rest = [*gold[:i], *gold[i + 1 :]], [*predicted[:i], *predicted[i + 1 :]]
        left_out.append(
            reference("f1", y_true=rest[0], y_pred=rest[1], labels=known, average="macro", zero_division=math.nan)
        )
    n = len(left_out)
    assert estimate.standard_error == pytest.approx(math.sqrt((n - 1) / n * n * np.var(left_out)))


def test_many_classes_cost_no_confusion_matrix() -> None:
    targets = [f"class {i:03}" for i in range(150)]
    metric, rows = statistics(ClassificationScore(), targets, targets)
    assert rows.shape == (150, 3 * 150 + 2)
    assert metric.aggregate(rows.sum(axis=0)) == 1


def test_single_examples_are_right_or_wrong() -> None:
    metric, rows = statistics(MatthewsCorrelation(), list("aab"), ["a", "b", None])
    assert not isinstance(metric, Accuracy)
    assert metric.example_values(rows).tolist() == [1, 0, 0]


def test_single_examples_of_several_labels_have_their_own_f1() -> None:
    metric, rows = statistics(ClassificationScore(), [{"a", "b"}, {"a"}, set()], [{"a"}, {UNKNOWN}, ()])
    assert not isinstance(metric, Accuracy)
    assert metric.example_values(rows).tolist() == pytest.approx([2 / 3, 0, 1])


def test_the_confusion_matrix_of_the_total() -> None:
    metric, rows = statistics(ClassificationScore(), ["no", "no", "yes", "yes"], ["no", "yes", "yes", "maybe"])
    assert not isinstance(metric, Accuracy)
    assert metric.explain_total(rows.sum(axis=0)).splitlines() == [
        "target \\ predicted  no  yes  other",
        "no                   1    1      0",
        "yes                  0    1      1",
    ]


def test_many_or_several_labels_are_explained_class_by_class() -> None:
    metric, rows = statistics(ClassificationScore(), [{"a", "b"}, {"b"}], [{"a", UNKNOWN}, {"b", "a"}])
    assert not isinstance(metric, Accuracy)
    assert metric.explain_total(rows.sum(axis=0)).splitlines() == [
        "label  target  predicted  right  precision  recall     f1",
        "a           1          2      1      0.500   1.000  0.667",
        "b           2          1      1      1.000   0.500  0.667",
        "other                  1      0",
    ]


def test_a_label_cannot_break_the_lines_of_the_matrix() -> None:
    metric, rows = statistics(ClassificationScore(), ["x\ny", "", "long " * 20], ["", "", ""])
    assert not isinstance(metric, Accuracy)
    lines = metric.explain_total(rows.sum(axis=0)).splitlines()
    assert len(lines) == 4
    assert [line.split("  ")[0] for line in lines[1:]] == ["''", "long long long long…", "'x\\ny'"]


@pytest.mark.parametrize(
    ("metric", "signature"),
    [
        (Accuracy(), "accuracy"),
        (BalancedAccuracy(), "balanced_accuracy|labels:from targets"),
        (MatthewsCorrelation((1, 2)), "matthews_correlation|labels:1,2"),
        (ClassificationScore(("b", "a"), average="micro"), "f1|average:micro|labels:b,a"),
        (ClassificationScore((True, False), score="recall", label=False), "recall|label:False|labels:True,False"),
    ],
)
def test_the_signature_holds_every_setting(metric: AnyMetric, signature: str) -> None:
    assert metric.signature() == metric.signature(128) == signature


def test_the_signature_tells_two_long_label_sets_apart() -> None:
    one, other = (BalancedAccuracy([*range(20), last]).signature() for last in (20, 21))
    assert one.startswith("balanced_accuracy|labels:21-")
    assert one != other


@pytest.mark.parametrize(
    ("target", "output", "message"),
    [
        ("a", 0.7, r"the output of example #0 is 0\.7 \(float\); expected a label"),
        ("a", ["a"], r"the output of example #0 is \['a'\] \(list\); expected a label"),
        (None, "a", r"the target of example #0 is None \(NoneType\); expected a label"),
        (1, "1", r"the output of example #0 is '1' \(str\) and its target is 1 \(int\), .* convert one"),
        ({"a"}, "a", r"the output of example #0 is 'a' \(str\), but its target is a collection of labels"),
        ({1}, {"1"}, r"the output of example #0 is '1' \(str\) and its target is 1 \(int\)"),
    ],
)
@pytest.mark.parametrize("metric", [Accuracy(), ClassificationScore(labels=(0, 1, "a"))])
def test_outputs_that_could_never_be_right_are_refused(
    metric: AnyMetric, target: object, output: object, message: str
) -> None:
    with pytest.raises(MisuseError, match=message):
        metric.statistics(Example("0", "text", "#0", target=target), output)


@pytest.mark.parametrize(
    ("labels", "targets", "message"),
    [
        ((), [], "the targets hold no label"),
        ((), [set(), set()], "the targets hold no label"),
        ((), ["a", 1], "labels are strings and numbers together"),
        ((), ["a", {"b"}], "some targets are single labels and some collections"),
        (("a",), ["a", "b"], r"targets hold \['b'\], which labels=\('a',\) lacks"),
        (("a", "b", "c"), ["a", "b"], r"no target is 'c', so nothing can be said about it; drop it"),
    ],
)
def test_label_sets_that_do_not_fit_the_targets_are_refused(
    labels: tuple[str, ...], targets: list[Any], message: str
) -> None:
    with pytest.raises(MisuseError, match=message):
        ClassificationScore(labels).fitted(examples(targets))


def test_counting_needs_labels() -> None:
    with pytest.raises(MisuseError, match=r"f1 does not know the labels yet: give labels=, or use fitted\(examples\)"):
        ClassificationScore().statistics(examples("a")[0], "a")
    with pytest.raises(MisuseError, match=r"the target of example #0 is 'b', which labels=\('a',\) lacks"):
        ClassificationScore(("a",)).statistics(examples("b")[0], "a")


def test_several_labels_have_no_balanced_accuracy() -> None:
    with pytest.raises(MisuseError, match="balanced_accuracy takes one label an example; for several, use f1"):
        value(BalancedAccuracy(), [{"a"}], [{"a"}])


@pytest.mark.parametrize(
    ("made_with", "message"),
    [
        ({"score": "f2"}, "score='f2': expected one of 'precision', 'recall', 'f1'"),
        ({"average": "binary"}, "average='binary': expected one of 'micro', 'macro', 'weighted'"),
        ({"average": "micro", "label": "a"}, "label='a' with average='micro': one class has no average"),
        ({"labels": "ab"}, "labels='ab': expected a list of the labels"),
        ({"labels": ["a", "a"]}, "expected different strings or whole numbers"),
        ({"labels": [0.5]}, "expected different strings or whole numbers"),
    ],
)
def test_settings_that_make_no_sense_are_refused(made_with: dict[str, Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        ClassificationScore(**made_with)


def test_a_class_that_no_target_has_cannot_be_scored_alone() -> None:
    with pytest.raises(MisuseError, match=r"label='c' is the target of no example; targets are \('a', 'b'\)"):
        ClassificationScore(label="c").fitted(examples("ab"))


def test_labels_may_be_a_set() -> None:
    assert ClassificationScore({"b", "a"}).labels == ("a", "b")  # type: ignore[arg-type]
