"""Relations about the value of any metric: a drop that is bounded, and a new model that is not behind an old one."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass, replace
from typing import Any, ClassVar

from pytest_llm.adversarial.relations.relation import Relation
from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.inference.answering import answer
from pytest_llm.metrics import as_metric
from pytest_llm.metrics.metric import Metric, fit, value_of_one
from pytest_llm.models.language_model import AnyModel
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.tasks.task import Task


@dataclass(frozen=True)
class BoundedDrop(Relation):
    """A metric of the text gets worse by no more than so much.

        loss = drop − bound,        bound = absolute, or relative · |clean value|

    The output is compared with the target that the example has, edited or not. Do not bound the perplexity of the text itself:
    an edited text has other tokens; `BoundedLoss` asks about a target that stays.

    Args:
        metric: its name, or the metric itself; one that has a value for a single example.
        absolute: how much worse it may get, in its own unit.
        relative: how much worse, as a share of the clean value. One of the two has to be given.
        task: what the model is asked to do; None: what the metric asks for.
    """

    name: ClassVar[str] = "bounded_drop"
    keeps_meaning: ClassVar[bool] = False
    metric: Metric | str
    absolute: float | None = None
    relative: float | None = None
    task: Task | None = None

    def __post_init__(self) -> None:
        bounds = [bound for bound in (self.absolute, self.relative) if bound is not None]
        if len(bounds) != 1 or not bounds[0] >= 0:
            raise MisuseError(
                f"absolute={self.absolute!r}, relative={self.relative!r}: expected one of them, at least 0"
            )

    def fitted(self, examples: Sequence[Example]) -> BoundedDrop:
        return replace(self, metric=_fitted(self.metric, examples))

    def outputs(self, model: AnyModel, examples: Sequence[Example]) -> Sequence[Any]:
        return answer(model, examples, _task(self.metric, self.task))

    def loss(self, example: Example, clean: Any, output: Any) -> float:
        before, after = _value(self.metric, example, clean), _value(self.metric, example, output)
        bound = self.absolute if self.absolute is not None else (self.relative or 0.0) * abs(before)
        return (_badness(self.metric, after) - _badness(self.metric, before)) - bound

    def shown(self, example: Example, output: Any) -> Any:
        return _shown(self.metric, example, output)


@dataclass(frozen=True)
class NoRegression(Relation):
    """No edit makes the new model worse than the old one by more than a margin, by any metric.

        loss = badness_new(edited) − badness_old(edited) − margin

    with badness the value of a metric whose fall is good, or the negative of one whose rise is. A text that breaks it
    without any edit is skipped.

    Args:
        old: the model that was there before, as any model is given.
        metric: its name, or the metric itself; one that has a value for a single example.
        margin: how much worse the new model may be, in the metric's unit.
        task: what both are asked to do; None: what the metric asks for.
    """

    name: ClassVar[str] = "no_regression"
    keeps_meaning: ClassVar[bool] = False
    old: Model
    metric: Metric | str
    margin: float
    task: Task | None = None

    def fitted(self, examples: Sequence[Example]) -> NoRegression:
        return replace(self, metric=_fitted(self.metric, examples), old=as_language_model(self.old))

    def outputs(self, model: AnyModel, examples: Sequence[Example]) -> Sequence[Any]:
        old, task = as_language_model(self.old), _task(self.metric, self.task)
        return list(zip(answer(model, examples, task), answer(old, examples, task), strict=True))

    def loss(self, example: Example, clean: Any, output: Any) -> float:
        del clean
        new, old = (_badness(self.metric, _value(self.metric, example, one)) for one in output)
        return new - old - self.margin

    def shown(self, example: Example, output: Any) -> Any:
        return {"new": _shown(self.metric, example, output[0]), "old": _shown(self.metric, example, output[1])}


def _fitted(metric: Metric | str, examples: Sequence[Example]) -> Metric:
    own = fit(as_metric(metric), examples)
    if hasattr(own, "pooled"):
        raise MisuseError(f"{own.name} has no value for a single example, so that no drop of it can be bounded")
    return own


def _task(metric: Metric | str, task: Task | None) -> Task:
    own = as_metric(metric)
    asked = own.task if task is None else task
    if asked is None:
        raise MisuseError(f"{own.name} has no task that a model could be asked to do: give task=…")
    return asked


def _value(metric: Metric | str, example: Example, output: Any) -> float:
    return value_of_one(as_metric(metric), example, output)


def _badness(metric: Metric | str, value: float) -> float:
    return value if as_metric(metric).lower_is_better else -value


def _shown(metric: Metric | str, example: Example, output: Any) -> Any:
    shown = {as_metric(metric).name: _value(metric, example, output)}
    return {**shown, "output": output} if isinstance(output, str) else shown
