"""Assertions about rankings: how high the relevant documents of a query stand.

A model that embeds ranks the documents of `task=Embed(documents)`. Or rankings are given as a list: each is a list of document ids,
best first; or scores: a mapping from ids to them, or an array of those of documents 0, 1, 2, …. Of documents with equal scores, all
orders count alike.
"""

from __future__ import annotations

from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.inference.engine import Engine
from pytest_llm.inference.measure import Answers, Questions, measure
from pytest_llm.inference.time_budget import TimeBudget
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics.retrieval import NDCG, RecallAtK, ReciprocalRank
from pytest_llm.tasks.embed import Embed


@assertion
def assert_recall_at_k_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Embed | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    k: int | None = 10,
    confidence: float | None = None,
) -> Measurement:
    """Assert that the share of the relevant documents that stand among the first k is above a limit. From 0 to 1.

    `relevant among the first k / relevant`, the mean over queries.

    Args:
        model: what embeds queries and documents, or the ranking of each query; see the module for its forms.
        data: for each query the relevant ids, a list or a set; or rows with a `text`, the query, and these as `target`.
        limit: what it has to exceed, such as 0.9.
        task: the documents, and how texts are put to the model; needed where a model is given.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        k: how many documents count; None: all.
        confidence: 0.95 demands proof for queries like these; None judges these as they are.

    Raises:
        QualityError: it is not above the limit, not provably so if `confidence` asks for proof, or a score is NaN.
        MisuseError: (a ValueError) data, model or settings that give no number; a query without a relevant document.

    Source: Manning, Raghavan & Schütze 2008, chapter 8.

    Example:
        >>> assert_recall_at_k_above("minilm", queries, 0.9, task=Embed(documents))  # doctest: +SKIP
        >>> assert_recall_at_k_above([["d3", "d1", "d2"]], [["d1"]], 0.9, k=2)  # doctest: +SKIP
    """
    claim = Limit.above(
        limit, confidence=confidence
    )  # a limit that makes no sense is refused before anything is counted
    return gate(measure(model, data, RecallAtK(k), task=task, engine=engine), claim)


@assertion
def assert_mrr_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Embed | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    k: int | None = None,
    confidence: float | None = None,
) -> Measurement:
    """Assert that the mean reciprocal rank is above a limit. From 0 to 1, where each query's first document is relevant.

    `1 / rank of the first relevant document`, 0 if there is none, the mean over queries.

    Args:
        model: what embeds queries and documents, or the ranking of each query; see the module for its forms.
        data: for each query the relevant ids, a list or a set; or rows with a `text`, the query, and these as `target`.
        limit: what it has to exceed, such as 0.7.
        task: the documents, and how texts are put to the model; needed where a model is given.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        k: how many documents count; None: all.
        confidence: 0.95 demands proof for queries like these; None judges these as they are.

    Raises:
        QualityError: it is not above the limit, not provably so if `confidence` asks for proof, or a score is NaN.
        MisuseError: (a ValueError) data, model or settings that give no number; a query without a relevant document.

    Source: Voorhees 1999, "The TREC-8 Question Answering Track Report".

    Example:
        >>> assert_mrr_above([["d3", "d1"], ["d2"]], [["d1"], ["d2"]], 0.7)  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)
    return gate(measure(model, data, ReciprocalRank(k), task=task, engine=engine), claim)


@assertion
def assert_ndcg_above(
    model: Answers,
    data: Questions,
    limit: float,
    *,
    task: Embed | None = None,
    engine: Engine | None = None,
    budget: TimeBudget | None = None,
    k: int | None = 10,
    confidence: float | None = None,
) -> Measurement:
    """Assert that the normalised discounted cumulative gain of the first k documents is above a limit. From 0 to 1.

    `DCG / DCG of the best ranking`, `DCG = Σ_{i ≤ k} gainᵢ / log₂(i + 1)`, the mean over queries; gains as
    they are given, not 2^gain − 1. The metric is called `ndcg_at_k`.

    Args:
        model: what embeds queries and documents, or the ranking of each query; see the module for its forms.
        data: for each query the relevant ids, a list or a set; or rows with a `text`, the query, and as `target` these or a
            mapping from ids to gains.
        limit: what it has to exceed, such as 0.8.
        task: the documents, and how texts are put to the model; needed where a model is given.
        engine: how the model is asked; None: as the session does.
        budget: how long it may take, such as "5min"; None: as the session says. See `budget`.
        k: how many documents count; None: all.
        confidence: 0.95 demands proof for queries like these; None judges these as they are.

    Raises:
        QualityError: it is not above the limit, not provably so if `confidence` asks for proof, or a score is NaN.
        MisuseError: (a ValueError) data, model or settings that give no number; a query without a relevant document.

    Source: Järvelin & Kekäläinen 2002; scikit-learn's `ndcg_score`.

    Example:
        >>> rows = [{"text": "how to zoom", "target": {"d1": 3, "d4": 1}}]
        >>> assert_ndcg_above([["d4", "d1"]], rows, 0.6)  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)
    return gate(measure(model, data, NDCG(k), task=task, engine=engine), claim)
