"""A classifier learns from copies of its texts that were edited as an attacker would: fewer texts break, and no accuracy is lost.

    pytest examples/test_augmentation.py

A small encoder learns from 50 openings of sentences, of half of the pages of a manual, which language they are in, once as they are and
once with eight copies of each, in the same number of steps. Both are asked about the other pages and attacked there: letters that
nobody sees are put into up to two words.
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


def is_held_out(row: dict[str, Any]) -> bool:
    """Half of the pages, whole: sentences of one page say the same in each language."""
    return hashlib.sha256(row["cluster"].encode()).digest()[0] % 2 == 0


ROWS = [
    {"id": row.id, "text": " ".join(row.text.split()[:6]), "target": row.target, "cluster": row.cluster}
    for row in load_examples(embedded("data/languages.jsonl"))
    if row.target in LANGUAGES
]
TRAINING = [row for row in ROWS if not is_held_out(row)]
HELD_OUT = [row for row in ROWS if is_held_out(row)]


def learned(rows: Any) -> Any:
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
