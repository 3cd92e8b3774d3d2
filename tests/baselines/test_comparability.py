"""What is not the same is named, and nothing else is."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

import numpy as np
import pytest

from pytest_llm.baselines.baseline import Baseline, as_baseline
from pytest_llm.baselines.comparability import aligned, differences
from pytest_llm.data.example import Example
from pytest_llm.data.provenance import Identity, Provenance
from pytest_llm.judging.measurement import Measurement
from tests.simulated_changes import documents, measured

SAME = Identity("weights", "tokenizer")


@pytest.fixture
def m() -> Measurement:
    return measured(documents(5, np.random.default_rng(1)))


@pytest.fixture
def baseline(m: Measurement) -> Baseline:
    return as_baseline(m, SAME, {})


def edited(m: Measurement, place: int, **changes: Any) -> Measurement:
    examples = list(m.examples)
    examples[place] = replace(examples[place], **changes)
    return replace(m, examples=tuple(examples))


def without(m: Measurement, places: list[int], **changes: Any) -> Measurement:
    kept = [row for row in range(m.n) if row not in places]
    return replace(m, examples=tuple(m.examples[row] for row in kept), statistics=m.statistics[kept], **changes)


def test_what_is_the_same_can_be_compared(baseline: Baseline, m: Measurement) -> None:
    assert differences(baseline, m, SAME) == []


def test_other_weights_are_what_is_to_be_compared(baseline: Baseline, m: Measurement) -> None:
    assert (
        differences(baseline, replace(m, provenance=Provenance("new", "float32", "cuda:0")), Identity("x", "tokenizer"))
        == []
    )


@pytest.mark.parametrize(
    ("changes", "reason"),
    [
        ({"metric": "bits_per_byte"}, "metric: perplexity was recorded, bits_per_byte is measured"),
        (
            {"signature": "perplexity|bos:no|windows:rolling-256|log-softmax:float32"},
            "settings: bos:yes|windows:rolling-512 was recorded, this is bos:no|windows:rolling-256",
        ),
        (
            {"provenance": Provenance("tiny-decoder", "bfloat16", "cpu")},
            "dtype: float32 was recorded, this is bfloat16",
        ),
    ],
    ids=["metric", "settings", "dtype"],
)
def test_a_difference_is_named(baseline: Baseline, m: Measurement, changes: dict[str, Any], reason: str) -> None:
    assert differences(baseline, replace(m, **changes), SAME) == [reason]


def test_another_tokenizer_matters_only_where_tokens_are_counted(baseline: Baseline, m: Measurement) -> None:
    other = Identity("weights", "another")
    (reason,) = differences(baseline, m, other)
    assert reason.startswith("tokenizer: another one, and the metric counts its tokens")
    assert differences(replace(baseline, counts="bytes"), replace(m, counts="bytes"), other) == []


def test_two_models_may_differ_in_dtype(baseline: Baseline, m: Measurement) -> None:
    half = replace(m, provenance=Provenance("tiny-decoder", "bfloat16", "cpu"))
    assert differences(baseline, half, SAME, same_dtype=False) == []


def test_another_number_of_sums_is_named(baseline: Baseline, m: Measurement) -> None:
    wider = replace(m, statistics=np.ones((5, 3)))
    assert differences(baseline, wider, SAME) == ["statistics: 2 sums were recorded, there are 3 now"]


def test_examples_are_compared_both_ways(baseline: Baseline, m: Measurement) -> None:
    (gone,) = differences(baseline, without(m, [1, 3]), SAME)
    assert gone == "data: 2 examples only in the baseline: d1, d3"
    (new,) = differences(as_baseline(without(m, [2]), SAME, {}), m, SAME)
    assert new == "data: 1 example not in the baseline: d2"


@pytest.mark.parametrize("changes", [{"text": "another text"}, {"target": "another target"}])
def test_an_edited_example_is_named(baseline: Baseline, m: Measurement, changes: dict[str, Any]) -> None:
    assert differences(baseline, edited(m, 4, **changes), SAME) == ["data: 1 example changed: d4"]


def test_a_part_that_was_drawn_is_compared_with_its_own_examples(baseline: Baseline, m: Measurement) -> None:
    part = without(m, [0, 3], left_out=2)
    assert differences(baseline, part, SAME) == []
    assert np.array_equal(aligned(baseline, part), baseline.statistics[[1, 2, 4]])


def test_rows_are_put_beside_their_own(baseline: Baseline, m: Measurement) -> None:
    order = [3, 0, 4, 1, 2]
    shuffled = replace(m, examples=tuple(m.examples[row] for row in order), statistics=m.statistics[order])
    assert differences(baseline, shuffled, SAME) == []
    assert np.array_equal(aligned(baseline, shuffled), m.statistics[order])


def test_many_names_are_cut_short(m: Measurement) -> None:
    none = replace(as_baseline(m, SAME, {}), ids=("x",), contents=("x",), statistics=np.ones((1, 2)))
    assert differences(none, m, SAME)[0] == "data: 5 examples not in the baseline: d0, d1, d2, …"


def test_names_cannot_write_to_the_terminal(baseline: Baseline, m: Measurement) -> None:
    evil = replace(m, examples=(*m.examples, Example("e", "t", "\x1b[31mred")), statistics=np.ones((6, 2)))
    (reason,) = differences(baseline, evil, SAME)
    assert "\x1b" not in reason
