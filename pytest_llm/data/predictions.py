"""Outputs that were made elsewhere, in place of a model: each stands beside the row that it answers."""

from __future__ import annotations

from collections.abc import Sequence
from pathlib import Path
from typing import Any, TypeAlias

from pytest_llm.data.example import Example
from pytest_llm.data.loading import Data, load_examples
from pytest_llm.errors import MisuseError

Predictions: TypeAlias = "Sequence[Any]"
Targets: TypeAlias = "Sequence[Any]"
"""What predictions are compared with, without the rows: a list of references, labels or lists of them."""


def as_predictions(given: object) -> list[Any] | None:
    """The predictions, if these are given and no model: a list, an array or a column. A tuple is a model and its tokenizer."""
    if isinstance(given, str | Path | tuple) or hasattr(given, "get_input_embeddings"):
        return None
    if isinstance(given, Sequence):
        return list(given)
    if hasattr(given, "tolist") and hasattr(given, "shape"):
        listed: list[Any] = given.tolist()
        return listed
    return None


def paired(predictions: Predictions, data: Data | Targets) -> tuple[tuple[Example, ...], list[Any]]:
    """Examples and their outputs, in order.

    Args:
        predictions: one for each row.
        data: rows with a target, or a list of the targets alone.

    Raises:
        MisuseError: more or fewer predictions than rows, or none.
    """
    examples = _targets(data) if _holds_targets(data) else load_examples(data)
    if len(predictions) != len(examples):
        raise MisuseError(f"{len(predictions)} predictions for {len(examples)} targets: each needs the other, in order")
    if not examples:
        raise MisuseError("no predictions: there is nothing to measure")
    return examples, list(predictions)


def _holds_targets(data: Data | Targets) -> bool:
    """A list of references, labels or lists of them, and no rows."""
    if hasattr(data, "tolist") and hasattr(data, "shape"):
        return True
    return isinstance(data, list | tuple) and not any(isinstance(item, dict | Example) for item in data)


def _targets(data: Any) -> tuple[Example, ...]:
    listed = data.tolist() if hasattr(data, "tolist") else data
    # the position is the id: labels and short references are often equal
    return tuple(
        Example(str(position), _text(target), f"#{position}", target=target) for position, target in enumerate(listed)
    )


def _text(target: Any) -> str:
    first = target[0] if isinstance(target, list | tuple) and target else target
    return first if isinstance(first, str) else repr(first)
