"""From embeddings to rankings: which documents are closest to a query, by the cosine of the angle between them."""

from __future__ import annotations

from typing import Any

import numpy as np

from pytest_llm.errors import MisuseError
from pytest_llm.statistics.jackknife import FloatArray

_DECIMALS = 12


def cosine_similarities(queries: FloatArray, documents: FloatArray) -> FloatArray:
    """The cosine of the angle between each query and each document.

    Args:
        queries: embeddings, shape `[n, d]`.
        documents: embeddings, shape `[m, d]`.

    Returns:
        Shape `[n, m]` in float64, −1 to 1, rounded to 12 decimals so that equal documents tie. A row is an output for the
        metrics of `retrieval.py`, with documents called 0, 1, 2, …. An embedding of zeros has no direction and gives
        NaN, as does one that holds NaN.

    Raises:
        MisuseError: shapes that do not go together.
    """
    q, d = np.asarray(queries, dtype=np.float64), np.asarray(documents, dtype=np.float64)
    if q.ndim != 2 or d.ndim != 2 or q.shape[1] != d.shape[1]:
        raise MisuseError(f"queries have the shape {q.shape} and documents {d.shape}; expected [n, d] and [m, d]")
    # the product of one pair of vectors may differ in its last bits with its place in the matrix, which would break ties
    return np.asarray(np.round(_directions(q) @ _directions(d).T, _DECIMALS))


def rank_by_similarity(queries: FloatArray, documents: FloatArray) -> np.ndarray[Any, np.dtype[np.int64]]:
    """The documents in order of their cosine similarity to each query.

    Of equally similar documents the first comes first, which favours nobody only if their order means nothing; the rows of
    `cosine_similarities` keep ties for the metrics to see.

    Args:
        queries: embeddings, shape `[n, d]`.
        documents: embeddings, shape `[m, d]`.

    Returns:
        Shape `[n, m]`: row numbers of the documents, most similar first.

    Raises:
        MisuseError: shapes that do not go together, or embeddings that have no direction (zeros, NaN, infinite).
    """
    similarities = cosine_similarities(queries, documents)
    if np.isnan(similarities).any():
        row, column = (int(i[0]) for i in np.nonzero(np.isnan(similarities)))
        raise MisuseError(
            f"query {row} and document {column} have no angle: one of the embeddings is zero or not finite; "
            f"mend or leave out what yields it"
        )
    return np.argsort(-similarities, axis=1, kind="stable").astype(np.int64)


def _directions(vectors: FloatArray) -> FloatArray:
    """Each row at length 1. Divided by its greatest entry first, so that squares neither overflow nor vanish."""
    with np.errstate(invalid="ignore", divide="ignore"):
        scaled = vectors / np.abs(vectors).max(axis=1, keepdims=True, initial=0.0)
        return np.asarray(scaled / np.linalg.norm(scaled, axis=1, keepdims=True))
