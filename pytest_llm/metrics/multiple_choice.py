"""Multiple choice: is the right choice the one that the model finds most likely?

    acc         argmax ll
    acc_norm    argmax ll / characters      characters = len(choice)
    acc_bytes   argmax ll / bytes           bytes = len(choice.encode("utf-8"))
    acc_tokens  argmax ll / tokens          not in lm-evaluation-harness; depends on the tokenizer

with `ll` the log-likelihood of the choice after the question (natural logarithm). The first three are those of
lm-evaluation-harness 0.4 (`ConfigurableTask.process_results`): the lengths are those of the choice itself, without the space
put before it, and of equally likely choices the first is taken. A NaN among the log-likelihoods makes the value NaN (there,
`argmax` takes it for the greatest, and may find it right).
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any, ClassVar, Literal, TypeAlias

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.class_counts import ratio
from pytest_llm.statistics.jackknife import FloatArray, Scale
from pytest_llm.stopping.question import Quotient
from pytest_llm.tasks.choose import Choose
from pytest_llm.tasks.task import Task

Per: TypeAlias = Literal["choice", "character", "byte", "token"]

_NAMES = {"choice": "acc", "character": "acc_norm", "byte": "acc_bytes", "token": "acc_tokens"}
_ROUNDING = 1e-3
"""How far above 0 the log-likelihood of a certain choice may come out."""


@dataclass(frozen=True, slots=True, eq=False)
class ChoiceScores:
    """What a model says of the choices of one example: arrays with one entry a choice, in the order of the choices."""

    log_likelihoods: FloatArray
    """ln p(choice | question); −∞ is allowed."""
    characters: FloatArray | None = None
    """Length of each choice in characters."""
    bytes: FloatArray | None = None
    """Length of each choice in UTF-8."""
    tokens: FloatArray | None = None
    """Length of each choice in tokens of the model."""

    @classmethod
    def of(
        cls, log_likelihoods: Sequence[float], choices: Sequence[str], tokens: Sequence[int] | None = None
    ) -> ChoiceScores:
        """From the choices' texts, whose characters and bytes are counted as lm-evaluation-harness counts them."""
        return cls(
            np.array(log_likelihoods, dtype=np.float64),
            np.array([len(choice) for choice in choices], dtype=np.float64),
            np.array([len(choice.encode("utf-8", "surrogatepass")) for choice in choices], dtype=np.float64),
            None if tokens is None else np.array(tokens, dtype=np.float64),
        )


@dataclass(frozen=True)
class MultipleChoice:
    """The share of examples whose right choice has the greatest log-likelihood, per unit of length or as it is.

    `example.target` is the index of the right choice, counted from 0, or a collection of indexes if several are right.
    """

    per: Per = "choice"

    task: ClassVar[Task] = Choose()
    lower_is_better = False
    scale: Scale = "linear"
    counts = "examples"
    quotient: ClassVar[Quotient] = Quotient(0, 1, whole=True)

    def __post_init__(self) -> None:
        if self.per not in _NAMES:
            raise MisuseError(f"per={self.per!r}: expected one of {', '.join(map(repr, _NAMES))}")

    @property
    def name(self) -> str:
        return _NAMES[self.per]

    def signature(self, window: int | None = None) -> str:
        return f"{self.name}|per:{self.per}|ties:first"

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """(right, 1); right is NaN if a log-likelihood is."""
        if not isinstance(output, ChoiceScores):
            raise MisuseError(
                f"the output of example {example.label} is {output!r} ({type(output).__name__}); expected ChoiceScores"
            )
        scores = self._compared(example, output)
        right = _right_choices(example, len(scores))
        return (np.nan if np.isnan(scores).any() else float(int(np.argmax(scores)) in right)), 1.0

    def aggregate(self, totals: FloatArray) -> FloatArray:
        return ratio(totals[..., 0], totals[..., 1])

    def explain(self, example: Example, output: Any) -> str:
        """The choices of one example, the most probable first, as lines of text: what was compared, and which is right."""
        scores = self._compared(example, output)
        right = _right_choices(example, len(scores))
        texts = example.row.get("choices", ())
        lines = []
        for choice in np.argsort(-scores, kind="stable").tolist():
            text = texts[choice] if len(texts) == len(scores) else f"choice {choice}"
            lines.append(f"{'right' if choice in right else '':<5} {scores[choice]:>9.4g}  {text!r:.100}")
        return "\n".join(lines)

    def _compared(self, example: Example, output: ChoiceScores) -> FloatArray:
        scores = _log_likelihoods(output, example)
        return scores if self.per == "choice" else scores / self._lengths(output, example)

    def _lengths(self, output: ChoiceScores, example: Example) -> FloatArray:
        lengths = {"character": output.characters, "byte": output.bytes, "token": output.tokens}[self.per]
        if lengths is None:
            raise MisuseError(
                f"{self.name} divides by the length of each choice in {self.per}s, "
                f"which the output of example {example.label} lacks; give it in ChoiceScores"
            )
        lengths = np.asarray(lengths, dtype=np.float64)
        if lengths.shape != np.shape(output.log_likelihoods) or not (lengths > 0).all():
            raise MisuseError(
                f"the choices of example {example.label} are {lengths.tolist()} {self.per}s long; expected a length above 0 "
                f"for each of {len(output.log_likelihoods)} choices (an empty choice has no {self.name})"
            )
        return lengths


def _log_likelihoods(output: ChoiceScores, example: Example) -> FloatArray:
    scores = np.asarray(output.log_likelihoods, dtype=np.float64)
    if scores.ndim != 1 or len(scores) < 2:
        raise MisuseError(
            f"the log-likelihoods of example {example.label} have the shape {scores.shape}; "
            f"expected one number for each of at least two choices"
        )
    if (scores > _ROUNDING).any():
        raise MisuseError(
            f"example {example.label} has the log-likelihood {scores.max():.4g}, but the logarithm of a probability is "
            f"at most 0; give log-likelihoods, neither losses nor probabilities"
        )
    return scores


def _right_choices(example: Example, choices: int) -> set[int]:
    target = example.target
    several = target if isinstance(target, set | frozenset | list | tuple) else (target,)
    for index in several:
        whole = isinstance(index, int | np.integer) and not isinstance(index, bool)
        if not whole or not 0 <= index < choices:
            raise MisuseError(
                f"the target of example {example.label} is {target!r}; "
                f"expected the index of the right one of its {choices} choices, counted from 0"
            )
    if not several:
        raise MisuseError(f"the target of example {example.label} is empty: which choice is right?")
    return {int(index) for index in several}
