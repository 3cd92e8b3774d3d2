"""What relations share: what the model is asked, and how far an answer is from what the clean one allows."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import fields
from typing import Any, ClassVar

from pytest_llm.data.example import Example
from pytest_llm.inference.answering import answer
from pytest_llm.models.language_model import AnyModel
from pytest_llm.tasks.task import Task


class Relation:
    """A relation between the model's answers to a text and to an edited one.

    A relation of your own gives `outputs` (or has a `task`), `loss`, and what reports show of an output.
    """

    name: ClassVar[str]
    keeps_meaning: ClassVar[bool] = True
    """Whether it can be asked for only where edits leave the meaning as it is."""

    def fitted(self, examples: Sequence[Example]) -> Relation:
        """The relation as these examples make it; itself, unless it has to know all of them."""
        del examples
        return self

    def outputs(self, model: AnyModel, examples: Sequence[Example]) -> Sequence[Any]:
        """What the model gives for each of these, in one call."""
        task: Task = getattr(self, "task")  # noqa: B009  # each relation has its own kind of task
        return answer(model, examples, task)

    def edited_outputs(self, model: AnyModel, examples: Sequence[Example]) -> Iterable[Any]:
        """The same for edited texts; one after the other where an output is large."""
        return self.outputs(model, examples)

    def is_wrong(self, example: Example, clean: Any) -> bool:
        """Whether the answer to the clean text is wrong already, so that there is nothing to be broken."""
        del example, clean
        return False

    def loss(self, example: Example, clean: Any, output: Any) -> float:
        """How far an answer is beyond what the clean one allows: above 0 is broken, and nearer to 0 is nearer to it."""
        raise NotImplementedError

    def shown(self, example: Example, output: Any) -> Any:
        """An answer as plain values, for reports and files."""
        raise NotImplementedError

    def judged(
        self, model: AnyModel, seeds: Sequence[Example], clean: Sequence[Any], texts: Sequence[str]
    ) -> list[tuple[float, Any]]:
        """Loss and shown answer for edited texts.

        Args:
            model: who is asked.
            seeds: the examples that the texts were made of.
            clean: the answers to these.
            texts: as many, edited.
        """
        outputs = self.edited_outputs(model, [seed.with_text(text) for seed, text in zip(seeds, texts, strict=True)])
        return [
            (_number(self.loss(seed, before, output)), self.shown(seed, output))
            for seed, before, output in zip(seeds, clean, outputs, strict=True)
        ]

    @property
    def settings(self) -> Mapping[str, Any]:
        """Its settings but the task, as plain values."""
        own = {one.name: getattr(self, one.name) for one in fields(self) if one.init and one.name != "task"}  # type: ignore[arg-type]  # relations are data classes
        return {name: value if _is_plain(value) else _named(value) for name, value in own.items()}

    @property
    def signature(self) -> str:
        """Name, settings and task in short."""
        settings = "".join(f"|{name}:{value}" for name, value in self.settings.items())
        task = getattr(getattr(self, "task", None), "signature", "")
        return f"{self.name}{settings}" + (f"|{task}" if task else "")


def _number(loss: float) -> float:
    """An answer that is no number breaks every relation."""
    return math.inf if math.isnan(loss) else float(loss)


def _is_plain(value: Any) -> bool:
    return value is None or isinstance(value, bool | int | float | str)


def _named(value: Any) -> str:
    return str(getattr(value, "name", None) or getattr(value, "__name__", None) or type(value).__name__)
