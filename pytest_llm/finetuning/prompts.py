"""Prompt learning in text: of several templates and worked examples, those that do best on rows set aside for that.

No parameter is trained. Of many candidates one is the best by luck as well, so the chosen one is to be measured on rows that had no
part in the choice (Perez, Kiela & Cho 2021, "True Few-Shot Learning with Language Models").
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Generic, TypeVar

import torch

from pytest_llm.data.loading import Data, load_examples
from pytest_llm.errors import MisuseError
from pytest_llm.inference.measure import measure
from pytest_llm.metrics.metric import Metric
from pytest_llm.models.loading import Model, as_language_model
from pytest_llm.pretraining.stream import generator_of
from pytest_llm.recording import recording
from pytest_llm.tasks.choose import Choose
from pytest_llm.tasks.classify import Classify
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.prompt import Prompt, template_source

Prompted = TypeVar("Prompted", Classify, Choose, Generate)


@dataclass(frozen=True, slots=True)
class PromptChoice(Generic[Prompted]):
    """What a search found; `print` it for all candidates."""

    best: Prompted
    """The task to ask the model with."""
    candidates: tuple[Prompted, ...]
    values: tuple[float, ...]
    """The metric of each candidate on the training rows."""
    metric: str

    @property
    def value(self) -> float:
        """Of the best candidate: too high as a guess of what it will do elsewhere, since it was chosen for it."""
        return self.values[self.candidates.index(self.best)]

    def __str__(self) -> str:
        lines = [f"0 parameters trained; the best of {len(self.candidates)} prompts has {self.metric} {self.value:.4g}"]
        for candidate, value in zip(self.candidates, self.values, strict=True):
            mark = "→" if candidate is self.best else " "
            lines.append(f"{mark} {value:8.4g}  {_shown(candidate)}")
        return "\n".join(lines)


def _shown(task: Classify | Choose | Generate) -> str:
    """Its template, how many worked examples it has, and the signature that tells it from all others."""
    prompt = task.choose.prompt if isinstance(task, Classify) and task.words is not None else task.prompt
    if not isinstance(prompt, Prompt):
        return task.signature
    return f"{template_source(prompt.template)!r}, {len(prompt.shots)} shots  {task.signature}"


def choose_prompt(
    model: Model, training: Data, candidates: Sequence[Prompted], metric: Metric | str
) -> PromptChoice[Prompted]:
    """Try each candidate on the training rows and take the best; of equals the first.

    An example is never a worked example of its own prompt.

    Args:
        model: what is asked; nothing of it changes.
        training: rows to choose on; those that judge the choice must be others.
        candidates: `Classify`, `Choose` or `Generate` with their prompts; `with_shots` makes some.
        metric: its name, or the metric itself.

    Raises:
        MisuseError: no candidates; a metric that is not a number for one of them.
    """
    if not candidates:
        raise MisuseError("no candidates: give at least one task with a prompt")
    asked = as_language_model(model)
    rows = load_examples(training)
    with recording():  # what is tried is no result of the running test
        measured = [measure(asked, rows, metric, task=candidate) for candidate in candidates]
    values = [of_one.value for of_one in measured]
    for candidate, value in zip(candidates, values, strict=True):
        if value != value:
            raise MisuseError(f"{measured[0].metric} is not a number with {candidate.signature}")
    best = min(values) if measured[0].lower_is_better else max(values)
    return PromptChoice(candidates[values.index(best)], tuple(candidates), tuple(values), measured[0].metric)


def with_shots(
    task: Prompted, training: Data, shots: Sequence[int] = (0, 2, 4), *, draws: int = 2, seed: int = 0
) -> Iterator[Prompted]:
    """The task with so many worked examples, drawn from training rows at random, several times each.

    Args:
        task: its template stays as it is.
        training: rows to draw from.
        shots: how many, for each group of candidates; 0 gives the task itself, once.
        draws: how often so many are drawn.
        seed: of the draws.

    Raises:
        MisuseError: more shots than rows.
    """
    rows = load_examples(training)
    for count in shots:
        if not 0 <= count <= len(rows):
            raise MisuseError(f"shots={count}: there are {len(rows)} training rows to draw from")
        for draw in range(draws if count else 1):
            order = torch.randperm(len(rows), generator=generator_of(seed, count, draw)).tolist()
            yield _with(task, tuple(rows[place] for place in order[:count]))


def _with(task: Prompted, shots: tuple[object, ...]) -> Prompted:
    if isinstance(task.prompt, Prompt):
        return replace(task, prompt=replace(task.prompt, shots=shots))
    return replace(task, shots=shots)
