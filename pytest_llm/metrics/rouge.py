"""ROUGE, as Google's rouge-score computes it (the scores of Lin's ROUGE-1.5.5 without its bootstrap).

    rouge1, rouge2   F1 of the n-grams that output and reference share
    rougeL           F1 of their longest common subsequence, line breaks ignored
    rougeLsum        F1 of the union of the longest common subsequences, line by line: put each sentence on a line of its own

The value is the mean F1 over examples, 0 to 1 (papers often print 100 times that). Of several references, each example is
compared with the one that gives it the best F1, as `RougeScorer.score_multi` does. Lin 2004, "ROUGE: A Package for Automatic
Evaluation of Summaries".
"""

from __future__ import annotations

import re
from collections import Counter
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from typing import Any, ClassVar, Literal, TypeAlias

from rapidfuzz.distance import LCSseq
from rouge_score.rouge_scorer import RougeScorer
from rouge_score.scoring import fmeasure
from rouge_score.tokenizers import DefaultTokenizer, Tokenizer

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.comparison import name_of, output_text, ratio, references, warn_once
from pytest_llm.statistics.jackknife import FloatArray, Scale
from pytest_llm.stopping.question import Quotient
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.task import Task

Variant: TypeAlias = Literal["rouge1", "rouge2", "rougeL", "rougeLsum"]

_VARIANTS = ("rouge1", "rouge2", "rougeL", "rougeLsum")


@dataclass(frozen=True)
class Rouge:
    """The mean F1 over examples, 0 to 1; higher is better. See the module for the variants."""

    variant: Variant = "rougeL"
    stemmer: bool = False
    """Compare English words by their Porter stem, as ROUGE-1.5.5 does with `-m`."""
    tokenize: Callable[[str], list[str]] | None = None
    """Text to tokens. None is rouge-score's own, which lower-cases and keeps a–z and 0–9 only."""

    task: ClassVar[Task] = Generate()
    lower_is_better = False
    counts = "examples"
    quotient: ClassVar[Quotient] = Quotient(0, 1)

    def __post_init__(self) -> None:
        if self.variant not in _VARIANTS:
            raise MisuseError(f"variant={self.variant!r}: expected one of {', '.join(map(repr, _VARIANTS))}")
        if self.tokenize is not None and (self.stemmer or not callable(self.tokenize)):
            raise MisuseError(
                f"tokenize={self.tokenize!r} with stemmer={self.stemmer}: expected a function from text to a list of tokens, "
                f"which does its own stemming; or leave tokenize out"
            )

    @property
    def name(self) -> str:
        return self.variant

    @property
    def scale(self) -> Scale:
        return "linear"

    def signature(self, window: int | None = None) -> str:
        """Variant, tokenizer, stemmer, and what is done with several references and over examples."""
        tokenizer = "rouge-score" if self.tokenize is None else name_of(self.tokenize)
        return f"{self.name}|tok:{tokenizer}|stemmer:{'porter' if self.stemmer else 'no'}|refs:best-f1|mean:f1"

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """(F1 with the best reference, 1)."""
        prediction, targets = output_text(example, output), references(example)
        if self.tokenize is None:
            self._warn_of_other_scripts(example, targets)
        return max(self._score(target, prediction) for target in targets), 1.0

    def aggregate(self, totals: FloatArray) -> FloatArray:
        """The mean."""
        return ratio(totals[..., 0], totals[..., 1])

    @cached_property
    def _tokenizer(self) -> Any:
        return DefaultTokenizer(self.stemmer) if self.tokenize is None else _Function(self.tokenize)

    @cached_property
    def _scorer(self) -> Any:
        return RougeScorer([self.variant], tokenizer=self._tokenizer)

    def _score(self, target: str, prediction: str) -> float:
        if self.variant == "rougeLsum":
            return float(self._scorer.score(target, prediction)[self.variant].fmeasure)
        wanted, said = self._tokenizer.tokenize(target), self._tokenizer.tokenize(prediction)
        if self.variant == "rougeL":
            # rouge-score fills a table of all pairs of tokens in Python: 10 000 tokens a side would take gigabytes
            common = LCSseq.similarity(wanted, said)
        else:
            wanted, said = (_ngrams(tokens, int(self.variant[-1])) for tokens in (wanted, said))
            common = sum((Counter(wanted) & Counter(said)).values())
        return float(fmeasure(common / len(said), common / len(wanted))) if wanted and said else 0.0

    def _warn_of_other_scripts(self, example: Example, targets: Sequence[str]) -> None:
        """0 for every output is a number, but not one about the output."""
        if not any(map(_TOKEN.search, targets)):
            warn_once(
                self,
                f"no reference of example {example.label} holds a letter a–z or a digit, the only characters that rouge-score "
                f"sees: its {self.name} is 0 whatever the output is. Pass tokenize=, or use chrf, which reads every script",
            )


def _ngrams(tokens: Sequence[str], n: int) -> list[tuple[str, ...]]:
    return list(zip(*(tokens[start:] for start in range(n)), strict=False))


_TOKEN = re.compile("[a-zA-Z0-9]")


class _Function(Tokenizer):  # type: ignore[misc]
    """A function where rouge-score wants an object."""

    def __init__(self, function: Callable[[str], list[str]]) -> None:
        self._function = function

    def tokenize(self, text: str) -> list[str]:
        return self._function(text)
