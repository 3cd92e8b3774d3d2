"""chrF and chrF++, as sacreBLEU computes them: the F-score of character n-grams (and, for chrF++, of word 1- and 2-grams).

With the counts of all sentences added up, precision and recall of each order n are averaged over the orders,

    chrF = 100 · (1 + β²) · P · R / (β² · P + R),    β = 2

It needs no tokenizer, so it reads every script. Popović 2015 (chrF), 2017 (chrF++). Of several references, each sentence is
compared with the one that gives it the best score.
"""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from sacrebleu.metrics.chrf import CHRF

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.sacrebleu_metric import SacreBleuMetric
from pytest_llm.statistics.jackknife import FloatArray

_EPSILON = 1e-16
"""What chrF++.py, Moses and sacreBLEU's `eps_smoothing` give a precision or recall without n-grams."""


@dataclass(frozen=True, kw_only=True)
class Chrf(SacreBleuMetric):
    """chrF on sacreBLEU's scale, 0 to 100; higher is better. Settings are named as sacreBLEU names them."""

    char_order: int = 6
    word_order: int = 0
    """0 is chrF, 1 chrF+, 2 chrF++."""
    beta: int = 2
    """How many times recall counts as much as precision."""
    lowercase: bool = False
    whitespace: bool = False
    """Count white space as characters."""
    eps_smoothing: bool = False
    """Average over all orders, as chrF++.py and Moses do; else over those that both texts are long enough for."""

    lower_is_better = False
    counts = "reference characters"

    def __post_init__(self) -> None:
        for setting, least in (("char_order", 1), ("word_order", 0), ("beta", 1)):
            value = getattr(self, setting)
            if not isinstance(value, int) or isinstance(value, bool) or value < least:
                raise MisuseError(f"{setting}={value!r}: expected a whole number, at least {least}")
        super().__post_init__()

    @property
    def name(self) -> str:
        return "chrf" + "_plus" * self.word_order

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """(n-grams of the output, of the reference, of both) for each order, then the reference's characters."""
        row = self._sums(example, output)
        return [*row, row[1]]

    def aggregate(self, totals: FloatArray) -> FloatArray:
        """The score of the totals; 0, as in sacreBLEU, where nothing matches."""
        by_order = totals[..., :-1].reshape(*totals.shape[:-1], self.char_order + self.word_order, 3)
        hypothesis, reference, matches = by_order[..., 0], by_order[..., 1], by_order[..., 2]
        precision, recall = _share(matches, hypothesis), _share(matches, reference)
        if self.eps_smoothing:
            scores = self._f_score(precision, recall).mean(axis=-1)
        else:
            both = (hypothesis > 0) & (reference > 0)
            orders = np.maximum(both.sum(axis=-1), 1)
            means = (np.where(both, share, 0).sum(axis=-1) / orders for share in (precision, recall))
            scores = self._f_score(*means)
        return np.asarray(100 * scores)

    def _f_score(self, precision: FloatArray, recall: FloatArray) -> FloatArray:
        factor = self.beta**2
        weighted = factor * precision + recall
        scores = np.zeros(np.shape(weighted))
        np.divide((1 + factor) * precision * recall, weighted, out=scores, where=weighted > 0)
        return scores

    def _unsigned(self) -> list[str]:
        return [] if self.beta == 2 else [f"beta:{self.beta}"]

    def _make(self) -> CHRF:
        return CHRF(
            char_order=self.char_order,
            word_order=self.word_order,
            beta=self.beta,
            lowercase=self.lowercase,
            whitespace=self.whitespace,
            eps_smoothing=self.eps_smoothing,
        )


def _share(matches: FloatArray, ngrams: FloatArray) -> FloatArray:
    shares = np.full(ngrams.shape, _EPSILON)
    np.divide(matches, ngrams, out=shares, where=ngrams > 0)
    return shares
