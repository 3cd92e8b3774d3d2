"""A classifier under attack: the smallest typos that change its mind, searched for text by text.

The classifier is MiniLM with a head that tells parts of a syllabus apart, trained here on two thirds of the questions.
"""

from collections.abc import Mapping, Sequence

import pytest
from sklearn.linear_model import LogisticRegression

from pytest_llm import Encoder, assert_minimum_functionality, assert_robust, embedded, load_examples
from pytest_llm.adversarial import Budget

pytestmark = pytest.mark.minilm

QUESTIONS = load_examples(embedded("data/topics.jsonl"))
LEARNED = [question for place, question in enumerate(QUESTIONS) if place % 3]
ASKED = [question for place, question in enumerate(QUESTIONS) if place % 3 == 0][::5]
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


def test_it_knows_the_plainest_questions(topics: Topics) -> None:
    cases = [
        {"text": "What must you do to be safe?", "target": "safety"},
        {"text": "How is an antenna fed?", "target": "antennas and feed lines"},
    ]
    assert_minimum_functionality(topics, cases)


def test_no_typo_changes_its_mind(topics: Topics) -> None:
    """Too much to ask, on purpose: the message shows the typos."""
    assert_robust(topics, ASKED, attack=TYPOS, budget=Budget(max_edits=1), queries=30, max_success_rate=0.05)
