"""What a task says besides the text: the order of choices and of worked examples, and the words that stand for labels."""

from __future__ import annotations

from collections.abc import Hashable, Mapping, Sequence
from typing import Any, TypeVar

from hypothesis import note
from hypothesis import strategies as st
from hypothesis.errors import InvalidArgument

T = TypeVar("T")
Label = TypeVar("Label", bound=Hashable)


@st.composite
def choice_orders(draw: st.DrawFn, row: Mapping[str, Any]) -> dict[str, Any]:
    """The row with its `choices` in another order, and its `target` where the right one went. Shrinks to the order it has.

    For `Choose`: which choice is right should not depend on where it stands (Zheng et al. 2024, "Large Language Models Are Not
    Robust Multiple Choice Selectors").

    Args:
        row: with `choices` and, as `target`, the number of the right one, counted from 0.

    Raises:
        InvalidArgument: when an example is drawn, if the row has no such columns.
    """
    choices: Any
    target: Any
    choices, target = row.get("choices"), row.get("target")
    are_choices = isinstance(choices, Sequence) and not isinstance(choices, str)
    if not are_choices or type(target) is not int or not 0 <= target < len(choices):
        raise InvalidArgument(
            f"choices={choices!r}, target={target!r}: expected choices, and the number of the right one"
        )
    order = draw(st.permutations(range(len(choices))))
    if order != sorted(order):
        note(f"choices in the order {[place + 1 for place in order]}")
    return {**row, "choices": [choices[place] for place in order], "target": order.index(target)}


def shot_orders(shots: Sequence[T]) -> st.SearchStrategy[tuple[T, ...]]:
    """Worked examples in another order, for `shots=` (Lu et al. 2022, "Fantastically Ordered Prompts"). Shrinks to theirs."""
    return st.permutations(list(shots)).map(tuple)


@st.composite
def label_words(draw: st.DrawFn, words: Mapping[Label, Sequence[str]]) -> dict[Label, str]:
    """A word for each label, no word for two, for `Classify(labels=…)`. Shrinks to the first word of each.

    Args:
        words: of each label those that could stand for it, such as {0: ["negative", "bad"], 1: ["positive", "good"]}.

    Raises:
        InvalidArgument: when an example is drawn, if a label has no word, or none that another has not taken.
    """
    chosen: dict[Label, str] = {}
    for label, candidates in words.items():
        free = [word for word in candidates if word not in chosen.values()]
        if isinstance(candidates, str) or not free:
            raise InvalidArgument(f"{label!r} has the words {candidates!r}: expected a list with one that is free")
        chosen[label] = draw(st.sampled_from(free))
    if not chosen:
        raise InvalidArgument("words={}: expected at least one label")
    return chosen
