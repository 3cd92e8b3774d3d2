"""What a model gave for each example, where that says something to a reader, as data and back."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pytest_llm.metrics.multiple_choice import ChoiceScores
from pytest_llm.storage.checked import Checked
from pytest_llm.storage.numbers import number, numbers

_CHOICES = ("log_likelihoods", "characters", "bytes", "tokens")


def outputs_as_data(outputs: Sequence[Any] | None) -> list[Any] | None:
    """Texts and labels as they are, probabilities and choices as objects; None for what JSON cannot hold."""
    if outputs is None:
        return None
    try:
        return [_as_data(output) for output in outputs]
    except TypeError:
        return None


def _as_data(output: Any) -> Any:
    if isinstance(output, dict):
        return {"probabilities": [[_plain(label), number(share)] for label, share in output.items()]}
    if isinstance(output, ChoiceScores):
        arrays = {name: getattr(output, name) for name in _CHOICES}
        return {"choices": {name: None if array is None else numbers(array) for name, array in arrays.items()}}
    return _plain(output)


def _plain(value: Any) -> Any:
    if value is None or type(value) in (str, bool, int):
        return value
    raise TypeError(value)


def outputs_from(content: Checked) -> tuple[Any, ...]:
    """Raises MisuseError for what is none."""
    return tuple(
        _from_data(Checked(output, f"{content.where}, outputs {place}")) if isinstance(output, dict) else output
        for place, output in enumerate(content.listed("outputs"))
    )


def _from_data(output: Checked) -> Any:
    if "choices" in output.names():
        choices = output.part("choices")
        log_likelihoods, *lengths = (choices.vector(name) if choices.has(name) else None for name in _CHOICES)
        return ChoiceScores(np.zeros(0) if log_likelihoods is None else log_likelihoods, *lengths)
    pairs = output.listed("probabilities")
    if not all(isinstance(pair, list) and len(pair) == 2 and not isinstance(pair[0], list | dict) for pair in pairs):
        output.refuse("'probabilities' are no pairs of a label and a number")
    return {label: Checked({"share": share}, output.where).number("share") for label, share in pairs}
