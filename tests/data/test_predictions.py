"""Predictions in place of a model: what is taken for them, and what they are paired with."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import datasets
import numpy as np
import pytest

from pytest_llm import Example, Generate, MisuseError, measure
from pytest_llm.data.predictions import as_predictions, paired
from tests.stub_models import UniformModel
from tests.tiny_checkpoints import tiny_bert


@pytest.mark.parametrize(
    ("given", "expected"),
    [
        (["a", "b"], ["a", "b"]),
        ([], []),
        ([None, {"x": 1.0}], [None, {"x": 1.0}]),
        (np.array([1, 0]), [1, 0]),
        (np.array(["a", "b"]), ["a", "b"]),
        (datasets.Dataset.from_dict({"said": ["a", "b"]})["said"], ["a", "b"]),
        (range(2), [0, 1]),
    ],
)
def test_lists_arrays_and_columns_are_predictions(given: Any, expected: list[Any]) -> None:
    assert as_predictions(given) == expected


@pytest.mark.parametrize("model", ["tiny-decoder", Path("model.gguf"), ("model", "tokenizer"), UniformModel(), None])
def test_models_are_none(model: Any) -> None:
    assert as_predictions(model) is None


def test_a_module_is_a_model_though_it_may_be_indexed() -> None:
    assert as_predictions(tiny_bert()[0]) is None


def test_targets_alone_are_known_by_their_place() -> None:
    examples, outputs = paired(["x", "x"], ["same", "same"])
    assert [(e.id, e.label, e.text, e.target) for e in examples] == [
        ("0", "#0", "same", "same"),
        ("1", "#1", "same", "same"),
    ]
    assert outputs == ["x", "x"]


@pytest.mark.parametrize(
    "targets",
    [[1, 0], (1, 0), np.array([1, 0]), [["a", "b"], ["c"]], [None, "a"], [{"a", "b"}, {"c"}], [True, False]],
)
def test_targets_may_be_of_any_kind(targets: Any) -> None:
    examples, _ = paired([0, 0], targets)
    assert [example.target for example in examples] == list(targets)


def test_rows_keep_what_they_say_of_themselves(tmp_path: Path) -> None:
    path = tmp_path / "rows.jsonl"
    path.write_text('{"id": "r", "text": "t", "target": "x", "cluster": "c"}\n', encoding="utf-8")
    for data in (path, str(path), [{"id": "r", "text": "t", "target": "x", "cluster": "c"}]):
        ((example,), _) = paired(["y"], data)
        assert (example.id, example.text, example.target, example.cluster) == ("r", "t", "x", "c")
    own = Example("r", "t", "r", target="x")
    assert paired(["y"], [own]) == ((own,), ["y"])
    ((example,), _) = paired(["y"], datasets.Dataset.from_list([{"text": "t", "target": "x"}]))
    assert (example.text, example.target) == ("t", "x")


@pytest.mark.parametrize(
    ("predictions", "targets"), [(["a"], ["a", "b"]), (["a", "b"], ["a"]), ([], ["a"]), (["a"], [])]
)
def test_each_needs_the_other(predictions: list[str], targets: list[str]) -> None:
    message = f"{len(predictions)} predictions for {len(targets)} targets: each needs the other, in order"
    with pytest.raises(MisuseError, match=message):
        paired(predictions, targets)


def test_nothing_at_all_is_refused() -> None:
    with pytest.raises(MisuseError, match="no predictions: there is nothing to measure"):
        paired([], [])


def test_predictions_do_no_task() -> None:
    with pytest.raises(
        MisuseError, match="predictions are given, so there is no model that could do the task Generate"
    ):
        measure(["a"], ["a"], "bleu", task=Generate())


def test_a_measurement_says_that_predictions_were_given() -> None:
    measured = measure(["a"], ["a"], "exact_match")
    assert str(measured.provenance) == "predictions, given"
    assert measured.outputs == ("a",)
