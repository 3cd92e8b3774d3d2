"""What BLEU, chrF and TER share: they sum the per-sentence statistics that sacreBLEU itself sums.

sacreBLEU (Post 2018, "A Call for Clarity in Reporting BLEU Scores") extracts a row of counts per sentence, adds the rows up and
puts one formula over the totals. The rows are taken from it; the formulas stand here once more, over arrays, because the
jackknife asks for thousands of totals at a time. They agree to 1e-9.
"""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from functools import cached_property, partial
from typing import Any, ClassVar, Literal

from sacrebleu.metrics.base import Metric as Library

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.comparison import output_text, references
from pytest_llm.statistics.jackknife import Scale
from pytest_llm.tasks.generate import Generate
from pytest_llm.tasks.task import Task
from pytest_llm.wording import counted


@dataclass(frozen=True, kw_only=True)
class SacreBleuMetric(ABC):
    """Settings, signature and statistics that the three have in common."""

    nrefs: int | Literal["var"] = 1
    """How many references each example has; "var" where it differs. More references raise the score, so sacreBLEU's signature
    names their number, and an example that lost one is refused."""

    task: ClassVar[Task] = Generate()

    def __post_init__(self) -> None:
        whole = isinstance(self.nrefs, int) and not isinstance(self.nrefs, bool)
        if self.nrefs != "var" and not (whole and int(self.nrefs) >= 1):
            raise MisuseError(f'nrefs={self.nrefs!r}: expected the number of references of each example, or "var"')
        _ = self._library  # checks the other settings

    @property
    @abstractmethod
    def name(self) -> str: ...

    @property
    def scale(self) -> Scale:
        return "linear"

    def signature(self, window: int | None = None) -> str:
        """The metric's name and sacreBLEU's own signature, `nrefs:1|case:mixed|…|version:2.6.0`."""
        self._library.num_refs = -1 if self.nrefs == "var" else self.nrefs
        return "|".join([self.name, *self._unsigned(), str(self._library.get_signature())])

    @abstractmethod
    def _make(self) -> Library:
        """The object of sacreBLEU with these settings."""

    def _unsigned(self) -> list[str]:
        """Settings that change the number and are missing in sacreBLEU's signature."""
        return []

    @cached_property
    def _library(self) -> Library:
        library = self._make()
        if hasattr(library, "tokenizer"):
            library.tokenizer = without_cache(library.tokenizer)
        return library

    def _sums(self, example: Example, output: Any) -> list[float]:
        """The row that sacreBLEU counts for one sentence."""
        texts = references(example)
        if self.nrefs not in ("var", len(texts)):
            raise MisuseError(
                f"example {example.label} has {counted(len(texts), 'reference')}, but nrefs={self.nrefs}: "
                f'pass nrefs={len(texts)} if all examples have as many, or nrefs="var"'
            )
        row: list[float] = self._library._extract_corpus_statistics(
            [output_text(example, output)], [[t] for t in texts]
        )[0]
        return row


def without_cache(tokenizer: Any) -> Callable[[str], str]:
    """A sacreBLEU tokenizer that does not keep the last 65 536 lines: outputs seldom repeat, and documents are long."""
    if hasattr(tokenizer, "_post_tokenizer"):
        tokenizer._post_tokenizer = without_cache(tokenizer._post_tokenizer)
    uncached = getattr(type(tokenizer).__call__, "__wrapped__", None)
    plain: Callable[[str], str] = tokenizer if uncached is None else partial(uncached, tokenizer)
    return plain
