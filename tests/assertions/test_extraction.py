"""Assertions about entities: tags and spans, and a failure that counts each label by itself."""

from __future__ import annotations

import pytest

from pytest_llm import (
    MisuseError,
    QualityError,
    assert_entity_f1_above,
    assert_entity_precision_above,
    assert_entity_recall_above,
)

TARGETS = [["B-PER", "I-PER", "O", "B-LOC"], ["O", "B-LOC", "O"]]
FOUND = [["B-PER", "I-PER", "O", "O"], ["O", "B-LOC", "B-PER"]]


def test_found_right_and_there() -> None:
    assert assert_entity_precision_above(FOUND, TARGETS, 0.6).value == 2 / 3
    assert assert_entity_recall_above(FOUND, TARGETS, 0.6).value == 2 / 3
    assert assert_entity_recall_above(FOUND, TARGETS, 0.4, label="LOC").value == 1 / 2
    assert assert_entity_f1_above(FOUND, TARGETS, 0.6, average="macro").value == 2 / 3


def test_spans_do_as_well_as_tags() -> None:
    spans = [[(0, 2, "PER"), (3, 4, "LOC")]]
    assert assert_entity_f1_above([[(0, 2, "PER")]], spans, 0.6).value == 2 / 3
    assert assert_entity_f1_above([[(1, 2, "PER")]], spans, 0.6, match="overlap").value == 2 / 3
    with pytest.raises(QualityError, match="entity_f1 0 is not above"):
        assert_entity_f1_above([[(1, 2, "PER")]], spans, 0.6)


def test_a_failure_has_a_row_for_each_label() -> None:
    with pytest.raises(QualityError, match=r"^entity_f1 0\.6667 is not above 0\.9: ") as caught:
        assert_entity_f1_above(FOUND, TARGETS, 0.9)
    rows = [line[13:].split() for line in str(caught.value).splitlines()]
    assert ["label", "target", "predicted", "right", "precision", "recall", "f1"] in rows
    assert ["LOC", "2", "1", "1", "1.000", "0.500", "0.667"] in rows
    assert ["PER", "1", "2", "1", "0.500", "1.000", "0.667"] in rows


def test_rows_name_the_example_that_went_wrong() -> None:
    rows = [{"id": f"line {n}", "text": "w " * 4, "target": tags} for n, tags in enumerate(TARGETS)]
    with pytest.raises(QualityError, match=r"worst .*  line 0  "):
        assert_entity_f1_above(FOUND, rows, 0.9)


@pytest.mark.parametrize(("stray", "value"), [("drop", 0), ("begin", 1)])
def test_a_stray_tag_is_what_the_test_says(stray: str, value: float) -> None:
    assert assert_entity_recall_above([["I-PER", "O"]], [["B-PER", "O"]], -1, stray=stray).value == value  # type: ignore[arg-type]


def test_targets_that_begin_nowhere_are_refused() -> None:
    with pytest.raises(MisuseError, match="this is not IOB2"):
        assert_entity_f1_above([["B-PER"]], [["I-PER"]], 0.5)
