"""Documents and changes to a model whose size is known, for what a gate promises about chance.

Lengths are log-normal about 250 tokens; what a document costs varies far more between documents than a change of the model
moves it. Two kinds of noise: of a small change (quantisation, another engine) and of a model trained again.
"""

from __future__ import annotations

from typing import Literal

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.data.provenance import Provenance
from pytest_llm.judging.measurement import Measurement
from pytest_llm.statistics.jackknife import FloatArray

Kind = Literal["kernel", "small", "retrained"]
_NOISE: dict[Kind, tuple[float, float]] = {"kernel": (0, 0.02), "small": (0.01, 0.2), "retrained": (0.06, 0.8)}
"""Standard deviations, in nats: of a whole document (heavy-tailed), and of one token."""


def perplexity(totals: FloatArray) -> FloatArray:
    return np.asarray(np.exp(totals[..., 0] / totals[..., 1]))


def documents(n: int, random: np.random.Generator) -> FloatArray:
    """`[n, 2]`: nats and tokens of each."""
    tokens = np.clip(np.round(np.exp(random.normal(np.log(250), 0.9, n))), 16, 4096)
    nats = 3 + 0.45 * random.standard_normal(n) - 0.08 * np.log(tokens / 250)
    return np.column_stack([tokens * (nats + 2.8 * random.standard_normal(n) / np.sqrt(tokens)), tokens])


def changed(before: FloatArray, kind: Kind, drop: float, random: np.random.Generator) -> FloatArray:
    """The same documents by a model that is worse by `drop` nats a token (0.01 is about 1 % of perplexity), and noise."""
    whole, token = _NOISE[kind]
    tokens = before[:, 1]
    heavy_tailed = random.standard_t(5, len(before)) / np.sqrt(5 / 3)
    shift = whole * heavy_tailed + token * random.standard_normal(len(before)) / np.sqrt(tokens)
    return np.column_stack([before[:, 0] + tokens * (drop + shift), tokens])


def measured(
    statistics: FloatArray, *, ids: list[str] | None = None, clusters: list[str | None] | None = None
) -> Measurement:
    """What `measure` makes of such statistics, for perplexity."""
    names = [f"d{row}" for row in range(len(statistics))] if ids is None else ids
    of_clusters = clusters or [None] * len(names)
    return Measurement(
        metric="perplexity",
        value=float(perplexity(statistics.sum(axis=0))),
        lower_is_better=True,
        estimate=None,
        examples=tuple(
            Example(name, f"text of {name}", name, cluster) for name, cluster in zip(names, of_clusters, strict=True)
        ),
        statistics=statistics,
        example_values=perplexity(statistics),
        counts="tokens",
        signature="perplexity|bos:yes|windows:rolling-512|log-softmax:float32",
        data="held_out.jsonl",
        provenance=Provenance("tiny-decoder", "float32", "cpu"),
        aggregate=perplexity,
        value_of_each=perplexity,
        scale="log",
    )
