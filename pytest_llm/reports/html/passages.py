"""Single examples: the worst ones, and those that lost most, with text, what was wanted, what was given, and how these differ."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pytest_llm.judging.measurement import Measurement
from pytest_llm.metrics.multiple_choice import ChoiceScores
from pytest_llm.records.excerpts import Excerpts, losers
from pytest_llm.records.verdicts import Change
from pytest_llm.reports.html.diffs import Piece, clipped, difference, nearest
from pytest_llm.reports.html.pairs import drops_of
from pytest_llm.wording import number


@dataclass(frozen=True, slots=True)
class Shown:
    """One example."""

    label: str
    value: str
    before: str
    """Its value before, where there is one."""
    text: str
    more: int
    """Characters of the text that are left out."""
    wanted: str
    given: str
    pieces: tuple[Piece, ...]
    """How both differ, where both are passages."""
    reference: str
    """What another model gave, where its answers are known."""


@dataclass(frozen=True, slots=True)
class Passages:
    """Some examples of one measurement."""

    of: str
    """Which ones."""
    shown: tuple[Shown, ...]
    has_texts: bool
    """Whether texts are known: they are not of a stored record."""


def worst(m: Measurement, excerpts: Excerpts, reference: Measurement | None) -> Passages:
    """The examples with the worst values."""
    return _passages("worst", m, m.worst_places(), excerpts, None, reference)


def lost_most(m: Measurement, change: Change, excerpts: Excerpts, reference: Measurement | None) -> Passages | None:
    """The examples that got worse, most of all first; None where none did."""
    places = losers(drops_of(m, change))
    return _passages("lost most", m, places, excerpts, change, reference) if places else None


def _passages(
    of: str,
    m: Measurement,
    places: Sequence[int],
    excerpts: Excerpts,
    change: Change | None,
    reference: Measurement | None,
) -> Passages:
    answers = _answers(reference)
    shown = [_shown(m, place, excerpts, change, answers) for place in places]
    return Passages(of, tuple(shown), any(one.text for one in shown))


def _answers(reference: Measurement | None) -> dict[str, Any]:
    if reference is None or reference.outputs is None:
        return {}
    return {example.id: output for example, output in zip(reference.examples, reference.outputs, strict=True)}


def _shown(m: Measurement, place: int, excerpts: Excerpts, change: Change | None, answers: dict[str, Any]) -> Shown:
    example = m.examples[place]
    passage = excerpts.passages.get(example.content)
    text, more = clipped("" if passage is None else passage.text)
    output = None if m.outputs is None else m.outputs[place]
    targets = () if passage is None else passage.targets
    given = answer(output)
    wanted = nearest(targets, given) if targets else ""
    compared = isinstance(output, str) and " " in f"{wanted}{given}".strip() and wanted != ""
    return Shown(
        label=example.label,
        value=number(float(m.example_values[place])),
        before="" if change is None else number(float(change.example_values[place])),
        text=text,
        more=more,
        wanted=clipped(wanted)[0],
        given=clipped(given)[0],
        pieces=difference(wanted, given) if compared and wanted != given else (),
        reference=clipped(answer(answers.get(example.id)))[0],
    )


def answer(output: Any) -> str:
    """What a model gave, as a text: of several probabilities the most likely, of choices which one."""
    if isinstance(output, dict):
        if not output:
            return ""
        label = max(output, key=lambda one: output[one])
        return f"{label} ({100 * output[label]:.3g} %)"
    if isinstance(output, ChoiceScores):
        return f"choice {int(np.argmax(output.log_likelihoods))}" if len(output.log_likelihoods) else ""
    return "" if output is None else str(output)
