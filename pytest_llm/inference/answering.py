"""From a task to the outputs of the model: which of its methods is asked, and what is made of the answers."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pytest_llm.data.example import Example
from pytest_llm.inference import comparing
from pytest_llm.inference.choosing import choose, classify
from pytest_llm.inference.conditional import score_masked, score_pairs
from pytest_llm.inference.embedding import rank
from pytest_llm.inference.extracting import extract
from pytest_llm.inference.memory_probe import watch_requests
from pytest_llm.inference.perturbing import perturb
from pytest_llm.inference.probe import time_requests
from pytest_llm.inference.progress import asking_about
from pytest_llm.inference.scoring import score, window_length
from pytest_llm.inference.writing import write
from pytest_llm.models.language_model import AnyModel
from pytest_llm.tasks.choose import Choose
from pytest_llm.tasks.classify import Classify
from pytest_llm.tasks.compare import Compare
from pytest_llm.tasks.embed import Embed
from pytest_llm.tasks.extract import Extract
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.perturb import Perturb
from pytest_llm.tasks.score import MaskedScore, PairScore, Score
from pytest_llm.tasks.task import Task
from pytest_llm.tasks.timed import Timed, Watched


def ready(task: Task) -> Task:
    """The task with what it names loaded, once for all who look at it."""
    return replace(task, reference=comparing.as_reference(task.reference)) if isinstance(task, Compare) else task


def answer(model: AnyModel, examples: Sequence[Example], task: Task) -> Sequence[Any]:
    """The output of the model for each example, as the metrics of this task take it.

    Raises:
        MisuseError: the model has no method that answers this, an example that cannot be asked about, a wrong answer.
    """
    asking_about(len(examples))
    match task:
        case Score():
            return score(model, examples, task)
        case PairScore():
            return score_pairs(model, examples, task)
        case MaskedScore():
            return score_masked(model, examples, task)
        case Generate():
            return write(model, examples, task)
        case Choose():
            return choose(model, examples, task)
        case Classify():
            return classify(model, examples, task)
        case Embed():
            return rank(model, examples, task)
        case Extract():
            return extract(model, examples, task)
        case Compare():
            return comparing.compare(model, examples, task)
        case Perturb():
            return perturb(model, examples, task)
        case Timed():
            return time_requests(model, examples, task)
        case Watched():
            return watch_requests(model, examples, task)


def context_length(model: AnyModel, task: Task) -> int | None:
    """The longest stretch of tokens that the model reads at once to answer; None where it plans its own, or does not say."""
    if isinstance(task, Score):
        return window_length(model, task)
    if isinstance(task, Compare):
        return comparing.window_length(model, task)
    length = getattr(model, "max_length", None)
    return length if isinstance(length, int) else None
