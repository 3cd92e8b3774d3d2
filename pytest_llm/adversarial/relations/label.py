"""Relations about labels and choices: the same one, a probability that moves one way, a flip that another model does not make."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from dataclasses import dataclass, field
from typing import Any, ClassVar, Literal

import numpy as np

from pytest_llm.adversarial.relations.relation import Relation
from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.inference.answering import answer
from pytest_llm.metrics.labels import Label
from pytest_llm.metrics.multiple_choice import ChoiceScores
from pytest_llm.metrics.right_answer import is_right
from pytest_llm.models.language_model import AnyModel
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.tasks.choose import Choose
from pytest_llm.tasks.classify import Classify


@dataclass(frozen=True)
class InvariantLabel(Relation):
    """The label, or the choice, stays the same (an invariance test of CheckList, Ribeiro et al. 2020).

    Broken if another label is more probable than the clean one, and that has lost more than `tolerance` of its probability:

        loss = min(max p(other) − p(label), p_clean(label) − p(label) − tolerance)

    Of several labels a text, the set of them has to stay. A text whose clean label is not its target is skipped.

    Args:
        task: how the label is asked for; by default of the model's own classification head.
        tolerance: a flip by less is none: probabilities near a tie.
    """

    name: ClassVar[str] = "invariant_label"
    task: Classify | Choose = field(default_factory=Classify)
    tolerance: float = 0.0

    def __post_init__(self) -> None:
        _check_share("tolerance", self.tolerance)

    def is_wrong(self, example: Example, clean: Any) -> bool:
        return example.target is not None and not is_right(example, clean)

    def loss(self, example: Example, clean: Any, output: Any) -> float:
        if _is_set(clean):
            return 1.0 if set(clean) != set(output) else -1.0
        before, after = _probabilities(clean), _probabilities(output)
        label = _first(before)
        moved = before[label] - after.get(label, 0.0)
        return min(_lead(after, label), moved - self.tolerance)

    def shown(self, example: Example, output: Any) -> Any:
        return _shown(example, output)


@dataclass(frozen=True)
class MonotonicProbability(Relation):
    """The probability of a label does not move the wrong way (a directional expectation test of CheckList).

        loss = p_clean(label) − p(label) − tolerance        for "up"; the other way round for "down"

    Args:
        label: whose probability; None: of each text its target.
        direction: "up" or "down": where the edits should move it, or leave it.
        task: how the label is asked for.
        tolerance: how far it may move the wrong way; 0.1 is CheckList's.
    """

    name: ClassVar[str] = "monotonic_probability"
    keeps_meaning: ClassVar[bool] = False
    label: Label | None = None
    direction: Literal["up", "down"] = "up"
    task: Classify | Choose = field(default_factory=Classify)
    tolerance: float = 0.1

    def __post_init__(self) -> None:
        _check_share("tolerance", self.tolerance)
        if self.direction not in ("up", "down"):
            raise MisuseError(f"direction={self.direction!r}: expected 'up' or 'down'")

    def loss(self, example: Example, clean: Any, output: Any) -> float:
        if _is_set(clean):
            raise MisuseError(f"example {example.label}: a set of labels was given, without their probabilities")
        label = example.target if self.label is None else self.label
        before, after = _probabilities(clean), _probabilities(output)
        if label not in before:
            raise MisuseError(f"the model gives {label!r} no probability: it knows {list(before)!r}")
        moved = after.get(label, 0.0) - before[label]
        return (-moved if self.direction == "up" else moved) - self.tolerance

    def shown(self, example: Example, output: Any) -> Any:
        return _shown(example, output)


@dataclass(frozen=True)
class NoLabelRegression(Relation):
    """No edit makes the model wrong where an old one stays right.

    The right label is the text's target; without targets, what the old model says of the clean text. With `m = max p(other) −
    p(right)` of each model, the loss is the lesser of the new model's m and the old model's −m. A text that the new model
    has wrong without any edit is skipped, as is one that the old model has wrong.

    Args:
        old: the model that was there before, as any model is given.
        task: how both are asked for the label.
    """

    name: ClassVar[str] = "no_label_regression"
    old: Model
    task: Classify | Choose = field(default_factory=Classify)

    def outputs(self, model: AnyModel, examples: Sequence[Example]) -> Sequence[Any]:
        old = as_language_model(self.old)
        return list(zip(answer(model, examples, self.task), answer(old, examples, self.task), strict=True))

    def fitted(self, examples: Sequence[Example]) -> NoLabelRegression:
        return NoLabelRegression(as_language_model(self.old), self.task)  # loaded once

    def is_wrong(self, example: Example, clean: Any) -> bool:
        new, old = clean
        if example.target is None:
            return bool(_first(_probabilities(new)) != _first(_probabilities(old)))
        return not (is_right(example, new) and is_right(example, old))

    def loss(self, example: Example, clean: Any, output: Any) -> float:
        if any(map(_is_set, output)):
            raise MisuseError(f"example {example.label}: sets of labels have no margin")
        right = _first(_probabilities(clean[1]))  # which is the target where there is one
        new, old = map(_probabilities, output)
        return min(_lead(new, right), -_lead(old, right))

    def shown(self, example: Example, output: Any) -> Any:
        return {"new": _shown(example, output[0]), "old": _shown(example, output[1])}


def likeliest(output: Any) -> Any:
    """The most probable label, or the number of the most probable choice."""
    return _first(_probabilities(output))


def _is_set(output: Any) -> bool:
    return isinstance(output, list)


def _probabilities(output: Any) -> dict[Any, float]:
    """Of each label, the most probable first; of choices by their numbers."""
    if isinstance(output, ChoiceScores):
        exponents = np.exp(output.log_likelihoods - np.max(output.log_likelihoods))
        output = dict(enumerate((exponents / exponents.sum()).tolist()))
    if not isinstance(output, Mapping):
        return {output: 1.0}
    return {label: float(p) for label, p in sorted(output.items(), key=lambda item: -item[1])}


def _first(probabilities: Mapping[Any, float]) -> Any:
    return next(iter(probabilities))


def _lead(probabilities: Mapping[Any, float], label: Any) -> float:
    """How much more probable the best other label is."""
    return max((p for other, p in probabilities.items() if other != label), default=0.0) - probabilities.get(label, 0.0)


def _shown(example: Example, output: Any) -> Any:
    if _is_set(output):
        return {"labels": output}
    probabilities = _probabilities(output)
    label = _first(probabilities)
    named = label.item() if isinstance(label, np.generic) else label
    choices = example.row.get("choices")
    if isinstance(output, ChoiceScores) and isinstance(choices, Sequence):
        named = choices[label]
    return {"label": named, "probability": probabilities[label]}


def _check_share(name: str, value: float) -> None:
    if not 0 <= value < 1:
        raise MisuseError(f"{name}={value!r}: expected a probability, at least 0 and below 1")
