"""What is refused in a model's answers, whoever gave them: wrong counts and shapes, log-probabilities above 0, no answer at all.

NaN and −∞ pass: they reach the verdict, which fails and says why.
"""

from __future__ import annotations

import math
from collections.abc import Iterable, Iterator, Sequence
from contextlib import contextmanager
from inspect import Parameter, signature
from typing import Any

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError, TooLongError
from pytest_llm.models.language_model import AnyModel
from pytest_llm.statistics.jackknife import FloatArray

ROUNDING = 1e-3
"""A log-probability may exceed 0 by this much before it is refused: float16 rounding, not a wrong number."""
_LOOKED_AT = 1024
"""Outputs at once: a call of numpy for each text takes longer than what it does there."""

_MEASURED_BY = {
    "score": "perplexity",
    "score_windows": "perplexity",
    "score_pairs": "conditional_perplexity",
    "pseudo_log_probs": "pseudo_perplexity",
    "generate": "bleu",
    "classify": "accuracy",
    "embed": "mrr",
    "extract": "entity_f1",
    "embedding_divergence": "embedding_divergence",
}


def checked_answers(method: str, examples: Sequence[Example], given: object) -> list[FloatArray]:
    """What a model's method returned, as one array of log-probabilities for each example.

    Raises:
        MisuseError: not one sequence of numbers for each example, or an empty one.
    """
    if not isinstance(given, Iterable):
        raise MisuseError(f"{method} returned {given!r}; expected the log-probabilities of each text")
    answers = list(given)
    if len(answers) != len(examples):
        raise MisuseError(f"{method} returned {len(answers)} results for {len(examples)} texts")
    return [_checked(method, example, answer) for example, answer in zip(examples, answers, strict=True)]


def _checked(method: str, example: Example, answer: Sequence[float]) -> FloatArray:
    try:
        output = np.array(answer, dtype=np.float64)  # a copy: the memo makes what it keeps read-only
    except (TypeError, ValueError):
        output = np.asarray(math.nan)
    if output.ndim != 1 or output.size == 0:
        raise MisuseError(f"{method} returned {answer!r} for {example.label}; expected one log-probability per token")
    return output


@contextmanager
def naming(asked: Iterable[tuple[str, Example]]) -> Iterator[None]:
    """Say in the error for a text that is too long which example it is of.

    Args:
        asked: what the model is asked about, each with its example.
    """
    try:
        yield
    except TooLongError as error:
        label = next((example.label for text, example in asked if text == error.text), None)
        if label is None:
            raise
        raise MisuseError(f"{label}: {error}") from None


def refuse_positive(examples: Sequence[Example], outputs: Sequence[FloatArray]) -> None:
    """Raise MisuseError for a log-probability above 0."""
    for first in range(0, len(outputs), _LOOKED_AT):
        some = outputs[first : first + _LOOKED_AT]
        if np.fmax.reduce(np.concatenate(some), initial=-math.inf) > ROUNDING:
            _refuse_positive(examples[first : first + _LOOKED_AT], some)


def _refuse_positive(examples: Sequence[Example], outputs: Sequence[FloatArray]) -> None:
    for example, output in zip(examples, outputs, strict=True):
        if output.size and output.max() > ROUNDING:
            raise MisuseError(
                f"the model gives a token of {example.label} the log-probability {output.max():.4g}; none can exceed 0 "
                f"(are these logits, or positive losses?)"
            )


def truncating(model: AnyModel, method: str, asked: bool) -> dict[str, Any]:
    """The keywords for a method that may leave out what is behind the context's length.

    Raises:
        MisuseError: that is asked for, and the method has no such keyword.
    """
    if asked and not takes(getattr(model, method), "truncate"):
        raise MisuseError(
            f"{type(model).__name__}.{method} has no keyword truncate: it decides itself what it leaves out; use truncate=False"
        )
    return {"truncate": True} if asked else {}


def takes(method: object, keyword: str) -> bool:
    """Whether a method has this keyword."""
    parameters = signature(method).parameters.values()  # type: ignore[arg-type]
    return any(parameter.name == keyword or parameter.kind is Parameter.VAR_KEYWORD for parameter in parameters)


def lacking(model: AnyModel, question: str, needed: str) -> MisuseError:
    """The error for a model that has no method to answer with.

    Args:
        model: what was given.
        question: what it should have said.
        needed: the models that can.
    """
    kind = type(getattr(model, "module", model)).__name__  # of the pair that people gave, not of our wrapper
    suitable = sorted({metric for method, metric in _MEASURED_BY.items() if hasattr(model, method)})
    return MisuseError(
        f"{kind} cannot say {question}: that takes {needed} (such a model as this is measured by {', '.join(suitable)})"
    )
