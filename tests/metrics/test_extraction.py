"""Entity scores against seqeval and against trying all pairings, by hand, and what they refuse."""

from __future__ import annotations

import itertools
import math
import warnings
from collections.abc import Iterator, Sequence
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from seqeval import metrics as seqeval_metrics
from seqeval.metrics.sequence_labeling import get_entities
from seqeval.scheme import IOB2

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.class_counts import AVERAGES, SCORES, Average, Score
from pytest_llm.metrics.extraction import EntityScore, Span, Stray, spans_of

TAGS = st.sampled_from(["O", "B-PER", "I-PER", "B-LOC", "I-LOC"])


@st.composite
def tagged(draw: st.DrawFn) -> tuple[list[str], list[str]]:
    """Targets in IOB2, and an output that differs from them here and there, in IOB2 or not."""
    gold: list[str] = []
    for tag in draw(st.lists(TAGS, min_size=1, max_size=8)):
        stray = tag[0] == "I" and (not gold or gold[-1][1:] != tag[1:])
        gold.append(f"B{tag[1:]}" if stray else tag)
    return gold, [draw(TAGS) if draw(st.integers(0, 3)) == 0 else tag for tag in gold]


TEXTS = st.lists(tagged(), min_size=1, max_size=6).filter(lambda texts: any(set(gold) > {"O"} for gold, _ in texts))
SPANS = st.sets(
    st.tuples(st.integers(0, 8), st.integers(1, 4), st.sampled_from("ab")).map(lambda s: (s[0], s[0] + s[1], s[2])),
    max_size=4,
)


def value(metric: EntityScore, targets: Sequence[Any], outputs: Sequence[Any]) -> float:
    rows = [Example(str(i), "text", f"#{i}", target=target) for i, target in enumerate(targets)]
    metric = metric.fitted(rows)
    statistics = [metric.statistics(*pair) for pair in zip(rows, outputs, strict=True)]
    return float(metric.aggregate(np.array(statistics, dtype=np.float64).sum(axis=0)))


@settings(deadline=None)
@given(TEXTS, st.sampled_from(SCORES), st.sampled_from(["drop", "begin"]))
def test_strict_scores_are_those_of_seqeval(
    texts: list[tuple[list[str], list[str]]], score: Score, stray: Stray
) -> None:
    gold, predicted = (list(tags) for tags in zip(*texts, strict=True))
    reference = getattr(seqeval_metrics, f"{score}_score")
    options = {"mode": "strict", "scheme": IOB2} if stray == "drop" else {}
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # undefined where nothing was found: 0 there and here
        expected = reference(gold, predicted, **options)
    assert value(EntityScore(score=score, stray=stray), gold, predicted) == pytest.approx(float(expected))


@settings(deadline=None)
@given(TEXTS, st.sampled_from(SCORES), st.sampled_from(AVERAGES))
def test_averages_are_those_of_seqeval_over_the_labels_of_targets(
    texts: list[tuple[list[str], list[str]]], score: Score, average: Average
) -> None:
    gold, predicted = (list(tags) for tags in zip(*texts, strict=True))
    labels = {tag[2:] for tags in gold for tag in tags if tag != "O"}
    if average != "micro":  # seqeval averages over labels that only the model gives, too
        predicted = [[tag if tag[2:] in labels else "O" for tag in tags] for tags in predicted]
    reference = getattr(seqeval_metrics, f"{score}_score")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        expected = reference(gold, predicted, average=average, mode="strict", scheme=IOB2)
    assert value(EntityScore(score=score, average=average), gold, predicted) == pytest.approx(float(expected))


@given(st.lists(TAGS, max_size=10))
def test_lenient_spans_are_those_of_seqeval(tags: list[str]) -> None:
    expected = [(start, end + 1, label) for label, start, end in get_entities(tags)]
    assert spans_of(tags, stray="begin") == expected


def most_pairs(gold: Sequence[Span], found: Sequence[Span]) -> int:
    """The greatest number of overlapping pairs of one label, by trying all ways to pair."""

    def pairs(order: Sequence[Span]) -> Iterator[bool]:
        for (a, b, label), (c, d, other) in zip(gold, order, strict=False):
            yield label == other and len(range(max(a, c), min(b, d))) > 0

    padding: list[Span] = [(-1, -1, "")] * len(gold)
    return max(sum(pairs(order)) for order in itertools.permutations([*found, *padding], len(gold)))


@settings(deadline=None, max_examples=50)
@given(SPANS.filter(bool), SPANS)
def test_overlap_pairs_as_many_as_can_be(gold: set[Span], found: set[Span]) -> None:
    right = most_pairs(sorted(gold), sorted(found))
    assert value(EntityScore("recall", "overlap"), [gold], [found]) == pytest.approx(right / len(gold))
    assert value(EntityScore("f1", "overlap"), [gold], [found]) == pytest.approx(2 * right / (len(gold) + len(found)))


@given(TEXTS)
def test_tags_and_their_spans_score_alike(texts: list[tuple[list[str], list[str]]]) -> None:
    gold, predicted = zip(*texts, strict=True)
    by_spans = value(EntityScore(), [spans_of(tags) for tags in gold], [spans_of(tags) for tags in predicted])
    assert by_spans == value(EntityScore(), gold, predicted)


@pytest.mark.parametrize(
    ("metric", "expected"),
    [
        (EntityScore("precision"), 1 / 4),
        (EntityScore("recall"), 1 / 3),
        (EntityScore("f1"), 2 / 7),
        (EntityScore("precision", "overlap"), 2 / 4),
        (EntityScore("recall", "overlap"), 2 / 3),
        (EntityScore("recall", label="LOC"), 0),
        (EntityScore("f1", average="macro"), (2 / 5 + 0) / 2),
    ],
)
def test_one_text_by_hand(metric: EntityScore, expected: float) -> None:
    gold = [(0, 2, "PER"), (3, 4, "LOC"), (6, 9, "PER")]
    found = [(0, 2, "PER"), (3, 4, "PER"), (7, 8, "PER"), (5, 6, "ORG")]
    assert value(metric, [gold], [found]) == pytest.approx(expected)


def test_one_finding_as_long_as_the_text_is_right_once() -> None:
    gold = [(0, 1, "a"), (2, 3, "a"), (4, 5, "a")]
    assert value(EntityScore("recall", "overlap"), [gold], [[(0, 9, "a")]]) == pytest.approx(1 / 3)


def test_a_stray_continuation_is_dropped_or_begins_an_entity() -> None:
    tags = ["I-a", "O", "B-b", "I-a", "I-a"]
    assert spans_of(tags) == [(2, 3, "b")]
    assert spans_of(tags, stray="begin") == [(0, 1, "a"), (2, 3, "b"), (3, 5, "a")]


def test_a_model_that_finds_nothing_gets_0_and_a_finding_twice_counts_once() -> None:
    for score in SCORES:
        assert value(EntityScore(score), [[(0, 1, "a")]], [[]]) == 0
    assert value(EntityScore("precision"), [[(0, 1, "a")]], [[(0, 1, "a"), (0, 1, "a")]]) == 1


def test_a_label_that_no_target_has_is_wrong() -> None:
    found = [(0, 1, "a"), (2, 3, "zebra")]
    assert value(EntityScore("precision"), [[(0, 1, "a")]], [found]) == pytest.approx(1 / 2)


def test_texts_without_entities_count_when_something_is_found_in_them() -> None:
    assert value(EntityScore("precision"), [[(0, 1, "a")], []], [[(0, 1, "a")], [(5, 6, "a")]]) == pytest.approx(1 / 2)


def test_nothing_to_find_and_nothing_found_is_not_a_number_in_sum_and_right_by_itself() -> None:
    metric = EntityScore(labels=("a",))
    row = np.array([metric.statistics(Example("0", "text", "#0", target=["O"]), ["O"])])
    assert math.isnan(metric.aggregate(row[0]))
    assert metric.example_values(row).tolist() == [1]
    assert row[0, -1] == 0


def test_the_total_is_explained_label_by_label() -> None:
    metric = EntityScore(labels=("LOC", "PER"))
    example = Example("0", "text", "#0", target=[(0, 1, "PER"), (2, 3, "LOC")])
    totals = np.array(metric.statistics(example, [(0, 1, "PER"), (2, 3, "ORG")]))
    assert metric.explain_total(totals).splitlines() == [
        "label  target  predicted  right  precision  recall     f1",
        "LOC         1          0      0      0.000   0.000  0.000",
        "PER         1          1      1      1.000   1.000  1.000",
        "other                  1      0",
    ]


def test_the_signature_holds_every_setting() -> None:
    metric = EntityScore("recall", "overlap", label="LOC", stray="begin", labels=("LOC", "PER"))
    assert metric.name == "entity_recall"
    assert metric.signature() == "entity_recall|match:overlap|label:LOC|stray:begin|labels:LOC,PER"


@pytest.mark.parametrize(
    ("target", "output", "message"),
    [
        ("B-a", ["O"], r"the target of example #0 is 'B-a' \(str\); expected a list of tags or of spans"),
        (["B-a"], None, r"the output of example #0 is None \(NoneType\); expected a list"),
        (["O", "I-a"], ["O", "O"], r"tag 1 of the target of example #0 is 'I-a', .* not IOB2; begin each"),
        (["B-a", "I-b"], ["O", "O"], r"tag 1 of the target of example #0 is 'I-b'"),
        (["B-a"], ["S-a"], r"tag 0 of the output of example #0 is 'S-a'; .*of BIOES, write S- as B-"),
        (["B-a"], ["B"], "tag 0 of the output of example #0 is 'B'; expected IOB2"),
        (["B-a", "O"], ["B-a"], "example #0 has 2 tags and 1 in the output; give one tag a word"),
        (["B-a"], [(0, 1, "a")], "of the output and the target of example #0, one is tags and the other spans"),
        ([], ["O"], "of the output and the target of example #0, one is tags and the other spans"),
        ([(1, 1, "a")], [], r"the target of example #0 holds \(1, 1, 'a'\); expected \(start, end, label\)"),
        ([(0, 1, "a")], [(-1, 1, "a")], r"the output of example #0 holds \(-1, 1, 'a'\)"),
        ([(0, 1, "a")], [(0, 1.5, "a")], r"the output of example #0 holds \(0, 1\.5, 'a'\)"),
        ([(0, 1, "a")], [(0, 1)], r"the output of example #0 holds \(0, 1\)"),
        ([(0, 1, "a"), (0, 1, "a")], [], "the target of example #0 holds the same span twice"),
        ([(0, 1, "z")], [], r"example #0 has an entity 'z', which labels=\('a', 'b'\) lacks"),
    ],
)
def test_what_are_no_entities_is_refused(target: Any, output: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        EntityScore(labels=("a", "b")).statistics(Example("0", "text", "#0", target=target), output)


@pytest.mark.parametrize(
    ("made_with", "message"),
    [
        ({"score": "f2"}, "score='f2': expected one of"),
        ({"match": "exact"}, "match='exact': expected one of 'strict', 'overlap'"),
        ({"average": "none"}, "average='none': expected one of"),
        ({"stray": "ignore"}, "stray='ignore': expected one of 'drop', 'begin'"),
        ({"average": "macro", "label": "a"}, "label='a' with average='macro'"),
    ],
)
def test_settings_that_make_no_sense_are_refused(made_with: dict[str, Any], message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        EntityScore(**made_with)


def test_labels_come_from_targets() -> None:
    with pytest.raises(MisuseError, match=r"the targets hold no label, .* give entities as targets"):
        value(EntityScore(), [["O"]], [["O"]])
    with pytest.raises(MisuseError, match=r"label='b' is that of no entity; labels are \('a',\)"):
        value(EntityScore(label="b"), [["B-a"]], [["B-a"]])
    with pytest.raises(MisuseError, match="entity_f1 does not know the labels yet"):
        EntityScore().statistics(Example("0", "text", "#0", target=["O"]), ["O"])
