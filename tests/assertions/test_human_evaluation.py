"""Gates on what people said, against independent references and by hand."""

from __future__ import annotations

import json
import math
from pathlib import Path
from typing import Any

import choix
import krippendorff
import numpy as np
import pytest
from sklearn.metrics import cohen_kappa_score

from pytest_llm import (
    MisuseError,
    Outcome,
    QualityError,
    assert_agreement_above,
    assert_preference_above,
    assert_rating_above,
    embedded,
)
from pytest_llm.recording import recording

RATINGS = [
    {"rater": f"r{rater}", "item": f"i{item}", "score": 1 + (rater * item + item // 2) % 5}
    for rater in range(12)
    for item in range(6)
]
VOTES = [
    {
        "rater": f"r{rater}",
        "item": "i",
        "first": "new",
        "second": "old",
        "preferred": "old" if rater % 4 == 0 else "new",
    }
    for rater in range(20)
]


def test_the_mean_rating_decides() -> None:
    mean = np.mean([float(row["score"]) for row in RATINGS])  # type: ignore[arg-type]
    assert assert_rating_above(RATINGS, mean - 0.1).value == pytest.approx(mean, rel=1e-12)
    with pytest.raises(QualityError, match=r"mean_rating .* is not above .*: under the limit by 0.1"):
        assert_rating_above(RATINGS, mean + 0.1)


def test_raters_are_clusters() -> None:
    by_raters, by_items = (assert_rating_above(RATINGS, 0, cluster=cluster).estimate for cluster in ("rater", "item"))
    assert by_raters is not None
    assert by_items is not None
    assert (by_raters.units, by_items.units) == (12, 6)


def test_proof_is_about_other_people() -> None:
    few = [row for row in RATINGS if row["rater"] in ("r1", "r2", "r3")]
    with pytest.raises(QualityError, match="3 independent raters, at least 10 are needed") as caught:
        assert_rating_above(few, 0.5, confidence=0.95)
    assert caught.value.verdict.outcome is Outcome.INCONCLUSIVE
    assert "by people like these (95 %, jackknife over raters)" in str(caught.value)
    assert_rating_above(RATINGS, 1.5, confidence=0.95)


def test_the_worst_ratings_are_named() -> None:
    with pytest.raises(QualityError) as caught:
        assert_rating_above(RATINGS, 5)
    assert "  worst              1  i0 by r0  'i0'" in str(caught.value)


def test_a_win_rate_counts_ties_as_halves() -> None:
    assert assert_preference_above(VOTES, "new").value == 0.75
    ties = [{**vote, "preferred": "tie"} for vote in VOTES]
    with pytest.raises(QualityError, match=r"win_rate 0.5 is not above 0.5: it equals the limit"):
        assert_preference_above(ties, "new")
    with pytest.raises(QualityError):
        assert_preference_above(VOTES, "old")


def test_only_comparisons_with_the_opponent_count() -> None:
    third = [{**vote, "second": "third", "preferred": "third"} for vote in VOTES]
    assert assert_preference_above([*VOTES, *third], "new", against="old").value == 0.75
    assert assert_preference_above([*VOTES, *third], "new", 0.1).value == 0.375


def test_strengths_are_those_of_choix() -> None:
    names = ("a", "b", "c")
    beats = [(0, 1)] * 5 + [(1, 0)] * 3 + [(1, 2)] * 4 + [(2, 1)] * 2 + [(2, 0)] * 1 + [(0, 2)] * 2
    rows = [
        {"rater": f"r{n}", "item": "i", "first": names[winner], "second": names[loser], "preferred": names[winner]}
        for n, (winner, loser) in enumerate(beats)
    ]
    expected = choix.opt_pairwise(3, beats)
    found = assert_preference_above(rows, "a", 0.0, statistic="bradley_terry")
    assert found.value == pytest.approx(expected[0] - np.mean(expected), abs=1e-6)


def test_a_candidate_that_never_lost_has_no_strength_and_fails() -> None:
    always = [{**vote, "preferred": "new"} for vote in VOTES]
    with pytest.raises(QualityError, match="bradley_terry is not a number") as caught:
        assert_preference_above(always, "new", statistic="bradley_terry")
    assert caught.value.verdict.outcome is Outcome.ERROR
    assert assert_preference_above(always, "new", statistic="bradley_terry", prior=0.5).value > 1


@pytest.mark.parametrize("level", ["nominal", "ordinal", "interval"])
def test_alpha_is_krippendorffs(level: Any) -> None:
    table = np.full((12, 6), np.nan)
    for row in RATINGS:
        table[int(str(row["rater"])[1:]), int(str(row["item"])[1:])] = float(row["score"])  # type: ignore[arg-type]
    expected = krippendorff.alpha(reliability_data=table, level_of_measurement=level)
    assert assert_agreement_above(RATINGS, -1, level=level).value == pytest.approx(expected, rel=1e-9)


def test_kappas_are_cohens() -> None:
    two = [row for row in RATINGS if row["rater"] in ("r1", "r2")]
    scores = [[row["score"] for row in two if row["rater"] == rater] for rater in ("r1", "r2")]
    for weights in (None, "linear", "quadratic"):
        expected = cohen_kappa_score(*scores, weights=weights)
        found = assert_agreement_above(two, -1.5, measure_by="cohen_kappa", weights=weights)
        assert found.value == pytest.approx(expected, abs=1e-12)


def test_names_of_categories_can_be_agreed_about() -> None:
    said = [{"rater": r, "item": i, "score": "good" if i < "c" else "bad"} for r in ("x", "y", "z") for i in "abcd"]
    assert assert_agreement_above(said, 0.9, level="nominal").value == pytest.approx(1)
    assert assert_agreement_above(said, 0.9, measure_by="fleiss_kappa").value == pytest.approx(1)


def test_where_all_say_the_same_agreement_is_no_number_and_fails() -> None:
    same = [{**row, "score": 3} for row in RATINGS]
    with pytest.raises(QualityError, match="krippendorff_alpha is not a number") as caught:
        assert_agreement_above(same, 0.5)
    assert caught.value.verdict.outcome is Outcome.ERROR


def test_the_message_shows_who_said_what() -> None:
    said = [
        {"rater": r, "item": i, "score": s}
        for i, scores in {"a": (1, 5), "b": (2, 2)}.items()
        for r, s in zip("xy", scores, strict=True)
    ]
    with pytest.raises(QualityError) as caught:
        assert_agreement_above(said, 0.9)
    assert "1 by x, 5 by y" in str(caught.value)
    assert "wanted" not in str(caught.value)


@pytest.mark.parametrize("kind", ["jsonl", "csv"])
def test_ratings_are_read_from_files(tmp_path: Path, kind: str) -> None:
    path = tmp_path / f"ratings.{kind}"
    if kind == "jsonl":
        path.write_text("".join(json.dumps(row) + "\n" for row in RATINGS))
    else:
        path.write_text("rater,item,score\n" + "".join(f"{r['rater']},{r['item']},{r['score']}\n" for r in RATINGS))
    assert assert_rating_above(path, 0).value == assert_rating_above(RATINGS, 0).value
    assert assert_rating_above(str(path), 0).data == path.name


def test_what_is_judged_is_recorded() -> None:
    with recording() as recorder:
        measured = assert_rating_above(embedded("data/ratings.jsonl"), 4)
    assert recorder.measurements == [measured]
    assert measured.provenance.model == "people, not a model"


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: assert_rating_above([], 1), "hold no row, so nobody has said anything"),
        (lambda: assert_rating_above([{"rater": "a", "item": "b"}], 1), "has no column 'score'"),
        (lambda: assert_rating_above(RATINGS, 1, highest=3), "the scale is -inf to 3"),
        (lambda: assert_rating_above(RATINGS, 1, cluster="city"), "cluster='city': expected 'rater' or 'item'"),  # type: ignore[arg-type]
        (lambda: assert_rating_above([RATINGS[0], RATINGS[0]], 1), "rated item 'i0' twice"),
        (lambda: assert_rating_above(RATINGS, math.nan), "limit .*: expected a finite number"),
        (
            lambda: assert_preference_above(VOTES, "newest"),
            "no comparison is about 'newest'; candidates are 'new', 'old'",
        ),
        (lambda: assert_preference_above(VOTES, "new", statistic="elo"), "statistic='elo': expected"),  # type: ignore[arg-type]
        (lambda: assert_preference_above(VOTES, "new", prior=1), "prior=1 with 'win_rate'"),
        (
            lambda: assert_preference_above(VOTES, "new", against="old", statistic="bradley_terry"),
            "against='old' with 'bradley_terry'",
        ),
        (lambda: assert_agreement_above(RATINGS[:6], 0.5), "agreement takes at least two raters; there is 'r0'"),
        (lambda: assert_agreement_above(RATINGS, 0.5, measure_by="cohen_kappa"), "Cohen's kappa takes two raters"),
        (lambda: assert_agreement_above(RATINGS, 0.5, measure_by="pearson"), "measure_by='pearson': expected"),  # type: ignore[arg-type]
        (lambda: assert_agreement_above(RATINGS, 0.5, weights="linear"), "weights='linear' belong to 'cohen_kappa'"),
    ],
)
def test_what_gives_no_number_is_refused(call: Any, message: str) -> None:
    with pytest.raises(MisuseError, match=message):
        call()
