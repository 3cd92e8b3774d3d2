"""Translation edit rate, as sacreBLEU computes it.

    TER = 100 · Σ edits / Σ reference words

Edits are insertions, deletions, substitutions and shifts of a block of words, found by Tercom's greedy search. Of several
references, each sentence counts the edits to the closest and the average length of all. Snover et al. 2006.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

from sacrebleu.metrics.ter import TER

from pytest_llm.data.example import Example
from pytest_llm.metrics.comparison import ratio
from pytest_llm.metrics.sacrebleu_metric import SacreBleuMetric
from pytest_llm.statistics.jackknife import FloatArray


@dataclass(frozen=True, kw_only=True)
class Ter(SacreBleuMetric):
    """TER on sacreBLEU's scale: 0 is perfect, 100 as many edits as words, and more is possible. Settings as in sacreBLEU."""

    normalized: bool = False
    """Separate punctuation from words."""
    no_punct: bool = False
    asian_support: bool = False
    """With `normalized` or `no_punct`: treat each Chinese character as a word, and Asian punctuation as punctuation."""
    case_sensitive: bool = False

    lower_is_better = True
    counts = "reference words"

    @property
    def name(self) -> str:
        return "ter"

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """(edits, average length of the references in words)."""
        return self._sums(example, output)

    def aggregate(self, totals: FloatArray) -> FloatArray:
        """TER of the totals; NaN where the references hold no word, which sacreBLEU calls 0 (perfect) or 100."""
        return 100 * ratio(totals[..., 0], totals[..., 1])

    def _make(self) -> TER:
        return TER(
            normalized=self.normalized,
            no_punct=self.no_punct,
            asian_support=self.asian_support,
            case_sensitive=self.case_sensitive,
        )
