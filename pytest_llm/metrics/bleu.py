"""Corpus BLEU, as sacreBLEU computes it.

With the n-gram counts of all sentences added up, `pₙ = matches / n-grams of the outputs`,

    BLEU = 100 · min(1, exp(1 − r/c)) · exp(¼ Σ ln pₙ)

where c is the length of the outputs and r that of the closest references, in tokens. Papineni et al. 2002; smoothing as in
Chen & Cherry 2014; Post 2018. Corpus BLEU is *not* the mean of the sentences' BLEU.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Literal, TypeAlias

import numpy as np
from sacrebleu.metrics.bleu import BLEU

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.sacrebleu_metric import SacreBleuMetric
from pytest_llm.statistics.jackknife import FloatArray

Smoothing: TypeAlias = Literal["exp", "floor", "add-k", "none"]


@dataclass(frozen=True, kw_only=True)
class Bleu(SacreBleuMetric):
    """BLEU on sacreBLEU's scale, 0 to 100; higher is better. Settings are named as sacreBLEU names them."""

    tokenize: str = "13a"
    """13a (Western scripts), intl, zh, char, none, ja-mecab, ko-mecab, or flores101, flores200, spBLEU-1K (SentencePiece)."""
    lowercase: bool = False
    smooth_method: Smoothing = "exp"
    smooth_value: float | None = None
    """For "floor" (None: 0.1) and "add-k" (None: 1) only."""
    max_ngram_order: int = 4
    effective_order: bool = False
    """Leave out the orders that are longer than the output; meant for single sentences."""

    lower_is_better = False
    counts = "reference tokens"

    def __post_init__(self) -> None:
        if self.tokenize not in BLEU.TOKENIZERS:
            raise MisuseError(f"tokenize={self.tokenize!r}: expected one of {', '.join(map(repr, BLEU.TOKENIZERS))}")
        if self.smooth_method not in BLEU.SMOOTH_DEFAULTS:
            known = ", ".join(map(repr, BLEU.SMOOTH_DEFAULTS))
            raise MisuseError(f"smooth_method={self.smooth_method!r}: expected one of {known}")
        self._check_smooth_value()
        order = self.max_ngram_order
        if not isinstance(order, int) or isinstance(order, bool) or order < 1:
            raise MisuseError(f"max_ngram_order={order!r}: expected a whole number of tokens, at least 1")
        super().__post_init__()

    @property
    def name(self) -> str:
        return "bleu"

    def statistics(self, example: Example, output: Any) -> Sequence[float]:
        """(matches of order 1 to 4, n-grams of order 1 to 4, output length, length of the closest reference), in tokens."""
        output_length, reference_length, *counts = self._sums(example, output)
        return [*counts, output_length, reference_length]

    def aggregate(self, totals: FloatArray) -> FloatArray:
        """BLEU of the totals; 0, as in sacreBLEU, where not one token matches."""
        orders = self.max_ngram_order
        matches, ngrams = totals[..., :orders], totals[..., orders : 2 * orders]
        matched = matches.any(axis=-1)
        if self.smooth_method == "add-k":
            added = self._smooth_value * (np.arange(orders) > 0)
            matches, ngrams = matches + added, ngrams + added
        counted = ngrams != 0  # an order without n-grams has none above it, and sacreBLEU stops there
        kept = counted if self.effective_order else np.ones_like(counted)
        with np.errstate(divide="ignore", invalid="ignore", over="ignore"):
            logs = np.log(self._precisions(matches, ngrams, counted))
            mean = np.where(kept, logs, 0).sum(axis=-1) / np.maximum(kept.sum(axis=-1), 1)
            score = 100 * _brevity_penalty(totals[..., -2], totals[..., -1]) * np.exp(mean)
        return np.asarray(np.where(matched, score, 0.0))

    @property
    def _smooth_value(self) -> float:
        default = BLEU.SMOOTH_DEFAULTS[self.smooth_method] or 0.0
        return default if self.smooth_value is None else self.smooth_value

    def _precisions(self, matches: FloatArray, ngrams: FloatArray, counted: Any) -> FloatArray:
        """pₙ, smoothed where nothing matched; 0 for orders that are not counted."""
        missed = counted & (matches == 0)
        if self.smooth_method == "exp":  # the first order without a match counts ½, the next ¼, …
            matches = np.where(missed, 0.5 ** np.cumsum(missed, axis=-1), matches)
        elif self.smooth_method == "floor":
            matches = np.where(missed, self._smooth_value, matches)
        return np.asarray(np.where(counted, matches / ngrams, 0.0))

    def _unsigned(self) -> list[str]:
        return [] if self.max_ngram_order == 4 else [f"order:{self.max_ngram_order}"]

    def _make(self) -> BLEU:
        _refuse_download(self.tokenize)
        try:
            return BLEU(
                lowercase=self.lowercase,
                tokenize=self.tokenize,
                smooth_method=self.smooth_method,
                smooth_value=self.smooth_value,
                max_ngram_order=self.max_ngram_order,
                effective_order=self.effective_order,
            )
        except (ImportError, RuntimeError) as error:  # what sacreBLEU raises where a tokenizer's packages are missing
            package = _PACKAGES.get(self.tokenize, "sentencepiece")
            raise MisuseError(
                f"tokenize={self.tokenize!r} needs a package that is not installed: pip install '{package}'"
            ) from error

    def _check_smooth_value(self) -> None:
        value = self.smooth_value
        if value is None:
            return
        if BLEU.SMOOTH_DEFAULTS[self.smooth_method] is None:
            raise MisuseError(
                f"smooth_value={value!r} has no effect with smooth_method={self.smooth_method!r}; "
                f'leave it out, or use smooth_method="floor" or "add-k"'
            )
        if isinstance(value, bool) or not isinstance(value, int | float) or not 0 < value < math.inf:
            raise MisuseError(f"smooth_value={value!r}: expected a positive number")


_PACKAGES = {"ja-mecab": "sacrebleu[ja]", "ko-mecab": "sacrebleu[ko]"}


def _brevity_penalty(output_length: FloatArray, reference_length: FloatArray) -> FloatArray:
    short = output_length < reference_length
    return np.asarray(np.where(short, np.exp(1 - reference_length / output_length), 1.0))


def _refuse_download(tokenize: str) -> None:
    """A SentencePiece model that is not on the disk yet would be fetched by sacreBLEU; a test must not do that."""
    from sacrebleu.tokenizers.tokenizer_spm import SPM_MODELS
    from sacrebleu.utils import SACREBLEU_DIR

    if tokenize not in SPM_MODELS:
        return
    url = SPM_MODELS[tokenize]["url"]
    path = Path(SACREBLEU_DIR, "models", Path(url).name)
    if not path.exists():
        raise MisuseError(f"tokenize={tokenize!r} needs {url}, and metrics download nothing: save it as {path}")
