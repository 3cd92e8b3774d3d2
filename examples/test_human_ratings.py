"""People judged: is one candidate liked better, and do they agree enough for that to mean something?

    pytest examples/test_human_ratings.py

The ratings are of carrots and the preferences of schools, because these are real and free: put answers of two models in their
place. `pytest-llm rate` serves a page on which people give them (see outputs_to_rate.py).
"""

import json
from typing import Any

import pytest

from pytest_llm import assert_agreement_above, assert_preference_above, assert_rating_above, embedded

RATINGS = embedded("data/ratings.jsonl")  # 40 people, 12 kinds of carrots, scores from 1 to 7


@pytest.fixture
def votes() -> list[dict[str, Any]]:
    """495 preferences of 33 students between six schools."""
    lines = embedded("data/preferences.jsonl").read_text(encoding="utf-8").splitlines()
    return [
        {
            "rater": row["rater"],
            "item": "a term abroad",
            "first": row["winner"],
            "second": row["loser"],
            "preferred": "tie" if row["tie"] else row["winner"],
        }
        for row in map(json.loads, lines)
    ]


def test_people_like_what_they_taste() -> None:
    """4.77 of 7, and by other people like these 4.62 at least."""
    assert_rating_above(RATINGS, 4.5, lowest=1, highest=7, confidence=0.95)


def test_london_is_preferred_to_paris(votes: list[dict[str, Any]]) -> None:
    assert_preference_above(votes, "London", against="Paris", confidence=0.95)


def test_london_is_the_strongest_of_all(votes: list[dict[str, Any]]) -> None:
    assert_preference_above(votes, "London", 1.0, statistic="bradley_terry")


def test_people_agree_about_carrots() -> None:
    """They do not, beyond what chance gives: a mean of such scores says what people like, not what is good. Fails on purpose."""
    assert_agreement_above(RATINGS, 0.667)
