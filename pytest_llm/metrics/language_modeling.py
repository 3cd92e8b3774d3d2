"""Perplexity and its kin: how surprised a language model is by a text.

With `nll = −Σ ln p(xₜ | x_<t)` over the scored tokens of the whole corpus (natural logarithm):

    perplexity       exp(nll / tokens)     corpus perplexity: documents weigh by their tokens
    word_perplexity  exp(nll / words)      words as `re.split(r"\\s+", text)` counts them
    byte_perplexity  exp(nll / bytes)      bytes of the text in UTF-8
    bits_per_byte    nll / (bytes · ln 2)

The last three do not depend on the tokenizer, so they alone compare models with different vocabularies. Names and
definitions are those of lm-evaluation-harness (`wikitext`: word_perplexity, byte_perplexity, bits_per_byte); the first is
also llama.cpp's and the Hugging Face guide's ("Perplexity of fixed-length models"). It is *not* the mean of the documents'
perplexities, which `evaluate`'s script reports.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Literal, TypeAlias

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.metrics.requests import Score
from pytest_llm.statistics.jackknife import FloatArray, Scale

Unit: TypeAlias = Literal["token", "word", "byte", "bits_per_byte"]

_NAMES = {
    "token": "perplexity",
    "word": "word_perplexity",
    "byte": "byte_perplexity",
    "bits_per_byte": "bits_per_byte",
}


@dataclass(frozen=True)
class Perplexity:
    """Perplexity per token, word or byte, or bits per byte; see the module for the formulas."""

    unit: Unit = "token"
    stride: int | None = None
    max_length: int | None = None
    add_bos: bool = True

    lower_is_better = True

    def __post_init__(self) -> None:
        if self.unit not in _NAMES:
            raise MisuseError(f"unit={self.unit!r}: expected one of {', '.join(map(repr, _NAMES))}")
        if not self.add_bos and self.unit != "token":
            raise MisuseError(
                f"unit={self.unit!r} with add_bos=False: without BOS the first token of each text has no probability, "
                f"so dividing by all its {self.counts} would flatter the model; use add_bos=True"
            )
        _ = self.request  # checks stride and max_length

    @property
    def name(self) -> str:
        return _NAMES[self.unit]

    @property
    def scale(self) -> Scale:
        return "linear" if self.unit == "bits_per_byte" else "log"

    @property
    def request(self) -> Score:
        return Score(add_bos=self.add_bos, stride=self.stride, max_length=self.max_length)

    @property
    def counts(self) -> str:
        return {"token": "tokens", "word": "words"}.get(self.unit, "bytes")

    def signature(self, window: int | None) -> str:
        planned = "rolling" if self.stride is None else f"stride-{self.stride}"
        windows = "model's own" if window is None else f"{planned}-{window}"
        bos = "model's own" if window is None else "yes" if self.add_bos else "no"
        return f"{self.name}|bos:{bos}|windows:{windows}|log-softmax:float32"

    def statistics(self, example: Example, output: FloatArray) -> Sequence[float]:
        """(nll in nats, units): `output` holds the log-probability of each scored token."""
        nll = -float(np.sum(output, dtype=np.float64))
        if self.unit == "token":
            return nll, len(output)
        if self.unit == "word":
            return nll, len(re.split(r"\s+", example.text))
        return nll, len(example.text.encode("utf-8", "surrogatepass"))

    def aggregate(self, totals: FloatArray) -> FloatArray:
        per_unit = np.asarray(totals[..., 0] / totals[..., 1], dtype=np.float64)
        if self.unit == "bits_per_byte":
            return per_unit / math.log(2)
        with np.errstate(over="ignore"):  # beyond e^709 a perplexity is infinite, and fails as such
            return np.asarray(np.exp(per_unit))
