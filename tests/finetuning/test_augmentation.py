"""Augmentation: what is kept and what is drawn, the same for the same seed; copies stay on their original's side of a split."""

from __future__ import annotations

import random
from typing import Any

import pytest
from hypothesis import given
from hypothesis import strategies as st

from pytest_llm import embedded, load_examples, measure
from pytest_llm.adversarial import perturbation
from pytest_llm.adversarial.perturbations.character import TYPOS
from pytest_llm.data.example import Example
from pytest_llm.errors import MisuseError
from pytest_llm.finetuning.augmentation import augmented
from pytest_llm.finetuning.heads import classifier_of
from pytest_llm.finetuning.tuning import finetune
from pytest_llm.models.core_factory import fresh_model
from pytest_llm.pretraining.trainer import Recipe
from tests.finetuning.corpora import split

TOPICS = load_examples(embedded("data/topics.jsonl"))[:40]


def typo(text: str, drawn: random.Random) -> str:
    """Two neighbouring letters in the other order."""
    place = drawn.randrange(len(text) - 1)
    return text[:place] + text[place + 1] + text[place] + text[place + 2 :]


def doubled(text: str, drawn: random.Random) -> str:
    """One letter twice."""
    place = drawn.randrange(len(text))
    return text[:place] + text[place] + text[place:]


@pytest.mark.parametrize("perturb", [typo, perturbation(TYPOS)])
def test_copies_have_another_text_and_all_else_of_their_original(perturb: Any) -> None:
    found = augmented(TOPICS, [perturb], copies=2)
    assert len(found) == 120
    for place, example in enumerate(TOPICS):
        original, *copies = found[3 * place : 3 * place + 3]
        assert (original.id, original.text, original.target) == (example.id, example.text, example.target)
        assert [copy.id for copy in copies] == [f"{example.id}~1", f"{example.id}~2"]
        assert len({example.text, *(copy.text for copy in copies)}) == 3
        assert {copy.target for copy in copies} == {example.target}
        assert all(copy.row == {**example.row, "text": copy.text} for copy in copies)


def test_copies_are_in_the_cluster_of_their_original() -> None:
    """So that a split by units never has a text on one side and its copy on the other."""
    rows = [Example("a", "one two", "a"), Example("b", "three four", "b", cluster="book")]
    assert [example.cluster for example in augmented(rows, [typo], copies=2)] == ["a"] * 3 + ["book"] * 3
    found = augmented(TOPICS, [typo], copies=3)
    units = sorted({example.unit for example in found})
    outside = set(random.Random(0).sample(units, len(units) // 3))
    assert outside
    sides = [
        {example.id.partition("~")[0] for example in found if (example.unit in outside) is side}
        for side in (True, False)
    ]
    assert not sides[0] & sides[1]


@given(st.integers(0, 2**32), st.permutations(range(8)), st.integers(1, 3))
def test_what_becomes_of_an_example_depends_on_it_and_the_seed_alone(seed: int, order: list[int], copies: int) -> None:
    rows = [TOPICS[place] for place in order]
    found = {example.id: example for example in augmented(rows, [typo, doubled], copies=copies, seed=seed)}
    again = {example.id: example for example in augmented(TOPICS[:8], [typo, doubled], copies=copies, seed=seed)}
    assert found == again


def test_another_seed_draws_other_copies() -> None:
    assert augmented(TOPICS, [typo]) == augmented(TOPICS, [typo])
    assert augmented(TOPICS, [typo]) != augmented(TOPICS, [typo], seed=1)


def test_a_share_of_the_examples_is_augmented() -> None:
    rows = [f"text number {number}" for number in range(2000)]
    found = augmented(rows, [typo], share=0.25)
    assert len(found) == pytest.approx(2500, abs=80)  # four standard deviations
    assert len(augmented(rows, [typo], share=0.0)) == 2000
    more = {example.id for example in augmented(rows, [typo], share=0.5)}
    assert {example.id for example in found} < more


def test_every_perturbation_is_drawn() -> None:
    found = augmented(TOPICS, [lambda text, drawn: f"{text}!", lambda text, drawn: f"{text}?"], copies=1)
    ends = {example.text[-1] for example in found if "~" in example.id}
    assert ends == {"!", "?"}


def test_a_copy_that_would_be_the_original_or_another_copy_is_left_out() -> None:
    assert len(augmented(["one"], [lambda text, drawn: text], copies=3)) == 1
    assert len(augmented(["one"], [lambda text, drawn: "two"], copies=3)) == 2
    assert len(augmented(["one"], [lambda text, drawn: " "], copies=3)) == 1


def test_a_model_learns_from_them_and_they_count_as_one_unit_with_their_original() -> None:
    training, held_out = split("languages", ["de", "en"], words=6)
    base = classifier_of(fresh_model("encoder"), ["de", "en"])
    tuned = finetune(base, augmented(training, [typo], copies=2), Recipe(steps=30, learning_rate=3e-3), rows=8)
    assert tuned.losses[-1] < 0.8 * tuned.losses[0]
    measured = measure(tuned.model, augmented(held_out, [typo]), "accuracy")
    assert measured.n == 2 * len(held_out)
    assert len(set(measured.units)) == len({row["cluster"] for row in held_out})


@pytest.mark.parametrize(
    ("settings", "complaint"),
    [
        ({"perturbations": []}, "no perturbations"),
        ({"copies": 0}, "copies=0"),
        ({"share": 1.5}, r"share=1\.5"),
        ({"perturbations": [lambda text, drawn: None]}, "gave a NoneType for example #0"),
        ({"data": [{"id": "a", "text": "one"}, {"id": "a~1", "text": "two"}]}, "ids of examples already"),
    ],
)
def test_what_makes_no_sense_is_refused(settings: Any, complaint: str) -> None:
    with pytest.raises(MisuseError, match=complaint):
        augmented(**{"data": ["some text"], "perturbations": [typo], **settings})
