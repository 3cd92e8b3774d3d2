"""Whether a model chose what the target asks for: a label, several labels, or one of the choices."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.metrics.labels import is_collection, predicted_label, predicted_labels
from pytest_llm.metrics.multiple_choice import ChoiceScores


def is_right(example: Example, output: Any) -> bool:
    """Whether the label, the set of labels or the likeliest choice is the example's target.

    Raises:
        MisuseError: an output or a target of another kind, which could never be equal.
    """
    if isinstance(output, ChoiceScores):
        return bool(np.argmax(output.log_likelihoods) == example.target)
    if is_collection(example.target):
        return predicted_labels(output, example) == set(example.target)
    return bool(predicted_label(output, example) == example.target)
