"""Answer `Choose` and `Classify`: which of the given answers the model finds most probable."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.inference.checks import checked_answers, lacking, naming, refuse_positive, takes, truncating
from pytest_llm.inference.engine import ask
from pytest_llm.inference.memo import remembered
from pytest_llm.inference.writing import prompt_of
from pytest_llm.metrics.multiple_choice import ChoiceScores
from pytest_llm.models.language_model import AnyModel, Classifier, ConditionalModel
from pytest_llm.tasks.choose import Choose
from pytest_llm.tasks.classify import Classify
from pytest_llm.tasks.prompt import Prompt


def choose(model: AnyModel, examples: Sequence[Example], task: Choose) -> list[ChoiceScores]:
    """The log-likelihood of each example's choices, given its prompt.

    Raises:
        MisuseError: a model that scores no pairs, an example without choices or that does not fit the prompt.
    """
    if not isinstance(model, ConditionalModel):
        raise lacking(
            model,
            "how probable an answer is, given a question",
            "a model of transformers, or an object with a method score_pairs(pairs)",
        )
    assert isinstance(task.prompt, Prompt)
    # an encoder-decoder would score the end of the answer too; lm-evaluation-harness does not
    settings = {"score_eos": False} if takes(model.score_pairs, "score_eos") else {}
    choices = [task.choices_of(example) for example in examples]
    contexts = [prompt_of(model, example, task.prompt) for example in examples]
    questions = [
        (context, task.delimiter + choice, example)
        for example, context, of_one in zip(examples, contexts, choices, strict=True)
        for choice in of_one
    ]

    compute = partial(_score_choices, settings=settings)
    scores = iter(remembered(model, questions, "choose", compute, lambda question: question[:2]))
    found = []
    for of_one in choices:
        of_choices = [next(scores) for _ in of_one]
        sums = [float(np.sum(array, dtype=np.float64)) for array in of_choices]
        found.append(ChoiceScores.of(sums, of_one, [len(array) for array in of_choices]))
    return found


def _score_choices(
    model: ConditionalModel, questions: list[tuple[str, str, Example]], settings: Mapping[str, Any]
) -> list[Any]:
    about = [example for _, _, example in questions]
    wholes = (
        (text, example) for context, choice, example in questions for text in (context.rstrip(), context + choice)
    )
    with naming(wholes):
        given = ask(model, "score_pairs", [question[:2] for question in questions], **settings)
    scores = checked_answers(f"{type(model).__name__}.score_pairs", about, given)
    refuse_positive(about, scores)
    return scores


def classify(model: AnyModel, examples: Sequence[Example], task: Classify) -> list[Any]:
    """The probability of each label, most probable first; of label words, those of one another (softmax of log-likelihoods).

    Of a head that gives a text several labels, the list of these.

    Raises:
        MisuseError: a model without a classification head where no labels are given, a label that is not one.
    """
    if task.words is not None:
        return [_probabilities(list(task.words), scores) for scores in choose(model, examples, task.choose)]
    if not isinstance(model, Classifier):
        raise lacking(
            model,
            "which label a text has",
            "a model with a classification head, an object with a method classify(texts), or the labels to choose from: "
            "task=Classify(labels=[…])",
        )

    compute = partial(_classify, settings=truncating(model, "classify", task.truncate))
    texts = [example.text for example in examples]
    answers = remembered(model, texts, ("classify", task.truncate), compute, lambda text: text)
    return [_checked(model, example, given) for example, given in zip(examples, answers, strict=True)]


def _classify(model: Classifier, texts: list[str], settings: Mapping[str, Any]) -> list[Any]:
    answers = ask(model, "classify", texts, **settings)
    return [answer.item() if isinstance(answer, np.generic) else answer for answer in answers]


def _probabilities(labels: Sequence[Any], scores: ChoiceScores) -> dict[Any, float]:
    exponents = np.exp(scores.log_likelihoods - np.max(scores.log_likelihoods))
    return _sorted(dict(zip(labels, exponents / exponents.sum(), strict=True)))


def _checked(model: object, example: Example, given: Any) -> Any:
    if isinstance(given, list | tuple | set | frozenset):
        return list(given)
    if not isinstance(given, Mapping):
        return {given: 1.0}  # a bare label
    if not given:
        raise MisuseError(f"{type(model).__name__}.classify gave no label for {example.label}")
    return _sorted(given)


def _sorted(probabilities: Mapping[Any, float]) -> dict[Any, float]:
    return {label: float(p) for label, p in sorted(probabilities.items(), key=lambda item: -item[1])}
