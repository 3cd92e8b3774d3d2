"""Answer `Embed`: how similar each document is to each query, by the model's embeddings of both."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from functools import partial
from typing import Any

import numpy as np

from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.inference.checks import lacking, truncating
from pytest_llm.inference.engine import ask
from pytest_llm.inference.memo import remembered
from pytest_llm.metrics.similarity import cosine_similarities
from pytest_llm.models.language_model import AnyModel, Encoder
from pytest_llm.statistics.jackknife import FloatArray
from pytest_llm.tasks.embed import Embed


def rank(model: AnyModel, examples: Sequence[Example], task: Embed) -> list[Any]:
    """For each example the similarity of every document to it: by id where documents have one, else in their order.

    Raises:
        MisuseError: a model that embeds nothing, no documents, a text that is too long, embeddings of different lengths.
    """
    queries, documents = task.texts(tuple(examples))
    if not isinstance(model, Encoder):
        raise lacking(
            model,
            "where a text lies among others",
            "an encoder of transformers without a head, or an object with a method embed(texts)",
        )
    similarities = cosine_similarities(embed(model, queries, task), embed(model, documents, task))
    ids = task.ids
    return list(similarities) if ids is None else [dict(zip(ids, row.tolist(), strict=True)) for row in similarities]


def embed(model: Encoder, texts: Sequence[str], task: Embed) -> FloatArray:
    """The embedding of each text: `[texts, width]`."""
    compute = partial(_embed, settings=truncating(model, "embed", task.truncate))
    vectors = remembered(model, texts, ("embed", task.truncate), compute, lambda text: text)
    lengths = {len(vector) for vector in vectors}
    if len(lengths) > 1:
        raise MisuseError(
            f"{type(model).__name__}.embed gave embeddings of {sorted(lengths)} numbers; expected one length"
        )
    return np.stack(vectors)


def _embed(model: Encoder, texts: list[str], settings: Mapping[str, Any]) -> list[FloatArray]:
    given = ask(model, "embed", texts, **settings)
    return [_checked(model, text, vector) for text, vector in zip(texts, given, strict=True)]


def _checked(model: Encoder, text: str, given: Any) -> FloatArray:
    try:
        vector = np.array(given, dtype=np.float64)  # a copy: the memo makes what it keeps read-only
    except (TypeError, ValueError):
        vector = np.empty((0, 0))
    if vector.ndim != 1 or vector.size == 0:
        raise MisuseError(
            f"{type(model).__name__}.embed returned {given!r:.80} for {text[:40]!r}; expected a list of numbers"
        )
    return vector
