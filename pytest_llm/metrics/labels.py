"""Labels: what a class may be called, and the set of labels that a metric counts by.

A label is a string or a whole number (a bool is one). Nothing is normalised: " cat", "Cat" and "cat" are three labels.
"""

from __future__ import annotations

import hashlib
from collections.abc import Iterable, Mapping, Sequence, Set
from typing import Any, TypeAlias

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError

Label: TypeAlias = "str | int"

OTHER = "other"
"""What reports call all predictions outside the label set together."""
_LABELS_WRITTEN_OUT = 8
_WIDEST = 20


def as_label(value: Any, example: Example, role: str) -> Label:
    """The value as a label; numpy's scalars become Python's.

    Raises:
        MisuseError: it is no string and no whole number. A float is refused, because a probability is no label.
    """
    if isinstance(value, np.generic):
        value = value.item()
    if isinstance(value, str | int):
        return value
    raise MisuseError(
        f"the {role} of example {example.label} is {value!r} ({type(value).__name__}); "
        f"expected a label: a string, a whole number or a bool"
    )


def predicted_label(output: Any, example: Example) -> Label | None:
    """The label that a model chose. None means that it chose none, which is counted as wrong.

    Raises:
        MisuseError: not a label, or a string where targets are numbers (or the reverse), which could never be right.
    """
    if isinstance(output, Mapping):  # from labels to probabilities
        output = max(output, key=output.__getitem__, default=None)
    if output is None:
        return None
    label = as_label(output, example, "output")
    refuse_other_kind(label, as_label(example.target, example, "target"), example)
    return label


def predicted_labels(output: Any, example: Example) -> set[Label]:
    """The labels that a model gave one example of a multi-label task; a label given twice counts once.

    Raises:
        MisuseError: not a collection of labels, or labels of another type than the target's.
    """
    if not is_collection(output):
        raise MisuseError(
            f"the output of example {example.label} is {output!r} ({type(output).__name__}), but its target is a "
            f"collection of labels; give a set, list or tuple (empty where the model names none)"
        )
    labels = {as_label(value, example, "output") for value in output}
    gold = [as_label(value, example, "target") for value in example.target]
    for label in labels if gold else ():
        refuse_other_kind(label, gold[0], example)
    return labels


def is_collection(value: Any) -> bool:
    """Whether a target holds several labels: sets, lists and tuples do."""
    return isinstance(value, Set | list | tuple)


def refuse_other_kind(output: Label, target: Label, example: Example) -> None:
    """Refuse "1" where 1 is meant: they are never equal, so the score would be 0 for a reason that nobody sees."""
    if isinstance(output, str) != isinstance(target, str):
        raise MisuseError(
            f"the output of example {example.label} is {output!r} ({type(output).__name__}) and its target is "
            f"{target!r} ({type(target).__name__}), which are never equal; convert one of them"
        )


def label_set(given: Iterable[Label], found: Iterable[Label], remedy: str) -> tuple[Label, ...]:
    """The labels to count by: those given, else those found in the targets, sorted.

    Args:
        given: `labels=` of the metric, or nothing.
        found: all labels that occur in the targets.
        remedy: what to tell somebody whose targets hold no label at all.

    Raises:
        MisuseError: no labels, labels of two types, a target outside the labels given, or a label given that no target
            has: nobody could tell from the number that it was never tested.
    """
    present = set(found)
    labels = tuple(given) or tuple(_sorted(present))
    if not present:
        raise MisuseError(f"the targets hold no label, so there is nothing to find; {remedy}")
    unknown = _sorted(present - set(labels))
    if unknown:
        raise MisuseError(f"targets hold {unknown!r}, which labels={labels!r} lacks; add what is missing")
    idle = [label for label in labels if label not in present]
    if idle:
        raise MisuseError(
            f"labels={labels!r}: no target is {', '.join(map(repr, idle))}, so nothing can be said about it; "
            f"drop it (predictions of it still count as wrong) or add examples"
        )
    return labels


def checked_labels(labels: Any) -> tuple[Label, ...]:
    """`labels=` as a tuple.

    Raises:
        MisuseError: not a collection of different strings or whole numbers.
    """
    if isinstance(labels, str) or not isinstance(labels, Sequence | Set):
        raise MisuseError(f"labels={labels!r}: expected a list of the labels")
    ordered = tuple(_sorted(labels)) if isinstance(labels, Set) else tuple(labels)
    if len(set(ordered)) < len(ordered) or not all(isinstance(label, str | int) for label in ordered):
        raise MisuseError(f"labels={labels!r}: expected different strings or whole numbers")
    return ordered


def describe_labels(labels: Sequence[Label]) -> str:
    """The labels for a signature: written out if few, else their number and a hash of them."""
    if len(labels) <= _LABELS_WRITTEN_OUT:
        return ",".join(map(str, labels)) or "from targets"
    return f"{len(labels)}-{hashlib.sha256(repr(tuple(labels)).encode()).hexdigest()[:8]}"


def heading(label: Label) -> str:
    """The label for a table: on one line and not wide."""
    text = str(label) if str(label).isprintable() and str(label) else repr(label)
    return text if len(text) <= _WIDEST else text[: _WIDEST - 1] + "…"


def _sorted(labels: Iterable[Label]) -> list[Label]:
    try:
        return sorted(labels)
    except TypeError:
        raise MisuseError(
            f"labels are strings and numbers together: {sorted(map(repr, labels))}; convert them to one type"
        ) from None
