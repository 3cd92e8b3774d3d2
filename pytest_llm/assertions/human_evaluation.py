"""Assertions about what people said of outputs: ratings, preferences between two candidates, and whether raters agree.

A rating is a row `{"rater": …, "item": …, "score": …}`, a preference a row
`{"rater": …, "item": …, "first": …, "second": …, "preferred": …}` with `preferred` one of the two names or "tie". Rows come from a
list, or from a JSONL, CSV or Parquet file. No model is asked.
"""

from __future__ import annotations

from typing import Literal, TypeAlias

from pytest_llm.assertions.gate import assertion, gate
from pytest_llm.data.ratings import Cluster, RatingRows
from pytest_llm.errors import MisuseError
from pytest_llm.inference.measure import measure
from pytest_llm.judging.measurement import Measurement
from pytest_llm.limit import Limit
from pytest_llm.metrics.agreement import Agreement, CohenKappa, FleissKappa, Weights
from pytest_llm.metrics.bradley_terry import BradleyTerry
from pytest_llm.metrics.krippendorff_alpha import KrippendorffAlpha, Level
from pytest_llm.metrics.preference import MeanRating, WinRate

Measure: TypeAlias = Literal["krippendorff_alpha", "cohen_kappa", "fleiss_kappa"]


@assertion
def assert_rating_above(
    ratings: RatingRows,
    limit: float,
    *,
    lowest: float | None = None,
    highest: float | None = None,
    cluster: Cluster = "rater",
    confidence: float | None = None,
) -> Measurement:
    """Assert that the mean of the scores that people gave is above a limit.

    `Σ score / ratings`; each rating weighs the same. What one person says of many items is not independent, so that the interval
    is over people: with few of them it is wide, however many items they rated.

    Args:
        ratings: rows with rater, item and score, or the path of a file of such rows.
        limit: what it has to exceed, in the unit of the scores.
        lowest: the lowest score there is; one below it is refused. None: not checked.
        highest: the highest score there is.
        cluster: "rater": for other people who rate; "item": for other items that these people rate.
        confidence: 0.95 demands proof; None judges these ratings as they are.

    Raises:
        QualityError: it is not above the limit, or not provably so if `confidence` asks for proof.
        MisuseError: (a ValueError) no ratings, rows that lack a column, a score that is no number or off the scale, somebody who
            rated one item twice.

    Source: the mean of direct assessments (Graham et al. 2013), without their standardisation of raters.

    Example:
        >>> assert_rating_above("ratings.jsonl", 3.5, lowest=1, highest=5, confidence=0.95)  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)
    _check_cluster(cluster)
    return gate(measure(None, ratings, MeanRating(lowest, highest, cluster)), claim)


@assertion
def assert_preference_above(
    preferences: RatingRows,
    candidate: str,
    limit: float = 0.5,
    *,
    against: str | None = None,
    statistic: Literal["win_rate", "bradley_terry"] = "win_rate",
    prior: float = 0.0,
    cluster: Cluster = "rater",
    confidence: float | None = None,
) -> Measurement:
    """Assert that people prefer a candidate: that its win rate, or its strength among several candidates, is above a limit.

    - "win_rate": `(wins + ½ ties) / comparisons`; ½ is what equally good candidates get.
    - "bradley_terry": the strength θ of greatest likelihood under P(i is preferred to j) = 1 / (1 + exp(θⱼ − θᵢ)), with mean 0
      over the candidates, in natural log-odds; it uses the comparisons of the others too, and so is fair to a candidate
      that met strong opponents (Bradley & Terry 1952; as in Chatbot Arena, Chiang et al. 2024).

    The interval is over people (`cluster="rater"`), whose answers hang together.

    Args:
        preferences: rows with rater, item, first, second and preferred (a name, or "tie"), or the path of a file of such rows.
        candidate: whom it is about.
        limit: what it has to exceed; of a win rate ½ unless given.
        against: only comparisons with this opponent; None: with any. Only for "win_rate".
        statistic: which of the two.
        prior: imagined wins of each candidate over each other, which keep strengths finite; only for "bradley_terry".
        cluster: "rater", or "item": for other items judged by these people.
        confidence: 0.95 demands proof for other people (or items) like these; None judges these answers as they are.

    Raises:
        QualityError: it is not above the limit, not provably so if `confidence` asks for proof, or no strength exists (NaN).
        MisuseError: (a ValueError) rows that lack a column, names that no comparison has, somebody who was asked one thing twice.

    Example:
        >>> assert_preference_above("answers.jsonl", "new", against="old", confidence=0.95)  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)
    _check_cluster(cluster)
    if statistic not in ("win_rate", "bradley_terry"):
        raise MisuseError(f"statistic={statistic!r}: expected 'win_rate' or 'bradley_terry'")
    if statistic == "bradley_terry":
        if against is not None:
            raise MisuseError(f"against={against!r} with 'bradley_terry', which takes all comparisons: leave it out")
        return gate(measure(None, preferences, BradleyTerry(candidate, prior, cluster=cluster)), claim)
    if prior:
        raise MisuseError(f"prior={prior!r} with 'win_rate', which has none: leave it out")
    return gate(measure(None, preferences, WinRate(candidate, against, cluster)), claim)


@assertion
def assert_agreement_above(
    ratings: RatingRows,
    limit: float,
    *,
    measure_by: Measure = "krippendorff_alpha",
    level: Level = "ordinal",
    weights: Weights | None = None,
    confidence: float | None = None,
) -> Measurement:
    """Assert that people who rated the same items agree beyond chance: that human judgement is worth gating a model with.

    `1 − observed / expected disagreement`: 1 is perfect, 0 is chance. Krippendorff calls 0.8 reliable, and 0.667 the least for
    tentative conclusions. The interval is over items, for these raters.

    Args:
        ratings: rows with rater, item and score, or the path of a file of such rows.
        limit: what it has to exceed, such as 0.667.
        measure_by: "krippendorff_alpha": any number of raters, with gaps (Krippendorff 2011); "cohen_kappa": two who both rated
            every item (Cohen 1960, 1968); "fleiss_kappa": the same number of ratings for every item (Fleiss 1971).
        level: of alpha: how values differ: "nominal" (names), "ordinal", or "interval".
        weights: of Cohen's kappa: how far apart counts: None, "linear" or "quadratic".
        confidence: 0.95 demands proof for items like these; None judges these as they are.

    Raises:
        QualityError: it is not above the limit, not provably so if `confidence` asks for proof, or NaN: all ratings are the same,
            so that chance agrees perfectly too.
        MisuseError: (a ValueError) fewer than two raters, no item with two ratings, ratings that the measure is not made for.

    Example:
        >>> assert_agreement_above("ratings.jsonl", 0.667, confidence=0.95)  # doctest: +SKIP
    """
    claim = Limit.above(limit, confidence=confidence)
    return gate(measure(None, ratings, _agreement(measure_by, level, weights)), claim)


def _agreement(measure_by: str, level: Level, weights: Weights | None) -> Agreement:
    if measure_by != "cohen_kappa" and weights is not None:
        raise MisuseError(f"weights={weights!r} belong to 'cohen_kappa', not to {measure_by!r}: leave them out")
    if measure_by == "krippendorff_alpha":
        return KrippendorffAlpha(level=level)
    if measure_by == "cohen_kappa":
        return CohenKappa(weights=weights)
    if measure_by == "fleiss_kappa":
        return FleissKappa()
    raise MisuseError(f"measure_by={measure_by!r}: expected 'krippendorff_alpha', 'cohen_kappa' or 'fleiss_kappa'")


def _check_cluster(cluster: object) -> None:
    if cluster not in ("rater", "item"):
        raise MisuseError(f"cluster={cluster!r}: expected 'rater' or 'item'")
