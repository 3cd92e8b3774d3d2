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

Of a target given its source (translation, summary, answer), `p(xₜ | source, x_<t)` takes the place of `p(xₜ | x_<t)`, and tokens,
words and bytes are those of the targets: conditional_perplexity and so on. With T5's tokens (`… </s>`) it is
`exp(model(input_ids, labels=labels).loss)`.

A masked model gives each token a probability given all others, `p(xₜ | x without xₜ)`. Their product is no probability of the
text, hence the name: pseudo_perplexity = exp(−Σ ln p(xₜ | x without xₜ) / tokens) (Salazar et al. 2020, "Masked Language Model
Scoring"). With `within_word` the later tokens of the word are hidden with the token (Kauf & Ivanova 2023, PLL-word-l2r).
It compares models with the same tokenizer, and not with the perplexity of a causal model.
"""

from __future__ import annotations

import math
import re
from collections.abc import Sequence
from dataclasses import dataclass, field
from typing import Literal, TypeAlias

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.statistics.jackknife import FloatArray, Scale
from pytest_llm.stopping.question import Quotient
from pytest_llm.tasks.score import MaskedScore, PairScore, Score

Unit: TypeAlias = Literal["token", "word", "byte", "bits_per_byte"]

_NAMES = {
    "token": "perplexity",
    "word": "word_perplexity",
    "byte": "byte_perplexity",
    "bits_per_byte": "bits_per_byte",
}


@dataclass(frozen=True)
class _Surprise:
    """What all of them share: nats over units, of some text of the example."""

    unit: Unit = "token"

    lower_is_better = True

    def __post_init__(self) -> None:
        if self.unit not in _NAMES:
            raise MisuseError(f"unit={self.unit!r}: expected one of {', '.join(map(repr, _NAMES))}")

    @property
    def scale(self) -> Scale:
        return "linear" if self.unit == "bits_per_byte" else "log"

    @property
    def counts(self) -> str:
        return {"token": "tokens", "word": "words"}.get(self.unit, "bytes")

    @property
    def quotient(self) -> Quotient:
        """Nats over units."""
        return Quotient(0.0, math.inf, unit=math.log(2))

    def scored_text(self, example: Example) -> str:
        """The text whose words or bytes are counted."""
        return example.text

    def statistics(self, example: Example, output: FloatArray) -> Sequence[float]:
        """(nll in nats, units): `output` holds the log-probability of each scored token."""
        nll = -float(np.add.reduce(output, axis=None, dtype=np.float64))  # np.sum, at half the cost of a short text
        if self.unit == "token":
            return nll, len(output)
        if self.unit == "word":
            return nll, len(re.split(r"\s+", self.scored_text(example)))
        return nll, len(self.scored_text(example).encode("utf-8", "surrogatepass"))

    def aggregate(self, totals: FloatArray) -> FloatArray:
        per_unit = np.asarray(totals[..., 0] / totals[..., 1], dtype=np.float64)
        if self.unit == "bits_per_byte":
            return per_unit / math.log(2)
        with np.errstate(over="ignore"):  # beyond e^709 a perplexity is infinite, and fails as such
            return np.asarray(np.exp(per_unit))


@dataclass(frozen=True)
class Perplexity(_Surprise):
    """Perplexity per token, word or byte, or bits per byte; see the module for the formulas."""

    stride: int | None = None
    max_length: int | None = None
    add_bos: bool = True

    def __post_init__(self) -> None:
        super().__post_init__()
        if not self.add_bos and self.unit != "token":
            raise MisuseError(
                f"unit={self.unit!r} with add_bos=False: without BOS the first token of each text has no probability, "
                f"so dividing by all its {self.counts} would flatter the model; use add_bos=True"
            )
        _ = self.task  # checks stride and max_length

    @property
    def name(self) -> str:
        return _NAMES[self.unit]

    @property
    def task(self) -> Score:
        return Score(add_bos=self.add_bos, stride=self.stride, max_length=self.max_length)

    def signature(self, window: int | None) -> str:
        planned = "rolling" if self.stride is None else f"stride-{self.stride}"
        windows = "model's own" if window is None else f"{planned}-{window}"
        bos = "model's own" if window is None else "yes" if self.add_bos else "no"
        return f"{self.name}|bos:{bos}|windows:{windows}|log-softmax:float32"


@dataclass(frozen=True)
class ConditionalPerplexity(_Surprise):
    """Perplexity of targets given their sources; see the module. `score_eos` of None: as the model was trained."""

    score_eos: bool | None = None

    def __post_init__(self) -> None:
        super().__post_init__()
        _ = self.task  # checks score_eos

    @property
    def name(self) -> str:
        return f"conditional_{_NAMES[self.unit]}"

    @property
    def task(self) -> PairScore:
        return PairScore(self.score_eos)

    def signature(self, window: int | None) -> str:
        eos = "model's own" if self.score_eos is None else "yes" if self.score_eos else "no"
        return f"{self.name}|eos:{eos}|log-softmax:float32"

    def scored_text(self, example: Example) -> str:
        return str(example.target)


@dataclass(frozen=True)
class PseudoPerplexity(_Surprise):
    """Pseudo-perplexity of a masked model, always per token; see the module."""

    unit: Literal["token"] = field(default="token", init=False)
    within_word: bool = True

    name = "pseudo_perplexity"

    def __post_init__(self) -> None:
        _ = self.task  # checks within_word

    @property
    def task(self) -> MaskedScore:
        return MaskedScore(self.within_word)

    def signature(self, window: int | None) -> str:
        masked = "rest-of-word" if self.within_word else "token"
        windows = "model's own" if window is None else f"disjoint-{window}"
        return f"{self.name}|masked:{masked}|windows:{windows}|log-softmax:float32"
