"""Answers compared with the right ones: exact match, and SQuAD's exact match and token F1.

The value is the mean over examples, 0 to 1 (the SQuAD papers print 100 times that); of several references, each example is
compared with the one that scores best.

    exact_match          the texts are the same, after what the settings ignore (lm-evaluation-harness, Hugging Face `evaluate`)
    squad_exact_match    the same after SQuAD's normalisation: lower case, no ASCII punctuation, no a / an / the, single spaces
    squad_f1             F1 of the bags of words after that normalisation

SQuAD is scored as the official script of version 2 does it: a question without an answer has the reference "", right is
whatever normalises to nothing. Rajpurkar et al. 2016, 2018.
"""

from __future__ import annotations

import re
import string
from collections import Counter
from collections.abc import Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.comparison import output_text, ratio, references
from pytest_llm.statistics.jackknife import FloatArray, Scale
from pytest_llm.stopping.question import Quotient
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.task import Task


@dataclass(frozen=True)
class ExactMatch:
    """The share of outputs that equal a reference, 0 to 1; higher is better. Settings as in lm-evaluation-harness.

    White space counts: "Paris" is not " Paris". Punctuation and digits are those of ASCII.
    """

    ignore_case: bool = False
    ignore_punctuation: bool = False
    ignore_numbers: bool = False
    regexes_to_ignore: Sequence[str] = ()
    """Removed one after the other from both texts, before anything else."""

    task: ClassVar[Task] = Generate()
    name = "exact_match"
    lower_is_better = False
    counts = "examples"
    quotient: ClassVar[Quotient] = Quotient(0, 1, whole=True)

    def __post_init__(self) -> None:
        given = self.regexes_to_ignore
        if isinstance(given, str) or not all(isinstance(regex, str) for regex in given):
            raise MisuseError(f"regexes_to_ignore={given!r}: expected a list of regular expressions")
        object.__setattr__(self, "regexes_to_ignore", tuple(given))  # hashable, and nobody appends to it later
        _ = self._regexes

    @property
    def scale(self) -> Scale:
        return "linear"

    def signature(self, window: int | None = None) -> str:
        """What is ignored."""
        ignored = [what for what in ("case", "punctuation", "numbers") if getattr(self, f"ignore_{what}")]
        regexes = "".join(f"|regex:{regex}" for regex in self.regexes_to_ignore)
        return f"exact_match|ignored:{'+'.join(ignored) or 'nothing'}{regexes}|refs:any"

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """(1 if a reference is met else 0, 1).

        Raises:
            MisuseError: nothing of a reference is left after what is ignored, so that an empty output would meet it.
        """
        said = self._normalised(output_text(example, output))
        wanted = []
        for reference in references(example):
            wanted.append(self._normalised(reference))
            if reference and not wanted[-1]:
                raise MisuseError(
                    f"nothing is left of the reference {reference!r} of example {example.label} after what is ignored "
                    f"({self.signature()}), so that an empty output would be right: ignore less"
                )
        return float(said in wanted), 1.0

    def aggregate(self, totals: FloatArray) -> FloatArray:
        """The mean."""
        return ratio(totals[..., 0], totals[..., 1])

    @cached_property
    def _regexes(self) -> list[re.Pattern[str]]:
        try:
            return [re.compile(regex) for regex in self.regexes_to_ignore]
        except re.error as error:
            raise MisuseError(f"regexes_to_ignore: {error.pattern!r} is no regular expression: {error}") from None

    @cached_property
    def _removed(self) -> dict[int, None]:
        characters = string.punctuation * self.ignore_punctuation + string.digits * self.ignore_numbers
        return dict.fromkeys(map(ord, characters))

    def _normalised(self, text: str) -> str:
        for regex in self._regexes:
            text = regex.sub("", text)
        if self.ignore_case:
            text = text.lower()
        return text.translate(self._removed) if self._removed else text


@dataclass(frozen=True)
class SquadMatch:
    """SQuAD's token F1 or exact match, the mean over examples, 0 to 1; higher is better."""

    measure: Literal["f1", "exact_match"] = "f1"

    task: ClassVar[Task] = Generate()
    lower_is_better = False
    counts = "examples"
    quotient: ClassVar[Quotient] = Quotient(0, 1)

    def __post_init__(self) -> None:
        if self.measure not in ("f1", "exact_match"):
            raise MisuseError(f"measure={self.measure!r}: expected 'f1' or 'exact_match'")

    @property
    def name(self) -> str:
        return f"squad_{self.measure}"

    @property
    def scale(self) -> Scale:
        return "linear"

    def signature(self, window: int | None = None) -> str:
        """Normalisation, and what is done with several references."""
        return f"{self.name}|norm:squad-2|refs:best"

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """(the score with the best reference, 1)."""
        said = _squad_words(output_text(example, output))
        # the official script drops references without a word where there are others, so that "" cannot meet them
        wanted = [words for words in map(_squad_words, references(example)) if words] or [[]]
        if self.measure == "exact_match":
            return float(said in wanted), 1.0
        return max(_bag_f1(words, said) for words in wanted), 1.0

    def aggregate(self, totals: FloatArray) -> FloatArray:
        """The mean."""
        return ratio(totals[..., 0], totals[..., 1])


_ARTICLES = re.compile(r"\b(a|an|the)\b")
_PUNCTUATION = dict.fromkeys(map(ord, string.punctuation))


def _squad_words(text: str) -> list[str]:
    return _ARTICLES.sub(" ", text.lower().translate(_PUNCTUATION)).split()


def _bag_f1(wanted: list[str], said: list[str]) -> float:
    if not wanted or not said:
        return float(wanted == said)
    common = sum((Counter(wanted) & Counter(said)).values())
    return 2 * common / (len(wanted) + len(said))
