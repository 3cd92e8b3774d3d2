"""Classifiers under attack: the smallest typos that change their minds, searched for text by text.

One is MiniLM with a head that tells parts of a syllabus apart, trained here on two thirds of the questions; the other is SmolLM2,
which is asked for the sentiment of reviews.
"""

from collections.abc import Mapping, Sequence

import pytest
from sklearn.linear_model import LogisticRegression

from pytest_llm import (
    Classify,
    Encoder,
    LanguageModel,
    assert_minimum_functionality,
    assert_robust,
    embedded,
    load_examples,
)
from pytest_llm.adversarial import Budget, InvariantLabel

QUESTIONS = load_examples(embedded("data/topics.jsonl"))
LEARNED = [question for place, question in enumerate(QUESTIONS) if place % 3]
ASKED = [question for place, question in enumerate(QUESTIONS) if place % 3 == 0][::5]
SENTIMENT = Classify(["positive", "negative"], "Review: {text}\nSentiment:")
REVIEWS = {
    "The movie was wonderful and I enjoyed every minute of it.": "positive",
    "A boring, lifeless film with terrible acting.": "negative",
    "I loved this book from the first page to the last.": "positive",
    "The food was cold and the waiter was rude.": "negative",
    "What a delightful evening, the music was beautiful.": "positive",
    "The phone broke after two days and nobody helped me.": "negative",
    "An excellent hotel with friendly staff and clean rooms.": "positive",
    "This is the worst purchase I have ever made.": "negative",
    "The service was quick and everyone was very kind.": "positive",
    "I hated the ending and fell asleep twice.": "negative",
    "A charming story with brilliant performances.": "positive",
    "The room was dirty and the bed was uncomfortable.": "negative",
}
TYPOS = ("typo.swap", "typo.drop", "typo.double", "typo.key")


class Topics:
    """Any object with a method `classify` will do."""

    name = "MiniLM with a head for topics"

    def __init__(self, encoder: Encoder) -> None:
        self.encoder = encoder
        vectors = encoder.embed([question.text for question in LEARNED])
        self.head = LogisticRegression(max_iter=1000).fit(vectors, [question.target for question in LEARNED])

    def classify(self, texts: Sequence[str]) -> list[Mapping[str, float]]:
        probabilities = self.head.predict_proba(self.encoder.embed(texts))
        return [dict(zip(self.head.classes_.tolist(), row, strict=True)) for row in probabilities.tolist()]


@pytest.fixture(scope="module")
def topics(minilm: Encoder) -> Topics:
    return Topics(minilm)


@pytest.mark.minilm
def test_it_knows_the_plainest_questions(topics: Topics) -> None:
    cases = [
        {"text": "What must you do to be safe?", "target": "safety"},
        {"text": "How is an antenna fed?", "target": "antennas and feed lines"},
    ]
    assert_minimum_functionality(topics, cases)


@pytest.mark.minilm
def test_no_typo_changes_its_mind(topics: Topics) -> None:
    """Too much to ask, on purpose: the message shows the typos."""
    assert_robust(topics, ASKED, attack=TYPOS, budget=Budget(max_edits=1), queries=30, max_success_rate=0.05)


@pytest.mark.smollm2
def test_no_typo_changes_what_smollm2_thinks_of_a_review(smollm2: LanguageModel) -> None:
    """Too much to ask, on purpose."""
    reviews = [{"text": text, "target": label} for text, label in REVIEWS.items()]
    kept = InvariantLabel(SENTIMENT)
    assert_robust(smollm2, reviews, attack=TYPOS, relation=kept, budget=Budget(max_edits=1), queries=30, strict=True)
