"""A head for sequences, held against the pipeline of transformers; several labels a text; what it calls its labels."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest
from transformers import pipeline

from pytest_llm import Classify, MisuseError, assert_accuracy_above, load_model, measure
from pytest_llm.models.classifier_model import ClassifierModel
from pytest_llm.models.loading import as_language_model
from tests.tiny_checkpoints import TEXTS, tiny_classifier

NAMES = {"id2label": {0: "praise", 1: "blame", 2: "neither"}}
LONG = " ".join(TEXTS * 8)


def test_probabilities_are_those_of_the_pipeline() -> None:
    module, tokenizer = tiny_classifier(**NAMES)
    expected: Any = pipeline("text-classification", model=module, tokenizer=tokenizer, top_k=None)(TEXTS)
    found = ClassifierModel(module, tokenizer).classify(TEXTS)
    for ours, theirs in zip(found, expected, strict=True):
        assert ours == pytest.approx({entry["label"]: entry["score"] for entry in theirs}, rel=1e-4, abs=1e-7)


def test_each_of_several_labels_is_asked_about_by_itself() -> None:
    module, tokenizer = tiny_classifier(problem_type="multi_label_classification", **NAMES)
    expected: Any = pipeline("text-classification", model=module, tokenizer=tokenizer, top_k=None)(TEXTS)
    found = ClassifierModel(module, tokenizer).classify(TEXTS)
    assert [set(labels) for labels in found] == [
        {e["label"] for e in of_text if e["score"] > 0.5} for of_text in expected
    ]
    assert len({len(labels) for labels in found}) > 1  # else nothing was told apart
    rows = [{"text": text, "target": labels} for text, labels in zip(TEXTS, found, strict=True)]
    assert measure((module, tokenizer), rows, "f1", average="micro").value == 1


def test_labels_without_names_are_numbers(tmp_path: Path) -> None:
    module, tokenizer = tiny_classifier(num_labels=3)
    module.save_pretrained(tmp_path)
    tokenizer.save_pretrained(tmp_path)
    model = load_model(tmp_path, device="cpu")
    assert isinstance(model, ClassifierModel)
    best = [max(of_text, key=of_text.__getitem__) for of_text in model.classify(TEXTS)]
    assert set(best) <= {0, 1, 2}
    rows = [{"text": text, "target": label} for text, label in zip(TEXTS, best, strict=True)]
    assert assert_accuracy_above(tmp_path, rows, 0.99).value == 1


def test_a_long_text_is_cut_only_if_that_is_asked_for() -> None:
    pair = tiny_classifier(**NAMES)
    rows = [{"text": LONG, "target": "praise"}]
    with pytest.raises(MisuseError, match="longer than the 128 tokens"):
        measure(pair, rows, "accuracy")
    measured = measure(pair, rows, "accuracy", task=Classify(truncate=True))
    assert measured.signature.endswith("task:classify|by:head|truncate:yes")
    with pytest.raises(MisuseError, match="a prompt is not cut"):
        Classify(["a", "b"], truncate=True)


@pytest.mark.parametrize("settings", [{"num_labels": 1}, {"problem_type": "regression", **NAMES}])
def test_a_head_without_labels_is_refused(settings: dict[str, object]) -> None:
    with pytest.raises(MisuseError, match="gives a number for each text and no label"):
        as_language_model(tiny_classifier(**settings))
