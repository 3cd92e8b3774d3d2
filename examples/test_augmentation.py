"""A classifier learns from copies of its texts that were edited as an attacker would: fewer texts break, and no accuracy is lost.

    pytest examples/test_augmentation.py

A small encoder learns which language 51 openings of sentences are in, of half of the pages of a manual: once from them as they are,
once with eight copies of each, in the same number of steps. Both are asked about 49 openings of the other pages and attacked there:
letters that nobody sees are put into up to two words.
"""

import hashlib
from typing import Any

import pytest

from pytest_llm import assert_accuracy_above, assert_no_robustness_regression, embedded, load_examples
from pytest_llm.adversarial import Budget, operations, perturbation
from pytest_llm.finetuning.augmentation import augmented
from pytest_llm.finetuning.heads import classifier_of
from pytest_llm.finetuning.tuning import finetune
from pytest_llm.models.core_factory import fresh_model
from pytest_llm.pretraining.trainer import Recipe

LANGUAGES = ("de", "en", "es", "fr")
ZERO_WIDTH = operations("unicode.zerowidth")
TWO = Budget(max_edits=2)
ATTACK: Any = {"attack": ZERO_WIDTH, "budget": TWO, "queries": 40}
ROWS = [
    {"id": row.id, "text": " ".join(row.text.split()[:6]), "target": row.target, "cluster": row.cluster}
    for row in load_examples(embedded("data/languages.jsonl"))
    if row.target in LANGUAGES
]
PAGES = sorted({str(row["cluster"]) for row in ROWS}, key=lambda page: hashlib.sha256(page.encode()).digest())
TRAINING = [row for row in ROWS if row["cluster"] in PAGES[1::2]]  # whole pages: one says the same in each language
HELD_OUT = [row for row in ROWS if row["cluster"] in PAGES[::2]]


def learned(rows: Any) -> Any:
    """The same fresh encoder, tuned in as many steps on batches of one size, whatever the rows are."""
    base = classifier_of(fresh_model("encoder", layers=1), LANGUAGES)
    return finetune(base, rows, Recipe(steps=150, learning_rate=2e-3, warm_up=5)).model


@pytest.fixture(scope="module")
def plain() -> Any:
    return learned(TRAINING)


@pytest.fixture(scope="module")
def sturdier() -> Any:
    return learned(augmented(TRAINING, [perturbation(ZERO_WIDTH, TWO)], copies=8))


def test_both_tell_languages_apart(plain: Any, sturdier: Any) -> None:
    assert_accuracy_above(plain, HELD_OUT, 0.5)
    assert_accuracy_above(sturdier, HELD_OUT, 0.5)


def test_what_learned_from_copies_breaks_less(plain: Any, sturdier: Any) -> None:
    assert_no_robustness_regression(sturdier, plain, HELD_OUT, **ATTACK)


def test_without_copies_it_breaks_more(plain: Any, sturdier: Any) -> None:
    """Fails on purpose: had the sturdier one been there before, this gate would keep the plain one out."""
    assert_no_robustness_regression(plain, sturdier, HELD_OUT, **ATTACK)
