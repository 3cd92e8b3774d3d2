"""Behind a sanitiser, a model gives to an edited text the answer that it gives to the text as it was."""

from __future__ import annotations

from collections.abc import Callable, Mapping, Sequence
from typing import Any

import numpy as np

from pytest_llm.data.loading import load_examples
from pytest_llm.errors import MisuseError
from pytest_llm.inference.answering import answer
from pytest_llm.inference.contracts.tokenization import snippet_of
from pytest_llm.judging.contract import Case, Examination, Tolerance
from pytest_llm.metrics.multiple_choice import ChoiceScores
from pytest_llm.models.language_model import AnyModel, provenance
from pytest_llm.tasks.task import Task

CONTRACT, KEPT = "restoration", "unmoved by what its sanitiser takes away"


def restoration(
    model: AnyModel, pairs: Sequence[tuple[str, str]], sanitise: Callable[[str], str], task: Task, tolerance: float
) -> Examination:
    """Compare `f(sanitise(edited))` with `f(text)` for pairs of a text and an edited one."""
    if not pairs:
        raise MisuseError("no texts were given: expected at least one edit script, or pair of a text and an edited one")
    cleaned = [sanitise(edited) for _, edited in pairs]
    for (_, edited), clean in zip(pairs, cleaned, strict=True):
        if not isinstance(clean, str):
            raise MisuseError(f"sanitise gave {clean!r:.60} for {snippet_of(edited)}: expected a text")
    asked = list(dict.fromkeys([*(text for text, _ in pairs), *cleaned]))
    answers = dict(zip(asked, answer(model, load_examples(asked), task), strict=True))
    cases = [
        _case(text, edited, clean, answers[text], answers[clean])
        for (text, edited), clean in zip(pairs, cleaned, strict=True)
    ]
    return Examination(
        CONTRACT,
        KEPT,
        tuple(cases),
        Tolerance(tolerance, "what the sanitiser restores is the text; other batches round otherwise"),
        f"{len(pairs)} edited texts",
        provenance(model),
        f"{CONTRACT}|{getattr(task, 'signature', type(task).__name__)}|sanitiser:{getattr(sanitise, '__name__', 'given')}",
        None,
        (),
        "the sanitised text shows what was left in: extend the sanitiser, or train with such texts",
    )


def _case(text: str, edited: str, clean: str, one: Any, other: Any) -> Case:
    apart = _distance(one, other)
    said = (
        f"{snippet_of(edited)}, sanitised to {snippet_of(clean)}, is answered {_shown(other)}, and {snippet_of(text)} "
        f"{_shown(one)}"
    )
    return Case("restored to the text" if clean == text else "restored to another text", apart, said, edited)


def _distance(one: Any, other: Any) -> float:
    """The largest difference of two answers in probability, or log-likelihood; of words and sets 0 or ∞."""
    if isinstance(one, Mapping):
        return float(max(abs(one.get(label, 0.0) - other.get(label, 0.0)) for label in {*one, *other}))
    if isinstance(one, ChoiceScores):
        one, other = one.log_likelihoods, other.log_likelihoods
    if isinstance(one, np.ndarray):
        return float(np.abs(one - other).max(initial=0.0)) if one.shape == other.shape else np.inf
    return 0.0 if one == other else np.inf


def _shown(answered: Any) -> str:
    if isinstance(answered, Mapping):
        label, probability = next(iter(answered.items()))
        return f"{label!r} ({probability:.3g})"
    return snippet_of(answered) if isinstance(answered, str) else f"{answered!r:.60}"
