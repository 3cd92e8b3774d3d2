"""What all readers give: the answers of a run that a metric of ours can be made of, in our words."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from typing import Any


@dataclass(frozen=True, slots=True, kw_only=True)
class Answer:
    """What a log says of one example, as far as one metric needs it."""

    name: str
    """How the file calls it, for messages."""
    row: Mapping[str, Any]
    """What the harness read: the columns that text, id, target and cluster are taken from."""
    output: Any
    """What the metric judges: a text, `ChoiceScores`, or the log-probability of the text in an array of one."""
    target: Any = None
    """What the harness compared the output with; None where it compared with nothing."""
    text: str | None = None
    """The example's text, where the log says more surely than the row what that was."""
    prompt: str | None = None
    """All that the model read; None if the log does not say."""
    score: float | None = None
    """What the harness made of it; None where it gave none to a single example."""


@dataclass(frozen=True)
class Log:
    """One task of one run."""

    source: str
    """Harness with its version, task, filter: "lm-eval 0.4.13, task arc_easy, filter none"."""
    answers: Mapping[str, tuple[Answer, ...]]
    """By the name of our metric."""
    other: tuple[str, ...] = ()
    """What the log has besides: metrics that are none of ours."""
    model: str = ""
    dtype: str = ""
    device: str = ""
    date: str = ""
    rounding: float = 1e-6
    """How far the log's scores may be from ours, because it rounds them."""
